"""What a job tells while it runs. Plain records, so that they pass between processes and machines."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Started:
    """A fold is about to train for so many steps, unless it stops early."""

    steps: int


@dataclass(frozen=True)
class Stepped:
    """So many more steps are done."""

    steps: int


@dataclass(frozen=True)
class Evaluated:
    """A validation, as a line of history.jsonl has it.

    Attributes:
        epoch: so far, with fractions.
        step: so far.
        loss: mean of the training loss since the evaluation before; None of a learner without steps.
        score: on the whole validation fold; None where it is not finite.
        best: the best so far.
        learning_rate: of the next step.
        padding: share of the epoch's batches that is padding.
        train_seconds: since the start, without validations.
        seconds: of this validation; not in history.jsonl.
    """

    epoch: float
    step: int
    loss: float | None
    score: float | None
    best: bool
    learning_rate: float
    padding: float
    train_seconds: float
    seconds: float = 0.0

    def record(self) -> dict[str, Any]:
        """The line of history.jsonl."""
        return {name: value for name, value in asdict(self).items() if name != "seconds"}


@dataclass(frozen=True)
class Finished:
    """A fold is done and written.

    Attributes:
        score, best_epoch: of the best evaluation.
        epochs: trained.
        seconds: from opening the tokens to the written folder.
        rows_per_second: of training.
        padding: mean share of batches.
        shortened: epochs trained and of how many, where a time budget ended it; else None.
        written: false where the fold that was there was trained longer and stays.
    """

    score: float
    best_epoch: float
    epochs: float
    seconds: float
    rows_per_second: int
    padding: float
    shortened: dict[str, float] | None = None
    written: bool = True


@dataclass(frozen=True)
class GivenUp:
    """Its time ended a fold before it was worth keeping; nothing is written."""


@dataclass(frozen=True)
class Stopped:
    """The loss was not finite at a batch of these rows; the fold fails."""

    rows: list[int]


@dataclass(frozen=True)
class PredictedRows:
    """So many more rows are predicted."""

    rows: int


@dataclass(frozen=True)
class Predicted:
    """A fold has predicted everything: (M, C) float64, in so many seconds."""

    predictions: np.ndarray
    seconds: float


Event = Started | Stepped | Evaluated | Finished | GivenUp | Stopped | PredictedRows | Predicted
