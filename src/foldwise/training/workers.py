"""Run jobs side by side in processes that each keep their own thread count.

Two LSTMs in two processes of one thread train faster than one after the other with two threads: the steps of a
recurrent net are too small to share. A worker that fails, or dies, stops the others; what they finished stays.
"""

import signal
import traceback
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from foldwise.errors import InputError, RunError

Job = TypeVar("Job")
Report = Callable[[dict[str, Any]], object]


def run_jobs(
    jobs: Sequence[Job],
    work: Callable[[Job, Report], None],
    workers: int,
    on_event: Callable[[int, Job, dict[str, Any]], None],
) -> None:
    """Do every job, `workers` at a time, in order of the list.

    Args:
        work: a module-level function (it is imported by name in a fresh process) that reports through its argument.
        workers: processes; 1 runs the jobs here, one after the other.
        on_event: called in this process with worker number, job and what the job reported.

    Raises:
        RunError, InputError: of the first job that failed.
    """
    if workers == 1 or len(jobs) == 1:
        for job in jobs:
            work(job, lambda event, job=job: on_event(0, job, event))  # type: ignore[misc]
        return
    context = get_context("spawn")
    waiting = list(jobs)
    running: dict[Connection, tuple[int, BaseProcess, Job]] = {}
    started: list[BaseProcess] = []
    process: BaseProcess
    try:
        for slot in range(min(workers, len(jobs))):
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(theirs, work), daemon=True)
            process.start()
            started.append(process)
            theirs.close()  # so that our end sees the worker's death as an end of file
            job = waiting.pop(0)
            ours.send(job)
            running[ours] = (slot, process, job)
        while running:
            for pipe in wait(list(running)):
                assert isinstance(pipe, Connection)
                slot, process, job = running[pipe]
                event = receive(pipe, process, job)
                if event is not None:
                    on_event(slot, job, event)
                elif waiting:
                    running[pipe] = (slot, process, waiting[0])
                    pipe.send(waiting.pop(0))
                else:
                    pipe.send(None)
                    del running[pipe]
    finally:
        for process in started:
            if any(process is busy for _, busy, _ in running.values()):
                process.terminate()
            process.join()


def receive(pipe: Connection, process: BaseProcess, job: Any) -> dict[str, Any] | None:
    """The worker's next event; None when its job is done."""
    try:
        kind, content = pipe.recv()
    except EOFError:
        process.join()
        raise RunError(
            f"{job}: its process died (exit code {process.exitcode}; -9 often means out of memory); "
            "finished folds are kept, run the same command again to go on"
        ) from None
    if kind == "input fault":
        raise InputError(content)
    if kind == "fault":
        raise RunError(content)
    return content if kind == "event" else None


def serve(pipe: Connection, work: Callable[[Any, Report], None]) -> None:
    """A worker process: jobs in, events out, until None comes or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    while (job := pipe.recv()) is not None:
        try:
            work(job, lambda event: pipe.send(("event", event)))
        except InputError as fault:
            pipe.send(("input fault", str(fault)))
        except RunError as fault:
            pipe.send(("fault", str(fault)))
        except BrokenPipeError:
            return
        except Exception:
            pipe.send(("fault", f"{job}: {traceback.format_exc().strip()}"))
        else:
            pipe.send(("done", None))
