"""How far a fold has come, 0 … 1: by its steps, or by its time where that runs out first.

With a time budget a fold knows when it must be written. Training may use the time until then, less what comes after it
(a validation, the predictions, their files), which is estimated from what was measured so far.
"""

from dataclasses import dataclass

import numpy as np

from foldwise.clock import Clock

FORWARD = 2.0  # how much faster a batch is predicted than trained, at least; used until a validation was timed
SAFETY = 1.25  # on what is still to come
WRITING = 2e-5  # seconds to write a row's prediction


@dataclass(frozen=True)
class Limit:
    """What a time budget leaves to a fold."""

    deadline: float  # on `Clock`, when the fold must be written
    least: float = 0.0  # share of the steps that makes it worth keeping; with less it is given up


@dataclass(frozen=True)
class Workload:
    """How much a fold has to do."""

    steps: int  # of training, by the recipe
    epochs: int
    train: int  # tokens
    valid: int
    test: int
    rows: int  # whose predictions are written
    snapshots: int  # how many weights predict

    @classmethod
    def measure(
        cls, lengths: np.ndarray, folds: np.ndarray, fold: int, steps: int, epochs: int, snapshots: int
    ) -> "Workload":
        """Of one fold; `lengths` are the (N + M,) tokens of the training and the test rows."""
        inside, n = folds == fold, len(folds)
        train, valid, test = (int(part.sum()) for part in (lengths[:n][~inside], lengths[:n][inside], lengths[n:]))
        return cls(steps, epochs, train, valid, test, int(inside.sum()) + len(lengths) - n, snapshots)


class Progress:
    """The progress of one fold; time counts from its first step on."""

    def __init__(self, work: Workload, limit: Limit | None) -> None:
        self.work, self.limit = work, limit
        self.begun = Clock.now()
        self.validated = 0.0  # seconds of the longest validation
        self.validating = 0.0  # seconds of all of them
        self.share = 0.0  # never falls, however the estimates change

    def note_validation(self, seconds: float) -> None:
        """Take in how long a validation took."""
        self.validated = max(self.validated, seconds)
        self.validating += seconds

    def after(self, steps: int) -> float:
        """Progress after so many steps; training ends at 1."""
        self.share = max(self.share, steps / self.work.steps)
        if self.limit and steps and self.share < 1:
            now = Clock.now()
            step = (now - self.begun - self.validating) / steps
            end = self.limit.deadline - SAFETY * (step + self.seconds_after_training(step))
            used = (now - self.begun) / (end - self.begun) if end > now else 1.0
            self.share = min(max(self.share, used), 1.0)
        return self.share

    def is_too_little(self, steps: int) -> bool:
        """True if the fold is not worth keeping."""
        return self.limit is not None and steps < self.limit.least * self.work.steps

    def seconds_after_training(self, step: float) -> float:
        """Seconds of a validation, the predictions and their files, by the seconds of a training step."""
        work = self.work
        epoch = step * work.steps / work.epochs
        validation = self.validated or epoch * work.valid / max(work.train, 1) / FORWARD
        predictions = work.snapshots * (work.valid + work.test) / max(work.valid, 1)
        return validation * (1 + predictions) + WRITING * work.rows
