"""Scores of probabilities and of values: (truth, predictions) → float.

Scores of several columns are means over columns. Where a score compares rows (areas, correlations, R²), a column with
one true value throughout has none and is left out: a rare label can be missing from a fold. NaN if all are.
"""

from collections.abc import Callable

import numpy as np

POWER = -5  # of the mean over subgroups in `jigsaw_bias_auc`


def over_columns(function: Callable[[np.ndarray, np.ndarray], float], truth: np.ndarray, p: np.ndarray) -> float:
    """Mean of a score over the columns with more than one true value; of class numbers each class against the rest."""
    if truth.ndim == 1:
        truth = np.eye(p.shape[1], dtype=np.float32)[truth]
    scores = [function(truth[:, column], p[:, column]) for column in range(p.shape[1]) if np.ptp(truth[:, column]) > 0]
    return float(np.mean(scores)) if scores else np.nan


def log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Negative log likelihood in nats; mean over the columns of a binary or multilabel target."""
    clipped = np.clip(probabilities.astype(np.float64), 1e-15, 1 - 1e-15)
    if truth.ndim == 1:
        chosen = np.take_along_axis(clipped / clipped.sum(axis=1, keepdims=True), truth[:, None], axis=1)
        return float(-np.log(chosen).mean())
    return float(-np.where(truth > 0.5, np.log(clipped), np.log1p(-clipped)).mean())


def levels_of(values: np.ndarray) -> tuple[int, np.ndarray]:
    """How many distinct values there are, and of each of (N,) values the place among them."""
    levels, place = np.unique(values, return_inverse=True)
    return len(levels), place.reshape(-1)


def area(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC curve from rows per level of prediction, rising: the share of pairs that stand right.

    A pair of one positive and one negative row on the same level counts half. NaN where there is no pair.
    """
    pairs = float(positive.sum()) * float(negative.sum())
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / pairs) if pairs else np.nan


def roc_auc(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Area under the ROC curve; mean over columns, for classes each against the rest."""

    def of_column(truth: np.ndarray, p: np.ndarray) -> float:
        count, place = levels_of(p)
        positive = np.bincount(place[truth > 0.5], minlength=count)
        return area(positive, np.bincount(place, minlength=count) - positive)

    return over_columns(of_column, truth, probabilities)


def average_precision(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Precision at every level of prediction, weighted by the recall gained there (no interpolation)."""

    def of_column(truth: np.ndarray, p: np.ndarray) -> float:
        count, place = levels_of(-p)
        hits = np.bincount(place[truth > 0.5], minlength=count)
        precision = np.cumsum(hits) / np.cumsum(np.bincount(place, minlength=count))
        return float((hits * precision).sum() / hits.sum())

    return over_columns(of_column, truth, probabilities)


def jigsaw_bias_auc(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """The score of Jigsaw Unintended Bias in Toxicity Classification (Kaggle 2019; Borkan et al. 2019).

    score = 0.25 · AUC + 0.25 · M(subgroup AUC) + 0.25 · M(BPSN AUC) + 0.25 · M(BNSP AUC), with the power mean
    M(a) = (1/S · Σ a_s^-5)^(-1/5) over the S subgroups, and of each subgroup the area under the ROC curve on
      subgroup AUC: the rows of the subgroup;
      BPSN AUC: background positive (not of the subgroup), subgroup negative;
      BNSP AUC: background negative, subgroup positive.
    A subgroup that lacks the rows for an area is left out of its mean, a mean without any area out of the score (on
    the contest's own rows neither happens). NaN where not even the first AUC is defined.

    Args:
        truth: (N, 1 + S) of 0 and 1: the target, then membership of each subgroup.
        probabilities: (N, 1).
    """
    count, place = levels_of(probabilities[:, 0])
    toxic, members = truth[:, 0] > 0.5, truth[:, 1:].T > 0.5

    def area_of(positive: np.ndarray, negative: np.ndarray) -> float:
        return area(*(np.bincount(place[rows], minlength=count) for rows in (positive, negative)))

    terms = [
        area_of(toxic, ~toxic),
        power_mean([area_of(toxic & inside, ~toxic & inside) for inside in members]),
        power_mean([area_of(toxic & ~inside, ~toxic & inside) for inside in members]),
        power_mean([area_of(toxic & inside, ~toxic & ~inside) for inside in members]),
    ]
    defined = [term for term in terms if not np.isnan(term)]
    return float(np.mean(defined)) if defined else np.nan


def power_mean(scores: list[float]) -> float:
    """Mean of power -5 of those that are defined: near the worst of them, and 0 if one is 0. NaN of none."""
    defined = np.array([score for score in scores if not np.isnan(score)])
    if not len(defined):
        return np.nan
    return float(np.mean(defined**POWER) ** (1 / POWER)) if defined.all() else 0.0


def rmse(truth: np.ndarray, values: np.ndarray) -> float:
    """Root mean squared error in the target's units; mean over columns, which contests call MCRMSE."""
    return float(np.sqrt(np.mean((truth.astype(np.float64) - values) ** 2, axis=0)).mean())


def mae(truth: np.ndarray, values: np.ndarray) -> float:
    """Mean absolute error in the target's units; mean over columns."""
    return float(np.abs(truth.astype(np.float64) - values).mean())


def r2(truth: np.ndarray, values: np.ndarray) -> float:
    """Share of the variance that is explained; mean over columns."""

    def of_column(truth: np.ndarray, values: np.ndarray) -> float:
        truth = truth.astype(np.float64)
        return float(1 - ((truth - values) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())

    return over_columns(of_column, truth, values)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of two columns; NaN where one is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return np.nan
    return float(np.corrcoef(a, b, dtype=np.float64)[0, 1])


def pearson(truth: np.ndarray, values: np.ndarray) -> float:
    """Correlation; mean over columns. NaN where predictions are constant."""
    return over_columns(correlation, truth, values)


def ranks_of(values: np.ndarray) -> np.ndarray:
    """Ranks of a column, the mean rank for ties."""
    count, place = levels_of(values)
    rows = np.bincount(place, minlength=count)
    return (np.cumsum(rows) - (rows - 1) / 2)[place]


def spearman(truth: np.ndarray, values: np.ndarray) -> float:
    """Correlation of the ranks; mean over columns. NaN where predictions are constant."""
    return over_columns(lambda a, b: correlation(ranks_of(a), ranks_of(b)), truth, values)
