"""The engine of one machine: jobs side by side in processes that each keep their own thread count.

Two LSTMs in two processes of one thread train faster than one after the other with two threads: the steps of a
recurrent net are too small to share. A worker that fails, or dies, stops the others; what they finished stays.
"""

import os
import signal
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from foldwise.errors import InputError, RunError
from foldwise.machine import explain_machine
from foldwise.running.engine import After, OnEvent, Prepare, Work, do_nothing

# An LSTM step takes and frees some 40 MB of workspace, which glibc gives back to the kernel and gets back zeroed, page
# by page, at the next step: a quarter of a step at batch 512. Asking for pages of 2 MB leaves a third of that cost
# (EXPERIMENTS.md). Read when a process starts; other C libraries, and glibc before 2.35, pass over it.
HUGE_PAGES = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")


def run_in_processes(
    jobs: Iterable[Any],
    work: Work,
    workers: int,
    on_event: OnEvent,
    prepare: Prepare = do_nothing,
    after: After = do_nothing,
) -> None:
    """Do every job in one of `workers` processes, which import `work` by its name; see `foldwise.running.engine`."""
    waiting = iter(jobs)
    running: dict[Connection, tuple[int, BaseProcess, Any]] = {}  # by our end of the pipe
    started: list[tuple[Connection, BaseProcess]] = []
    try:
        for slot, job in enumerate(islice(waiting, workers)):
            ours, process = start_worker(work, slot, prepare)
            started.append((ours, process))
            running[ours] = (slot, process, job)
            with notice_death(process, job):
                ours.send(job)
        while running:
            for pipe in wait(list(running)):
                assert isinstance(pipe, Connection)
                slot, process, job = running[pipe]
                event = receive(pipe, process, job)
                if event is not None:
                    on_event(slot, job, event)
                    continue
                if (following := next(waiting, None)) is None:
                    del running[pipe]
                    pipe.close()
                else:
                    running[pipe] = (slot, process, following)
                    with notice_death(process, following):
                        pipe.send(following)
                after(job)
    finally:
        for ours, process in started:
            if running:
                process.terminate()
            ours.close()
            process.join()


def start_worker(work: Work, slot: int, prepare: Prepare) -> tuple[Connection, BaseProcess]:
    """A worker process and our end of the pipe to it."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, work, slot, prepare), daemon=True)
    os.environ.setdefault(*HUGE_PAGES)
    resource_tracker.ensure_running()  # starts at first use otherwise, and unblocks the signal
    # Ctrl-C reaches the whole group of processes, and the parent alone decides what it means. A child inherits which
    # signals are blocked, so it is deaf from its first moment on, while it still loads torch. Here a request to stop is
    # noted until the child runs: blocking alone does not do, as another thread, of which torch starts some, takes it.
    held: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in handlers:
        signal.signal(number, lambda received, _: held.append(received))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if held:
        process.terminate()
        process.join()
        raise KeyboardInterrupt
    theirs.close()  # so that our end sees the worker's death as an end of file
    return ours, process


@contextmanager
def notice_death(process: BaseProcess, job: Any) -> Iterator[None]:
    """A pipe that breaks inside the block means that the worker is gone."""
    try:
        yield
    except (EOFError, OSError):
        process.join()
        why = f"exit code {process.exitcode}; -9 often means out of memory"
        if process.exitcode == -signal.SIGBUS:
            why = f"SIGBUS: a file in {job.maps} was cut short while it was read, or its disk fails; delete that folder"
        raise RunError(
            f"{job}: its process died ({why}); finished folds are kept, run the same command again to go on"
        ) from None


def receive(pipe: Connection, process: BaseProcess, job: Any) -> Any:
    """The worker's next event; None when its job is done."""
    with notice_death(process, job):
        event = pipe.recv()
    if isinstance(event, WorkerError):
        message, trace = event.args
        raise RunError(f"{job}: {message}; finished folds are kept, --traceback shows where") from WorkerError(trace)
    if isinstance(event, Exception):
        raise event
    return event


class WorkerError(Exception):
    """Message and traceback, as texts, of an error in a worker that is a fault of the code."""


def serve(pipe: Connection, work: Work, slot: int, prepare: Prepare) -> None:
    """A worker process: jobs in; events, and None or an error at the end of each job, out; until the pipe breaks."""
    prepare_once = cache(prepare)
    try:
        while True:
            job = pipe.recv()
            outcome: Exception | None = None
            try:
                prepare_once(slot)
                work(job, pipe.send)
            except (InputError, RunError) as error:
                outcome = error
            except BrokenPipeError:
                raise
            except Exception as error:
                message = f"{type(error).__name__}: {str(error).strip()}"
                outcome = WorkerError(message, traceback.format_exc().strip())
                if lack := explain_machine(error):
                    outcome = RunError(f"{job}: {lack}; finished folds are kept, the same command goes on")
            pipe.send(outcome)
    except (EOFError, OSError):  # the parent is gone, or has no further jobs
        return
