"""Scores of the k classes or labels that a row's probabilities put first: (truth, probabilities, k) → float.

Means over rows. Of equal probabilities the class or column that comes first is first. A row of several columns without
any true one scores 0, as in contests. Ranks beyond the number of classes hold nothing.
"""

import numpy as np


def hits_by_rank(truth: np.ndarray, probabilities: np.ndarray, k: int) -> np.ndarray:
    """(N, k) bool whether what stands at each rank, the most probable first, is true."""
    k = min(k, probabilities.shape[1])
    if truth.ndim == 1:
        own = np.take_along_axis(probabilities, truth[:, None], axis=1)
        before = np.arange(probabilities.shape[1]) < truth[:, None]
        rank = ((probabilities > own) | ((probabilities == own) & before)).sum(axis=1)
        return rank[:, None] == np.arange(k)
    first = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(truth > 0.5, first, axis=1)


def true_labels(truth: np.ndarray) -> np.ndarray:
    """(N,) how many are true of each row, 1 of a class."""
    return np.ones(len(truth)) if truth.ndim == 1 else (truth > 0.5).sum(axis=1)


def precision_at_k(truth: np.ndarray, probabilities: np.ndarray, k: int) -> float:
    """Share of the first k that are true."""
    return float(hits_by_rank(truth, probabilities, k).sum(axis=1).mean() / k)


def recall_at_k(truth: np.ndarray, probabilities: np.ndarray, k: int) -> float:
    """Share of what is true that is among the first k; of one class a row this is the top-k accuracy."""
    found = hits_by_rank(truth, probabilities, k).sum(axis=1)
    return float((found / np.maximum(true_labels(truth), 1)).mean())


def map_at_k(truth: np.ndarray, probabilities: np.ndarray, k: int) -> float:
    """Mean average precision: precision at the rank of each hit, summed, by as many as could be among the first k."""
    hits = hits_by_rank(truth, probabilities, k)
    precisions = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    possible = np.clip(true_labels(truth), 1, k)
    return float(((precisions * hits).sum(axis=1) / possible).mean())
