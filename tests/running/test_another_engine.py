"""Another engine is one function and one entry of ENGINES: here one that runs each job in a thread of its own."""

import threading

import pytest

from foldwise.errors import RunError
from foldwise.running import engine
from foldwise.running.engine import do_nothing, find_engine


def run_in_threads(jobs, work, workers, on_event, prepare=do_nothing, after=do_nothing):
    """One thread a job, one after the other."""
    for job in jobs:
        failed: list[RunError] = []

        def attempt(job=job, failed=failed):
            try:
                work(job, lambda event: on_event(0, job, event))
            except RunError as error:
                failed.append(error)

        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        after(job)


def test_one_entry_and_folds_train_there(cli_here, workspace, monkeypatch):
    cli_here("all", "-c", "twin-binary")
    submission = workspace / "output" / "twin-binary" / "submission.csv"
    expected = submission.read_bytes()
    monkeypatch.setitem(engine.ENGINES, "here", f"{__name__}:run_in_threads")  # the one that small tables take
    assert find_engine(1) is run_in_threads
    cli_here("all", "-c", "twin-binary", "--force")
    assert submission.read_bytes() == expected


def test_its_failures_are_the_runs(monkeypatch):
    def fail(job, report):
        raise RunError(f"job {job} has no rows")

    with pytest.raises(RunError, match="job 2 has no rows"):
        run_in_threads([2], fail, 1, lambda *_: None)
