"""Whether the code that a recipe names is there in a kernel: packed with it, or in Kaggle's image."""

import ast
import sys
from pathlib import Path

from foldwise.console import warn
from foldwise.errors import InputError
from foldwise.learners import learner_for
from foldwise.paths import REPOSITORY
from foldwise.plugins import is_own
from foldwise.run import Run

# Of Kaggle's image, beside the standard library.
IMAGE = {
    *("torch", "numpy", "scipy", "sklearn", "pandas", "tokenizers", "safetensors", "pydantic", "typer", "rich", "tqdm"),
    *("matplotlib", "pyarrow", "torchvision", "transformers"),
    *sys.stdlib_module_names,
    "foldwise",
}


def check_modules(run: Run, mode: str) -> None:
    """Check that a kernel has the code that the recipes of the ensemble's members name; with "infer", of models alone.

    Raises:
        InputError: naming the field, and the fix.
    """
    for member in run.config.recipe.ensemble_members:
        for field, name in learner_for(run.config.recipe.of_member(member)).own_parts().items():
            if mode == "infer" and not field.startswith("model"):
                continue
            if is_own(name):
                check_module(f"recipe.{field}", name)
            elif field == "training.optimizer" and name != "AdamW":  # the default needs no torch to be checked
                check_optimizer(name)


def check_optimizer(name: str) -> None:
    """Refuse a class of an extra package."""
    from foldwise.training.optimizers import EXTRA, find_optimizer

    if not find_optimizer(name).__module__.startswith("torch."):
        raise InputError(
            f"recipe.training.optimizer = {name!r}: it is of {EXTRA}, which Kaggle's image does not have; take one of "
            f'torch.optim, or copy the class into a module of src/ and name it "module:{name}"'
        )


def check_module(key: str, spec: str) -> None:
    """A module lies in src/, from where it is packed, or in the image; what it imports too, as far as that is seen."""
    top = spec.partition(":")[0].partition(".")[0]
    files = packed_files(top)
    if not files and top not in IMAGE:
        raise InputError(
            f"{key} = {spec!r}: the module {top} is neither in {REPOSITORY / 'src'} nor in Kaggle's image; "
            "copy it into src/, from where it is packed"
        )
    imported = set().union(*map(imports_of, files))
    if lacking := sorted(name for name in imported - IMAGE if not packed_files(name)):
        warn(f"{key} = {spec!r}: it imports {', '.join(lacking)}, which Kaggle's image may not have")


def packed_files(top: str) -> list[Path]:
    """The files of a module or package of src/; none of any other."""
    return [*(REPOSITORY / "src").glob(f"{top}.py"), *(REPOSITORY / "src" / top).rglob("*.py")]


def imports_of(path: Path) -> set[str]:
    """The packages that a file imports anywhere in it; its own ones aside."""
    try:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    except SyntaxError:
        return set()  # loading it says so better
    names = [name.name for node in nodes if isinstance(node, ast.Import) for name in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return {name.partition(".")[0] for name in names}
