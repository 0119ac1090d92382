"""Real processes: what the workers do when all goes well, when a job fails, and when a process dies."""

import os
import signal

import pytest

from foldwise.errors import InputError, RunError
from foldwise.training.workers import run_jobs


def count(job, report):
    for number in range(3):
        report({"number": number, "pid": os.getpid()})


def fail_on_two(job, report):
    if job == 2:
        raise {"run": RunError, "input": InputError, "bug": ValueError}["run"]("job 2 has no rows")
    report({"job": job})


def misread(job, report):
    raise InputError(f"{job}: bad value")


def stumble(job, report):
    return [][job]


def die(job, report):
    report({"job": job})
    os.kill(os.getpid(), signal.SIGKILL)


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


@pytest.mark.parametrize(
    ("work", "error", "message"),
    [
        (fail_on_two, RunError, "job 2 has no rows"),
        (misread, InputError, "2: bad value"),
        (stumble, RunError, "IndexError"),
        (die, RunError, r"2: its process died \(exit code -9"),
    ],
)
def test_a_failing_job_names_its_cause(work, error, message):
    with pytest.raises(error, match=message):
        run_jobs([2, 2], work, 2, lambda *_: None)
