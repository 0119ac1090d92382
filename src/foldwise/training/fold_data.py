"""What a fold learns from, and in which units."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from foldwise.config import Section
from foldwise.data.dataset import TokenDataset
from foldwise.data.splits import HIDDEN
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore
from foldwise.models import Shape

RESIDENT = 0.25  # of a GPU's free memory: token arrays up to this share are kept there


@dataclass(frozen=True)
class Lesson:
    """n rows with targets of their own, that a fold trains on instead of its training rows and their labels."""

    rows: np.ndarray  # (n,) int64 rows of the token store
    targets: np.ndarray  # (n, …) in the task's form of y, or (n, C) float32 probabilities of classes
    weights: np.ndarray | None = None  # (n,) float32 how much each counts in the loss


@dataclass(frozen=True)
class FoldData:
    """N training rows, M test rows, and maybe X extra ones."""

    store: TokenStore  # of the training rows, then of the test rows, then of the extra ones
    vectors: np.ndarray  # (V, E) float32
    targets: Targets  # of the training rows
    folds: np.ndarray  # (N,) int64 fold of each training row; `TRAIN_ONLY` or `HIDDEN` where none validates it
    features: np.ndarray | None = None  # (N + M + X, D) float64 numbers beside the text, NaN where unknown
    words: Sequence[str] = ()  # V words in id order, for learners that read texts
    extra: int = 0  # X
    first: Lesson | None = None  # what a network trains on before
    lesson: Lesson | None = None  # what it then trains on instead of the labels; it is scored by these all the same
    make_dataset: Callable[..., TokenDataset] = TokenDataset

    @property
    def shape(self) -> Shape:
        """What a model takes and gives."""
        features = 0 if self.features is None else self.features.shape[1]
        return Shape(self.targets.outputs + self.targets.auxiliary_outputs, self.store.columns, features)

    @property
    def test_rows(self) -> np.ndarray:
        """(M,) row numbers of the test rows."""
        return np.arange(len(self.folds), len(self.store) - self.extra)

    def split(self, fold: int) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers of the training and of the validation rows of a fold."""
        return np.flatnonzero((self.folds != fold) & (self.folds != HIDDEN)), np.flatnonzero(self.folds == fold)

    def learnt(self, fold: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Rows that a fold trains on, targets, and maybe float64 weights: of its training rows, or of its lesson."""
        lesson = self.lesson
        if lesson is None:
            rows, _ = self.split(fold)
            weights = self.targets.weights
            lesson = Lesson(rows, self.targets.y[rows], None if weights is None else weights[rows])
        return lesson.rows, lesson.targets, None if lesson.weights is None else lesson.weights.astype(np.float64)


class Scale(Section):
    """Mean and standard deviation of C columns, which training brings to 0 and 1. Unknown numbers become the mean."""

    mean: list[float]
    std: list[float]

    @classmethod
    def fit(cls, numbers: np.ndarray, rows: np.ndarray) -> "Scale":
        """Of `rows` of (n, C) numbers, NaN where unknown; the standard deviation of a column without any is 1."""
        known = np.isfinite(numbers[rows])
        counts = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, numbers[rows], 0.0).sum(axis=0) / counts
        centred = np.where(known, numbers[rows] - mean, 0.0)
        std = np.sqrt((centred**2).sum(axis=0) / counts)
        return cls(mean=mean.tolist(), std=np.where(std > 0, std, 1).tolist())

    def apply(self, numbers: np.ndarray) -> np.ndarray:
        """(n, C) float32 in units of the training."""
        centred = np.where(np.isfinite(numbers), numbers - self.mean, 0.0)
        return (centred / self.std).astype(np.float32)

    def undo(self, numbers: np.ndarray) -> np.ndarray:
        """Units of the training → units of the target."""
        return numbers * self.std + self.mean


class Units(Section):
    """The scales that a fold trains in; None for targets that are no values, and where there are no features."""

    targets: Scale | None
    features: Scale | None

    @classmethod
    def fit(cls, data: FoldData, rows: np.ndarray) -> "Units":
        """By a fold's training rows."""
        targets = Scale.fit(data.targets.y, rows) if data.targets.spec.y == "values" else None
        return cls(targets=targets, features=None if data.features is None else Scale.fit(data.features, rows))


def build_dataset(
    data: FoldData, rows: np.ndarray, units: Units, device: torch.device, lesson: Lesson | None = None
) -> TokenDataset:
    """A fold's training rows, or those of a lesson; `select` gives others of the same store."""
    targets = data.targets
    y, weights, auxiliary = targets.y, targets.weights, targets.auxiliary
    if lesson is not None:
        y = spread(lesson.targets, lesson.rows, len(data.store))
        weights = None if lesson.weights is None else spread(lesson.weights, lesson.rows, len(data.store))
        if lesson.rows.max(initial=0) >= len(data.folds):
            auxiliary = None  # which only training rows have
    if units.targets is not None:
        y = np.where(np.isnan(y), np.float32(np.nan), units.targets.apply(y))  # unknown targets stay so
    if auxiliary is not None and units.targets is not None:
        auxiliary = Scale.fit(auxiliary, rows).apply(auxiliary)
    features = None if units.features is None or data.features is None else units.features.apply(data.features)
    parts = {"targets": y, "weights": weights, "auxiliary": auxiliary, "features": features}
    beside = {name: torch.from_numpy(part) for name, part in parts.items() if part is not None}
    rows = rows if lesson is None else lesson.rows
    dataset = data.make_dataset(data.store, rows, device=choose_home(data.store.tokens.nbytes, device), **beside)
    dataset.mapped.append(data.vectors)
    return dataset


def spread(part: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """(size, …) with `part` at `rows` and zeros elsewhere."""
    whole = np.zeros((size, *part.shape[1:]), part.dtype)
    whole[rows] = part
    return whole


def choose_home(size: int, device: torch.device) -> torch.device:
    """Where token arrays of `size` bytes are kept and batches gathered: on a GPU that has room, else main memory."""
    if device.type == "cuda" and size <= RESIDENT * torch.cuda.mem_get_info(device)[0]:
        return device
    return torch.device("cpu")
