"""The metrics by name: a plain dict. Another metric is a function beside the others and a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldwise.errors import InputError, with_article
from foldwise.metrics import confusion, formulas
from foldwise.tasks import PLURALS, TASKS, Kind, Truth


@dataclass(frozen=True)
class Metric:
    """A score.

    Attributes:
        function: (truth, predictions) → float; of hard labels (…, K, K) confusion matrices → (…) scores.
        greater_is_better: the direction of improvement; of hard labels always.
        prediction_type: hard labels, probabilities, or values.
        fits: forms of truth that it is defined for, and so the tasks.
        of_column: of hard labels of several columns, (…, 2, 2) confusion matrices of a 0/1 column → (…) scores.
        pooled: micro average: `of_column` of the sum of the columns' matrices, not the mean over columns.
        order_is_enough: of probabilities or values: ranks score the same.
        of_subgroups: truth has further columns, who is in which of `columns.subgroups`.
    """

    function: Callable[..., Any]
    greater_is_better: bool
    prediction_type: Kind
    fits: tuple[Truth, ...]
    of_column: Callable[[np.ndarray], np.ndarray] | None = None
    pooled: bool = False
    order_is_enough: bool = False
    of_subgroups: bool = False

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
    """The metric, if it is defined for the task.

    Raises:
        InputError: it is not; names those that are.
    """
    fitting = [known for known, metric in METRICS.items() if TASKS[task].truth in metric.fits]
    if name not in fitting:
        raise InputError(
            f"competition.metric = {name!r} is not for {with_article(task)} task; choose one of {', '.join(fitting)}"
        )
    return METRICS[name]
