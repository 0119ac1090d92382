"""Competition metrics by name, computed on all rows at once, and the thresholds that make labels of predictions.

The forms of truth and predictions stand in `foldwise.tasks`.
"""

from foldwise.metrics.choice import MetricChoice, check_name, find_named, look_up, metric_for, submitted_values
from foldwise.metrics.registry import METRICS, Metric, score, score_labels
from foldwise.metrics.thresholds import best_score, best_thresholds
from foldwise.metrics.trial import try_metric

__all__ = [
    "METRICS",
    "Metric",
    "MetricChoice",
    "best_score",
    "best_thresholds",
    "check_name",
    "find_named",
    "look_up",
    "metric_for",
    "score",
    "score_labels",
    "submitted_values",
    "try_metric",
]
