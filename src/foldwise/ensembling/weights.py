"""From the predictions of folds and members to one per row: averages, weights, and scores that do not flatter."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from foldwise.metrics import METRICS, Metric, best_thresholds, score, score_labels
from foldwise.metrics.formulas import mean_ranks
from foldwise.tasks import TASKS

Method = Literal["mean", "rank_mean"]
STEPS = 50  # members that the greedy search picks at most; weights are whole multiples of a share of that size
PATIENCE = 5  # picks without a gain before it stops
GAIN = 1e-9  # in the score; less is rounding


def to_ranks(predictions: np.ndarray) -> np.ndarray:
    """Ranks of each column in (0, 1], ties shared, which make models of unlike spread comparable."""
    return np.stack([mean_ranks(column) for column in predictions.T], axis=1) / len(predictions)


def assemble_oof(parts: dict[int, np.ndarray], folds: np.ndarray, method: Method) -> np.ndarray:
    """(N, C) out-of-fold predictions from each fold's (n, C), in the order of train.csv; NaN where there are none.

    Ranks are taken inside each fold: the models of two folds may place theirs differently.
    """
    oof = np.full((len(folds), next(iter(parts.values())).shape[1]), np.nan)
    for fold, part in parts.items():
        oof[folds == fold] = to_ranks(part) if method == "rank_mean" else part
    return oof


def greedy_weights(metric: Metric, task: str, truth: np.ndarray, oofs: Sequence[np.ndarray]) -> np.ndarray:
    """(M,) weights of models by greedy selection with replacement.

    The member that does the mean most good joins it, again and again, also more than once; the weights are the counts
    of the best mean on the way. Few members get much weight and useless ones none, which holds up better on new rows
    than solving for the weights (Caruana et al. 2004, "Ensemble selection from libraries of models").
    """
    direction = 1 if metric.greater_is_better else -1
    total, counts = np.zeros_like(oofs[0], dtype=np.float64), np.zeros(len(oofs))
    best, kept, idle = -np.inf, np.ones(len(oofs)), 0
    for step in range(1, STEPS + 1):
        scores = [direction * score(metric, task, truth, (total + oof) / step) for oof in oofs]
        if np.isnan(scores).all():
            break  # undefined on these rows, whatever the weights
        pick = int(np.nanargmax(scores))
        total += oofs[pick]
        counts[pick] += 1
        if scores[pick] > best + GAIN:
            best, kept, idle = scores[pick], counts.copy(), 0
        else:
            idle += 1
        if idle == PATIENCE or len(oofs) == 1:
            break
    return kept / kept.sum()


def fit_weights(
    metric: Metric, task: str, truth: np.ndarray, oofs: Sequence[np.ndarray], folds: np.ndarray, method: Method
) -> np.ndarray:
    """(folds, M) weights of members, each fold's fitted on the rows of the *other* folds; none negative, together 1.

    New rows are weighed by the mean over folds, as they get the mean of the folds' models: chance in one fit is
    averaged away (the bagging of Caruana et al.). A fold that is alone is fitted on itself.
    """
    if metric.prediction_type == "label":
        # A score of labels jumps when single rows cross a threshold: the best of many weightings is chosen by chance.
        metric = METRICS[TASKS[task].smooth_metric(ranks=method == "rank_mean")]
    outside = [outside_of(folds, fold) for fold in np.unique(folds)]
    return np.stack([greedy_weights(metric, task, truth[rows], [oof[rows] for oof in oofs]) for rows in outside])


def outside_of(folds: np.ndarray, fold: int) -> np.ndarray:
    """(N,) bool which rows are of other folds; all of them where there is no other."""
    outside = folds != fold
    return outside if outside.any() else ~outside


def cross_fitted_scores(
    metric: Metric,
    task: str,
    truth: np.ndarray,
    oofs: Sequence[np.ndarray],
    folds: np.ndarray,
    weights: np.ndarray | float = 1.0,
) -> tuple[float, list[float]]:
    """Score of weighted members on all rows at once, and of each fold, at the thresholds best on the *other* folds.

    Thresholds and weights flatter on the rows they were chosen on; this is what a new row can expect. A fold that is
    alone takes the thresholds that are best on itself. Weights are (folds, M) or (M,), by default equal ones.
    """
    numbers, by_labels = np.unique(folds), metric.prediction_type == "label"
    scores, parts = [], []
    for fold, size in zip(numbers, np.broadcast_to(weights, (len(numbers), len(oofs))), strict=True):
        inside, others = folds == fold, outside_of(folds, fold)
        oof = np.average(oofs, axis=0, weights=size)
        thresholds = best_thresholds(metric, task, truth[others], oof[others])
        scores.append(score(metric, task, truth[inside], oof[inside], thresholds))
        parts.append(TASKS[task].to_labels(oof[inside], thresholds) if by_labels else oof[inside])
    in_order = truth[np.argsort(folds, kind="stable")]  # fold after fold, as the parts are
    return (score_labels if by_labels else score)(metric, task, in_order, np.concatenate(parts)), scores
