"""Competition metrics by name, computed on all rows at once, with scikit-learn for those of more than a line.

scikit-learn is imported by the metric that needs it: it takes half a second and 50 MB in each process that trains.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from foldwise.config import Metric as MetricName
from foldwise.config import Task
from foldwise.errors import InputError

Counts = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """A score.

    Attributes:
        function: (targets, predictions) → float; both (N, C), or both (N,) for hard labels of one column.
        greater_is_better: the direction of improvement.
        takes: hard labels, probabilities, or the values of a regression.
        tasks: tasks it is defined for.
        from_counts: of hard labels, the score from (n,) true positives, false positives, false negatives and true
            negatives of n cuts of one 0/1 column.
    """

    function: Callable[[np.ndarray, np.ndarray], float]
    greater_is_better: bool
    takes: Literal["label", "probability", "value"]
    tasks: tuple[Task, ...]
    from_counts: Counts | None = None


CLASSIFICATION: tuple[Task, ...] = ("binary", "multiclass", "multilabel")
REGRESSION: tuple[Task, ...] = ("regression",)
CANDIDATES = 200  # thresholds tried


def accuracy(y: np.ndarray, labels: np.ndarray) -> float:
    """Share of labels that are right; for several columns the mean over columns (1 - Hamming loss)."""
    return float(np.mean(y == labels))


def f1(y: np.ndarray, labels: np.ndarray) -> float:
    """F1 of class 1; over several 0/1 columns from their summed counts (micro F1); of classes micro as well."""
    from sklearn.metrics import f1_score

    several = y.ndim == 2 or y.max() > 1 or labels.max() > 1
    return float(f1_score(y, labels, average="micro" if several else "binary", zero_division=0))


def macro_f1(y: np.ndarray, labels: np.ndarray) -> float:
    """Mean of the F1 of each class or column."""
    from sklearn.metrics import f1_score

    return float(f1_score(y, labels, average="macro", zero_division=0))


def mcc(y: np.ndarray, labels: np.ndarray) -> float:
    """Matthews correlation coefficient; mean over several columns."""
    from sklearn.metrics import matthews_corrcoef

    return over_columns(matthews_corrcoef, y, labels)


def log_loss(y: np.ndarray, probabilities: np.ndarray) -> float:
    """Negative log likelihood in nats; mean over the columns of a binary or multilabel target."""
    clipped = np.clip(probabilities.astype(np.float64), 1e-15, 1 - 1e-15)
    if y.ndim == 1:
        chosen = np.take_along_axis(clipped / clipped.sum(axis=1, keepdims=True), y[:, None], axis=1)
        return float(-np.log(chosen).mean())
    return float(-np.where(y > 0.5, np.log(clipped), np.log1p(-clipped)).mean())


def roc_auc(y: np.ndarray, probabilities: np.ndarray) -> float:
    """Area under the ROC curve; mean over columns, for classes each against the rest.

    Columns of one value have no area and are left out, as a rare label can be missing from a fold; NaN if all are.
    """
    from sklearn.metrics import roc_auc_score

    if y.ndim == 1:
        y = np.eye(probabilities.shape[1])[y]
    defined = [column for column in range(y.shape[1]) if np.ptp(y[:, column]) > 0]
    return over_columns(roc_auc_score, y[:, defined], probabilities[:, defined]) if defined else np.nan


def rmse(y: np.ndarray, values: np.ndarray) -> float:
    """Root mean squared error, in the target's units; mean over columns (MCRMSE)."""
    return over_columns(lambda a, b: np.sqrt(np.mean((a - b) ** 2)), y, values)


def mae(y: np.ndarray, values: np.ndarray) -> float:
    """Mean absolute error, in the target's units; mean over columns."""
    return float(np.abs(y - values).mean())


def r2(y: np.ndarray, values: np.ndarray) -> float:
    """Share of the variance that is explained; mean over columns."""
    from sklearn.metrics import r2_score

    return over_columns(r2_score, y, values)


def spearman(y: np.ndarray, values: np.ndarray) -> float:
    """Rank correlation; mean over columns. NaN where a column is constant."""
    from scipy.stats import spearmanr

    constant = np.ptp(y, axis=0).min() == 0 or np.ptp(values, axis=0).min() == 0
    return np.nan if constant else over_columns(lambda a, b: spearmanr(a, b).statistic, y, values)


def over_columns(function: Callable[..., float], y: np.ndarray, predictions: np.ndarray) -> float:
    """Mean of a score over columns, or the score itself of one."""
    if y.ndim == 1:
        return float(function(y, predictions))
    return float(np.mean([function(y[:, column], predictions[:, column]) for column in range(y.shape[1])]))


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient, 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator != 0)


