"""A constant prediction, scored as the models are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import dummy
from sklearn import metrics as sk

from foldwise.ensembling.baseline import constant_score
from foldwise.errors import InputError
from foldwise.metrics import METRICS, Metric, MetricChoice, metric_for
from foldwise.tasks import TASKS

RNG = np.random.default_rng(1)
FOLDS = np.repeat([0, 1, 2], 40)
BINARY = (RNG.random((120, 1)) < 0.3).astype(np.float32)
CLASSES = RNG.choice(3, 120, p=[0.2, 0.5, 0.3])
VALUES = RNG.gamma(2.0, size=(120, 1))
TRUTH = {
    "binary": BINARY,
    "multilabel": (RNG.random((120, 3)) < [0.1, 0.5, 0.8]).astype(np.float32),
    "multiclass": CLASSES,
    "ordinal": CLASSES,
    "regression": VALUES,
}
OUTPUTS = {"binary": 1, "multilabel": 3, "multiclass": 3, "ordinal": 1, "regression": 1}
ARGUMENTS = {"beta": 2, "quantile": 0.9, "k": 2}
BY_ORDER = ("pearson", "spearman")


def asked(name: str, task: str) -> Metric:
    """A metric of the table with its arguments."""
    parameters = METRICS[name].parameters
    shown = name.replace("@k", "@2")
    return metric_for(MetricChoice(shown, {key: ARGUMENTS[key] for key in parameters if key != "k"}), task)


def by_sklearn(strategy: str, score, truth=CLASSES, **options) -> float:
    """The mean over folds of a dummy's score, which knows the other folds."""
    scores = []
    for fold in np.unique(FOLDS):
        inside, others = fold == FOLDS, fold != FOLDS
        nothing = np.zeros((len(truth), 1))
        model = (dummy.DummyRegressor if truth.dtype.kind == "f" else dummy.DummyClassifier)(
            strategy=strategy, **options
        )
        scores.append(score(truth[inside], model.fit(nothing[others], truth[others]).predict(nothing[inside])))
    return float(np.mean(scores))


@pytest.mark.parametrize(
    ("task", "name", "expected"),
    [
        ("multiclass", "accuracy", by_sklearn("most_frequent", sk.accuracy_score)),
        ("ordinal", "accuracy", by_sklearn("most_frequent", sk.accuracy_score)),
        ("ordinal", "quadratic_kappa", 0.0),
        ("multiclass", "macro_f1", by_sklearn("most_frequent", lambda a, b: sk.f1_score(a, b, average="macro"))),
        ("regression", "rmse", by_sklearn("mean", sk.root_mean_squared_error, VALUES[:, 0])),
        ("regression", "mae", by_sklearn("median", sk.mean_absolute_error, VALUES[:, 0])),
        (
            "regression",
            "pinball",
            by_sklearn("quantile", lambda a, b: sk.mean_pinball_loss(a, b, alpha=0.9), VALUES[:, 0], quantile=0.9),
        ),
        ("binary", "accuracy", by_sklearn("most_frequent", sk.accuracy_score, BINARY[:, 0].astype(int))),
        ("binary", "f1", by_sklearn("constant", sk.f1_score, BINARY[:, 0].astype(int), constant=1)),
    ],
)
def test_it_is_the_dummy_of_scikit_learn(task, name, expected):
    found = constant_score(asked(name, task), task, TRUTH[task], FOLDS, OUTPUTS[task])
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["roc_auc", "mean_column_roc_auc", "roc_auc_ovr", "roc_auc_ovo"])
def test_an_area_is_a_half(name):
    for task, truth in TRUTH.items():
        if TASKS[task].truth in METRICS[name].fits:
            assert constant_score(METRICS[name], task, truth, FOLDS, OUTPUTS[task]) == 0.5


@pytest.mark.parametrize("name", [name for name in METRICS if name != "jigsaw_bias_auc"])
def test_every_metric_has_one_or_says_that_it_has_none(name):
    for task, truth in TRUTH.items():
        try:
            metric = asked(name, task)
        except InputError:  # of another task
            continue
        found = constant_score(metric, task, truth, FOLDS, OUTPUTS[task])
        assert (found is None) == (name in BY_ORDER), (task, name)
        if name in ("log_loss", "brier"):  # a little uncertainty costs little
            assert found < {"log_loss": 1.2, "brier": 0.8}[name]


def test_subgroups_behind_the_target_are_no_columns():
    truth = np.hstack([BINARY, RNG.random((120, 2)) < 0.4]).astype(np.float32)
    assert constant_score(METRICS["jigsaw_bias_auc"], "binary", truth, FOLDS, 1) == pytest.approx(0.5)


@given(st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=4, max_size=20))
def test_targets_that_are_not_known_count_nowhere(column):
    truth = np.array([column, ([0.0, 1.0] * 10)[: len(column)]]).T
    folds = np.arange(len(truth)) % 2
    for task, name in (("multilabel", "micro_f1"), ("multilabel", "log_loss"), ("regression", "rmse")):
        found = constant_score(METRICS[name], task, truth, folds, 2)
        assert found is not None
        assert np.isfinite(found)


def test_one_fold_alone_knows_itself():
    truth = np.array([0, 1, 1])
    assert constant_score(METRICS["accuracy"], "multiclass", truth, np.zeros(3, int), 2) == pytest.approx(2 / 3)


def test_a_function_of_the_users_that_cannot_do_with_a_constant_has_none():
    def fails(truth, predictions):
        raise InputError("the call fails")

    for function in (fails, lambda truth, predictions: float(stats.spearmanr(truth, predictions).statistic)):
        metric = Metric(function, True, "value", ("values",), own=True)
        assert constant_score(metric, "regression", VALUES, FOLDS, 1) is None
