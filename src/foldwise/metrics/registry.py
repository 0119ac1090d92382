"""The metrics by name, in a plain dict, and scores by them. Another metric is a function and a line here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldwise.errors import InputError, with_article
from foldwise.metrics import confusion, formulas
from foldwise.tasks import PLURALS, TASKS, Kind, Truth


@dataclass(frozen=True)
class Metric:
    """A score."""

    function: Callable[..., Any]  # (truth, predictions) → float; of labels (…, K, K) confusion matrices → (…) scores
    greater_is_better: bool  # of hard labels always
    prediction_type: Kind
    fits: tuple[Truth, ...]  # forms of truth that it is defined for, and so the tasks
    of_column: Callable[[np.ndarray], np.ndarray] | None = None  # of labels: the same of each of several 0/1 columns
    pooled: bool = False  # micro average: `of_column` of the sum of the columns' matrices, not the mean over columns
    order_is_enough: bool = False  # ranks score the same
    of_subgroups: bool = False  # truth has further columns, who is in which of `columns.subgroups`

    @property
    def scored(self) -> str:
        """What it takes, as a word for messages."""
        return PLURALS[self.prediction_type]


CLASSES: tuple[Truth, ...] = ("column", "columns", "classes")
LABELS: tuple[Truth, ...] = (*CLASSES, "ordered classes")
# Values: of 0/1 columns the probabilities, against targets that are shares.
VALUES: tuple[Truth, ...] = ("values", "ordered classes", "column", "columns")

METRICS: dict[str, Metric] = {
    "accuracy": Metric(confusion.accuracy, True, "label", LABELS, confusion.accuracy),
    "f1": Metric(confusion.f1, True, "label", ("column",)),
    "macro_f1": Metric(confusion.macro_f1, True, "label", LABELS, confusion.f1),
    "micro_f1": Metric(confusion.accuracy, True, "label", ("classes", "columns"), confusion.f1, pooled=True),
    "mcc": Metric(confusion.mcc, True, "label", LABELS, confusion.mcc),
    "quadratic_kappa": Metric(confusion.quadratic_kappa, True, "label", ("ordered classes", "classes", "column")),
    "log_loss": Metric(formulas.log_loss, False, "probability", CLASSES),
    "mean_column_log_loss": Metric(formulas.log_loss, False, "probability", ("columns",)),
    "roc_auc": Metric(formulas.roc_auc, True, "probability", CLASSES, order_is_enough=True),
    "mean_column_roc_auc": Metric(formulas.roc_auc, True, "probability", ("columns",), order_is_enough=True),
    "average_precision": Metric(formulas.average_precision, True, "probability", CLASSES, order_is_enough=True),
    "jigsaw_bias_auc": Metric(
        formulas.jigsaw_bias_auc, True, "probability", ("column",), order_is_enough=True, of_subgroups=True
    ),
    "rmse": Metric(formulas.rmse, False, "value", VALUES),
    "mcrmse": Metric(formulas.rmse, False, "value", VALUES),
    "mae": Metric(formulas.mae, False, "value", VALUES),
    "r2": Metric(formulas.r2, True, "value", VALUES),
    "pearson": Metric(formulas.pearson, True, "value", VALUES),
    "spearman": Metric(formulas.spearman, True, "value", VALUES, order_is_enough=True),
}


def metric_for(name: str, task: str) -> Metric:
    """The metric, if it is defined for the task; else an `InputError` that names those that are."""
    fitting = [known for known, metric in METRICS.items() if TASKS[task].truth in metric.fits]
    if name not in fitting:
        raise InputError(
            f"competition.metric = {name!r} is not for {with_article(task)} task; choose one of {', '.join(fitting)}"
        )
    return METRICS[name]


def known_columns(truth: np.ndarray, predictions: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each column truth and predictions of the rows whose truth is known; of a column without any, nothing."""
    for true, predicted in zip(truth.T, predictions.T, strict=True):
        known = np.isfinite(true)
        if known.any():
            yield (true, predicted) if known.all() else (true[known], predicted[known])


def score_labels(metric: Metric, task: str, truth: np.ndarray, labels: np.ndarray) -> float:
    """Score of hard labels as `TaskSpec.to_labels` gives them."""
    if TASKS[task].truth == "columns":
        assert metric.of_column is not None  # every metric of labels that fits columns
        each = [confusion.confusion_of(*column) for column in known_columns(truth, labels)]
        if not each:
            return float("nan")
        columns = np.stack(each)
        return float(metric.of_column(columns.sum(axis=0)) if metric.pooled else metric.of_column(columns).mean())
    return float(metric.function(confusion.confusion_of(truth.reshape(-1), labels.reshape(-1))))


def score(
    metric: Metric, task: str, truth: np.ndarray, predictions: np.ndarray, thresholds: np.ndarray | None = None
) -> float:
    """Score of probabilities or values, or of the labels at `thresholds`, None for the neutral ones.

    NaN if predictions are not finite. Where truth has NaN it is the mean over columns, each of its known rows.
    """
    spec = TASKS[task]
    if not np.isfinite(predictions).all():
        return float("nan")
    if metric.prediction_type != "label":
        if truth.dtype.kind == "f" and np.isnan(truth).any():  # each column on the rows where it is known
            columns = [metric.function(true[:, None], p[:, None]) for true, p in known_columns(truth, predictions)]
            defined = [value for value in columns if np.isfinite(value)]
            return float(np.mean(defined)) if defined else float("nan")
        return float(metric.function(truth[:, None] if spec.ordered else truth, predictions))
    thresholds = spec.neutral_thresholds(truth, predictions) if thresholds is None else thresholds
    return score_labels(metric, task, truth, spec.to_labels(predictions, thresholds))
