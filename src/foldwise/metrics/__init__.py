"""Competition metrics by name, computed on all rows at once, and the thresholds that make labels of predictions.

`truth` is what a metric compares with. Binary and multilabel: (N, C) of 0 and 1, or shares in between where the metric
takes values. Multiclass and ordinal: (N,) int64 class numbers. Regression: (N, C) float64. Predictions are (N, C)
probabilities or values; of an ordinal task (N, 1) values on the scale of the class numbers.
"""

from foldwise.metrics.labels import neutral_thresholds, score, score_labels, to_labels
from foldwise.metrics.registry import METRICS, Metric, metric_for
from foldwise.metrics.thresholds import best_score, best_thresholds

__all__ = [
    "METRICS",
    "Metric",
    "best_score",
    "best_thresholds",
    "metric_for",
    "neutral_thresholds",
    "score",
    "score_labels",
    "to_labels",
]
