"""Each extension is a folder that a fork may delete: the core goes on working, and what is gone says so in a line."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from conftest import COMPETITIONS, REPOSITORY, command
from foldwise import EXPORTS
from foldwise.cli import EXTENSIONS as PLUGGED_IN
from foldwise.extensions import TEACHING
from foldwise.learners import LEARNERS
from reliability.in_process import run_main
from test_architecture import CORE, EXTENSIONS

SLUG = "twin-binary"


def test_every_extension_has_a_command_an_option_fields_a_learner_or_a_name_in_python():
    tables = (PLUGGED_IN, TEACHING, LEARNERS, EXPORTS)
    named = {module.split(":")[0].split(".")[1] for table in tables for module in table.values()}
    assert named - set(CORE) == set(EXTENSIONS)


@contextmanager
def package_of(source: Path) -> Iterator[None]:
    """Inside the block `foldwise` is the package below `source`, imported anew; torch is loaded only once."""

    def forget() -> dict[str, ModuleType]:
        return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "foldwise"}

    kept = forget()
    sys.path.insert(0, str(source))
    try:
        yield
    finally:
        sys.path.remove(str(source))
        forget()
        sys.modules.update(kept)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_the_core_works_without(extension, tmp_path):
    source = tmp_path / "checkout" / "src"
    shutil.copytree(REPOSITORY / "src", source, ignore=shutil.ignore_patterns("__pycache__", extension))
    shutil.copytree(COMPETITIONS / SLUG, tmp_path / "input" / SLUG)

    def run(*arguments: str) -> tuple[int, str]:
        """Exit code and standard error."""
        code, _, errors = run_main(command(tmp_path, *arguments)[3:])
        return code, errors

    with package_of(source):
        code, errors = run("all", "-c", SLUG)
        assert code == 0, errors
        assert sys.modules["foldwise"].__path__ == [str(source / "foldwise")]
        assert (tmp_path / "output" / SLUG / "submission.csv").is_file()

        for name, module in LEARNERS.items():
            if module.startswith(f"foldwise.{extension}."):
                gone = run("all", "-c", SLUG, "--set", f"model.name={name}")
                message = f"error: recipe.model.name = {name!r}: not part of this checkout, which has no src/foldwise/"
                assert gone == (2, f"{message}{extension}\n")

        for name, module in PLUGGED_IN.items():
            if module.startswith(f"foldwise.{extension}."):
                gone = run(*(["all", name, "2"] if name.startswith("--") else [name]), "-c", SLUG)
                message = f"error: {name}: not part of this checkout, which has no src/foldwise/{extension}\n"
                assert gone == (2, message)
        if extension == "experiments":
            for option in ("--name", "--tracker"):
                gone = run("all", "-c", SLUG, option, "x")
                message = f"error: {option}: not part of this checkout, which has no src/foldwise/experiments\n"
                assert gone == (2, message)
        if extension == "teaching":
            for field in ('distill="linear"', "pseudo_labels=0.5", "extra_epochs=1"):
                code, errors = run("all", "-c", SLUG, "--set", f"members.bilstm.training.{field}")
                message = "not part of this checkout, which has no src/foldwise/teaching\n"
                assert (code, errors.partition(": ")[2].partition(": ")[2]) == (2, message)
