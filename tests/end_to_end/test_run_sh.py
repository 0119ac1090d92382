"""`run.sh` itself: which Python it takes, what it installs, and how it fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import REPOSITORY

BASE_PYTHON = Path(sys.base_prefix) / "bin" / "python3"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a fresh clone has that set-up needs, in a folder with a space in its name."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    for name in ("run.sh", "pyproject.toml", "requirements.txt", "requirements-test.txt", "requirements.lock.txt"):
        shutil.copy(REPOSITORY / name, folder / name)
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def tools(folder: Path, python: Path | None) -> Path:
    """A PATH with the ordinary commands and one Python, or none."""
    folder.mkdir()
    for directory in ("/usr/local/bin", "/usr/bin", "/bin"):
        for path in Path(directory).glob("*"):
            if not path.name.startswith("python") and not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)
    if python:
        script = folder / "python3"
        script.write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
        script.chmod(0o755)
    return folder


def run(clone: Path, path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(path), "HOME": str(clone.parent), "TMPDIR": str(clone.parent), **variables}
    return subprocess.run(
        [str(clone / "run.sh"), *arguments], env=environment, capture_output=True, text=True, check=False, cwd="/"
    )


def test_an_interpreter_with_everything_is_used_and_nothing_installed(clone, tmp_path):
    done = run(clone, tools(tmp_path / "bin", Path(sys.executable)), "--help")
    assert done.returncode == 0, done.stderr
    assert "submission.csv" in done.stdout
    assert not (clone / ".venv").exists()


def test_no_python_is_one_clear_line(clone, tmp_path):
    done = run(clone, tools(tmp_path / "bin", None))
    assert done.returncode == 1
    assert done.stderr == (
        "error: no Python of version 3.11 or later on the PATH; install one (python.org, apt, brew, conda) and run again\n"
    )


@pytest.mark.skipif(not BASE_PYTHON.exists(), reason="no interpreter without packages here")
def test_no_network_is_one_clear_line_and_leaves_nothing_half_done(clone, tmp_path):
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"}
    path = tools(tmp_path / "bin", BASE_PYTHON)
    for _ in range(2):  # the second try starts from what the first left
        done = run(clone, path, **nowhere)
        assert done.returncode == 1
        error = [line for line in done.stderr.splitlines() if line.startswith("error")]
        assert len(error) == 1
        assert "the package index cannot be reached" in error[0]
        assert not (clone / ".venv" / ".requirements.stamp").exists()


def test_a_venv_that_lost_its_python_is_not_trusted(clone, tmp_path):
    (clone / ".venv").mkdir()
    shutil.copy(clone / "requirements.txt", clone / ".venv" / ".requirements.stamp")
    assert run(clone, tools(tmp_path / "bin", Path(sys.executable)), "--help").returncode == 0


def test_requirements_within_ranges():
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "src" / "foldwise" / "requirements.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "everything is there\n")


def test_unmet_requirements_are_named(tmp_path):
    from foldwise.requirements import unmet

    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text('[project]\ndependencies = ["numpy>=99", "no-such-package", "pandas>=1"]\n')
    found = unmet(pyproject)
    assert len(found) == 2
    assert found[0].startswith("numpy>=99 but ")
    assert found[1] == "no-such-package is not installed"
