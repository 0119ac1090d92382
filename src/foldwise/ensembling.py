"""From the predictions of folds and members to one per row, and the threshold that makes labels of them."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from foldwise.config import Task
from foldwise.metrics import Metric, best_threshold, score, to_labels

Method = Literal["mean", "rank_mean"]


def to_ranks(predictions: np.ndarray) -> np.ndarray:
    """(N, C) predictions → ranks of each column in (0, 1], ties shared.

    Ranks make models comparable whose probabilities are spread differently (first place, Quora Insincere Questions).
    """
    return pd.DataFrame(predictions).rank(pct=True).to_numpy()


def average(predictions: Sequence[np.ndarray], method: Method) -> np.ndarray:
    """Mean, or mean rank, of several models' (N, C) predictions of the same rows."""
    parts = [to_ranks(part) if method == "rank_mean" else part for part in predictions]
    return np.mean(parts, axis=0)


def assemble_oof(parts: dict[int, np.ndarray], folds: np.ndarray, method: Method) -> np.ndarray:
    """Out-of-fold predictions of a member in the order of train.csv.

    Ranks are taken inside each fold: the models of two folds may place theirs differently.

    Args:
        parts: per fold the (n, C) predictions of its rows.
        folds: (N,) fold of each row.
    """
    first = next(iter(parts.values()))
    oof = np.full((len(folds), first.shape[1]), np.nan)
    for fold, part in parts.items():
        oof[folds == fold] = to_ranks(part) if method == "rank_mean" else part
    return oof


def cross_fitted_scores(
    metric: Metric, task: Task, y: np.ndarray, oof: np.ndarray, folds: np.ndarray
) -> tuple[float, list[float]]:
    """Score on all rows and per fold, each fold cut at the threshold that is best on the *other* folds.

    A threshold scored on the rows it was chosen on flatters; this is what a new row can expect. Metrics that take
    no labels have no threshold, and this is their plain score.

    Returns:
        Pooled score over all rows at once, and one score per fold in order of the fold numbers.
    """
    numbers = np.unique(folds)
    if metric.takes != "label":
        return score(metric, task, y, oof), [score(metric, task, y[folds == k], oof[folds == k]) for k in numbers]
    shifted = oof.copy()
    scores = []
    for fold in numbers:
        inside = folds == fold
        threshold = best_threshold(metric, task, y[~inside], oof[~inside])
        scores.append(score(metric, task, y[inside], oof[inside], threshold))
        if task != "multiclass":
            shifted[inside] = to_labels(oof[inside], task, threshold)  # 0 or 1, whatever cut follows
    return score(metric, task, y, shifted), scores
