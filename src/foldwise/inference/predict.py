"""One packed fold predicts, in a worker or in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foldwise.clock import Clock
from foldwise.data.token_store import TokenStore
from foldwise.inference.bundle import VECTORS, Manifest, PackedFold
from foldwise.learners import NewRows, learner_for
from foldwise.models import Shape
from foldwise.paths import ALL_ROWS, FEATURES
from foldwise.training.checkpoint import Checkpoint
from foldwise.training.precision import Runtime

WORDS, NEW_VECTORS = "words.txt", "new_vectors.npy"  # beside the tokens; words in id order, the new ones last


@dataclass(frozen=True)
class PredictJob:
    """One fold to predict with."""

    weights: Path  # the packed folder
    data: Path  # the folder of the test set's tokens
    manifest: Manifest
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


def member_files(weights: Path, manifest: Manifest, member: str) -> dict[str, Path]:
    """What all folds of a packed member read, by the learner's names."""
    return {name: weights / packed for name, packed in manifest.members[member].files.items()}


def predict_job(job: PredictJob, report: Callable[[int | Predicted], object]) -> None:
    """Report numbers of rows as they are done, and at the end what is predicted."""
    start, manifest = Clock.now(), job.manifest
    shape, learner = Shape(**manifest.shape), learner_for(manifest.config.recipe.of_member(job.member))
    own = job.data / job.member if learner.reads_texts else None
    rows = NewRows(
        store=TokenStore.open(own or job.data, learner.sees_whole_texts),
        words=(job.data / WORDS).read_text(encoding="utf-8").split("\n"),
        features=np.load(job.data / FEATURES) if shape.features else None,
        new_vectors=np.load(job.data / NEW_VECTORS),
        vectors=job.weights / VECTORS,
        dimension=manifest.dimension,
        shape=shape,
        targets=manifest.targets,
        own=own,
        files=member_files(job.weights, manifest, job.member),
    )
    checkpoint = Checkpoint([job.weights / name for name in job.packed.weights], job.weights / job.packed.facts)
    predictions = learner.predict(checkpoint, rows, job.runtime, report)
    report(Predicted(predictions.astype(np.float64), Clock.now() - start))
