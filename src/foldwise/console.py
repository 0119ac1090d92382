"""What a person sees: plain lines, and on a terminal bars beside them."""

import math
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

from rich.console import Console
from tqdm import tqdm

from foldwise import screen
from foldwise.errors import cut_lines, printable
from foldwise.installed import as_called

INSTEAD = {"↑": "(higher is better)", "↓": "(lower is better)", "→": "->", "±": "+-", "≈": "~", "–": "-", "…": "..."}
LAST_LINE = [-math.inf]  # when it was written, on time's monotonic clock
SILENT: list[bool] = []  # with anything in it stages are silent
WARNED: set[str] = set()  # the warnings of this command
QUIET_SECONDS = 60.0  # without a terminal, the longest silence of what runs


def say(stage: str, message: str, always: bool = False) -> None:
    """One line of a stage on standard output, above any running bar; where stages are `silent` only if `always`."""
    if always or not SILENT:
        write(as_called(printable(f"{stage:<9} {message}")), sys.stdout)


@contextmanager
def silent() -> Iterator[None]:
    """In the block stages say nothing: there are only warnings, bars, and without a terminal a line a minute."""
    SILENT.append(True)
    try:
        yield
    finally:
        SILENT.pop()


def warn(message: str, once: bool = False) -> None:
    """One line of warning on standard error; where stages are `silent`, each once in a command."""
    if message not in WARNED or not (once or SILENT):
        write(as_called(cut_lines(f"warning: {message}")), sys.stderr)
    WARNED.add(message)


def write(text: str, stream: Any) -> None:
    """A line above the bars, at once."""
    shown = screen.current()
    with shown.lock:
        shown.make_room()
        print(text, file=stream, flush=True)
        LAST_LINE[0] = time.monotonic()
        shown.draw()


def duration(seconds: float) -> str:
    """`12.3 s`, `4 min 05 s` or `1 h 30 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"


def rough(seconds: float) -> str:
    """The same for a clock that runs: `12 s`, `4 min 05 s`."""
    return f"{int(seconds)} s" if seconds < 60 else duration(seconds)


def open_page(**looks: Any) -> Console:
    """Standard output for tables, as wide as its window, also on a dumb terminal, for which rich takes 80 columns."""
    size = {}
    if sys.stdout.isatty() and os.environ.get("TERM") == "dumb":
        size = dict(zip(("width", "height"), shutil.get_terminal_size(), strict=True))
    return Console(highlight=False, **size | looks)


def direction(greater_is_better: bool) -> str:
    """Which way a score is better: an arrow beside the metric's name, words where standard output has no arrows."""
    return as_shown("↑" if greater_is_better else "↓")


def learnt_nothing(greater_is_better: bool) -> str:
    """How the score of a constant prediction is to be read."""
    return f"a model {'below' if greater_is_better else 'above'} the constant prediction has learnt nothing"


