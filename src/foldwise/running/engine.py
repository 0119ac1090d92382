"""Where jobs run: one small interface, and a plain dict of its kinds.

An engine is given jobs, runs `work(job, report)` for each, and passes on what they report, as records of
`foldwise.events`, in the order in which each job reported. It ends with the error of the first job that failed, after
it has stopped the others.
"""

import importlib
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from foldwise.events import Event

Job = TypeVar("Job")
Work = Callable[[Job, Callable[[Any], object]], None]
OnEvent = Callable[[int, Job, Any], object]
Prepare = Callable[[int], None]

ENGINES = {
    "here": "foldwise.running.engine:run_here",
    "processes": "foldwise.running.local:run_in_processes",
}


def nothing_to_prepare(slot: int) -> None:
    """Workers are alike."""


def nothing_to_do(job: Any) -> None:
    """Nobody waits for single jobs."""


class Engine(Protocol):
    """Runs jobs."""

    def __call__(
        self,
        jobs: Iterable[Job],
        work: Work[Job],
        workers: int,
        on_event: OnEvent[Job],
        prepare: Prepare = nothing_to_prepare,
        after: Callable[[Job], None] = nothing_to_do,
    ) -> None:
        """Do every job, `workers` at a time, in order.

        Args:
            jobs: the next one is asked for when a worker is free.
            work: what to do with a job; reports through its argument.
            workers: how many jobs run side by side.
            on_event: called here with worker number, job and what the job reported.
            prepare: called once in each worker, with its number, before its first job (to choose its GPU).
            after: called here with a job that is done, once its worker has the next one.

        Raises:
            RunError, InputError: of the first job that failed.
        """
        ...


def find_engine(name: str) -> Engine:
    """An engine of `ENGINES`, imported when it is used."""
    module, _, function = ENGINES[name].partition(":")
    found: Engine = getattr(importlib.import_module(module), function)
    return found


def run_here(
    jobs: Iterable[Job],
    work: Work[Job],
    workers: int,  # noqa: ARG001
    on_event: OnEvent[Job],
    prepare: Prepare = nothing_to_prepare,
    after: Callable[[Job], None] = nothing_to_do,
) -> None:
    """Do every job in this process, one after the other."""
    prepare(0)
    for job in jobs:

        def report(event: Event, job: Job = job) -> None:
            on_event(0, job, event)

        work(job, report)
        after(job)
