"""How far a fold trains: as far as the recipe says, or as far as a time budget lets it.

With a budget, two things can end a fold early. The process that plans for all folds changes the number of epochs: the
learning rate then goes its whole way in fewer steps, or in more again. And the fold looks at the clock itself: training
ends when what must come after it, a validation and the predictions, would just fit before the deadline.
"""

from dataclasses import dataclass

from foldwise.data.batching import BucketBatchSampler
from foldwise.time_budget.budget import Clock
from foldwise.training.loop import REPORT_STEPS

FORWARD = 2.0  # how much faster a batch is predicted than trained, at least; used until a validation was timed
SAFETY = 1.25  # on what is still to come
WRITING = 2e-5  # seconds to write a row's prediction


@dataclass(frozen=True)
class Limit:
    """What a time budget leaves to a fold.

    Attributes:
        epochs: to train, as planned when the fold begins; may be a fraction.
        deadline: on `Clock`, when the fold must be written.
    """

    epochs: float
    deadline: float


@dataclass(frozen=True)
class Sizes:
    """How much a fold has to do.

    Attributes:
        train, valid, test: tokens.
        predicted: rows whose predictions are written.
        snapshots: how many weights predict.
    """

    train: int
    valid: int
    test: int
    predicted: int
    snapshots: int


class Pace:
    """How far a fold trains.

    Args:
        limit: None without a time budget.
        sampler: of the training batches.
        epochs: of the recipe.
        sizes: of what is predicted.
    """

    def __init__(self, limit: Limit | None, sampler: BucketBatchSampler, epochs: int, sizes: Sizes) -> None:
        self.limit, self.sampler, self.sizes = limit, sampler, sizes
        self.recipe_epochs = epochs
        self.whole = sampler.steps(epochs)
        self.epochs = min(epochs, limit.epochs) if limit else float(epochs)
        self.steps = self.steps_in(self.epochs)
        self.epoch_steps = self.whole / epochs
        self.begun = Clock.now()
        self.validated = 0.0  # seconds of a validation
        self.outside = 0.0  # seconds since `begun` that were not spent on steps

    def begin(self) -> None:
        """Time the steps from now on."""
        self.begun = Clock.now()

    def steps_in(self, epochs: float) -> int:
        """Steps of so many epochs; at least one."""
        if epochs >= self.recipe_epochs:
            return self.whole
        full, rest = int(epochs), epochs % 1
        before = self.sampler.steps(full)
        if not rest:
            return max(1, before)
        return max(1, before + int(rest * len(self.sampler.at(full))))

    def hear(self, epochs: float | None) -> bool:
        """Take in how many epochs are planned by now.

        Returns:
            True if the number of steps is another than before.
        """
        if self.limit is None or epochs is None or epochs == self.epochs:
            return False
        before, self.epochs = self.steps, min(epochs, self.recipe_epochs)
        self.steps = self.steps_in(self.epochs)
        return self.steps != before

    @property
    def given_up(self) -> bool:
        """True once the fold is not wanted any more: no epochs at all are planned."""
        return self.epochs <= 0

    def note_validation(self, seconds: float) -> None:
        """Take in how long a validation took."""
        self.validated = max(self.validated, seconds)
        self.outside += seconds

    def is_over(self, steps: int) -> bool:
        """True once training must end.

        Args:
            steps: done so far.
        """
        if steps >= self.steps:
            return True
        if self.limit is None or not steps:
            return False
        now = Clock.now()
        step = (now - self.begun - self.outside) / steps
        until_next_look = min(REPORT_STEPS, self.steps - steps) * step
        return now + SAFETY * (until_next_look + self.seconds_after(step)) >= self.limit.deadline

    def seconds_after(self, step: float) -> float:
        """Seconds of all that comes after training: a validation, the predictions, their files.

        Args:
            step: seconds of a training step.
        """
        sizes = self.sizes
        validation = self.validated or step * self.epoch_steps * sizes.valid / max(sizes.train, 1) / FORWARD
        predictions = sizes.snapshots * (sizes.valid + sizes.test) / max(sizes.valid, 1)
        return validation * (1 + predictions) + WRITING * sizes.predicted
