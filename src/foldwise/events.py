"""What a job tells while it runs. Plain records, so that they pass between processes and machines."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Started:
    """A fold is about to train for so many steps, unless it stops early."""

    steps: int
    done: int = 0  # of them, before it was interrupted


@dataclass(frozen=True)
class Stepped:
    """So many more steps are done."""

    steps: int


@dataclass(frozen=True)
class Evaluated:
    """A validation, as a line of history.jsonl has it."""

    epoch: float  # so far, with fractions
    step: int  # so far
    loss: float | None  # mean training loss since the evaluation before; None of a learner without steps
    score: float | None  # on the whole validation fold; None where it is not finite
    best: bool  # the best so far
    learning_rate: float  # of the next step
    padding: float  # share of the epoch's batches that is padding
    train_seconds: float  # since the start, without validations


@dataclass(frozen=True)
class Finished:
    """A fold is done and written."""

    score: float | None  # None of a model of all rows
    best_epoch: float  # the score's, or the last one
    epochs: float  # trained
    seconds: float  # from opening the tokens to the written folder
    rows_per_second: int  # of training
    padding: float  # mean share of batches
    shortened: dict[str, float] | None = None  # epochs trained and of how many, where a time budget ended it
    written: bool = True  # false where the fold that was there was trained longer and stays


@dataclass(frozen=True)
class Noted:
    """Something to say of a fold, in a line."""

    text: str


@dataclass(frozen=True)
class GivenUp:
    """Its time ended a fold before it was worth keeping; nothing is written."""


@dataclass(frozen=True)
class Stopped:
    """The loss was not finite at a batch of these rows; the fold fails."""

    rows: list[int]


Event = Started | Stepped | Evaluated | Noted | Finished | GivenUp | Stopped
