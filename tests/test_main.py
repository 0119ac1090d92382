"""`python -m foldwise` itself: what stands in the current folder changes nothing."""

import subprocess
import sys

import pytest

from conftest import REPOSITORY, command, environment

SHADOWS = ("random", "token", "typer", "enum", "signal", "multiprocessing", "numpy", "torch", "mine")
WORKERS = """
from foldwise.running.local import run_in_processes
from work import tell

run_in_processes([0], tell, 1, lambda *event: print(event[2]))
"""
WORK = """
import sys

def tell(job, report):
    import random, mine
    report((sys.path, random.__file__, mine.__file__))
"""


@pytest.fixture
def shadows(tmp_path):
    """A folder whose modules have names of Python's, of packages and of a user's module."""
    folder = tmp_path / "here"
    folder.mkdir()
    for name in SHADOWS:
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name} of the current folder')\n")
    return folder


@pytest.mark.parametrize("safe", [["-P"], []])
def test_the_current_folder_shadows_nothing(workspace, shadows, safe):
    (workspace / "src").mkdir()
    (workspace / "src" / "mine.py").write_text(
        "def loss(logits, targets):\n    return ((logits - targets) ** 2).mean()\n"
    )
    variables = environment()
    variables["PYTHONPATH"] += f":{workspace / 'src'}"
    line = command(workspace, "tokens", "-c", "twin-binary", "--set", "training.loss=mine:loss")
    done = subprocess.run(
        [line[0], *safe, *line[1:]], cwd=shadows, env=variables, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_nor_does_it_by_run_sh_with_an_empty_part_in_the_path(shadows):
    """As after `export PYTHONPATH=$PYTHONPATH:/somewhere` without one before."""
    variables = environment() | {"PYTHONPATH": ":/nowhere::/elsewhere:"}
    variables["PATH"] = f"{sys.executable.rpartition('/')[0]}:{variables['PATH']}"
    done = subprocess.run(
        [str(REPOSITORY / "run.sh"), "competitions"],
        cwd=shadows,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_nor_in_workers(tmp_path, shadows):
    script, own = tmp_path / "script.py", tmp_path / "own"
    script.write_text(WORKERS)
    own.mkdir()
    (own / "mine.py").write_text("")
    (own / "work.py").write_text(WORK)
    variables = environment() | {"PYTHONSAFEPATH": "1"}
    variables["PYTHONPATH"] += f":{own}"
    done = subprocess.run(
        [sys.executable, str(script)], cwd=shadows, env=variables, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert str(own / "mine.py") in done.stdout
    assert str(shadows) not in done.stdout
