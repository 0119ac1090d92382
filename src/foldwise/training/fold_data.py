"""What a fold learns from, and in which units."""

from dataclasses import dataclass

import numpy as np
import torch

from foldwise.config import Task
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore
from foldwise.models import Shape
from foldwise.training.loop import BatchSource
from foldwise.training.precision import Runtime


@dataclass(frozen=True)
class FoldData:
    """What a fold learns from.

    Attributes:
        store: tokens of N training rows, then M test rows.
        vectors: (V, E) float32.
        targets: of the N training rows.
        folds: (N,) int64 fold of each training row.
        features: (N + M, D) float64 numbers beside the text, NaN where unknown; None where there are none.
    """

    store: TokenStore
    vectors: np.ndarray
    targets: Targets
    folds: np.ndarray
    features: np.ndarray | None = None

    @property
    def shape(self) -> Shape:
        """What a model takes and gives."""
        auxiliary = 0 if self.targets.auxiliary is None else self.targets.auxiliary.shape[1]
        features = 0 if self.features is None else self.features.shape[1]
        return Shape(self.targets.outputs + auxiliary, self.store.columns, features)


@dataclass(frozen=True)
class Scale:
    """Targets that are numbers are trained at mean 0 and std 1 of the fold's training rows, others as they are."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, task: Task, y: np.ndarray, rows: np.ndarray) -> "Scale | Identity":
        """Mean and std of the (n, C) numbers of `rows`."""
        if task not in ("regression", "ordinal"):
            return Identity()
        std = y[rows].std(axis=0)
        return cls(y[rows].mean(axis=0), np.where(std > 0, std, 1))

    def apply(self, y: np.ndarray) -> np.ndarray:
        """Units of the target → units of the training."""
        return ((y - self.mean) / self.std).astype(np.float32)

    def undo(self, y: np.ndarray) -> np.ndarray:
        """Units of the training → units of the target."""
        return y * self.std + self.mean


class Identity:
    """No scaling."""

    def apply(self, y: np.ndarray) -> np.ndarray:
        """As they are."""
        return y

    def undo(self, y: np.ndarray) -> np.ndarray:
        """As they are."""
        return y


def build_source(data: FoldData, train_rows: np.ndarray, scale: "Scale | Identity", runtime: Runtime) -> BatchSource:
    """The fold's batches; targets and features are scaled by what its training rows show."""
    targets = data.targets
    auxiliary = features = None
    if targets.auxiliary is not None:
        own = Scale.of(targets.task, targets.auxiliary, train_rows)
        auxiliary = torch.from_numpy(own.apply(targets.auxiliary))
    if data.features is not None:
        features = torch.from_numpy(standardise(data.features, train_rows))
    weights = None if targets.weights is None else torch.from_numpy(targets.weights)
    y = torch.from_numpy(scale.apply(targets.y))
    return BatchSource(data.store, y, runtime.device, weights, auxiliary, features)


def standardise(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(N + M, D) float32 with mean 0 and std 1 over `rows`; unknown values become that mean."""
    return FeatureScale.of(features, rows).apply(features)


@dataclass(frozen=True)
class FeatureScale:
    """(D,) mean and std of the known numbers beside the text of a fold's training rows."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, rows: np.ndarray) -> "FeatureScale":
        """Of `rows` of (n, D) numbers, NaN where unknown."""
        known = np.isfinite(features[rows])
        counts = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, features[rows], 0.0).sum(axis=0) / counts
        centred = np.where(known, features[rows] - mean, 0.0)
        std = np.sqrt((centred**2).sum(axis=0) / counts)
        return cls(mean, np.where(std > 0, std, 1))

    def apply(self, features: np.ndarray) -> np.ndarray:
        """(n, D) float32 in units of the training; unknown values become the mean."""
        centred = np.where(np.isfinite(features), features - self.mean, 0.0)
        return (centred / self.std).astype(np.float32)
