"""Signals to whole runs, at every stage: exit code, message, no process left, and the same bytes by the next run.

    PYTHONPATH=src:tests python tests/reliability/signals.py [--only TEXT] [--cases N]

Real processes in a session of their own. A moment is known by a line of output, a worker or a library that is there.
"""

import argparse
import itertools
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conftest import COMPETITIONS, command, environment
from foldwise.interrupts import SAME_REQUEST, SIGNALS
from reliability.in_process import results

LONG = ["training.epochs=600", "training.patience=9999", "training.evaluations_per_epoch=1"]  # worth two processes
ARGUMENTS = ["all", "-c", "twin-binary", *(part for setting in LONG for part in ("--set", setting))]
PATIENCE = 600.0  # seconds for a moment to come, on a busy machine
ARRAYS = "*/fold*/*.safetensors"  # states that were left would show, too
LEFT_AFTER = 2.0  # seconds in which every process must have ended


@dataclass(frozen=True)
class Case:
    """A signal, when, to whom and how often."""

    number: signal.Signals
    moment: str  # start, load, train, ensemble
    target: str  # parent, worker, group
    times: int = 1

    def __str__(self) -> str:
        return f"{self.number.name} x{self.times} to {self.target} at {self.moment}"


@dataclass(frozen=True)
class Outcome:
    """What became of a run."""

    code: int  # as of subprocess: -15 where SIGTERM ended it
    shown: str  # standard output and error
    seconds: float  # from the (last) signal until no process was left
    processes: tuple[int, ...] = ()  # that were left after LEFT_AFTER


CASES = [
    Case(number, moment, target, times)
    for moment, target, number, times in itertools.product(
        ("start", "load", "train", "ensemble"), ("parent", "worker", "group"), (*SIGNALS, signal.SIGKILL), (1, 2, 6)
    )
    if target != "worker" or moment in ("load", "train")
]


class Run:
    """A run in a session of its own, whose output goes to a file."""

    def __init__(self, root: Path, line: list[str] | None = None, folder: Path | None = None) -> None:
        self.log = root / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                line or command(root, *ARGUMENTS),
                env={**environment(), "PYTHONUNBUFFERED": "1"},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=heed_all,  # noqa: PLW1509 - no thread here
            )

    def shown(self) -> str:
        """Everything that it wrote so far."""
        return self.log.read_text(encoding="utf-8")

    def workers(self) -> list[int]:
        """Worker processes, oldest first."""
        return sorted(pid for pid in processes_of(self.process.pid) if b"spawn_main" in read(pid, "cmdline"))

    def await_moment(self, moment: str) -> None:
        """Return as soon as it has come, or the run is over."""
        come: dict[str, Callable[[], bool]] = {
            "start": lambda: b"pydantic_core" in read(self.process.pid, "maps"),
            "load": lambda: len(self.workers()) == 2,
            "train": lambda: " epoch " in self.shown(),
            "ensemble": lambda: " folds in " in self.shown().rpartition("threads each")[2],
        }
        self.wait_until(come[moment])

    def wait_until(self, come: Callable[[], bool]) -> None:
        """Look again and again, until it is so or the run is over."""
        deadline = time.monotonic() + PATIENCE
        while not come() and self.process.poll() is None:
            assert time.monotonic() < deadline, f"never came\n{self.shown()}"
            time.sleep(0.001)

    def send(self, case: Case) -> None:
        """Send the signals; of two the second as a person does it, six as fast as possible."""
        targets = {"parent": [self.process.pid], "worker": self.workers()[:1], "group": [-self.process.pid]}
        for time_ in range(case.times):
            if time_ and case.times == 2:
                time.sleep(1.5 * SAME_REQUEST)
            for pid in targets[case.target]:
                try:
                    os.kill(pid, case.number)
                except ProcessLookupError:
                    return

    def end(self) -> Outcome:
        """Wait until no process is left."""
        start = time.monotonic()
        try:
            code = self.process.wait(PATIENCE)
            gone = time.monotonic()
            while (left := processes_of(self.process.pid)) and time.monotonic() - gone < LEFT_AFTER:
                time.sleep(0.001)
        finally:
            for pid in processes_of(self.process.pid):
                os.kill(pid, signal.SIGKILL)
        return Outcome(code, self.shown(), time.monotonic() - start, tuple(left))


