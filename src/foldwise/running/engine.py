"""Where jobs run: one small interface, and a plain dict of its kinds.

An engine does every job, in order, `workers` at a time: `engine(jobs, work, workers, on_event, prepare, after)`.

jobs       the next one is asked for when a worker is free
work       `work(job, report)` does a job, and reports records of `foldwise.events`
on_event   called here with worker number, job and event, in the order in which each job reported
prepare    called once in each worker, with its number, before its first job (to choose its GPU)
after      called here with a job that is done, once its worker has the next one

It ends with the error, `RunError` or `InputError`, of the first job that failed, after it has stopped the others; and
with `Interrupted`, which says where jobs go on, once they have answered a request to stop.
"""

import pkgutil
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from foldwise.interrupts import REQUEST, Interrupted, describe_places, one_job

Work = Callable[[Any, Callable[[Any], object]], None]
OnEvent = Callable[[int, Any, Any], object]
Prepare = Callable[[int], None]
After = Callable[[Any], None]
Engine = Callable[[Iterable[Any], Work, int, OnEvent, Prepare, After], None]

ENGINES = {
    "here": "foldwise.running.engine:run_here",
    "processes": "foldwise.running.local:run_in_processes",
}


def do_nothing(_: Any) -> None:
    """Where workers are alike, and nobody waits for single jobs."""


def find_engine(workers: int) -> Engine:
    """The engine for so many workers, imported when it is used."""
    found: Engine = pkgutil.resolve_name(ENGINES["here" if workers == 1 else "processes"])
    return found


def run_here(
    jobs: Iterable[Any],
    work: Work,
    workers: int,  # noqa: ARG001
    on_event: OnEvent,
    prepare: Prepare = do_nothing,
    after: After = do_nothing,
) -> None:
    """Do every job in this process, one after the other."""
    prepare(0)
    for job in jobs:
        try:
            with one_job():
                work(job, partial(on_event, 0, job))
        except Interrupted as stopped:
            raise Interrupted(describe_places({str(job): str(stopped)})) from stopped
        if REQUEST.is_set():
            raise Interrupted
        after(job)
