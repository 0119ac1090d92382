"""The metric tried on some training rows before any training."""

import numpy as np
import pytest

from foldwise.errors import InputError
from foldwise.metrics import METRICS, Metric, try_metric
from foldwise.tasks import TASKS

RNG = np.random.default_rng(0)
TRUTHS = {
    "binary": (RNG.random((200, 1)) < 0.1).astype(np.float32),
    "multilabel": (RNG.random((200, 3)) < 0.3).astype(np.float32),
    "multiclass": RNG.integers(0, 4, 200),
    "ordinal": RNG.integers(0, 4, 200),
    "regression": RNG.normal(size=(200, 2)),
}
CLASSES = {"binary": 1, "multilabel": 3, "multiclass": 4, "ordinal": 1, "regression": 2}


def own(function, kind, greater=True):
    return Metric(function, greater, kind, ("column",), own=True)


def distance(truth, predictions):
    """An error of any form: less is better."""
    if predictions.ndim > truth.ndim:  # probabilities of classes; values of steps are given truth of the same form
        truth = np.eye(predictions.shape[1])[truth]
    return float(np.abs(truth - predictions).mean())


@pytest.mark.parametrize(("task", "kind"), [(task, kind) for task, spec in TASKS.items() for kind in spec.kinds])
def test_the_direction_is_held_against_true_and_wrong_targets(task, kind):
    truth = TRUTHS[task]
    assert try_metric(own(distance, kind, False), "mine:f", task, truth, CLASSES[task]) == ""
    assert try_metric(own(lambda *pair: -distance(*pair), kind), "mine:f", task, truth, CLASSES[task]) == ""
    with pytest.raises(InputError, match="so less is better: add greater_is_better = false to"):
        try_metric(own(distance, kind), "mine:f", task, truth, CLASSES[task])
    turned = own(lambda *pair: -distance(*pair), kind, False)
    warning = try_metric(turned, "mine:f", task, truth, CLASSES[task])
    assert "though competition.greater_is_better = false says that less is better" in warning
    assert "cannot tell good" in try_metric(own(lambda *_: 1.0, kind), "mine:f", task, truth, CLASSES[task])


def test_a_number_that_is_none_is_refused():
    with pytest.raises(InputError, match=r"the true targets score nan and wrong ones nan; it must give a finite"):
        try_metric(own(lambda *_: float("nan"), "label"), "mine:f", "binary", TRUTHS["binary"], 1)


def test_targets_that_a_metric_has_no_meaning_for():
    truth = np.array([[1.0], [0], [-2]])
    with pytest.raises(
        InputError, match="'rmsle': needs targets that are 0 or more; -2 is the first of 1 that are not"
    ):
        try_metric(METRICS["rmsle"], "rmsle", "regression", truth, 1)
    with pytest.raises(InputError, match="'mape': needs targets that are other than 0; 0 is the first of 1"):
        try_metric(METRICS["mape"], "mape", "regression", truth, 1)
    assert try_metric(METRICS["rmse"], "rmse", "regression", truth, 1) == ""
