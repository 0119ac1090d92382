"""Competition metrics by name, computed on all rows at once, and the cuts that make labels of predictions.

`truth` is what a metric compares with. Binary and multilabel: (N, C) of 0 and 1, or shares in between where the metric
takes values. Multiclass and ordinal: (N,) int64 class numbers. Regression: (N, C) float64. Predictions are (N, C)
probabilities or values; of an ordinal task (N, 1) values on the scale of the class numbers.
"""

from foldwise.metrics.cuts import best_cuts, best_score
from foldwise.metrics.labels import neutral_cuts, score, score_labels, to_labels
from foldwise.metrics.registry import METRICS, Metric, metric_for

__all__ = [
    "METRICS",
    "Metric",
    "best_cuts",
    "best_score",
    "metric_for",
    "neutral_cuts",
    "score",
    "score_labels",
    "to_labels",
]
