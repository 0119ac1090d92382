"""The score of predictions, or of hard labels made of them."""

import numpy as np

from foldwise.metrics.confusion import confusion_of
from foldwise.metrics.registry import Metric
from foldwise.tasks import TASKS


def score_labels(metric: Metric, task: str, truth: np.ndarray, labels: np.ndarray) -> float:
    """Score of hard labels as `TaskSpec.to_labels` gives them."""
    if TASKS[task].truth == "columns":
        assert metric.of_column is not None  # every metric of labels that fits columns
        columns = np.stack([confusion_of(*column) for column in zip(truth.T, labels.T, strict=True)])
        return float(metric.of_column(columns.sum(axis=0)) if metric.pooled else metric.of_column(columns).mean())
    return float(metric.function(confusion_of(truth.reshape(-1), labels.reshape(-1))))


def score(
    metric: Metric, task: str, truth: np.ndarray, predictions: np.ndarray, thresholds: np.ndarray | None = None
) -> float:
    """Score of probabilities or values, or of the labels at `thresholds`, None for the neutral ones.

    NaN if predictions are not finite.
    """
    spec = TASKS[task]
    if not np.isfinite(predictions).all():
        return float("nan")
    if metric.prediction_type != "label":
        return float(metric.function(truth[:, None] if spec.ordered else truth, predictions))
    thresholds = spec.neutral_thresholds(truth, predictions) if thresholds is None else thresholds
    return score_labels(metric, task, truth, spec.to_labels(predictions, thresholds))
