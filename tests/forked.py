"""Processes forked from one that has loaded torch: for tests in which work is shared out, killed or goes on.

How a process of the program starts, which takes seconds each time, is what other tests are about: of the command line
`test_pipeline.py` and others that use the fixture `cli`, of workers `running/test_local.py`.
"""

import importlib
import os
import signal
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from typing import TextIO
from unittest import mock

import pytest

# What takes seconds; without optuna only a search lacks something.
LOADED = [
    "torch._dynamo",
    "sklearn.linear_model",
    "scipy.stats",
    "foldwise.running.folds",
    "optuna",
    "forked",
]  # and not conftest, which sets torch up
SERVER = get_context("forkserver")


def start_server() -> None:
    """The process to fork from: one for this process of pytest, which ends with it."""
    from conftest import script_environment

    with mock.patch.dict(os.environ, script_environment()), open(os.devnull, "r+b", 0) as nowhere:  # noqa: PTH123
        SERVER.set_forkserver_preload(LOADED)
        kept = [os.dup(number) for number in (1, 2)]
        try:
            for number in (1, 2):  # it outlives the test whose output is captured now
                os.dup2(nowhere.fileno(), number)
            forkserver.ensure_running()
        finally:
            for number, saved in enumerate(kept, 1):
                os.dup2(saved, number)
                os.close(saved)


@dataclass
class Program:
    """The program in a process group of its own."""

    process: ForkServerProcess
    lines: TextIO  # its standard output and error
    gate: Barrier | None = None  # there until all have passed it

    def kill(self) -> None:
        """SIGKILL to all of it."""
        os.killpg(self.process.pid or 0, signal.SIGKILL)
        self.end()

    def end(self) -> tuple[int | None, str]:
        """Wait for its end; → exit code and what else it wrote."""
        shown = self.lines.read()
        self.process.join(300)
        self.lines.close()
        return self.process.exitcode, shown


def start_programs(*lines: Iterable[str]) -> list[Program]:
    """Start lines of `conftest.command` at the same moment."""
    gate = SERVER.Barrier(len(lines))
    return [start_program(line, gate=gate) for line in lines]


def start_program(line: Iterable[str], closed_input: bool = False, gate: Barrier | None = None) -> Program:
    """Start a line of `conftest.command`; its standard input is empty, or closed."""
    from conftest import environment

    start_server()
    ours, theirs = SERVER.Pipe(duplex=False)
    process = SERVER.Process(target=be_program, args=([*line][3:], environment(), theirs, closed_input, gate))
    process.start()
    theirs.close()
    with ours:
        return Program(process, os.fdopen(os.dup(ours.fileno()), encoding="utf-8"), gate)


def be_program(
    arguments: list[str], variables: dict[str, str], output: Connection, closed_input: bool, gate: Barrier | None
) -> None:
    """In the forked process."""
    import sys

    from foldwise import clock
    from foldwise.__main__ import start

    os.setsid()
    os.environ.clear()
    os.environ.update(variables)
    for number in (1, 2):
        os.dup2(output.fileno(), number)
    output.close()
    if closed_input:
        os.close(0)
        sys.stdin = None  # as Python finds it
    sys.stdout.reconfigure(line_buffering=True)
    sys.argv = ["foldwise", *arguments]
    if gate:
        gate.wait(60)
    clock.STARTED = clock.Clock.now()
    start()


class Workers:
    """As much of a context of `multiprocessing` as the local engine uses."""

    Pipe = staticmethod(SERVER.Pipe)

    @staticmethod
    def Process(target, args, daemon):  # noqa: N802 - its name there
        assert target.__name__ == "serve"
        return SERVER.Process(target=be_worker, args=args, daemon=daemon)


def be_worker(pipe: Connection, slot: int) -> None:
    """In a forked process, whose parent is the server and not the one that it works for."""
    worker = importlib.import_module("foldwise.running.worker")
    signal.pthread_sigmask(signal.SIG_BLOCK, worker.SIGNALS)  # which a process inherits else
    with mock.patch.object(worker, "end_with_parent"):
        worker.serve(pipe, slot)


@contextmanager
def forked_workers():
    """Workers that start in the block are forked."""
    start_server()
    with mock.patch("foldwise.running.local.get_context", return_value=Workers):
        yield


@pytest.fixture(name="forked_workers")
def forked_workers_of_a_test():
    """The same for a whole test."""
    with forked_workers():
        yield
