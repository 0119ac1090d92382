"""One trained fold predicts a table, in a worker or in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foldwise.clock import Clock
from foldwise.inference.bundle import PackedFold, Source
from foldwise.inference.rows import Rows
from foldwise.learners import learner_for
from foldwise.paths import ALL_ROWS
from foldwise.training.precision import Runtime


@dataclass(frozen=True)
class PredictJob:
    """One fold to predict with."""

    source: Source
    data: Path  # the folder of the test set's tokens
    member: str
    packed: PackedFold
    runtime: Runtime

    @property
    def maps(self) -> Path:
        """The folder whose files it maps into memory."""
        return self.data

    def __str__(self) -> str:
        return f"{self.member} {'on all rows' if self.packed.fold == ALL_ROWS else f'fold {self.packed.fold}'}"


@dataclass(frozen=True)
class Predicted:
    """A fold has predicted everything, in so many seconds."""

    predictions: np.ndarray  # (M, C) float64
    seconds: float


def predict_job(job: PredictJob, report: Callable[[int | Predicted], object]) -> None:
    """Report numbers of rows as they are done, and at the end what is predicted."""
    start, source = Clock.now(), job.source
    learner = learner_for(source.manifest.config.recipe.of_member(job.member))
    own = job.data / job.member if learner.reads_texts else None
    rows = Rows.open(job.data).of_member(source, job.member, own)
    predictions = learner.predict(source.checkpoint(job.packed), rows, job.runtime, report)
    report(Predicted(predictions.astype(np.float64), Clock.now() - start))
