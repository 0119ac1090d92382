"""A package that pip has installed: it works in the current folder, and has all that it needs in itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import COMPETITIONS, REPOSITORY

SCRIPT = """
import foldwise as fw

contest = fw.Competition.open("input/twin-binary")
run = contest.run(fw.Recipe(epochs=1, evaluations_per_epoch=1, ensemble={"members": ["bilstm"]}))
print(run.folder)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Where pip has put it."""
    source, target = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("site")
    for name in ("pyproject.toml", "setup.py", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    shutil.copytree(REPOSITORY / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copytree(REPOSITORY / "input" / "embeddings", source / "input" / "embeddings", copy_function=os.link)
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--no-compile", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *offline, "--target", str(target), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return target


@pytest.fixture
def run_there(site, tmp_path):
    """Run Python in another folder, where there is no checkout."""
    shutil.copytree(COMPETITIONS / "twin-binary", tmp_path / "input" / "twin-binary")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_everything_is_in_the_current_folder(site, run_there, tmp_path):
    config = tmp_path / "input" / "twin-binary" / "competition.toml"
    lines = config.read_text(encoding="utf-8").splitlines()
    config.write_text("\n".join(line for line in lines if not line.startswith("tokens.")))  # the usual word vectors
    (tmp_path / "plain.py").write_text(SCRIPT)
    before = {path.name for path in site.rglob("*")}
    done = run_there("plain.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "output" / "twin-binary")
    assert (tmp_path / "output" / "twin-binary" / "submission.csv").is_file()
    assert (tmp_path / "folds" / "twin-binary.csv").is_file()
    assert "word vectors cover" not in done.stderr
    assert {path.name for path in site.rglob("*") if path.suffix != ".pyc" and path.name != "__pycache__"} <= before


def test_the_command_has_its_name_and_the_embedded_contest_is_not_there(site, run_there, tmp_path):
    command = str(site / "bin" / "foldwise")
    done = run_there(command)
    place = tmp_path / "input" / "movie-reviews"
    fix = "movie-reviews is embedded in foldwise's repository and in no installed package; clone that, or name another"
    assert done.stderr == f"error: {place}: no such folder; {fix} (there now: twin-binary)\n"
    assert done.returncode == 2
    (tmp_path / "input" / "twin-binary" / "competition.toml").unlink()
    missing = run_there("-m", "foldwise", "all", "-c", "twin-binary")
    assert "not found; `foldwise init twin-binary` writes it from the CSVs beside it" in missing.stderr
    listed = run_there(command, "competitions").stdout
    assert "spooky-author-identification" in listed
    assert "then foldwise all -c SLUG" in listed
