"""The linear head over frozen states: logistic or ridge regression, C chosen as the linear learner chooses it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel

from foldwise.config import Linear
from foldwise.learners.regression import Link, fit_columns, fit_ridge, fit_softmax, to_predictions
from foldwise.tasks import TASKS

CHUNK = 4096  # rows that are predicted at once


class HeadFacts(BaseModel):
    """What of a head stands beside its arrays."""

    C: list[float]
    link: Link


@dataclass(frozen=True)
class Head:
    """A fitted head, for states as they are."""

    coef: np.ndarray  # (C, F) float32
    intercept: np.ndarray  # (C,) float64
    C: list[float]  # as chosen
    link: Link

    def predict(self, states: np.ndarray) -> np.ndarray:
        """(n, C) float64 predictions of (n, F) states."""
        from threadpoolctl import threadpool_limits

        parts = [np.empty((0, len(self.coef)))]
        with threadpool_limits(1):  # sums in another order have other last bits
            for start in range(0, len(states), CHUNK):
                parts.append(states[start : start + CHUNK].astype(np.float32) @ self.coef.T + self.intercept)
        return to_predictions(np.concatenate(parts), self.link)


def fit_head(
    states: np.ndarray, y: np.ndarray, task: str, outputs: int, weight: np.ndarray | None, c: Any, seed: int
) -> Head:
    """Fit on (n, F) states of the training rows.

    Each state is brought to mean 0 and standard deviation 1 / √F, so that rows have a length of about 1, as rows of
    TF-IDF have, and C means the same as there.

    Args:
        y: as `Targets.y`.
        weight: (n,) float64, or None for 1 each.
        c: a number or "auto".
    """
    from threadpoolctl import threadpool_limits

    inputs = states.astype(np.float32)
    mean = inputs.mean(axis=0, dtype=np.float64)
    scale = inputs.std(axis=0, dtype=np.float64) * np.sqrt(inputs.shape[1])
    scale[scale == 0] = 1.0
    inputs -= mean.astype(np.float32)
    inputs /= scale.astype(np.float32)
    settings, learnt = Linear(C=c, weighting="tfidf"), TASKS[task].y
    ones = np.ones(len(y)) if weight is None else weight
    link: Link = "sigmoid"
    with threadpool_limits(1):
        if learnt == "classes":
            fit, link = fit_softmax((inputs, y, ones), outputs, settings, seed), "softmax"
        elif learnt == "values":
            fit, link = fit_ridge(inputs, y.astype(np.float64), weight, settings, seed), "identity"
        else:
            fit = fit_columns((inputs, y.astype(np.float64), ones), settings, seed)
    coef, intercept, chosen = fit
    coef = coef / scale
    return Head(coef.astype(np.float32), intercept - coef @ mean, chosen, link)
