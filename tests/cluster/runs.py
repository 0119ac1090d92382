"""What tests of `--engine ray` share: runs of the real command line that take long enough to be disturbed."""

import subprocess
import time
from contextlib import suppress
from pathlib import Path

from conftest import command, environment

SLUG = "twin-binary"
SETTINGS = ['ensemble.members=["bilstm"]', "training.epochs=400", "training.patience=9999", "folds.n=3"]
SETTINGS += ["training.evaluations_per_epoch=1"]
LONG = [part for setting in SETTINGS for part in ("--set", setting)]
PATIENCE = 600.0  # seconds for a moment to come, on a busy machine


def start(root: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    """All stages in a session of their own; the output goes to the file `log`, line by line."""
    with (root / "log").open("wb") as log:
        line = command(root, "all", "-c", SLUG, *arguments)
        return subprocess.Popen(
            line,
            env={**environment(), "PYTHONUNBUFFERED": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def submission(root: Path) -> bytes:
    return (root / "output" / SLUG / "submission.csv").read_bytes()


def wait_for_state(root: Path, process: "subprocess.Popen[bytes]", folder: str = f"output/{SLUG}") -> str:
    """Until a fold has a state in a folder of results; → the fold, as the log names it."""
    deadline = time.monotonic() + PATIENCE
    while not (states := list(root.glob(f"{folder}/bilstm/fold*-state/state.json"))):
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
        assert process.poll() is None, (root / "log").read_text()
        assert time.monotonic() < deadline, (root / "log").read_text()
    return f"bilstm fold {states[0].parent.name.removeprefix('fold').removesuffix('-state')}"
