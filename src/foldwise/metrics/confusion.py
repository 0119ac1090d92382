"""Scores of hard labels: (…, K, K) confusion matrices, rows by true class and columns by label → (…) scores.

Of one matrix a function is the metric, of many it compares all places for a threshold at once. Greater is better.
"""

import numpy as np


def confusion_of(truth: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(K, K) counts of (N,) class numbers against (N,) labels, K from the highest of both, at least 2."""
    truth, labels = truth.astype(np.int64), labels.astype(np.int64)
    classes = int(max(truth.max(), labels.max(), 1)) + 1
    return np.bincount(truth * classes + labels, minlength=classes**2).reshape(classes, classes)


def ratio(numerator: np.ndarray, denominator: np.ndarray, undefined: float = 0.0) -> np.ndarray:
    """Quotient, `undefined` where the denominator is 0."""
    out = np.full(np.shape(denominator), undefined)
    return np.divide(numerator, denominator, out=out, where=denominator != 0)


def sums_of(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(…, K) float64 right labels, rows and labels of each class."""
    counts = confusion.astype(np.float64)
    return np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1), counts.sum(axis=-2)


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """Share of labels that are right. Of several classes this is the micro F1 as well."""
    hits, true, _ = sums_of(confusion)
    return ratio(hits.sum(axis=-1), true.sum(axis=-1))


def fbeta(confusion: np.ndarray, beta: float) -> np.ndarray:
    """F-beta of class 1 of (…, 2, 2) matrices: recall counts beta² times as much as precision; 0 without class 1."""
    hits, true, called = sums_of(confusion)
    return ratio((1 + beta**2) * hits[..., 1], beta**2 * true[..., 1] + called[..., 1])


def f1(confusion: np.ndarray) -> np.ndarray:
    """F1 of class 1 of (…, 2, 2) matrices; 0 where there is no class 1."""
    return fbeta(confusion, 1)


def macro_fbeta(confusion: np.ndarray, beta: float) -> np.ndarray:
    """Mean of the F-beta of every class that a row has or is given."""
    hits, true, called = sums_of(confusion)
    scores = ratio((1 + beta**2) * hits, beta**2 * true + called)
    return ratio(scores.sum(axis=-1), (true + called > 0).sum(axis=-1))


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean of the F1 of every class that a row has or is given."""
    return macro_fbeta(confusion, 1)


def weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean of the F1 of the classes, each by its share of the rows."""
    hits, true, called = sums_of(confusion)
    return ratio((ratio(2 * hits, true + called) * true).sum(axis=-1), true.sum(axis=-1))


def mcc(confusion: np.ndarray) -> np.ndarray:
    """Matthews correlation coefficient; of several classes Gorodkin's R_K (2004). 0 where it is undefined."""
    hits, true, called = sums_of(confusion)
    rows = true.sum(axis=-1)
    covariance = hits.sum(axis=-1) * rows - (true * called).sum(axis=-1)
    std = np.sqrt(rows**2 - (true**2).sum(axis=-1)) * np.sqrt(rows**2 - (called**2).sum(axis=-1))
    return ratio(covariance, std)


def quadratic_kappa(confusion: np.ndarray) -> np.ndarray:
    """Cohen's kappa (1968), disagreement weighted by the squared distance of the class numbers.

    NaN where all rows and labels are of one class. scikit-learn numbers the classes that occur; here a class that
    occurs nowhere still counts in the distance, as in contests.
    """
    _, true, called = sums_of(confusion)
    numbers = np.arange(confusion.shape[-1])
    distance = (numbers[:, None] - numbers).astype(np.float64) ** 2
    observed = (confusion * distance).sum(axis=(-2, -1)) * true.sum(axis=-1)
    expected = ((true @ distance) * called).sum(axis=-1)
    return 1 - ratio(observed, expected, undefined=np.nan)
