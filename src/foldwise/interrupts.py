"""A request to end early: by a signal, and in a worker process by word of its parent.

What can be cut short asks `stop_requested` between two steps, saves its state, and raises `Interrupted`.
"""

import threading

REQUEST = threading.Event()


class Interrupted(Exception):  # noqa: N818 - it is no error
    """Work ended early as it was asked to; its state is saved, and the same command goes on from there."""


def request_stop() -> None:
    """Ask this process to end as soon as its state is saved."""
    REQUEST.set()


def stop_requested() -> bool:
    """True from the first request on."""
    return REQUEST.is_set()
