"""The tasks: everything that depends on what kind of prediction is asked for, in one table.

Targets have two forms: `y` is what a loss learns from, `truth` is what a metric compares predictions with. They differ
where shares of raters are learnt as they are and scored as 0 and 1, and where classes in order are learnt as numbers.

| task       | y                                      | truth                                                   |
|------------|----------------------------------------|---------------------------------------------------------|
| binary     | "columns": (N, 1) float32, 0 … 1       | "column": 0 or 1 (shares, where a metric takes values)  |
| multilabel | "columns": (N, C) float32, 0 … 1       | "columns": 0 or 1 (shares, where a metric takes values) |
| multiclass | "classes": (N,) int64 class numbers    | "classes": the same                                     |
| ordinal    | "values": (N, 1) float64 class numbers | "ordered classes": (N,) int64 class numbers             |
| regression | "values": (N, C) float64               | "values": the same, in the target's own units           |

Both are NaN where a target of several is not known (`columns.missing_targets = "mask"`): such cells count nowhere.
Predictions are (N, C) probabilities or values; of an ordinal task (N, 1) values on the scale of the class numbers.
Another task is another entry of `TASKS`; what it infers tasks by is `init`'s own (`data/inspect_targets.py`).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["label", "probability", "value"]  # of a submission: hard labels, probabilities, values
Learnt = Literal["columns", "classes", "values"]
Truth = Literal["column", "columns", "classes", "ordered classes", "values"]

PLURALS: dict[Kind, str] = {"label": "labels", "probability": "probabilities", "value": "values"}
QUANTILES = 10  # strata of targets that are values
HALF = 0.5  # from here on a share of raters counts as one


@dataclass(frozen=True)
class TaskSpec:
    """What one task means to each part of the code."""

    y: Learnt  # decides which losses fit; "values" are scaled to mean 0 and std 1 for training
    truth: Truth  # decides which metrics fit (`foldwise.metrics.Metric.fits`)
    activation: Literal["sigmoid", "softmax", "identity"]  # what makes predictions of logits
    loss: str  # the default, a key of `foldwise.training.losses.LOSSES`
    several: bool  # whether there may be more than one target column
    named: bool  # whether labels are names, of which a row has one: not 0 and 1
    # Where labels begin: of "columns" one each, "rising" ones between the classes, "none" for the class of the largest
    # prediction, or where there are no labels.
    thresholds: Literal["none", "columns", "rising"]
    usual_metrics: dict[Kind, str]  # each kind of submission that is possible, and the metric it is usually scored by
    # Kinds of submission that may be made from mean ranks, which have an order and nothing else: no sizes to compare
    # between classes, no probabilities, no values.
    ranks_as: tuple[Kind, ...] = ()

    @property
    def kinds(self) -> list[Kind]:
        """Kinds of submission that are possible; hard labels first, where there are any."""
        return list(self.usual_metrics)

    @property
    def ordered(self) -> bool:
        """Whether classes are numbers in order, so that one output stands for all of them."""
        return self.truth == "ordered classes"

    def strata(self, truth: np.ndarray, names: int) -> np.ndarray:
        """(N, L) uint8 indicators that the folds share evenly: classes, labels, or quantiles of values.

        `names` is how many classes or target columns there are; further columns of `truth` (subgroups) do not count.
        """
        if self.named:
            return np.eye(names, dtype=np.uint8)[truth]
        if self.y == "columns":
            return (truth[:, :names] >= HALF).astype(np.uint8)
        if np.isnan(truth).any():  # where a value is not known it is as the others of its column are in the mean
            known = np.isfinite(truth)
            means = np.where(known, truth, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
            truth = np.where(known, truth, means)
        std = truth.std(axis=0)
        centred = (truth - truth.mean(axis=0)) / np.where(std > 0, std, 1)
        ranks = np.argsort(np.argsort(centred.mean(axis=1), kind="stable"), kind="stable")
        bins = min(QUANTILES, len(ranks))
        return np.eye(bins, dtype=np.uint8)[ranks * bins // len(ranks)]

    def neutral_thresholds(self, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Thresholds that nothing was fitted on: (C,) 0.5 of 0/1 columns, (K - 1,) halfway between classes, or none."""
        if self.thresholds == "columns":
            return np.full(predictions.shape[1], HALF)
        return np.arange(truth.max()) + 0.5 if self.thresholds == "rising" else np.empty(0)

    def to_labels(self, predictions: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        """(N, C) float32 labels of 0/1 columns, else (N,) int64 class numbers; what is on a threshold lies above it."""
        if self.thresholds == "columns":
            return (predictions >= thresholds).astype(np.float32)
        if self.thresholds == "rising":
            return np.searchsorted(thresholds, predictions[:, 0], side="right")
        return predictions.argmax(axis=1)


TASKS: dict[str, TaskSpec] = {
    "binary": TaskSpec(
        y="columns", truth="column", activation="sigmoid", loss="bce",
        several=False, named=False, thresholds="columns",
        usual_metrics={"label": "accuracy", "probability": "roc_auc"}, ranks_as=("label", "probability"),
    ),
    "multiclass": TaskSpec(
        y="classes", truth="classes", activation="softmax", loss="cross_entropy",
        several=False, named=True, thresholds="none",
        usual_metrics={"label": "accuracy", "probability": "log_loss"},
    ),
    "multilabel": TaskSpec(
        y="columns", truth="columns", activation="sigmoid", loss="bce",
        several=True, named=False, thresholds="columns",
        usual_metrics={"label": "micro_f1", "probability": "roc_auc"}, ranks_as=("label", "probability"),
    ),
    "regression": TaskSpec(
        y="values", truth="values", activation="identity", loss="mse",
        several=True, named=False, thresholds="none",
        usual_metrics={"value": "rmse"},
    ),
    "ordinal": TaskSpec(
        y="values", truth="ordered classes", activation="identity", loss="mse",
        several=False, named=True, thresholds="rising",
        usual_metrics={"label": "quadratic_kappa", "value": "rmse"}, ranks_as=("label",),
    ),
}  # fmt: skip
