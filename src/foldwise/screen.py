"""The last lines of a terminal, which change in place while plain lines go by above them.

Nothing is shown without a terminal, on one that cannot move its cursor (TERM=dumb), or where standard output goes
through another program. Whoever else writes to the terminal calls `make_room` before: `foldwise.streams` does so for
standard output and error. A window that is made narrower breaks the lines that stand in it; how many rows they take
then is counted from its new width.
"""

import os
import shutil
import stat
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

from tqdm import tqdm

from foldwise.interrupts import TOLD

TICK = 0.25  # seconds between two looks at what the lines say now
Line = Callable[[int], str]  # of a width in columns the text, no longer than that


class Screen:
    """The lines at the bottom of one terminal: those of bars, or where there are none the newest status."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        able = bool(stream) and stream.isatty() and os.environ.get("TERM") != "dumb"
        self.shown = able and not is_pipe(getattr(sys, "stdout", None))
        self.lock = threading.RLock()
        self.bars: list[Line] = []
        self.places: dict[Line, int] = {}  # of bars: those with a lower one stand above
        self.statuses: list[Line] = []
        self.drawn: list[str] = []  # what stands there now, row by row
        self.columns = 0  # of the window when that was drawn
        self.told = len(TOLD)
        self.unfinished = False  # somebody's line has no end yet
        self.idle = threading.Event()
        self.idle.set()

    def size(self) -> tuple[int, int]:
        """Columns and rows of the window now, those that the environment says where the terminal does not know."""
        with suppress(OSError, ValueError, AttributeError):
            columns, rows = os.get_terminal_size(self.stream.fileno())
            if columns and rows:
                return columns, rows
        return shutil.get_terminal_size()

    @contextmanager
    def showing(self, line: Line, status: bool = False) -> Iterator[None]:
        """Show a line as long as the block runs."""
        self.add(line, status)
        try:
            yield
        finally:
            self.remove(line)

    def add(self, line: Line, status: bool = False, place: int = 0) -> None:
        """Show one more line, at once and anew whenever its text is another; among bars at its place."""
        with self.lock:
            (self.statuses if status else self.bars).append(line)
            self.places[line] = place
            self.bars.sort(key=self.places.__getitem__)
            self.draw()
            if self.shown and self.idle.is_set():
                self.idle.clear()
                threading.Thread(target=self.tick, daemon=True).start()

    def remove(self, line: Line) -> None:
        """Show it no longer."""
        with self.lock:
            for lines in (self.bars, self.statuses):
                if line in lines:
                    lines.remove(line)
            self.places.pop(line, None)
            self.draw()
            if not (self.bars or self.statuses):
                self.idle.set()

    def is_newest(self, status: Line) -> bool:
        """Whether it is the one that is shown: there is no bar, and no status that was added later."""
        return not self.bars and self.statuses[-1:] == [status]

    def tick(self) -> None:
        """Draw again and again: clocks go on while the main thread is in one long call."""
        while not self.idle.wait(TICK):
            self.draw()

    def draw(self) -> None:
        """Put the lines as they are now in the place of those that stand there."""
        with self.lock:
            if not self.shown or self.unfinished:
                return
            columns, rows = self.size()
            lines = [text for line in self.bars if (text := line(columns - 1))]
            lines = lines or [line(columns - 1) for line in self.statuses[-1:]]
            lines = [cut(text, columns - 1) for text in lines][: max(rows - 1, 1)]
            if lines != self.drawn or columns != self.columns or self.told != len(TOLD):
                self.write(self.wiping() + "\n".join(lines))
                self.drawn, self.columns = lines, columns

    def make_room(self, after: bytes = b"\n") -> None:
        """Wipe the lines, for what somebody else writes now; they come back unless its last line, `after`, goes on."""
        with self.lock:
            if self.drawn:
                self.write(self.wiping())
                self.drawn = []
            self.unfinished = not after.endswith((b"\n", b"\r"))

    def wiping(self) -> str:
        """What moves the cursor, at the end of the last line, to the start of the first one and clears from there."""
        told, self.told = self.told, len(TOLD)
        if not self.drawn or told != self.told:  # a message stands below them now, and they stay where they are
            return ""
        columns, _ = self.size()
        rows = sum(max(1, -(-width(text) // max(columns, 1))) for text in self.drawn)
        return "\r" + f"\x1b[{rows - 1}A" * (rows > 1) + "\x1b[J"

    def write(self, text: str) -> None:
        """Past Python's buffers, where there is a file below; a terminal that is gone shows no more lines."""
        try:
            self.stream.flush()
            try:
                number = self.stream.fileno()
            except OSError:
                self.stream.write(text)
                return
            data = text.encode(self.stream.encoding, "backslashreplace")
            while data:
                data = data[os.write(number, data) :]
        except (OSError, ValueError):
            self.shown = False


def is_pipe(stream: Any) -> bool:
    """Whether another program reads it, such as `tee`, whose lines in the same terminal would come at any moment."""
    try:
        return stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):  # closed, or no file of the system
        return False


def width(text: str) -> int:
    """How many columns a text takes."""
    return sum(0 if unicodedata.combining(sign) else 1 + (unicodedata.east_asian_width(sign) in "WF") for sign in text)


def cut(text: str, columns: int) -> str:
    """The beginning of a text that fits."""
    while width(text) > columns:
        text = text[: len(text) - max(1, (width(text) - columns) // 2)]
    return text


CURRENT = Screen(None)


def current() -> Screen:
    """The screen of what is standard error now."""
    global CURRENT  # noqa: PLW0603 - there is one terminal
    if CURRENT.stream is not sys.stderr:
        CURRENT = Screen(sys.stderr)
    return CURRENT


def notebook_bar(name: str, total: int | None, done: int, unit: str) -> Any:
    """In a notebook that has widgets, a bar of `tqdm.auto`; elsewhere, and without a total, one that shows nothing."""
    kernel = sys.modules.get("ipykernel.kernelapp")  # also there where a notebook is only driven
    if total is None or not (kernel and kernel.IPKernelApp.initialized() and find_spec("ipywidgets")):
        return tqdm(disable=True)
    from tqdm.auto import tqdm as widget

    looks = {"unit": f" {unit.partition(' (')[0]}", "unit_scale": True, "leave": False}
    return widget(desc=name, total=total, initial=done, **looks)
