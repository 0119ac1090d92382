"""The metrics by name, in a plain dict, and scores by them. Another metric is a function and a line here.

`foldwise.metrics.choice` finds the one that a competition asks for, with its arguments.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from foldwise.metrics import confusion, formulas, ranking
from foldwise.tasks import PLURALS, TASKS, Kind, Truth


@dataclass(frozen=True)
class Metric:
    """A score."""

    function: Callable[..., Any]  # (truth, predictions) → float; of labels (…, K, K) confusion matrices → (…) scores
    greater_is_better: bool  # of hard labels by name always
    prediction_type: Kind
    fits: tuple[Truth, ...]  # forms of truth that it is defined for, and so the tasks
    of_column: Callable[..., Any] | None = None  # of labels: the same of each of several 0/1 columns
    # What `of_column` is taken of: each column, for the plain mean or one by their numbers of ones, or the sum of the
    # columns' matrices (micro average).
    columns: Literal["mean", "weighted", "sum"] = "mean"
    order_is_enough: bool = False  # ranks score the same
    of_subgroups: bool = False  # truth has further columns, who is in which of `columns.subgroups`
    parameters: tuple[str, ...] = ()  # keys of `choice.PARAMETERS`: keyword arguments of its functions, all needed
    arguments: Mapping[str, Any] = field(default_factory=dict)  # what they are, once `metric_for` has bound them
    of_values: "Metric | None" = None  # of labels: what the name means where the targets are values
    submitted: Callable[[np.ndarray], np.ndarray] | None = None  # what is done to values before anybody scores them
    wants: str | None = None  # a key of `WANTED`: what every target must be
    own: bool = False  # a function of the user's: of labels too it takes (truth, labels), no confusion matrices

    @property
    def scored(self) -> str:
        """What it takes, as a word for messages."""
        return PLURALS[self.prediction_type]


def to_whole(values: np.ndarray) -> np.ndarray:
    """The nearest whole numbers."""
    return np.rint(values).astype(np.int64)


CLASSES: tuple[Truth, ...] = ("column", "columns", "classes")
LABELS: tuple[Truth, ...] = (*CLASSES, "ordered classes")
SEVERAL: tuple[Truth, ...] = ("classes", "columns")
# Values: of 0/1 columns the probabilities, against targets that are shares.
VALUES: tuple[Truth, ...] = ("values", "ordered classes", "column", "columns")

# What targets must be for a metric to mean anything, and whether they are.
WANTED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "0 or more": lambda truth: truth >= 0,
    "other than 0": lambda truth: truth != 0,
}

METRICS: dict[str, Metric] = {
    "accuracy": Metric(confusion.accuracy, True, "label", LABELS, confusion.accuracy),
    "f1": Metric(confusion.f1, True, "label", ("column",)),
    "macro_f1": Metric(confusion.macro_f1, True, "label", LABELS, confusion.f1),
    "micro_f1": Metric(confusion.accuracy, True, "label", SEVERAL, confusion.f1, columns="sum"),
    "weighted_f1": Metric(confusion.weighted_f1, True, "label", LABELS, confusion.f1, columns="weighted"),
    "fbeta": Metric(confusion.fbeta, True, "label", ("column",), parameters=("beta",)),
    "macro_fbeta": Metric(confusion.macro_fbeta, True, "label", LABELS, confusion.fbeta, parameters=("beta",)),
    "micro_fbeta": Metric(
        confusion.fbeta, True, "label", ("columns",), confusion.fbeta, columns="sum", parameters=("beta",)
    ),
    "mcc": Metric(confusion.mcc, True, "label", LABELS, confusion.mcc),
    "quadratic_kappa": Metric(
        confusion.quadratic_kappa, True, "label", LABELS, confusion.quadratic_kappa,
        of_values=Metric(formulas.quadratic_kappa, True, "value", ("values",), submitted=to_whole),
    ),
    "log_loss": Metric(formulas.log_loss, False, "probability", CLASSES),
    "mean_column_log_loss": Metric(formulas.log_loss, False, "probability", ("columns",)),
    "brier": Metric(formulas.brier, False, "probability", CLASSES),
    "roc_auc": Metric(formulas.roc_auc, True, "probability", CLASSES, order_is_enough=True),
    "roc_auc_ovr": Metric(formulas.roc_auc, True, "probability", ("classes",), order_is_enough=True),
    "roc_auc_ovo": Metric(formulas.roc_auc_ovo, True, "probability", ("classes",), order_is_enough=True),
    "mean_column_roc_auc": Metric(formulas.roc_auc, True, "probability", ("columns",), order_is_enough=True),
    "average_precision": Metric(formulas.average_precision, True, "probability", CLASSES, order_is_enough=True),
    "precision@k": Metric(ranking.precision_at_k, True, "probability", SEVERAL, parameters=("k",)),
    "recall@k": Metric(ranking.recall_at_k, True, "probability", SEVERAL, parameters=("k",)),
    "map@k": Metric(ranking.map_at_k, True, "probability", SEVERAL, parameters=("k",)),
    "jigsaw_bias_auc": Metric(
        formulas.jigsaw_bias_auc, True, "probability", ("column",), order_is_enough=True, of_subgroups=True
    ),
    "rmse": Metric(formulas.rmse, False, "value", VALUES),
    "mcrmse": Metric(formulas.rmse, False, "value", VALUES),
    "rmsle": Metric(
        formulas.rmsle, False, "value", ("values",), submitted=lambda values: np.maximum(values, 0), wants="0 or more"
    ),
    "mae": Metric(formulas.mae, False, "value", VALUES),
    "mape": Metric(formulas.mape, False, "value", ("values",), wants="other than 0"),
    "pinball": Metric(formulas.pinball, False, "value", VALUES, parameters=("quantile",)),
    "r2": Metric(formulas.r2, True, "value", VALUES),
    "pearson": Metric(formulas.pearson, True, "value", VALUES),
    "spearman": Metric(formulas.spearman, True, "value", VALUES, order_is_enough=True),
}  # fmt: skip


def known_columns(truth: np.ndarray, predictions: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each column truth and predictions of the rows whose truth is known; of a column without any, nothing."""
    for true, predicted in zip(truth.T, predictions.T, strict=True):
        known = np.isfinite(true)
        if known.any():
            yield (true, predicted) if known.all() else (true[known], predicted[known])


