"""Three runs with names on a competition of twenty rows, trained once, and a copy of them for each test."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import COMPETITIONS, command
from reliability.in_process import run_main

SLUG = "twin-binary"
# The third has the members of the first two.
RECIPES = {
    "net": ["training.epochs=1", 'ensemble.members=["bilstm"]'],
    "lin": ["linear.C=8", 'ensemble.members=["linear"]'],
    "both": ["training.epochs=1", "linear.C=8"],
}


def settings(name: str) -> list[str]:
    """The options of one of the runs."""
    return [part for setting in RECIPES[name] for part in ("--set", setting)]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the competition and the three runs."""
    root = tmp_path_factory.mktemp("experiments")
    shutil.copytree(COMPETITIONS / SLUG, root / "input" / SLUG)
    for name in RECIPES:
        code, _, errors = run_main(command(root, "all", "-c", SLUG, "--name", name, *settings(name))[3:])
        assert code == 0, errors
    return root


@pytest.fixture
def trained(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(made, tmp_path, symlinks=True, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def foldwise(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command on the copy; → what it says, on standard error where it ends with an error."""
    monkeypatch.setenv("COLUMNS", "150")

    def run(*arguments: str, code: int = 0) -> str:
        of = [] if "-c" in arguments else ["-c", SLUG]
        ended, shown, errors = run_main(command(trained, *arguments, *of)[3:])
        assert ended == code, f"exit {ended}\n{shown}\n{errors}"
        assert "fault of foldwise" not in errors
        return errors if code else shown + errors

    return run


@pytest.fixture
def output(trained: Path) -> Path:
    """What was made of the competition."""
    return trained / "output" / SLUG
