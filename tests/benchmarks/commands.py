"""The real command line, in this interpreter and with every folder below one of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from foldwise.paths import REPOSITORY


def command(
    folder: Path, slug: str, arguments: Sequence[str], settings: Sequence[str] = (), **others: Path
) -> list[str]:
    """`./run.sh …` on the competition below `folder`, where all that it makes goes too.

    Args:
        others: folders that are not below it, as input=…
    """
    folders = {name: folder / name for name in ("input", "folds", "output")} | others
    places = [part for name, path in folders.items() for part in (f"--{name}", str(path))]
    chosen = [part for setting in settings for part in ("--set", setting)]
    return [sys.executable, "-m", "foldwise", *arguments, "-c", slug, *places, *chosen]


def environment() -> dict[str, str]:
    """As `run.sh` sets it."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}


def start(line: Sequence[str], output: int) -> subprocess.Popen[str]:
    """A process that runs a command line; all that it says goes to the file `output`, or into a pipe."""
    return subprocess.Popen(line, env=environment(), stdout=output, stderr=subprocess.STDOUT, text=True)