def f1_of(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    """F1 of each triple of counts."""
    return ratio(2.0 * tp, 2.0 * tp + fp + fn)


# (true positives, false positives, false negatives, true negatives) of many cuts → their scores.
FROM_COUNTS: dict[MetricName, Counts] = {
    "accuracy": lambda tp, fp, fn, tn: ratio(tp + tn, tp + fp + fn + tn),
    "f1": lambda tp, fp, fn, _: f1_of(tp, fp, fn),
    "macro_f1": lambda tp, fp, fn, tn: (f1_of(tp, fp, fn) + f1_of(tn, fn, fp)) / 2,
    "mcc": lambda tp, fp, fn, tn: ratio(
        tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn), dtype=np.float64)
    ),
}

METRICS: dict[MetricName, Metric] = {
    "accuracy": Metric(accuracy, True, "label", CLASSIFICATION, FROM_COUNTS["accuracy"]),
    "f1": Metric(f1, True, "label", CLASSIFICATION, FROM_COUNTS["f1"]),
    "macro_f1": Metric(macro_f1, True, "label", CLASSIFICATION, FROM_COUNTS["macro_f1"]),
    "mcc": Metric(mcc, True, "label", CLASSIFICATION, FROM_COUNTS["mcc"]),
    "log_loss": Metric(log_loss, False, "probability", CLASSIFICATION),
    "roc_auc": Metric(roc_auc, True, "probability", CLASSIFICATION),
    "rmse": Metric(rmse, False, "value", REGRESSION),
    "mae": Metric(mae, False, "value", REGRESSION),
    "r2": Metric(r2, True, "value", REGRESSION),
    "spearman": Metric(spearman, True, "value", REGRESSION),
}


def metric_for(name: MetricName, task: Task) -> Metric:
    """The metric, if it is defined for the task.

    Raises:
        InputError: it is not; names those that are.
    """
    metric = METRICS[name]
    if task not in metric.tasks:
        fitting = ", ".join(known for known, other in METRICS.items() if task in other.tasks)
        raise InputError(f"competition.metric = {name!r} is not for a {task} task; choose one of {fitting}")
    return metric


def to_labels(predictions: np.ndarray, task: Task, threshold: float) -> np.ndarray:
    """Hard labels: (N,) most probable class of a multiclass task, else (N, C) 0/1 by `threshold`."""
    if task == "multiclass":
        return predictions.argmax(axis=1)
    return (predictions >= threshold).astype(np.float32)


def score(metric: Metric, task: Task, y: np.ndarray, predictions: np.ndarray, threshold: float = 0.5) -> float:
    """Score of probabilities or values; hard-label metrics see labels cut at `threshold`. NaN if predictions are."""
    if not np.isfinite(predictions).all():
        return float("nan")
    if metric.takes != "label":
        return metric.function(y, predictions)
    labels = to_labels(predictions, task, threshold)
    if task == "binary":
        y, labels = y[:, 0], labels[:, 0]
    return metric.function(y, labels)


def best_threshold(metric: Metric, task: Task, y: np.ndarray, predictions: np.ndarray) -> float:
    """The cut of the probabilities that scores best; 0.5 where there is nothing to cut.

    Candidates lie halfway between neighbouring distinct predictions: all of them for one column, where the scores of
    all cuts come from one sort, and `CANDIDATES` quantiles of them for the shared cut of several columns. Of cuts that
    score alike the middle one is taken: the ends of a plateau are where chance decides.
    """
    if metric.from_counts is None or task == "multiclass":
        return 0.5
    levels, place = np.unique(predictions.astype(np.float64), return_inverse=True)
    cuts = (levels[1:] + levels[:-1]) / 2
    if not len(cuts):
        return 0.5
    if task == "binary":
        # Of each level the rows and the positive ones; summed from the top they are what a cut below it calls positive.
        rows = np.bincount(place.reshape(-1), minlength=len(levels))
        positives = np.bincount(place.reshape(-1), weights=y[:, 0], minlength=len(levels))
        called, true_positive = (np.cumsum(counts[::-1])[::-1][1:] for counts in (rows, positives))
        false_positive, false_negative = called - true_positive, positives.sum() - true_positive
        true_negative = len(y) - called - false_negative
        scores = metric.from_counts(true_positive, false_positive, false_negative, true_negative)
    else:
        if len(cuts) > CANDIDATES:
            cuts = cuts[np.linspace(0, len(cuts) - 1, CANDIDATES).round().astype(int)]
        scores = np.array([score(metric, task, y, predictions, cut) for cut in cuts])
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    return float(cuts[best[len(best) // 2]])
