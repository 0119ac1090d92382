"""Signals to real processes; the whole matrix is `signals.py` beside this."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from conftest import environment
from foldwise.interrupts import SAME_REQUEST, STOPPING
from reliability.signals import Case, Run, faults, heed_all, new_root, play

# Jobs that save their state as a network does, in one process or in two, and say what became of the run.
WORK = """
import time
from pathlib import Path
from foldwise.interrupts import Interrupted, stop_requested

def train(job, report):
    stop_requested()  # once it asks, it is given time
    report("begun")
    while not stop_requested():
        time.sleep(0.001)
    Path(job).write_text("saved")
    raise Interrupted("epoch 1.50")

def stay(job, report):  # as a linear fit: nobody asks
    report("begun")
    time.sleep(1000)

def stick(job, report):  # asks, and then no more
    stop_requested()
    report("begun")
    time.sleep(1000)
"""
SAVING = """
import sys
import work
from foldwise.interrupts import Interrupted, Signals
from foldwise.options import explain
from foldwise.running.engine import find_engine

chosen, workers = getattr(work, sys.argv[1]), int(sys.argv[2])
signals = Signals()
try:
    with signals:
        find_engine(workers)(["a", "b", "c"], chosen, workers, lambda *event: print(*event, flush=True))
except (Interrupted, KeyboardInterrupt) as error:
    print(signals.exit_code, explain(error))
"""


class Job(Run):
    """The script above."""

    def __init__(self, root: Path, work: str, workers: int) -> None:
        script = root / "script.py"
        script.write_text(SAVING)
        (root / "work.py").write_text(WORK)
        self.count = workers
        super().__init__(root, [sys.executable, str(script), work, str(workers)], root)
        self.wait_until(lambda: self.shown().count("begun\n") == workers)


@pytest.mark.parametrize(
    ("number", "workers", "target"),
    [
        (signal.SIGINT, 1, "parent"),
        (signal.SIGINT, 2, "group"),
        (signal.SIGTERM, 2, "parent"),
        (signal.SIGTERM, 2, "worker"),
        (signal.SIGHUP, 2, "group"),
    ],
)
def test_what_asks_is_given_time_to_save_and_tells_where_it_goes_on(tmp_path, number, workers, target):
    job = Job(tmp_path, "train", workers)
    job.send(Case(number, "train", target))
    done = job.end()
    code = 128 + (signal.SIGTERM if target == "worker" else number)
    where = "a goes on from epoch 1.50" if workers == 1 else "a, b go on from epoch 1.50"
    told = f"{code} stopped; what was finished is kept, and {where}; run the same command to go on"
    last = done.shown.splitlines()[-1]
    assert last in (told, told.replace("a, b", "b, a"))
    assert [path.name for path in sorted(tmp_path.glob("?"))] == ["a", "b"][:workers]
    assert (STOPPING.decode() in done.shown) == (target != "worker")
    assert done.processes == ()


@pytest.mark.parametrize(("workers", "target"), [(1, "parent"), (2, "worker")])
def test_what_never_asks_ends_at_once(tmp_path, workers, target):
    job = Job(tmp_path, "stay", workers)
    job.send(Case(signal.SIGTERM, "train", target))
    done = job.end()
    assert done.shown.splitlines()[-1] == "143 stopped; what was finished is kept; run the same command to go on"
    assert done.processes == ()


def test_a_second_signal_leaves_at_once_and_in_silence(tmp_path):
    job = Job(tmp_path, "stick", 2)
    job.send(Case(signal.SIGINT, "train", "group", 2))
    done = job.end()
    assert done.code == -signal.SIGINT
    assert done.shown.splitlines()[-1] == STOPPING.decode().strip()
    assert done.processes == ()


def test_signals_of_one_moment_are_one_request(tmp_path):
    """As `timeout` sends them, to the process and to its group, and a closed terminal."""
    job = Job(tmp_path, "train", 2)
    job.send(Case(signal.SIGTERM, "train", "parent", 6))
    assert "143 stopped" in job.end().shown
    job = Job(tmp_path, "train", 1)
    os.kill(job.process.pid, signal.SIGHUP)
    time.sleep(1.5 * SAME_REQUEST)  # a wait that a test cannot do without: it is about time
    job.send(Case(signal.SIGHUP, "train", "parent"))
    assert "129 stopped" in job.end().shown


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    job = Job(tmp_path, "stay", 2)
    assert len(job.workers()) == 2
    job.send(Case(signal.SIGKILL, "train", "parent"))
    done = job.end()
    assert (done.code, done.processes) == (-signal.SIGKILL, ())


@pytest.mark.parametrize(
    "case", [Case(signal.SIGINT, "start", "parent"), Case(signal.SIGKILL, "load", "parent")], ids=str
)
def test_a_whole_run(tmp_path, case):
    assert faults(case, play(case, new_root(tmp_path, "run"))) == []


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("closed", [False, True], ids=["Ctrl-C", "closed"])
def test_a_terminal(tmp_path, workers, closed):
    """Where Ctrl-C is pressed, and which is closed: standard error is gone then, and the state is saved all the same."""
    (tmp_path / "script.py").write_text(SAVING)
    (tmp_path / "work.py").write_text(WORK)
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        heed_all()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, "script.py", "train", str(workers)],
        **{"stdin": theirs, "stdout": theirs, "stderr": theirs, "cwd": tmp_path, "env": environment()},
        start_new_session=True,
        preexec_fn=take_terminal,  # noqa: PLW1509 - no thread here
    )
    os.close(theirs)
    shown = b""
    while shown.count(b"begun\r\n") < workers:  # whole lines: what is half written fails, or is dropped
        shown += os.read(ours, 65536)
    if closed:
        os.close(ours)
        process.wait()
    else:
        os.write(ours, b"\x03")
        while b"to go on" not in shown:
            shown += os.read(ours, 65536)
        process.wait()
        os.close(ours)
        *_, stopping, told = shown.decode().splitlines()
        assert stopping == STOPPING.decode().strip()
        assert told.startswith("130 stopped; what was finished is kept, and ")
    assert [path.name for path in sorted(tmp_path.glob("?"))] == ["a", "b"][:workers]
