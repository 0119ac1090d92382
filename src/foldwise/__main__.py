"""`python -P -m foldwise …`; `run.sh` sets up and calls this. Of an installed package `foldwise` is the command."""

import os
import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # the current folder, where -P is missing: a random.py there would take the place of Python's
    os.environ["PYTHONSAFEPATH"] = "1"  # in workers too

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while packages load, Ctrl-C ends it without a traceback

import foldwise.clock  # noqa: F401 - a time budget counts from here
from foldwise import screen
from foldwise.installed import add_own_modules
from foldwise.interrupts import SIGNALS, end_by
from foldwise.streams import open_streams


def start() -> None:
    """The program, from its command line to its exit code."""
    open_streams()
    # cuBLAS gives the same bits every time only with a fixed workspace, and reads this before its first call.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    add_own_modules()
    try:
        with screen.current().showing(lambda _: "starting", status=True):
            from foldwise.cli import main

            main()
    except SystemExit as ended:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number in SIGNALS:
            if ended.code == 128 + number:
                end_by(number)
        raise


if __name__ == "__main__":
    start()