def as_shown(text: str) -> str:
    """The text as standard output can show it, so that a table of such cells stays straight."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"  # one in memory takes all signs
    for sign, instead in INSTEAD.items():
        if sign in text and not can_show(sign, encoding):
            text = text.replace(sign, instead)
    return printable(text).encode(encoding, "backslashreplace").decode(encoding)


def can_show(sign: str, encoding: str) -> bool:
    """Whether the encoding has the sign."""
    try:
        return bool(sign.encode(encoding))
    except UnicodeError:
        return False


class Progress:
    """How far something is: on a terminal a line in its last rows, elsewhere a line at most once a minute.

    Use it in a `with`: `update` counts what is done of `total` units, `show` passes on a text, `wait` sleeps beside a
    clock; the latter two have no total. Of things side by side, such as folds, each has a `name`.
    """

    def __init__(
        self,
        stage: str,
        total: int | None = None,
        unit: str = "",
        name: str = "",
        done: int = 0,
        line: Callable[["Progress", int], str] | None = None,
        place: int = 0,
    ) -> None:
        """`unit`: what is counted, in the plural. `done`: before this process went on with it.

        `line`: what a terminal of a width shows, instead of the usual. `place`: those with a lower one stand above.
        """
        self.stage, self.total, self.unit, self.name = stage, total, unit, name
        self.begun = self.done = done
        self.state = self.text = self.result = ""
        self.started = self.spoken = time.monotonic()
        self.screen, self.line = screen.current(), partial(line or usual_line, self)
        self.screen.add(self.line, place=place)
        self.widget = screen.notebook_bar(printable(name or stage), total, done, unit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_seen(self) -> bool:
        """Whether a terminal or a notebook shows it all the time."""
        return self.screen.shown or not self.widget.disable

    @property
    def seconds(self) -> float:
        """Since it began in this process."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float | None:
        """Seconds that it will still take, as it went so far; None where nothing tells."""
        if self.total is None or self.done <= self.begun:
            return None
        return self.seconds * (self.total - self.done) / (self.done - self.begun)

    def update(self, done: int) -> None:
        """So many more are done."""
        self.done += done
        self.widget.update(done)
        if self.line_is_due() and (left := self.left) is not None:
            self.say(f"{self.done:,} of {self.total:,} {self.unit}, {duration(left)} left")

    def note(self, text: str, short: str) -> None:
        """A result on the way: `short` at the end of the bar; elsewhere `text` in a line, at once."""
        self.result = short
        self.widget.set_postfix_str(short)
        if not (self.is_seen or SILENT):
            self.say(text)

    def show(self, text: str) -> None:
        """The newest state in words, such as the bar of another program; an empty text clears the line."""
        self.text = text and printable(f"{self.stage:<9} {text}")
        self.screen.draw()
        self.widget.set_description_str(self.text)
        if text and self.line_is_due():
            self.say(text)

    def wait(self, state: str, seconds: float) -> None:
        """Sleep so long, and show `state` and the time since the start; elsewhere a new state is said at once."""
        if state != self.state:
            self.state, self.spoken = state, -math.inf
        end = time.monotonic() + seconds
        while True:
            self.show(f"{state}, {duration(int(time.monotonic() - self.started))}")
            time.sleep(max(0.0, min(1.0, end - time.monotonic())))
            if time.monotonic() >= end:
                return

    def line_is_due(self) -> bool:
        """True if there is no bar and the last line is a minute old."""
        return not self.is_seen and time.monotonic() - self.spoken >= QUIET_SECONDS

    def say(self, text: str) -> None:
        """A line, now."""
        say(self.stage, f"{self.name}: {text}" if self.name else text, always=True)
        self.spoken = time.monotonic()

    def close(self) -> None:
        """Clear the line."""
        self.screen.remove(self.line)
        self.widget.close()


def usual_line(shown: Progress, width: int) -> str:
    """A bar with how many are done of how many, and how long it takes; without a total the text alone."""
    if shown.total is None:
        return shown.text
    name, encoding = printable(shown.name or shown.stage), getattr(shown.screen.stream, "encoding", None) or "ascii"
    looks = {"unit": f" {shown.unit}", "unit_scale": True, "ascii": not can_show("█", encoding)}
    return tqdm.format_meter(shown.done, shown.total, shown.seconds, width, name, initial=shown.begun, **looks)


@contextmanager
def working(stage: str, text: str) -> Iterator[None]:
    """A sign of life of what takes long and counts nothing; around a block, or as a decorator.

    On a terminal a line with a clock in its last row, as long as no bar is there; elsewhere a line where there was none
    for `QUIET_SECONDS`.
    """
    started, ended, shown = time.monotonic(), threading.Event(), screen.current()

    def told(*_: int) -> str:
        seconds = time.monotonic() - started
        return printable(f"{stage:<9} {text}{f', {rough(seconds)}' if seconds >= 1 else ''}")

    def speak() -> None:
        while not ended.wait(max(QUIET_SECONDS - silence(), 1.0)):
            if shown.is_newest(told) and silence() >= QUIET_SECONDS:
                write(told(), sys.stdout)

    def silence() -> float:
        return time.monotonic() - max(started, LAST_LINE[0])

    try:
        with shown.showing(told, status=True):
            if not shown.shown:
                threading.Thread(target=speak, daemon=True).start()
            yield
    finally:
        ended.set()
