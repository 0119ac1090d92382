"""Losses, optimizers and models of the user's own, named in the recipe as `module:attribute`.

Modules of one's own lie in src/, as src/mine.py for "mine:MyLoss"; anything that Python can import works.
"""

import importlib
import importlib.util
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.errors import InputError, did_you_mean
from foldwise.hashing import digest_of, hash_of
from foldwise.inputs import check_input, input_hash

# Foldwise's own code that trains; of these folders the last three are extensions, which may be missing.
CODE = ("training", "models", "data", "learners", "metrics", "encoders", "images", "distributed")


@cache
def code_hash() -> str:
    """Of that code: with another a training would not go on as it began, nor come to the same."""
    package = Path(__file__).parent
    return hash_of(np.__version__, *(path for part in CODE for path in sorted((package / part).glob("*.py"))))


def is_own(name: str) -> bool:
    """True of `module:attribute`, false of a name that foldwise or torch knows."""
    return ":" in name


def load(spec: str, key: str) -> Any:
    """What `spec` names, which stands in the recipe's field `key`; InputError where it cannot be imported."""
    name, _, attribute = spec.partition(":")
    where = f"{key} = {spec!r}"
    if not all(part.isidentifier() for part in [*name.split("."), attribute]):
        raise InputError(f'{where}: write it as module:attribute, for example "mine:MyLoss" of src/mine.py')
    files, writes = [] if name in sys.modules else find_source(name), sys.dont_write_bytecode
    try:
        input_hash(*files)  # what is imported is what is recorded: known before, and looked at again after
        sys.dont_write_bytecode = True  # from such a file Python would not see a change of the same size and second
        module = importlib.import_module(name)
    except Exception as error:  # whatever stands in a user's module
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise InputError(f"{where}: {missing(name)}") from error
        fix = "fix it, or install what it imports"
        raise InputError(f"{where}: its module fails to import: {describe_error(error)}; {fix}") from error
    finally:
        sys.dont_write_bytecode = writes
    for path in files:
        check_input(path, digest_of)
    if not hasattr(module, attribute):
        names = [name for name in vars(module) if not name.startswith("_")]
        fix = did_you_mean(attribute, names, f"it has {', '.join(names) or 'nothing'}", n=3, cutoff=0.5)
        file = getattr(module, "__file__", None) or name
        raise InputError(f"{where}: {file} has no {attribute!r}; {fix}")
    return getattr(module, attribute)


def missing(name: str) -> str:
    """What to do about a module that is not there."""
    return f"no module {name!r}; put it into src/, as src/{name.replace('.', '/')}.py, or install it"


@contextmanager
def as_input_error(before: str, after: str = "") -> Iterator[None]:
    """What fails in the block, such as a class of the user's own, becomes an `InputError`: `before`, what, `after`."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise InputError(f"{before}{describe_error(error)}{after}") from error


def describe_error(error: BaseException) -> str:
    """The error in one line, with the last file and line of the user's own that led to it."""
    message = f"{type(error).__name__}: {str(error).strip() or 'without a message'}".replace("\n", " ")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    return message + (f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else "")


def is_users(filename: str) -> bool:
    """False of a file of Python, of an installed package and of foldwise."""
    path = Path(filename)
    places = (Path(__file__).parent, Path(sysconfig.get_path("stdlib")))
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return not filename.startswith("<") and not installed and not any(map(path.is_relative_to, places))


def source_hash(spec: str) -> str:
    """Hash of the code that `spec` lies in: when it changes, what was trained with it is out of date.

    Of a module without a file (built in) the name. InputError where there is no such module.
    """
    name = spec.partition(":")[0]
    top = name.partition(".")[0]
    if not top.isidentifier() or importlib.util.find_spec(top) is None:
        raise InputError(f"{spec!r}: {missing(top)}")
    files = find_source(name)
    return input_hash(*files) if files else input_hash(top)


def find_source(name: str) -> list[Path]:
    """Of a module the file; of a package of one's own every file in it, but no other module that these import."""
    found = importlib.util.find_spec(name.partition(".")[0])
    path = Path(found.origin or "") if found else Path()
    if found is None or not path.is_file():
        return []
    if found.submodule_search_locations and is_users(str(path)):
        return sorted(path.parent.rglob("*.py"))
    return [path]
