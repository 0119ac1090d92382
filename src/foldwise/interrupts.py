"""A request to end early: by a signal, and in a worker process by word of its parent.

What can be cut short asks `stop_requested` between two steps, saves its state, and raises `Interrupted`. Whoever asks
is given the time for that. All other work ends at once: files are written whole or not at all, so it can.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# `timeout` and some schedulers signal a process and then its group, which it is in: one request, twice in a moment.
SAME_REQUEST = 0.1  # seconds
STOPPING = b"stopping: training finishes its step and saves its state; a second signal leaves at once\n"

REQUEST = threading.Event()
ASKED = threading.Event()  # the work of the moment asks `stop_requested`
TOLD: list[int] = []  # signals that were answered by `STOPPING`, below whatever stood on the terminal


class Interrupted(Exception):  # noqa: N818 - it is no error
    """Work ended early as it was asked to, and the same command goes on from there.

    Of one job the text is the place where it goes on, such as "epoch 1.50"; "" if it begins again. What an engine
    raises for its jobs is made by `describe_places`.
    """


def request_stop() -> None:
    """Ask this process to end as soon as its state is saved."""
    REQUEST.set()


def stop_requested() -> bool:
    """True from the first request on. Who asks is not ended at once by it, but raises `Interrupted`."""
    ASKED.set()
    return REQUEST.is_set()


@contextmanager
def one_job() -> Iterator[None]:
    """Around a piece of work: that somebody in it asked `stop_requested` says nothing about what comes after it."""
    try:
        yield
    finally:
        ASKED.clear()


def describe_places(places: Mapping[str, str]) -> str:
    """Which jobs go on from where, "" where none does.

    >>> describe_places({"gru fold 0": "epoch 1.50", "gru fold 1": "epoch 1.50", "gru fold 2": "epoch 0.5", "x": ""})
    'gru fold 0, gru fold 1 go on from epoch 1.50, gru fold 2 goes on from epoch 0.5'
    """
    jobs: dict[str, list[str]] = {}
    for job, place in places.items():
        jobs.setdefault(place, []).append(job)
    alike = [(", ".join(names), "goes" if len(names) == 1 else "go", place) for place, names in jobs.items() if place]
    return ", ".join(f"{names} {go} on from {place}" for names, go, place in alike)


class Signals:
    """In a `with`, the first of `numbers` is a request to stop; at a second one `leave` ends at once and in silence."""

    def __init__(
        self, numbers: Sequence[signal.Signals] = SIGNALS, leave: Callable[[int], NoReturn] | None = None
    ) -> None:
        self.numbers, self.leave = numbers, leave or end_by
        self.number: int | None = None  # of the first
        self.since = 0.0

    def __enter__(self) -> "Signals":
        REQUEST.clear()
        self.before = {number: signal.getsignal(number) for number in self.numbers}
        for number, handler in self.before.items():
            if handler != signal.SIG_IGN:  # as under nohup, and of Ctrl-C in the background of a script
                signal.signal(number, self.handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    @property
    def exit_code(self) -> int:
        """128 + the number of the signal, as shells have it; of SIGTERM where only a worker was asked to end."""
        return 128 + (self.number or signal.SIGTERM)

    def handle(self, number: int, _: Any) -> None:
        """Note the first signal, and end at once what does not ask for it."""
        if self.number is None:
            self.number, self.since = number, time.monotonic()
            request_stop()
            if not ASKED.is_set():
                raise KeyboardInterrupt
            with suppress(OSError):  # no print: the signal may have come within one
                os.write(2, b"\n" * os.isatty(2) + STOPPING)
                TOLD.append(number)
        # A closed terminal sends SIGHUP more than once, and nobody is there who grows impatient.
        elif number != signal.SIGHUP and time.monotonic() - self.since > SAME_REQUEST:
            self.leave(number)


def end_by(number: int) -> NoReturn:
    """End this process as the signal by itself would: shells see 128 + its number, and Ctrl-C ends their loops too."""
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    os._exit(128 + number)  # the first process in a container outlives the default action
