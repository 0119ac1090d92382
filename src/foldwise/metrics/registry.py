"""The metrics by name: a plain dict."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from foldwise.config import Metric as MetricName
from foldwise.config import Task
from foldwise.errors import InputError, with_article
from foldwise.metrics import confusion, formulas


@dataclass(frozen=True)
class Metric:
    """A score.

    Attributes:
        function: (truth, predictions) → float; of hard labels (…, K, K) confusion matrices → (…) scores.
        greater_is_better: the direction of improvement; of hard labels always.
        prediction_type: hard labels, probabilities, or values.
        tasks: tasks it is defined for.
        of_column: of hard labels of a multilabel task, (…, 2, 2) confusion matrices of 0/1 columns → (…) scores.
        pooled: `of_column` is taken of the sum of the columns' matrices, not its mean of the columns.
    """

    function: Callable[..., Any]
    greater_is_better: bool
    prediction_type: Literal["label", "probability", "value"]
    tasks: tuple[Task, ...]
    of_column: Callable[[np.ndarray], np.ndarray] | None = None
    pooled: bool = False

    @property
    def scored(self) -> str:
        """What it takes, as a word for messages."""
        return {"label": "labels", "probability": "probabilities", "value": "values"}[self.prediction_type]


CLASSES: tuple[Task, ...] = ("binary", "multiclass", "multilabel")
LABELS: tuple[Task, ...] = (*CLASSES, "ordinal")
COLUMNS: tuple[Task, ...] = ("multilabel",)
# Values: of binary and multilabel tasks the probabilities, against targets that are shares.
VALUES: tuple[Task, ...] = ("regression", "ordinal", "binary", "multilabel")

METRICS: dict[MetricName, Metric] = {
    "accuracy": Metric(confusion.accuracy, True, "label", LABELS, confusion.accuracy),
    "f1": Metric(confusion.f1, True, "label", ("binary",)),
    "macro_f1": Metric(confusion.macro_f1, True, "label", LABELS, confusion.f1),
    "micro_f1": Metric(confusion.accuracy, True, "label", ("multiclass", "multilabel"), confusion.f1, pooled=True),
    "mcc": Metric(confusion.mcc, True, "label", LABELS, confusion.mcc),
    "quadratic_kappa": Metric(confusion.quadratic_kappa, True, "label", ("ordinal", "multiclass", "binary")),
    "log_loss": Metric(formulas.log_loss, False, "probability", CLASSES),
    "mean_column_log_loss": Metric(formulas.log_loss, False, "probability", COLUMNS),
    "roc_auc": Metric(formulas.roc_auc, True, "probability", CLASSES),
    "mean_column_roc_auc": Metric(formulas.roc_auc, True, "probability", COLUMNS),
    "average_precision": Metric(formulas.average_precision, True, "probability", CLASSES),
    "jigsaw_bias_auc": Metric(formulas.jigsaw_bias_auc, True, "probability", ("binary",)),
    "rmse": Metric(formulas.rmse, False, "value", VALUES),
    "mcrmse": Metric(formulas.rmse, False, "value", VALUES),
    "mae": Metric(formulas.mae, False, "value", VALUES),
    "r2": Metric(formulas.r2, True, "value", VALUES),
    "pearson": Metric(formulas.pearson, True, "value", VALUES),
    "spearman": Metric(formulas.spearman, True, "value", VALUES),
}


def metric_for(name: MetricName, task: Task) -> Metric:
    """The metric, if it is defined for the task.

    Raises:
        InputError: it is not; names those that are.
    """
    metric = METRICS[name]
    if task not in metric.tasks:
        fitting = ", ".join(known for known, other in METRICS.items() if task in other.tasks)
        raise InputError(f"competition.metric = {name!r} is not for {with_article(task)} task; choose one of {fitting}")
    return metric