def heed_all() -> None:
    """In the child: a shell may have started us deaf to some signals."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def read(pid: int, name: str) -> bytes:
    """A file of /proc, empty where the process is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


def processes_of(session: int) -> list[int]:
    """Living processes of a session, all numbers but its zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        state, _, _, number = (*read(int(path.name), "stat").rpartition(b") ")[2].split(), *[b""] * 4)[:4]
        if number == str(session).encode() and state not in (b"Z", b"X"):
            found.append(int(path.name))
    return found


def new_root(folder: Path, name: str) -> Path:
    """A folder with the contests and nothing made yet."""
    root = folder / name
    shutil.copytree(COMPETITIONS, root / "input")
    return root


def play(case: Case, root: Path) -> Outcome:
    """Run, and send the signals at their moment."""
    run = Run(root)
    run.await_moment(case.moment)
    run.send(case)
    return run.end()


def faults(case: Case, outcome: Outcome) -> list[str]:
    """What is not as it must be."""
    shown, code = outcome.shown, outcome.code
    words = ["fault of foldwise", "Exception ignored"]
    if (
        case.number != signal.SIGKILL
    ):  # a worker that Python is just starting then misses its parent, before our code runs
        words.append("Traceback")
    found = [f"{word!r} shown" for word in words if word in shown]
    if outcome.processes:
        found.append(f"left: {outcome.processes}")
    asked = -(signal.SIGTERM if case.target == "worker" else case.number)
    killed_worker = case.target == "worker" and case.number == signal.SIGKILL
    expected = {1} if killed_worker else {asked}
    if case.moment == "ensemble" or (case.target == "worker" and case.moment == "train"):
        expected |= {0}  # it may be through with it
    if code not in expected:
        found.append(f"exit code {code}, not {expected}")
    if code == 1 and "its process died" not in shown:
        found.append("does not say why")
    if code in (-number for number in SIGNALS) and case.moment != "start" and case.times == 1:
        found += ["does not say how to go on"] * ("stopped; what was finished is kept" not in shown)
    if "error" in shown and not killed_worker:
        found.append("phrased as an error")
    return found


def check(case: Case, root: Path, undisturbed: dict[str, bytes]) -> tuple[Outcome, list[str]]:
    """Play a case, and run once more to the end."""
    outcome = play(case, root)
    found = faults(case, outcome)
    again = Run(root).end() if (root / "output").exists() else None
    if again and (again.code or results(root / "output" / "twin-binary", ARRAYS) != undisturbed):
        found.append(f"the next run: exit code {again.code}, bytes differ\n{again.shown}")
    return outcome, found


def main() -> int:
    """Play all cases; → 1 if one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--cases", type=int, metavar="N", help="so many of them, drawn by chance")
    arguments = parser.parse_args()
    failed, slowest, played = 0, 0.0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = new_root(folder, "undisturbed")
        assert Run(root).end().code == 0
        undisturbed = results(root / "output" / "twin-binary", ARRAYS)
        cases = [case for case in CASES if arguments.only in str(case)]
        for case in random.Random(0).sample(cases, min(len(cases), arguments.cases or len(cases))):
            outcome, found = check(case, root := new_root(folder, f"case{played}"), undisturbed)
            shutil.rmtree(root)
            played, failed, slowest = played + 1, failed + bool(found), max(slowest, outcome.seconds)
            told = outcome.shown.splitlines()[-1:]
            print(
                f"{case}: exit {outcome.code}, all gone after {outcome.seconds:.2f} s {told}",
                *found,
                sep="\n  ",
                flush=True,
            )
    print(f"{played} cases, {failed} failed; at the longest {slowest:.2f} s until no process was left")
    return failed > 0


if __name__ == "__main__":
    raise SystemExit(main())
