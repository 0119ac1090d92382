"""Scores of probabilities and of values: (truth, predictions) → float.

Scores of several columns are means over columns. Where a score compares rows (areas, correlations, R²), a column with
one true value throughout has none and is left out: a rare label can be missing from a fold. NaN if all are.
Plain numpy, because scores are computed at every evaluation: scikit-learn's give the same in 3 to 30 times the time.
"""

from collections.abc import Callable

import numpy as np

POWER = -5  # of the mean over subgroups in `jigsaw_bias_auc`

Score = Callable[[np.ndarray, np.ndarray], float]  # of truth and predictions


def over_columns(score: Score) -> Score:
    """From a score of one column its mean over columns; of (N,) class numbers each is a column against the rest."""

    def mean(truth: np.ndarray, predictions: np.ndarray) -> float:
        if truth.ndim == 1:
            truth = np.eye(predictions.shape[1], dtype=np.float32)[truth]
        scores = [score(true, p) for true, p in zip(truth.T, predictions.T, strict=True) if np.ptp(true) > 0]
        return float(np.mean(scores)) if scores else np.nan

    return mean


def log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Negative log likelihood in nats; mean over the columns of a binary or multilabel target."""
    clipped = np.clip(probabilities.astype(np.float64), 1e-15, 1 - 1e-15)
    if truth.ndim == 1:
        chosen = np.take_along_axis(clipped / clipped.sum(axis=1, keepdims=True), truth[:, None], axis=1)
        return float(-np.log(chosen).mean())
    return float(-np.where(truth > 0.5, np.log(clipped), np.log1p(-clipped)).mean())


def levels_of(values: np.ndarray) -> np.ndarray:
    """(N,) place of each value among the distinct ones, rising."""
    return np.unique(values, return_inverse=True)[1].reshape(-1)


def area(levels: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC curve: the share of pairs, one positive and one negative row, that stand right.

    A pair on the same one of `levels_of` predictions counts half. NaN where there is no pair.
    """
    size = int(levels.max()) + 1
    up, down = (np.bincount(levels[rows], minlength=size) for rows in (positive, negative))
    pairs = float(up.sum()) * float(down.sum())
    return float((up * (np.cumsum(down) - down / 2)).sum() / pairs) if pairs else np.nan


@over_columns
def roc_auc(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Area under the ROC curve."""
    return area(levels_of(probabilities), truth > 0.5, truth <= 0.5)


def roc_auc_ovo(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean over all pairs of classes of the area under the ROC curve of their rows alone (Hand & Till 2001).

    Of a pair the area by the probability of the one and that by the other count half each. Pairs of a class without
    rows are left out; NaN where there is no other.
    """
    rows = np.bincount(truth, minlength=probabilities.shape[1])
    areas = []
    for one in np.flatnonzero(rows):
        own = np.sort(probabilities[truth == one, one])
        places = [np.searchsorted(own, probabilities[:, one], side) for side in ("left", "right")]
        below = np.bincount(truth, weights=np.add(*places) / 2, minlength=len(rows))  # own rows below rows of each
        others = (rows > 0) & (np.arange(len(rows)) != one)
        areas += (1 - below[others] / rows[others] / len(own)).tolist()
    return float(np.mean(areas)) if areas else np.nan


def brier(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean squared error of the probabilities; of classes summed over them, of columns the mean (Brier 1950)."""
    probabilities = probabilities.astype(np.float64)
    if truth.ndim == 1:
        true = np.take_along_axis(probabilities, truth[:, None], axis=1)[:, 0]
        return float(((probabilities**2).sum(axis=1) + 1 - 2 * true).mean())
    return float(((truth - probabilities) ** 2).mean())


@over_columns
def average_precision(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Precision at every level of prediction, weighted by the recall gained there (no interpolation)."""
    levels = levels_of(-probabilities)
    rows = np.bincount(levels)
    hits = np.bincount(levels[truth > 0.5], minlength=len(rows))
    return float((hits * (np.cumsum(hits) / np.cumsum(rows))).sum() / hits.sum())


def jigsaw_bias_auc(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """The score of Jigsaw Unintended Bias in Toxicity Classification (Kaggle 2019; Borkan et al. 2019).

    Truth is (N, 1 + S) of 0 and 1: the target, then membership of each subgroup. The score is the mean of the area
    under the ROC curve of all rows and of three power means, (1/S · Σ a_s^-5)^(-1/5) over the S subgroups, of areas on
      the rows of the subgroup;
      BPSN: background positive (not of the subgroup), subgroup negative;
      BNSP: background negative, subgroup positive.
    A subgroup that lacks the rows for an area is left out of its mean, a mean without any area out of the score (on
    the contest's own rows neither happens). NaN where not even the first area is defined.
    """
    levels = levels_of(probabilities[:, 0])
    toxic, members = truth[:, 0] > 0.5, truth[:, 1:].T > 0.5
    terms = [
        area(levels, toxic, ~toxic),
        power_mean([area(levels, toxic & inside, ~toxic & inside) for inside in members]),
        power_mean([area(levels, toxic & ~inside, ~toxic & inside) for inside in members]),
        power_mean([area(levels, toxic & inside, ~toxic & ~inside) for inside in members]),
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


def rmsle(truth: np.ndarray, values: np.ndarray) -> float:
    """Root mean squared error of log(1 + target); mean over columns. What is below 0 counts as 0."""
    true, guess = (np.log1p(np.maximum(part, 0).astype(np.float64)) for part in (truth, values))
    return rmse(true, guess)


def mape(truth: np.ndarray, values: np.ndarray) -> float:
    """Mean absolute error as a share of the target: 0.1 is ten per cent; mean over columns. Huge for targets of 0."""
    truth = truth.astype(np.float64)
    return float((np.abs(truth - values) / np.maximum(np.abs(truth), np.finfo(np.float64).eps)).mean())


def pinball(truth: np.ndarray, values: np.ndarray, quantile: float) -> float:
    """Mean pinball loss, smallest at the quantile: below the target an error costs `quantile`, above it the rest."""
    error = truth.astype(np.float64) - values
    return float(np.maximum(quantile * error, (quantile - 1) * error).mean())


@over_columns
def quadratic_kappa(truth: np.ndarray, values: np.ndarray) -> float:
    """Cohen's kappa weighted by the squared distance of whole numbers, as that of classes in `confusion`."""
    truth = truth.astype(np.float64)
    observed = ((truth - values) ** 2).mean()
    expected = truth.var() + values.var() + (truth.mean() - values.mean()) ** 2
    return float(1 - observed / expected)


@over_columns
def r2(truth: np.ndarray, values: np.ndarray) -> float:
    """Share of the variance that is explained."""
    truth = truth.astype(np.float64)
    return float(1 - ((truth - values) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of two columns; NaN where one is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return np.nan
    return float(np.corrcoef(a, b, dtype=np.float64)[0, 1])


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks of a column, the mean rank for ties."""
    levels = levels_of(values)
    rows = np.bincount(levels)
    return (np.cumsum(rows) - (rows - 1) / 2)[levels]


pearson = over_columns(correlation)
spearman = over_columns(lambda truth, values: correlation(mean_ranks(truth), mean_ranks(values)))
