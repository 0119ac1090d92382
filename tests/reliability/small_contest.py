"""A small contest of real texts, and runs on it that can be killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd

from reliability.in_process import results

REPOSITORY = Path(__file__).resolve().parents[2]
SLUG = "small"
CONFIG = """
[competition]
slug = "small"
title = "Some movie reviews"
task = "binary"
metric = "accuracy"

[columns]
id = "id"
text = ["text"]
target = ["target"]

[submission]
kind = "label"

[recipe]
folds.n = {folds}
tokens.vectors = "none"
tokens.dimension = 8
batches.size = 16
batches.group = 4
training.epochs = {epochs}
training.evaluations_per_epoch = 2
training.patience = 99
training.r_drop = 0.0
ensemble.members = ["net", "linear"]

[recipe.members.net]
model.name = "counted:Counted"

[recipe.members.linear]
model.name = "linear"
"""


class Forked:
    """A fork of this process with a session of its own, and as much of `subprocess.Popen` as the soak scripts use."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.code: int | None = None
        self.pid = os.fork()
        if self.pid:
            return
        code: Any = 70
        try:
            os.setsid()
            work()
        except SystemExit as ended:
            code = ended.code
        finally:
            os._exit(code if isinstance(code, int) else 71)

    def poll(self) -> int | None:
        """The exit code, as of subprocess; None while it runs."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, or `TimeoutExpired`."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("a fork", timeout or 0.0)
            time.sleep(0.001)
        return code


Process = subprocess.Popen[bytes] | Forked


class Contest:
    """The contest below a folder, and one output folder in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.steps_file = folder, folder / "steps"

    def write(self, rows: int, epochs: int, folds: int) -> None:
        """Write its tables and its recipe."""
        place, source = self.folder / "input" / SLUG, REPOSITORY / "input" / "movie-reviews"
        place.mkdir(parents=True, exist_ok=True)
        pd.read_csv(source / "train.csv", dtype=str).head(rows).to_csv(place / "train.csv", index=False)
        test = pd.read_csv(source / "test.csv", dtype=str).head(rows // 4)
        test.to_csv(place / "test.csv", index=False)
        sample = pd.read_csv(source / "sample_submission.csv", dtype=str)
        sample[sample["id"].isin(test["id"])].to_csv(place / "sample_submission.csv", index=False)
        (place / "competition.toml").write_text(CONFIG.format(epochs=epochs, folds=folds))

    @property
    def output(self) -> Path:
        """What the stages wrote."""
        return self.folder / "output" / SLUG

    def forget(self) -> None:
        """Remove all that was made."""
        for name in ("folds", "output"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self.steps_file.write_bytes(b"")

    @property
    def steps(self) -> int:
        """Steps of training so far, of all processes."""
        return self.steps_file.stat().st_size

    def command(self, arguments: Sequence[str]) -> list[str]:
        """What comes after `./run.sh`."""
        places = [part for name in ("input", "folds", "output") for part in (f"--{name}", str(self.folder / name))]
        return [*arguments, "-c", SLUG, *places]

    def start(self, arguments: Sequence[str], log: Path, **environment: str) -> subprocess.Popen[bytes]:
        """A run in a process group of its own."""
        line = [sys.executable, "-m", "foldwise", *self.command(arguments)]
        paths = os.pathsep.join([str(REPOSITORY / "src"), str(Path(__file__).parent)])
        added = {"PYTHONPATH": paths, "STEPS_FILE": str(self.steps_file), **environment}
        with log.open("ab") as file:
            return subprocess.Popen(
                line, env={**os.environ, **added}, stdout=file, stderr=file, start_new_session=True, cwd=self.folder
            )

    def fork(self, arguments: Sequence[str], log: Path, prepare: Callable[[], object] = lambda: None) -> Forked:
        """The same in a fork of this process, which has loaded torch already and must have no other threads.

        Args:
            prepare: called there first.
        """

        def work() -> None:
            file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(file, 1)
            os.dup2(file, 2)
            os.environ["STEPS_FILE"] = str(self.steps_file)
            sys.path.insert(0, str(Path(__file__).parent))
            sys.argv = ["foldwise", *self.command(arguments)]
            prepare()
            from foldwise.cli import main

            main()

        return Forked(work)

    def results(self) -> dict[str, bytes]:
        """Predictions and weights: the files that must be the same, by their names."""
        return results(self.output, "*/fold*/*.safetensors")

    def leftovers(self) -> list[str]:
        """Hidden files and states of folds below all that was made."""
        made = [path for name in ("folds", "output") for path in (self.folder / name).rglob("*")]
        return [str(path.relative_to(self.folder)) for path in made if is_leftover(path.name)]


def is_leftover(name: str) -> bool:
    """True of what a finished run must not leave; lock files stay."""
    return "-state" in name or (name[0] == "." and not name.endswith(".lock"))


def kill(process: Process) -> bool:
    """SIGKILL to all of a run; false if it had ended."""
    if process.poll() is not None:
        return False
    with suppress(ProcessLookupError):  # of a fork that has no session yet
        os.killpg(process.pid, signal.SIGKILL)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return True


@contextmanager
def killed_at_last(process: Process) -> Iterator[None]:
    """Leave nothing running, whatever happens inside."""
    try:
        yield
    finally:
        kill(process)
