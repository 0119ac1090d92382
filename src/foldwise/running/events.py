"""What a job tells of itself while it runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Started:
    """A fold begins.

    Attributes:
        steps: to its last epoch, if it is not stopped early.
    """

    steps: int


@dataclass(frozen=True)
class Stepped:
    """So many more steps are done."""

    steps: int


@dataclass(frozen=True)
class Evaluated:
    """The validation rows were predicted.

    Attributes:
        loss: mean over the training batches since the last evaluation; None where none is computed.
        score: None if it is not finite.
        best: no evaluation before was better.
        seconds: that the evaluation took.
    """

    epoch: float
    loss: float | None
    score: float | None
    learning_rate: float
    best: bool
    seconds: float


@dataclass(frozen=True)
class Finished:
    """A fold has ended.

    Attributes:
        padding: share of the training tokens.
        kept: the fold that was there is the same one, trained longer: it stays, and this one was not written.
    """

    score: float
    best_epoch: float
    epochs: float
    padding: float
    rows_per_second: float
    seconds: float
    kept: bool = False


Event = Started | Stepped | Evaluated | Finished
