"""What a prediction without any words scores: a model that is no better has learnt nothing.

Of each fold one prediction for all of its rows, made from the targets of the *other* folds:

| the metric takes | one prediction for every row                                               |
|------------------|----------------------------------------------------------------------------|
| labels           | the most frequent class; of 0/1 columns all 0 or all 1, which scores better |
| probabilities    | the share of each class or of the ones, pulled to equal ones by one row    |
| values           | the mean, the median or the metric's quantile, which scores better         |
"""

import warnings

import numpy as np

from foldwise.ensembling.weights import outside_of
from foldwise.errors import InputError
from foldwise.metrics import Metric, best_thresholds, score
from foldwise.tasks import TASKS


def constant_score(metric: Metric, task: str, truth: np.ndarray, folds: np.ndarray, outputs: int) -> float | None:
    """Mean score over the folds of a constant prediction; None where a constant has none, such as a correlation.

    The mean, and not the score of all rows at once: there the constants of two folds would tell their rows apart.

    Args:
        truth: (N,) or (N, C or more), as `foldwise.tasks` says; what stands behind C columns are subgroups.
        folds: (N,) the fold of each row.
        outputs: C, the numbers that a model predicts for a row.
    """
    scores = []
    # A function of the user's own may warn of rows that are all alike.
    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        for fold in np.unique(folds):
            inside, others = folds == fold, outside_of(folds, fold)
            try:
                scores.append(score_of_best(metric, task, truth[others], truth[inside], outputs))
            except InputError:  # a function of the user's own that cannot do with a constant
                return None
    defined = [value for value in scores if np.isfinite(value)]
    return float(np.mean(defined)) if defined else None


def score_of_best(metric: Metric, task: str, known: np.ndarray, truth: np.ndarray, outputs: int) -> float:
    """Score on `truth` of the constant that is best on the rows of `known`, at their thresholds."""
    sign, constants, tried = 1 if metric.greater_is_better else -1, constants_of(metric, task, known, outputs), []
    for constant in constants:
        seen, new = (np.broadcast_to(constant, (len(rows), outputs)) for rows in (known, truth))
        thresholds = thresholds_of(metric, task, known, seen)
        there = score(metric, task, known, seen, thresholds) if len(constants) > 1 else 0.0
        tried.append((sign * there if np.isfinite(there) else -np.inf, score(metric, task, truth, new, thresholds)))
    return max(tried, key=lambda pair: pair[0])[1]


def thresholds_of(metric: Metric, task: str, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """The best ones of 0/1 columns; between classes in order the neutral ones, where a class's number is its label."""
    if TASKS[task].ordered:
        return TASKS[task].neutral_thresholds(truth, predictions)
    return best_thresholds(metric, task, truth, predictions)


def constants_of(metric: Metric, task: str, truth: np.ndarray, outputs: int) -> list[np.ndarray]:
    """Each (C,) constant that is worth trying."""
    spec = TASKS[task]
    if spec.named and metric.prediction_type == "label":
        rows = np.bincount(truth, minlength=outputs)
        return [np.array([rows.argmax()]) if spec.ordered else rows / len(truth)]
    if spec.y == "classes":
        return [(np.bincount(truth, minlength=outputs) + 1 / outputs) / (len(truth) + 1)]
    columns = truth.reshape(len(truth), -1)[:, :outputs].astype(np.float64)
    if metric.prediction_type != "value":
        return [(np.nansum(columns, axis=0) + 0.5) / (np.isfinite(columns).sum(axis=0) + 1)]
    places = {0.5, metric.arguments.get("quantile", 0.5)}
    found = [np.nanmean(columns, axis=0), *(np.nanquantile(columns, place, axis=0) for place in sorted(places))]
    return [np.nan_to_num(constant) for constant in found]  # of a column that no row of these folds knows
