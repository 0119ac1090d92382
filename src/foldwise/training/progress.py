"""How far a fold has come, 0 … 1: by its steps, or by its time where that runs out first.

With a time budget a fold knows when it must be written. What comes after training (a validation, the predictions, their
files) is estimated from what was measured so far; the time until then is what training may use. Progress is the larger
of steps done and time used, and the learning rate follows progress, so that a fold cut short ends like a whole one.
"""

from dataclasses import dataclass

import numpy as np

from foldwise.clock import Clock

FORWARD = 2.0  # how much faster a batch is predicted than trained, at least; used until a validation was timed
SAFETY = 1.25  # on what is still to come
WRITING = 2e-5  # seconds to write a row's prediction


@dataclass(frozen=True)
class Limit:
    """What a time budget leaves to a fold.

    Attributes:
        deadline: on `Clock`, when the fold must be written.
        least: share of the steps that makes it worth keeping; with less it is given up.
    """

    deadline: float
    least: float = 0.0


@dataclass(frozen=True)
class Workload:
    """How much a fold has to do.

    Attributes:
        steps: of training, by the recipe.
        epochs: these are.
        train, valid, test: tokens.
        rows: whose predictions are written.
        snapshots: how many weights predict.
    """

    steps: int
    epochs: int
    train: int
    valid: int
    test: int
    rows: int
    snapshots: int

    @classmethod
    def measure(
        cls, lengths: np.ndarray, folds: np.ndarray, fold: int, steps: int, epochs: int, snapshots: int
    ) -> "Workload":
        """Of one fold.

        Args:
            lengths: (N + M,) tokens of the training and the test rows.
            folds: (N,) fold of each training row.
        """
        inside, n = folds == fold, len(folds)
        train, valid, test = (int(part.sum()) for part in (lengths[:n][~inside], lengths[:n][inside], lengths[n:]))
        return cls(steps, epochs, train, valid, test, int(inside.sum()) + len(lengths) - n, snapshots)


class Progress:
    """The progress of one fold; time counts from its first step on.

    Args:
        work: what there is to do.
        limit: None without a time budget.
    """

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
        """True where the time ended a fold before it was worth keeping."""
        return self.limit is not None and steps < self.limit.least * self.work.steps

    def seconds_after_training(self, step: float) -> float:
        """Seconds of a validation, the predictions and their files.

        Args:
            step: seconds of a training step.
        """
        work = self.work
        epoch = step * work.steps / work.epochs
        validation = self.validated or epoch * work.valid / max(work.train, 1) / FORWARD
        predictions = work.snapshots * (work.valid + work.test) / max(work.valid, 1)
        return validation * (1 + predictions) + WRITING * work.rows
