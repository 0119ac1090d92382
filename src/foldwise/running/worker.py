"""A worker process: jobs in, events out, until its parent is gone or has no further jobs."""

import ctypes
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from functools import cache
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Any

from foldwise.errors import InputError, RunError, find_own_code
from foldwise.interrupts import ASKED, SIGNALS, Interrupted, one_job, request_stop
from foldwise.machine import explain_machine
from foldwise.running.engine import Work
from foldwise.streams import open_streams

PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)


class WorkerError(Exception):
    """Message and traceback, as texts, of an error in a worker that is a fault of the code."""


def serve(pipe: Connection, slot: int) -> None:
    """Receive what to do and how to prepare for it, then jobs, at their end None; send events, and each job's outcome.

    An outcome is None, or an error, or `Interrupted`.
    """
    end_with_parent()
    threading.Thread(target=heed_signals, daemon=True).start()
    open_streams()
    try:
        work, prepare = pipe.recv()  # not among the arguments: what they import takes seconds, and that may be ended
        prepare_once = cache(prepare)

        def prepared(job: Any, report: Callable[[Any], object]) -> None:
            prepare_once(slot)
            work(job, report)

        while (job := pipe.recv()) is not None:
            pipe.send(attempt(prepared, job, pipe.send))
    except (EOFError, OSError):  # the parent is gone, or has no further jobs
        return


def attempt(work: Work, job: Any, report: Callable[[Any], object]) -> Exception | None:
    """Do a job; → its outcome: None, or an error, or `Interrupted`, all of which can be sent to another process."""
    try:
        with one_job():
            work(job, report)
    except (InputError, RunError, Interrupted) as error:
        return error
    except BrokenPipeError:
        raise
    except (Exception, SystemExit) as error:
        if lack := explain_machine(error):
            return RunError(f"{job}: {lack}; finished folds are kept, the same command goes on")
        message = f"{type(error).__name__}: {str(error).strip()}"
        if place := find_own_code(error):
            message = f"{place}: {message}; correct it there"
        return WorkerError(message, traceback.format_exc().strip())
    return None


def raise_failure(job: Any, outcome: Exception | None) -> None:
    """Raise an outcome that is an error; of a fault of the code as a `RunError`."""
    if isinstance(outcome, WorkerError):
        message, trace = outcome.args
        raise RunError(f"{job}: {message}; finished folds are kept, --traceback shows where") from WorkerError(trace)
    if isinstance(outcome, Exception) and not isinstance(outcome, Interrupted):
        raise outcome


def end_with_parent() -> None:
    """From here on this process dies with its parent, whatever it does at that moment."""
    parent = parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    if sys.platform == "linux":  # also in code that lets no other thread run
        # Of the thread that started this process, strictly: engines run in the main thread.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent.pid:  # it died before
        os._exit(1)


def heed_signals() -> None:
    """Take signals for the process, in which they are blocked, in a thread: the main one may be long in one call."""
    while True:
        number = signal.sigwait([number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN])
        request_stop()
        if not ASKED.is_set():
            os._exit(128 + number)
