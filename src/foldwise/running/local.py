"""Run jobs side by side in processes that each keep their own thread count.

Two LSTMs in two processes of one thread train faster than one after the other with two threads: the steps of a
recurrent net are too small to share. A worker that fails, or dies, stops the others; what they finished stays.

A worker tells how its job goes by events, which get the time. The answer may be orders, for its own job or others; each
worker reads its own at its next event, and waits for one where the event asks.
"""

import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from foldwise.errors import InputError, RunError
from foldwise.time_budget.budget import Clock

Job = TypeVar("Job")
Report = Callable[[dict[str, Any]], Any]  # what is going on → the newest order, None if there is none
OnEvent = Callable[[int, Job, dict[str, Any]], dict[int, Any] | None]
Prepare = Callable[[int], None]

# An LSTM step takes and frees some 40 MB of workspace, which glibc gives back to the kernel and gets back zeroed, page
# by page, at the next step: a quarter of a step at batch 512. Asking for pages of 2 MB leaves a third of that cost
# (EXPERIMENTS.md). Read when a process starts; other C libraries, and glibc before 2.35, pass over it.
HUGE_PAGES = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")


def nothing_to_prepare(slot: int) -> None:
    """Workers are alike."""


def nothing_to_do(job: Any) -> None:
    """Nobody waits for single jobs."""


def run_jobs(
    jobs: Iterable[Job],
    work: Callable[[Job, Report], None],
    workers: int,
    on_event: OnEvent[Job],
    prepare: Prepare = nothing_to_prepare,
    after: Callable[[Job], None] = nothing_to_do,
) -> None:
    """Do every job, `workers` at a time, in order.

    Args:
        jobs: the next one is asked for when a worker is free.
        work: a module-level function (it is imported by name in a fresh process) that reports through its argument.
        workers: processes; 1 runs the jobs here, one after the other.
        on_event: called in this process with worker number, job and what the job reported; gives orders by worker
            number, which reach the job there at its next report. An event that `asks` must be given one.
        prepare: called once in each worker, with its number, before its first job (to choose its GPU).
        after: called in this process with a job that is done, once its worker has the next one.

    Raises:
        RunError, InputError: of the first job that failed.
    """
    waiting = iter(jobs)
    if workers == 1:
        prepare(0)
        for job in waiting:
            work(job, lambda event, job=job: (on_event(0, job, stamped(event)) or {}).get(0))  # type: ignore[misc]
            after(job)
        return
    context = get_context("spawn")
    running: dict[Connection, tuple[int, BaseProcess, Job]] = {}
    started: list[tuple[Connection, BaseProcess]] = []
    finished = False
    try:
        for slot, job in enumerate(islice(waiting, workers)):
            ours, process = start_worker(context, work, slot, prepare)
            started.append((ours, process))
            running[ours] = (slot, process, job)
            send(process, job, ours)
        while running:
            for pipe in wait(list(running)):
                assert isinstance(pipe, Connection)
                slot, process, job = running[pipe]
                event = receive(pipe, process, job)
                if event is not None:
                    pass_on(on_event(slot, job, event) or {}, running)
                    continue
                if (following := next(waiting, None)) is None:
                    pipe.send(None)
                    del running[pipe]
                else:
                    running[pipe] = (slot, process, following)
                    send(process, following, pipe)
                after(job)
        finished = True
    finally:
        for pipe, process in started:
            if not finished:
                process.terminate()
            pipe.close()
            process.join()


def start_worker(
    context: Any, work: Callable[[Any, Report], None], slot: int, prepare: Prepare
) -> tuple[Connection, BaseProcess]:
    """A worker process and our end of the pipe to it."""
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, work, slot, prepare), daemon=True)
    # Ctrl-C reaches the whole group of processes, and the parent alone decides what it means. A child inherits which
    # signals are blocked, so it is deaf from its first moment on, while it still loads torch; ours come once it runs.
    resource_tracker.ensure_running()  # starts at first use otherwise, and unblocks the signal
    name, value = HUGE_PAGES
    given = os.environ.get(name)
    with held_back_signals() as held:
        os.environ[name] = given or value
        process.start()
        if given is None:
            del os.environ[name]
    if held:
        process.terminate()
        process.join()
        raise KeyboardInterrupt
    theirs.close()  # so that our end sees the worker's death as an end of file
    return ours, process


@contextmanager
def held_back_signals() -> Iterator[list[int]]:
    """Inside the block a request to stop is only noted, in the list, so that a child gets all that it is started with.

    Blocking alone does not do: another thread, of which torch starts some, would take the signal.
    """
    held: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in handlers:
        signal.signal(number, lambda received, _: held.append(received))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield held
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def died(process: BaseProcess, job: Any) -> RunError:
    """What to say of a worker that is gone."""
    process.join()
    return RunError(
        f"{job}: its process died (exit code {process.exitcode}; -9 often means out of memory); "
        "finished folds are kept, run the same command again to go on"
    )


def send(process: BaseProcess, job: Any, pipe: Connection) -> None:
    """Give a worker its next job."""
    try:
        pipe.send(("job", job))
    except OSError:
        raise died(process, job) from None


def pass_on(orders: dict[int, Any], running: dict[Connection, tuple[int, BaseProcess, Any]]) -> None:
    """Give workers their orders."""
    for pipe, (slot, process, job) in running.items():
        if slot in orders:
            try:
                pipe.send(("order", orders[slot]))
            except OSError:
                raise died(process, job) from None


def receive(pipe: Connection, process: BaseProcess, job: Any) -> dict[str, Any] | None:
    """The worker's next event; None when its job is done."""
    try:
        kind, content = pipe.recv()
    except (EOFError, OSError):
        raise died(process, job) from None
    if kind == "input error":
        raise InputError(content)
    if kind == "run error":
        raise RunError(content)
    if kind == "crash":
        message, trace = content
        raise RunError(f"{job}: {message}; finished folds are kept, --traceback shows where") from WorkerError(trace)
    return content if kind == "event" else None


class WorkerError(Exception):
    """Carries the traceback of a worker process as its text."""


def serve(pipe: Connection, work: Callable[[Any, Report], None], slot: int, prepare: Prepare) -> None:
    """A worker process: jobs in, events out, until None comes or the parent is gone."""
    try:
        failure = attempt(slot, lambda number, _: prepare(number), pipe)
        while (message := pipe.recv()) is not None:
            kind, content = message
            if kind == "job":  # an order that came too late for the job before means nothing to the next
                pipe.send(attempt(content, work, pipe) if failure[0] == "done" else failure)
    except (EOFError, OSError):  # the parent is gone, and nobody is left to tell
        return


def stamped(event: dict[str, Any]) -> dict[str, Any]:
    """An event with the time at which it was told, as its reader may be busy."""
    return {**event, "at": Clock.now()}


def attempt(job: Any, work: Callable[[Any, Report], None], pipe: Connection) -> tuple[str, Any]:
    """Do one job; its outcome as the parent's `receive` takes it."""

    def report(event: dict[str, Any]) -> Any:
        pipe.send(("event", stamped(event)))
        order = pipe.recv()[1] if event.get("asks") else None
        while pipe.poll():
            _, order = pipe.recv()
        return order

    try:
        work(job, report)
    except InputError as error:
        return "input error", str(error)
    except RunError as error:
        return "run error", str(error)
    except BrokenPipeError:
        raise
    except Exception as error:
        return "crash", (f"{type(error).__name__}: {str(error).strip()}", traceback.format_exc().strip())
    return "done", None
