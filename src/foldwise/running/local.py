"""The engine of one machine: jobs side by side in processes that each keep their own thread count.

Two LSTMs in two processes of one thread train faster than one after the other with two threads: the steps of a
recurrent net are too small to share. A worker that fails, or dies, stops the others; what they finished stays.
"""

import os
import signal
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from foldwise.errors import InputError, RunError
from foldwise.running.engine import After, Job, OnEvent, Prepare, Work, do_nothing

# An LSTM step takes and frees some 40 MB of workspace, which glibc gives back to the kernel and gets back zeroed, page
# by page, at the next step: a quarter of a step at batch 512. Asking for pages of 2 MB leaves a third of that cost
# (EXPERIMENTS.md). Read when a process starts; other C libraries, and glibc before 2.35, pass over it.
HUGE_PAGES = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")


def run_in_processes(
    jobs: Iterable[Job],
    work: Work[Job],
    workers: int,
    on_event: OnEvent[Job],
    prepare: Prepare = do_nothing,
    after: After[Job] = do_nothing,
) -> None:
    """Do every job in one of `workers` processes, which import `work` by its name; see `foldwise.running.engine`."""
    waiting = iter(jobs)
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
                    on_event(slot, job, event)
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


def start_worker(context: Any, work: Work[Any], slot: int, prepare: Prepare) -> tuple[Connection, BaseProcess]:
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
        pipe.send(job)
    except OSError:
        raise died(process, job) from None


def receive(pipe: Connection, process: BaseProcess, job: Any) -> Any:
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
    return content


class WorkerError(Exception):
    """Carries the traceback of a worker process as its text."""


def serve(pipe: Connection, work: Work[Any], slot: int, prepare: Prepare) -> None:
    """A worker process: jobs in, events and outcomes out, until None comes or the parent is gone."""
    prepared = False
    try:
        while (job := pipe.recv()) is not None:
            try:
                if not prepared:
                    prepare(slot)
                    prepared = True
                work(job, lambda event: pipe.send(("event", event)))
                outcome: tuple[str, Any] = ("done", None)
            except InputError as error:
                outcome = "input error", str(error)
            except RunError as error:
                outcome = "run error", str(error)
            except BrokenPipeError:
                raise
            except Exception as error:
                message = f"{type(error).__name__}: {str(error).strip()}"
                outcome = "crash", (message, traceback.format_exc().strip())
            pipe.send(outcome)
    except (EOFError, OSError):  # the parent is gone, and nobody is left to tell
        return
