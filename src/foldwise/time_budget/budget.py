"""A time budget: `--time-budget 2h` is when everything must be done, not how long training may take.

All processes read one clock. 5% is reserved: for surprises, and for the start of Python, which the clock does not see.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldwise import clock
from foldwise.clock import Clock
from foldwise.errors import InputError

RESERVED = 0.05  # share of the budget that no plan uses
UNITS = {"h": 3600, "m": 60, "min": 60, "s": 1}
PART = r"(\d+(?:\.\d+)?)\s*(h|min|m|s)"


@dataclass(frozen=True)
class TimeBudget:
    """How long a run may take."""

    seconds: float  # from its start to its end
    started: float  # on `Clock`

    @property
    def deadline(self) -> float:
        """When a plan must have everything done."""
        return self.started + (1 - RESERVED) * self.seconds

    @property
    def used(self) -> float:
        """Seconds since the start."""
        return Clock.now() - self.started

    def includes(self, fold: int) -> bool:  # noqa: ARG002
        """Whether a fold is among those that are to be trained: all are."""
        return True

    def hand_out(self, run: Any, fold_of_row: np.ndarray, jobs: list[Any], workers: int) -> Any:
        """The jobs that fit: an iterator with `on_event(job, event)`, and `after(job)` for when one is done."""
        from foldwise.time_budget.jobs import TimedJobs

        return TimedJobs(self, run, fold_of_row, jobs, workers)


def parse_budget(text: str) -> TimeBudget:
    """A budget that began when this process did.

    >>> parse_budget("1h30m").seconds, parse_budget("90 min").seconds, parse_budget("45s").seconds
    (5400.0, 5400.0, 45.0)
    """
    seconds = sum(float(number) * UNITS[unit] for number, unit in re.findall(PART, text))
    if not re.fullmatch(rf"(?:\s*{PART}\s*)+", text) or not seconds:
        raise InputError(f"--time-budget {text!r}: give a length of time with units, such as 2h, 1h30m, 40m or 90s")
    return TimeBudget(seconds, clock.STARTED)
