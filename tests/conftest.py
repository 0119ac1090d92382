"""What tests share: the 20-row competitions and the real command line."""

import csv
import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is slow; that says nothing about the code.
settings.register_profile("foldwise", deadline=None)
settings.load_profile("foldwise")

REPOSITORY = Path(__file__).resolve().parents[1]
COMPETITIONS = REPOSITORY / "tests" / "data" / "competitions"
CONTESTS = REPOSITORY / "tests" / "data" / "contests"  # twins of the contests known by name

Cli = Callable[..., subprocess.CompletedProcess[str]]


def command(root: Path, *arguments: str) -> list[str]:
    """`./run.sh …` with every folder below `root`, in this interpreter."""
    folders = [part for name in ("input", "folds", "output") for part in (f"--{name}", str(root / name))]
    where = folders[:2] if arguments[0] in ("init", "competitions") else folders
    return [sys.executable, "-m", "foldwise", *arguments, *where]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "COLUMNS": "120"}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A copy of the 20-row competitions, with nothing made yet."""
    shutil.copytree(COMPETITIONS, tmp_path / "input")
    return tmp_path


@pytest.fixture
def cli(workspace: Path) -> Cli:
    """Run the real command line in the workspace; `code` is the exit code that is expected."""

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command(workspace, *arguments), env=environment(), capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    return run


def contest_rows(slug: str, stem: str, quotes: str = "csv") -> list[list[str]]:
    """Header and rows of a twin's table, read without foldwise."""
    path = next(path for path in (CONTESTS / slug).iterdir() if path.name.split(".")[0] == stem)
    name, content = path.name, path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            (name,) = archive.namelist()
            content = archive.read(name)
    delimiter = "\t" if name.endswith(".tsv") else ","
    file = io.StringIO(content.decode(), newline="")
    if quotes == "csv":
        return list(csv.reader(file, delimiter=delimiter, strict=True))
    rows = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return [[value[1:-1].replace('\\"', '"') if value[0] == '"' else value for value in row] for row in rows]
