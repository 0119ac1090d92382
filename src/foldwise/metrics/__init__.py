"""Competition metrics by name, computed on all rows at once, and the thresholds that make labels of predictions.

The forms of truth and predictions stand in `foldwise.tasks`.
"""

from foldwise.metrics.registry import METRICS, Metric, metric_for, score, score_labels
from foldwise.metrics.thresholds import best_score, best_thresholds

__all__ = ["METRICS", "Metric", "best_score", "best_thresholds", "metric_for", "score", "score_labels"]
