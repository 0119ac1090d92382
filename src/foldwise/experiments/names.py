"""The names of runs, and where what a run with a name writes is: `output/SLUG/experiments/NAME/`."""

import os
import re
from dataclasses import replace
from pathlib import Path

from foldwise.errors import InputError, did_you_mean, list_names, shorten
from foldwise.paths import EXPERIMENTS, Paths, check_folder, check_places

UNNAMED = "unnamed"  # what the run in output/SLUG itself is called
SHARED = "tokens"  # the folder beside those of the experiments
NAME = re.compile(r"\w[\w-]*")
LONGEST = 100  # bytes of a name, since names of several make that of a blend


def name_paths(paths: Paths, name: str) -> Paths:
    """The places of a run with this name.

    Raises:
        InputError: it is no name, or what is there cannot be written.
    """
    check_name(name)
    if name in (UNNAMED, SHARED):
        meant = "leave --name out for it" if name == UNNAMED else "the experiments' tokens are there"
        raise InputError(f"--name {name}: not free; {meant}")
    output = folder_of(paths, name)
    check_folder(output, "--name EXP")
    folds = output / paths.folds.name if paths.folds.parent == paths.output else paths.folds
    named = replace(paths, output=output, folds=folds, experiment=name)
    check_places(named)
    return named


def check_name(name: str) -> None:
    """Refuse what is no name of an experiment."""
    if not NAME.fullmatch(name) or len(os.fsencode(name)) > LONGEST:
        raise InputError(
            f"--name {shorten(name)}: a name, such as deep-3, has letters, digits, - and _, begins with no -, and is "
            f"at most {LONGEST} bytes long"
        )


def folder_of(paths: Paths, name: str) -> Path:
    """The folder of a run; `UNNAMED` is the one without a name."""
    return paths.home if name == UNNAMED else paths.home / EXPERIMENTS / name


def names_there(paths: Paths) -> list[str]:
    """The runs that have a folder, in order of their names; first the one without, if it began."""
    folder = paths.home / EXPERIMENTS
    found = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    named = [name for name in found if NAME.fullmatch(name) and name != SHARED]
    # What makes a folder of results is what its first stage writes; experiments alone are none.
    begun = paths.summary.exists() or any(paths.home.glob("*/fold*")) or paths.folds_record.exists()
    return [UNNAMED] * begun + named


def find_run(paths: Paths, name: str) -> Paths:
    """The places of a run that is there; InputError, with the nearest name, for one that is not."""
    known = names_there(paths)
    if name not in known:
        there = f"there are {list_names(known, quoted=False)}" if known else "there is none yet"
        raise InputError(f"{shorten(name)}: no such experiment of {paths.slug}; {did_you_mean(name, known, there)}")
    return replace(paths, output=folder_of(paths, name), experiment="" if name == UNNAMED else name)
