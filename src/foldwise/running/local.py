"""The engine of one machine: jobs side by side in processes that each keep their own thread count.

Two LSTMs in two processes of one thread train faster than one after the other with two threads: the steps of a
recurrent net are too small to share. A worker that fails, or dies, stops the others; what they finished stays. A
request to stop is passed on to all, also one that reached a worker alone, and their answers are awaited.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from foldwise.errors import RunError
from foldwise.interrupts import SIGNALS, Interrupted, describe_places, one_job, request_stop, stop_requested
from foldwise.running.engine import After, OnEvent, Prepare, Work, do_nothing
from foldwise.running.worker import raise_failure, serve

# An LSTM step takes and frees some 40 MB of workspace, which glibc gives back to the kernel and gets back zeroed, page
# by page, at the next step: a quarter of a step at batch 512. Asking for pages of 2 MB leaves a third of that cost
# (EXPERIMENTS.md). Read when a process starts; other C libraries, and glibc before 2.35, pass over it.
HUGE_PAGES = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
LOOK_SECONDS = 0.2  # between two looks for a request to stop
SAVING_SECONDS = 30.0  # that workers have for their step and their state once they are asked to end


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
    places: dict[str, str] = {}  # where jobs go on that ended early
    deadline = 0.0  # once a request is passed on
    try:
        with one_job():
            stop_requested()  # from here on a signal is for the loop below
            for slot, job in enumerate(islice(waiting, workers)):
                ours, process = start_worker(slot)
                started.append((ours, process))
                running[ours] = (slot, process, job)
                send(ours, (work, prepare))
                send(ours, job)
            while running and not (deadline and time.monotonic() > deadline):
                if stop_requested() and not deadline:
                    deadline = time.monotonic() + SAVING_SECONDS
                    ask_to_end(process for _, process in started)
                for pipe in wait(list(running), LOOK_SECONDS):
                    assert isinstance(pipe, Connection)
                    slot, process, job = running[pipe]
                    event = receive(pipe, process, job)
                    if isinstance(event, Interrupted):
                        request_stop()
                        places[str(job)] = str(event)
                    elif event is not None:
                        on_event(slot, job, event)
                        continue
                    del running[pipe]
                    following = None if stop_requested() else next(waiting, None)
                    send(pipe, following)
                    if following is not None:
                        running[pipe] = (slot, process, following)
                    if not stop_requested():
                        after(job)
            if stop_requested():
                raise Interrupted(describe_places(places))
    finally:
        for ours, process in started:
            if running:
                process.kill()
            ours.close()
            process.join()


def start_worker(slot: int) -> tuple[Connection, BaseProcess]:
    """A worker process and our end of the pipe to it."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, slot), daemon=True)
    os.environ.setdefault(*HUGE_PAGES)
    resource_tracker.ensure_running()  # starts at first use otherwise, and unblocks signals
    # Ctrl-C reaches the whole group of processes. A child inherits which signals are blocked, so none ends a worker
    # before it is ready to take them (`heed_signals`).
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        with main_left_out():
            process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()  # so that our end sees the worker's death as an end of file
    return ours, process


@contextmanager
def main_left_out() -> Iterator[None]:
    """A process that starts in the block does not run the main file again, which may be anybody's script: it needs none
    of it, and a script without `if __name__ == "__main__"` would begin from its first line.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def ask_to_end(workers: Iterable[BaseProcess]) -> None:
    """Pass on a request to stop."""
    for process in workers:
        process.terminate()


def send(pipe: Connection, message: Any) -> None:
    """Send to a worker; that it is gone shows where its next event is received."""
    with suppress(OSError):
        pipe.send(message)


def receive(pipe: Connection, process: BaseProcess, job: Any) -> Any:
    """The worker's next event; None when its job is done, `Interrupted` when it ended early as it was asked to."""
    try:
        event = pipe.recv()
    except (EOFError, OSError):
        process.join()
        if process.exitcode in [128 + number for number in SIGNALS]:
            return Interrupted()
        why = f"exit code {process.exitcode}; -9 often means out of memory"
        if process.exitcode == -signal.SIGBUS:
            why = f"SIGBUS: a file in {job.maps} was cut short while it was read, or its disk fails; delete that folder"
        raise RunError(
            f"{job}: its process died ({why}); finished folds are kept, run the same command again to go on"
        ) from None
    raise_failure(job, event if isinstance(event, Exception) else None)
    return event