def score_known(metric: Metric, truth: np.ndarray, predictions: np.ndarray) -> float:
    """What the metric's function gives; where truth has NaN the mean over columns, each of its known rows.

    Where the columns of a row are ranked, what is not known to be true counts as not true.
    """
    if "k" in metric.arguments or truth.dtype.kind != "f" or not np.isnan(truth).any():
        return float(metric.function(truth, predictions))
    columns = [metric.function(true[:, None], p[:, None]) for true, p in known_columns(truth, predictions)]
    defined = [value for value in columns if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")


def score_labels(metric: Metric, task: str, truth: np.ndarray, labels: np.ndarray) -> float:
    """Score of hard labels as `TaskSpec.to_labels` gives them."""
    if metric.own:
        return score_known(metric, truth, labels)
    if TASKS[task].truth == "columns":
        assert metric.of_column is not None  # every metric of labels that fits columns
        each = [confusion.confusion_of(*column) for column in known_columns(truth, labels)]
        if not each:
            return float("nan")
        columns = np.stack(each)
        if metric.columns == "sum":
            return float(metric.of_column(columns.sum(axis=0)))
        scores, ones = metric.of_column(columns), columns[:, 1].sum(axis=1)
        if metric.columns == "weighted" and ones.any():
            return float(np.average(scores, weights=ones))
        defined = scores[~np.isnan(scores)]  # a kappa has no value where all is of one class
        return float(defined.mean()) if len(defined) else float("nan")
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
        predictions = metric.submitted(predictions) if metric.submitted else predictions
        return score_known(metric, truth[:, None] if spec.ordered else truth, predictions)
    thresholds = spec.neutral_thresholds(truth, predictions) if thresholds is None else thresholds
    return score_labels(metric, task, truth, spec.to_labels(predictions, thresholds))
