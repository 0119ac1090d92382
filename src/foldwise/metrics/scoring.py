"""From predictions to hard labels, and the score of either."""

import numpy as np

from foldwise.config import Task
from foldwise.metrics.confusion import confusion_of
from foldwise.metrics.registry import Metric


def neutral_thresholds(task: Task, columns: int) -> np.ndarray:
    """Cuts that nothing was fitted on: 0.5 for each 0/1 column, halfway between the class numbers of an ordinal task.

    Args:
        columns: C columns of predictions; of an ordinal task its K classes.

    Returns:
        (C,) thresholds, (K - 1,) cut points, or nothing where nothing is cut.
    """
    if task in ("binary", "multilabel"):
        return np.full(columns, 0.5)
    return np.arange(columns - 1) + 0.5 if task == "ordinal" else np.empty(0)


def to_labels(predictions: np.ndarray, task: Task, thresholds: np.ndarray) -> np.ndarray:
    """Hard labels; a prediction on a cut lies above it.

    Args:
        predictions: (N, C) probabilities, or (N, 1) values of an ordinal task.
        thresholds: (C,) thresholds or (K - 1,) rising cut points; a multiclass task has none.

    Returns:
        (N, C) float32 of 0 and 1 for a binary or multilabel task, else (N,) int64 class numbers.
    """
    if task == "multiclass":
        return predictions.argmax(axis=1)
    if task == "ordinal":
        return np.searchsorted(thresholds, predictions[:, 0], side="right")
    return (predictions >= thresholds).astype(np.float32)


def score_labels(metric: Metric, task: Task, truth: np.ndarray, labels: np.ndarray) -> float:
    """Score of hard labels as `to_labels` gives them."""
    if task == "multilabel":
        assert metric.of_column is not None  # every metric of labels that has this task among its own
        columns = np.stack([confusion_of(*column) for column in zip(truth.T, labels.T, strict=True)])
        return float(metric.of_column(columns.sum(axis=0)) if metric.pooled else metric.of_column(columns).mean())
    if task == "binary":
        truth, labels = truth[:, 0], labels[:, 0]
    return float(metric.function(confusion_of(truth, labels)))


def score(
    metric: Metric, task: Task, truth: np.ndarray, predictions: np.ndarray, thresholds: np.ndarray | None = None
) -> float:
    """Score of probabilities or values; hard-label metrics see labels. NaN if predictions are not finite.

    Args:
        thresholds: where labels begin; None for the neutral ones.
    """
    if not np.isfinite(predictions).all():
        return float("nan")
    if metric.prediction_type == "label":
        thresholds = (
            neutral_thresholds(task, columns_of(task, truth, predictions)) if thresholds is None else thresholds
        )
        return score_labels(metric, task, truth, to_labels(predictions, task, thresholds))
    return float(metric.function(truth[:, None] if task == "ordinal" else truth, predictions))


def columns_of(task: Task, truth: np.ndarray, predictions: np.ndarray) -> int:
    """What `neutral_thresholds` counts: columns, or the classes up to the highest in `truth`."""
    return int(truth.max()) + 1 if task == "ordinal" else predictions.shape[1]
