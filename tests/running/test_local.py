"""Real processes: what the workers do when all goes well, when a job fails, and when a process dies."""

import errno
import os
import platform
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

from foldwise.errors import InputError, RunError
from foldwise.interrupts import STOPPING
from foldwise.running.engine import run_here
from foldwise.running.local import run_in_processes


def run_jobs(jobs, work, workers, *others, **named):
    """By the engine that stage train takes for so many workers."""
    (run_here if workers == 1 else run_in_processes)(jobs, work, workers, *others, **named)


def count(job, report):
    for number in range(3):
        report({"number": number, "pid": os.getpid()})


def fail(job, report):
    raise RunError(f"job {job} has no rows")


def misread(job, report):
    raise InputError(f"{job}: bad value")


def stumble(job, report):
    return [][job]


def leave(job, report):
    sys.exit(0)


def die(job, report):
    report({"job": job})
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Reading:
    """A job whose file becomes shorter while it is read."""

    maps: Path


def read_beyond_the_end(job, report):
    path = job.maps / "numbers.npy"
    np.save(path, np.zeros(100_000))
    numbers = np.load(path, mmap_mode="c")
    os.truncate(path, 200)
    report(float(numbers[-1]))


def run_out(job, report):
    raise {"memory": MemoryError(), "disk": OSError(errno.EIO, os.strerror(errno.EIO), "tokens.npy")}[job]


def test_a_mapped_file_that_was_cut_short_is_named(tmp_path):
    with pytest.raises(RunError, match=rf"SIGBUS: a file in {tmp_path} was cut short while it was read"):
        run_in_processes([Reading(tmp_path)], read_beyond_the_end, 2, lambda *_: None)


@pytest.mark.parametrize(
    ("job", "said"),
    [("memory", "memory: out of memory; take a smaller"), ("disk", "disk: tokens.npy: its disk fails (input/output")],
)
def test_what_a_machine_lacks_is_no_fault_of_the_code(job, said):
    with pytest.raises(RunError) as caught:
        run_in_processes([job], run_out, 2, lambda *_: None)
    assert str(caught.value).startswith(said)
    assert "the same command goes on" in str(caught.value)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_is_done_and_every_report_arrives_in_order(workers):
    seen: dict[int, list[int]] = {}
    pids = set()

    def note(slot, job, event):
        assert slot in range(workers)
        seen.setdefault(job, []).append(event["number"])
        pids.add(event["pid"])

    run_jobs([3, 1, 4, 0], count, workers, note)
    assert seen == {job: [0, 1, 2] for job in (3, 1, 4, 0)}
    assert (os.getpid() in pids) == (workers == 1)
    assert len(pids) <= workers


def note_slot(slot):
    os.environ["FOLDWISE_TEST_SLOT"] = str(slot)


def tell_slot(job, report):
    report({"slot": os.environ["FOLDWISE_TEST_SLOT"]})


@pytest.mark.parametrize("workers", [1, 2])
def test_each_worker_is_prepared_with_its_own_number(workers, monkeypatch):
    monkeypatch.setenv("FOLDWISE_TEST_SLOT", "not prepared")
    seen = []
    run_jobs([0, 1, 2, 3], tell_slot, workers, lambda slot, _, event: seen.append((slot, event["slot"])), note_slot)
    assert len(seen) == 4
    assert all(told == str(slot) for slot, told in seen)


def refuse_slot(slot):
    raise RuntimeError(f"no GPU for worker {slot}")


def test_a_worker_that_cannot_be_prepared_says_why():
    with pytest.raises(RunError, match=r"RuntimeError: no GPU for worker [01]"):
        run_jobs([0, 1], count, 2, lambda *_: None, refuse_slot)


def touch(job, report):
    """Page errors of taking and freeing 16 MB."""
    import torch  # not above: every worker of every test would load it

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(4_000_000)
    report({"errors": resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before})


def huge_pages() -> bool:
    path, (library, version) = Path("/sys/kernel/mm/transparent_hugepage/enabled"), platform.libc_ver()
    offered = path.is_file() and "[never]" not in path.read_text()
    return offered and library == "glibc" and tuple(map(int, version.split("."))) >= (2, 35)


@pytest.mark.skipif(not huge_pages(), reason="no huge pages, or another C library than glibc from 2.35 on")
def test_workers_take_large_blocks_in_huge_pages():
    errors = []
    run_jobs([0, 1], touch, 2, lambda _, __, event: errors.append(event["errors"]))
    assert max(errors) < 10_000  # 39,000 pages of 4 kB


@pytest.mark.parametrize(
    ("work", "error", "message"),
    [
        (fail, RunError, "job 2 has no rows"),
        (misread, InputError, "2: bad value"),
        (
            stumble,
            RunError,
            r"2: .*test_local.py, line \d+: IndexError: list index out of range; correct it there; .*--tr",
        ),
        (leave, RunError, r"2: .*test_local.py, line \d+: SystemExit: 0; correct it there"),
        (die, RunError, r"2: its process died \(exit code -9"),
    ],
)
def test_a_failing_job_names_its_cause(work, error, message):
    with pytest.raises(error, match=message):
        run_jobs([2, 2], work, 2, lambda *_: None)


def stay_or_fail(job, report):
    if job == "stay":
        report({"pid": os.getpid()})
        signal.pause()
    deadline = time.monotonic() + 60
    while not Path(job).exists():  # until the other one is known to run
        assert time.monotonic() < deadline, "the other worker never came"
    raise RunError("no more rows")


def test_a_failing_job_ends_the_others(tmp_path):
    pids, flag = [], tmp_path / "the other one runs"

    def note(slot, job, event):
        pids.append(event["pid"])
        flag.touch()

    with pytest.raises(RunError, match="no more rows"):
        run_jobs(["stay", str(flag)], stay_or_fail, 2, note)
    assert len(pids) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    assert not active_children()


def test_a_crash_hides_its_traceback_behind_the_message():
    with pytest.raises(RunError) as caught:
        run_jobs([2, 2], stumble, 2, lambda *_: None)
    assert "Traceback" not in str(caught.value)
    assert "in stumble" in str(caught.value.__cause__)


INTERRUPTED = """
import os, signal
from foldwise.interrupts import Interrupted, Signals
from foldwise.running.local import run_in_processes as run_jobs
from test_local import count

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts in the background
    try:
        with Signals():
            signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
            signal.setitimer(signal.ITIMER_REAL, {delay})
            run_jobs(list(range(100_000)), count, 2, lambda *_: None)
    except (Interrupted, KeyboardInterrupt):
        print("interrupted")
"""


@pytest.mark.parametrize("delay", [0.01, 0.1, 0.3, 1.0])
def test_an_interrupt_ends_parent_and_workers_at_any_moment(tmp_path, delay):
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED.format(delay=delay))
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2] / "src")])
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "interrupted\n"
    assert done.stderr in ("", STOPPING.decode())


@pytest.mark.parametrize("workers", [1, 2])
def test_each_job_that_is_done_is_told_once(workers):
    done: list[str] = []
    run_jobs(["a", "b", "c"], count, workers, lambda *_: None, after=done.append)
    assert sorted(done) == ["a", "b", "c"]


def test_the_next_job_is_asked_for_when_a_worker_is_free():
    seen = []

    def jobs():
        for job in (1, 2, 3):
            seen.append(f"asked for {job}")
            yield job

    run_jobs(jobs(), count, 1, lambda _, job, event: seen.append(f"{job}: {event['number']}"))
    assert seen[:4] == ["asked for 1", "1: 0", "1: 1", "1: 2"]
    assert seen[4] == "asked for 2"
