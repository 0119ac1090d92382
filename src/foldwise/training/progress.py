"""How far a fold has come, 0 … 1: by its steps, or by its time where that runs out first.

A time budget says when a fold must be written. Training may use the time until then, less what comes after it (a
validation, the predictions, their files), which is estimated from what was measured so far.
"""

from dataclasses import dataclass
from typing import Any

from foldwise.clock import Clock
from foldwise.config import Training
from foldwise.training.fold_data import FoldData

FORWARD = 2.0  # how much faster a batch is predicted than trained, at least; used until a validation was timed
SAFETY = 1.25  # on what is still to come
WRITING = 5e-6  # seconds to write a row's prediction
FEW, BEGINNING = 10, 1 / 3  # steps, and a share of the time, within which steps tell little of those that follow


@dataclass(frozen=True)
class Limit:
    """What a time budget leaves to a fold."""

    deadline: float  # on `Clock`, when the fold must be written
    least: float = 0.0  # share of the steps that makes it worth keeping; with less it is given up


class Progress:
    """The progress of one fold; time counts from here on.

    How long a step takes is measured from the end of the first one in this process, before which much is loaded.
    """

    def __init__(self, data: FoldData, fold: int, settings: Training, steps: int, limit: Limit | None) -> None:
        self.steps, self.epochs, self.snapshots, self.limit = steps, settings.epochs, settings.snapshots, limit
        rows = (*data.split(fold), data.test_rows)
        self.train_tokens, self.valid_tokens, self.test_tokens = (int(data.store.lengths[part].sum()) for part in rows)
        self.rows = len(rows[1]) + len(rows[2])  # whose predictions are written
        self.begun, self.earlier = Clock.now(), 0.0  # `earlier`: seconds before this process went on with it
        # Steps until the end of that one and of the last, and the time without validations.
        self.first: tuple[int, float] | None = None
        self.last, self.fastest = (0, 0.0), float("inf")
        self.measured, self.at_first = 0.0, 0.0  # when that was, and the share then
        self.validations = [0.0]  # seconds of each
        self.share = 0.0  # never falls, however the estimates change
        self.stage = 0.0  # the share at which the present stage began
        self.is_hurried = False  # time has moved the share, not steps alone

    def after(self, steps: int) -> float:
        """Progress after so many steps; training ends at 1."""
        self.share = max(self.share, steps / self.steps)
        if not self.limit or not steps or self.share >= 1:
            return self.share
        now = Clock.now()
        step, is_sure = self.seconds_of_step(steps, now)
        end = self.limit.deadline - SAFETY * (step + self.seconds_after_training(step))
        used = 1.0 if end <= now else 0.0
        if is_sure and end > now:
            used = self.at_first + (1 - self.at_first) * (now - self.measured) / (end - self.measured)
        self.is_hurried |= used > self.share
        self.share = min(max(self.share, used), 1.0)
        return self.share

    def seconds_of_step(self, steps: int, now: float) -> tuple[float, bool]:
        """What a step takes: of enough of them the mean, else the fastest so far; and whether it is the former."""
        assert self.limit is not None
        busy = now - sum(self.validations)
        if self.first is None:
            self.first = self.last = steps, busy
            self.measured, self.at_first = now, self.share
        if steps > self.last[0]:
            self.fastest = min(self.fastest, (busy - self.last[1]) / (steps - self.last[0]))
            self.last = steps, busy
        taken = steps - self.first[0]
        if not taken:
            return 0.0, False  # before the end of the first one much was loaded
        if taken < FEW and now - self.begun < BEGINNING * (self.limit.deadline - self.begun):
            return self.fastest, False
        return (busy - self.first[1]) / taken, True

    def in_stage(self, steps: int, end: float = 1.0) -> float:
        """Progress within the stage that ends at the share `end`, 0 … 1, after so many steps of all stages."""
        share = self.after(steps)
        return 1.0 if share >= end else (share - self.stage) / (end - self.stage)

    def seconds_after_training(self, step: float) -> float:
        """Seconds of a validation, the predictions and their files, by the seconds of a training step."""
        epoch = step * self.steps / self.epochs
        validation = max(self.validations) or epoch * self.valid_tokens / max(self.train_tokens, 1) / FORWARD
        predictions = self.snapshots * (self.valid_tokens + self.test_tokens) / max(self.valid_tokens, 1)
        return validation * (1 + predictions) + WRITING * self.rows

    def state_dict(self) -> dict[str, Any]:
        """Time that counts, and what was measured."""
        names = ("validations", "share", "stage", "is_hurried")
        return {"seconds": Clock.now() - self.begun, **{name: getattr(self, name) for name in names}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there: with another deadline, maybe, and without the time since."""
        self.earlier = state.pop("seconds")
        self.begun = Clock.now() - self.earlier
        vars(self).update(state)
