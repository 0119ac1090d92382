"""What a person sees: plain lines, and on a terminal bars beside them."""

import math
import shutil
import sys
import time
from importlib.util import find_spec
from sys import modules
from typing import Any, Self

from tqdm import tqdm

from foldwise.errors import cut_lines, printable
from foldwise.installed import as_called

QUIET_SECONDS = 60.0  # without a terminal, the longest silence of what runs


def say(stage: str, message: str) -> None:
    """One line of a stage on standard output, above any running bar."""
    tqdm.write(as_called(printable(f"{stage:<9} {message}")), file=sys.stdout)
    sys.stdout.flush()


def warn(message: str) -> None:
    """One line of warning on standard error."""
    tqdm.write(as_called(cut_lines(f"warning: {message}")), file=sys.stderr)


def duration(seconds: float) -> str:
    """`12.3 s`, `4 min 05 s` or `1 h 30 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"


def make_bar(**looks: Any) -> Any:
    """A bar of tqdm: on a terminal, and in a notebook, which is none, its widget; elsewhere one that shows nothing."""
    kernel = modules.get("ipykernel.kernelapp")  # also there where a notebook is only driven
    if kernel and kernel.IPKernelApp.initialized() and find_spec("ipywidgets"):
        from tqdm.auto import tqdm as widget

        return widget(disable=looks["total"] is None, **looks)
    columns, rows = shutil.get_terminal_size()  # where it is unknown, tqdm itself takes it for 0 and shows nothing
    return tqdm(file=sys.stderr, disable=None, ncols=columns - 1, nrows=rows, **looks)


class Progress:
    """How far something is: on a terminal a bar of tqdm, elsewhere a line at most once a minute.

    Use it in a `with`: `update` counts what is done of `total` units, `show` passes on a text, `wait` sleeps beside a
    clock; the latter two have no total. Of things side by side, such as folds, each has a `name`; `looks` are tqdm's.
    """

    def __init__(
        self, stage: str, total: int | None = None, unit: str = "", name: str = "", looks: dict[str, Any] | None = None
    ) -> None:
        self.stage, self.unit, self.name = stage, unit, name
        self.begun = (looks or {}).get("initial", 0)  # done before this process went on with it
        self.done, self.state = self.begun, ""
        self.started = self.spoken = time.monotonic()
        usual: dict[str, Any] = {"desc": printable(name or stage), "unit": f" {unit}", "unit_scale": True}
        if total is None:
            usual = {"bar_format": "{desc}"}  # the text alone, cut at the edge of the terminal
        self.bar = make_bar(total=total, leave=False, **usual | (looks or {}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, done: int) -> None:
        """So many more are done."""
        self.done += done
        self.bar.update(done)
        if self.done > self.begun and self.line_is_due():
            left = (time.monotonic() - self.started) * (self.bar.total - self.done) / (self.done - self.begun)
            self.say(f"{self.done:,} of {self.bar.total:,} {self.unit}, {duration(left)} left")

    def note(self, text: str, short: str) -> None:
        """A result on the way: `short` at the end of the bar; elsewhere `text` in a line, at once."""
        self.bar.set_postfix_str(short, refresh=False)
        if self.bar.disable:
            self.say(text)

    def show(self, text: str) -> None:
        """The newest state in words, such as the bar of another program; an empty text clears the line."""
        self.bar.set_description_str(text and printable(f"{self.stage:<9} {text}"))
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
        """True if there is no terminal and the last line is a minute old."""
        return self.bar.disable and time.monotonic() - self.spoken >= QUIET_SECONDS

    def say(self, text: str) -> None:
        """A line, now."""
        say(self.stage, f"{self.name}: {text}" if self.name else text)
        self.spoken = time.monotonic()

    def close(self) -> None:
        """Clear the bar."""
        if not self.bar.disable:
            self.bar.close()
            print("\r", end="", file=self.bar.fp, flush=True)  # tqdm leaves the cursor where a lower bar ended
