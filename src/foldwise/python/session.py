"""What is around every call from Python: errors and Ctrl-C as a program of one's own can take them."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from foldwise.errors import InputError, RunError
from foldwise.inputs import same_inputs
from foldwise.installed import add_own_modules
from foldwise.interrupts import Interrupted, Signals
from foldwise.machine import explain_machine


@contextmanager
def session() -> Iterator[None]:
    """Run stages in the block.

    Raises:
        InputError: something that was given is wrong; the message is that of the command line.
        RunError: the run failed on good input, or the machine has not what it needs.
        KeyboardInterrupt: at Ctrl-C. A fold that trains has finished its step and saved its state; a second Ctrl-C
            leaves at once. The same call goes on from there.
    """
    add_own_modules()
    # Before cuBLAS is called: see `foldwise.__main__`.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    in_main = threading.current_thread() is threading.main_thread()  # the only one that may take signals
    try:
        with Signals((signal.SIGINT,) if in_main else (), leave), same_inputs():
            yield
    except Interrupted as error:
        places = f", and {error}" if str(error) else ""
        raise KeyboardInterrupt(f"what was finished is kept{places}; the same call goes on") from None
    except (InputError, RunError):
        raise
    except Exception as error:
        if lack := explain_machine(error):
            raise RunError(f"{lack}; what was finished is kept; the same call goes on") from error
        raise


def leave(_: int) -> NoReturn:
    """At a second Ctrl-C: the program, or the notebook, lives on."""
    raise KeyboardInterrupt("what was finished is kept; the same call goes on")
