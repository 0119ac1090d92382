"""What a person sees: plain lines, and on a terminal bars beside them."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from foldwise.events import Evaluated, Event, Finished, GivenUp, Started, Stepped

QUIET_SECONDS = 60.0  # without a terminal, the longest silence of what runs


def say(stage: str, message: str) -> None:
    """One line of a stage on standard output, above any running bar."""
    tqdm.write(f"{stage:<9} {message}", file=sys.stdout)
    sys.stdout.flush()


def warn(message: str) -> None:
    """One line of warning on standard error."""
    tqdm.write(f"warning: {message}", file=sys.stderr)


def duration(seconds: float) -> str:
    """`12.3 s`, `4 min 05 s` or `1 h 30 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"


@contextmanager
def bar(stage: str, total: int, unit: str) -> Iterator["tqdm[Any]"]:
    """A progress bar on a terminal, nothing elsewhere."""
    with tqdm(total=total, desc=stage, unit=f" {unit}", unit_scale=True, leave=False, disable=None) as shown:
        yield shown


class RowProgress:
    """Rows done of many: a bar on a terminal; elsewhere a line a minute.

    Args:
        stage: name of the command.
        total: rows.
    """

    def __init__(self, stage: str, total: int) -> None:
        self.bar = tqdm(total=total, desc=stage, unit=" rows", unit_scale=True, leave=False, disable=None)
        self.stage, self.total, self.done = stage, total, 0
        self.started = self.spoken = time.monotonic()

    def update(self, rows: int) -> None:
        """So many more are done."""
        self.bar.update(rows)
        self.done += rows
        now = time.monotonic()
        if self.bar.disable and now - self.spoken > QUIET_SECONDS:
            left = (now - self.started) * (self.total - self.done) / self.done
            say(self.stage, f"{self.done:,} of {self.total:,} rows, {duration(left)} left")
            self.spoken = now

    def close(self) -> None:
        """Clear the bar."""
        self.bar.close()


class RelayedBar:
    """Shows the bar of another program: on a terminal as it moves, elsewhere its state once a minute."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.spoken = time.monotonic()
        self.shown = False

    def update(self, text: str) -> None:
        """Show the bar's newest state."""
        if sys.stderr.isatty():
            print(f"\r\033[K{self.stage:<9} {text[:68]}", end="", file=sys.stderr, flush=True)
            self.shown = True
        elif time.monotonic() - self.spoken > QUIET_SECONDS:
            say(self.stage, text)
            self.spoken = time.monotonic()

    def close(self) -> None:
        """Leave the line empty."""
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        self.shown = False


class Timer:
    """Shows that something far away is waited for: on a terminal a clock that ticks, elsewhere a line a minute.

    Args:
        stage: name of the command.
    """

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.started = time.monotonic()
        self.spoken = -QUIET_SECONDS
        self.said = ""

    def wait(self, state: str, seconds: float) -> None:
        """Wait so long, and show `state` and the time since the start."""
        until = time.monotonic() + seconds
        elapsed = time.monotonic() - self.started
        if not sys.stderr.isatty() and (state != self.said or elapsed - self.spoken >= QUIET_SECONDS):
            say(self.stage, f"{state}, {duration(elapsed)}")
            self.spoken, self.said = elapsed, state
        while (left := until - time.monotonic()) > 0:
            if sys.stderr.isatty():
                clock = duration(int(time.monotonic() - self.started))
                print(f"\r\033[K{self.stage:<9} {state}, {clock}", end="", file=sys.stderr, flush=True)
            time.sleep(min(1.0, left))

    def close(self) -> None:
        """Leave the line empty."""
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


BAR = "{desc} {percentage:3.0f}%|{bar:2}| {remaining} {rate_fmt}{postfix}"  # fits 80 columns


class FoldProgress:
    """Shows folds that train side by side: a bar for each on a terminal; elsewhere a line per evaluation and minute."""

    def __init__(self) -> None:
        self.bars: dict[int, tqdm[Any]] = {}
        self.steps: dict[int, int] = {}  # done, by slot
        self.started: dict[int, float] = {}
        self.spoken: dict[int, float] = {}

    def update(self, slot: int, name: str, event: Event) -> None:
        """Take in an event of the fold `name` that runs in worker `slot`."""
        match event:
            case Started():
                shown = tqdm(total=event.steps, desc=name, position=slot, leave=False, disable=None, bar_format=BAR)
                self.bars[slot], self.steps[slot] = shown, 0
                self.started[slot] = self.spoken[slot] = time.monotonic()
            case Stepped():
                self.bars[slot].update(event.steps)
                self.steps[slot] += event.steps
                if self.bars[slot].disable and time.monotonic() - self.spoken[slot] > QUIET_SECONDS:
                    self.say_steps(slot, name)
            case Evaluated():
                shown = self.bars[slot]
                score = "nan" if event.score is None else f"{event.score:.4f}"
                if event.loss is None:
                    return
                text = f"epoch {event.epoch:.2f} loss {event.loss:.2f} score {score} lr {event.learning_rate:.0e}"
                shown.set_postfix_str(text.replace("epoch", "ep"), refresh=False)
                if shown.disable:
                    self.spoken[slot] = time.monotonic()
                    say("train", f"{name}: {text}{' best' if event.best else ''}")
            case GivenUp():
                self.take_away(slot)
                say("train", f"{name}: given up, there is no time for its epochs")
            case Finished():
                self.take_away(slot)
                say(
                    "train",
                    f"{name}: {event.score:.4f} at epoch {event.best_epoch:.2f} of {event.epochs:.2f}, "
                    f"{event.padding:.1%} padding, {event.rows_per_second:,.0f} rows/s, {duration(event.seconds)}"
                    + ("" if event.written else "; the one that is there was trained longer and stays"),
                )

    def take_away(self, slot: int) -> None:
        """Clear the bar of a fold that ended; tqdm leaves the cursor at its end where it is not the first one."""
        shown = self.bars.pop(slot)
        shown.close()
        if not shown.disable:
            print("\r", end="", file=sys.stderr, flush=True)

    def say_steps(self, slot: int, name: str) -> None:
        """How far a fold has come, and how long it would take to its last epoch."""
        done, total, now = self.steps[slot], self.bars[slot].total, time.monotonic()
        left = (now - self.started[slot]) * (total - done) / done
        say("train", f"{name}: step {done:,} of {total:,}, {duration(left)} left if not stopped early")
        self.spoken[slot] = now

    def close(self) -> None:
        """Clear the bars of folds that did not end."""
        for shown in self.bars.values():
            shown.close()
        self.bars.clear()
