"""Every metric against scikit-learn, scipy or the contest's formula."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from foldwise.errors import InputError
from foldwise.metrics import METRICS, metric_for, score
from foldwise.tasks import TASKS

RNG = np.random.default_rng(0)
Y = (RNG.random((200, 1)) < 0.3).astype(np.float32)
P = np.clip(Y * 0.3 + RNG.random((200, 1)) * 0.7, 0.01, 0.99).round(2)  # rounded: with ties
L = (P >= 0.5).astype(int)
CLASSES = RNG.integers(0, 3, 200)
CLASS_P = RNG.dirichlet([1, 1, 1], 200)
CLASS_L = CLASS_P.argmax(axis=1)
COLUMNS = (RNG.random((200, 3)) < [0.2, 0.5, 0.7]).astype(np.float32)
COLUMN_P = np.clip(COLUMNS * 0.2 + RNG.random((200, 3)) * 0.8, 0.01, 0.99).round(2)
COLUMN_L = (COLUMN_P >= 0.5).astype(int)
STEPS = RNG.integers(0, 5, 200)
STEP_P = STEPS[:, None] + RNG.normal(size=(200, 1))
STEP_L = np.clip(np.floor(STEP_P[:, 0] + 0.5), 0, 4).astype(int)
SHARES = RNG.integers(0, 4, (200, 3)) / 3  # soft targets
VALUES = RNG.normal(size=(200, 2)) * [1, 20]
GUESSES = VALUES + RNG.normal(size=(200, 2)).round(1) * [1, 20]


def of_columns(function, y, p, **options):
    return np.mean([function(y[:, column], p[:, column], **options) for column in range(y.shape[1])])


def spearmanr(a, b):
    return stats.spearmanr(a, b).statistic


def pearsonr(a, b):
    return stats.pearsonr(a, b).statistic


def kappa(a, b):
    return sk.cohen_kappa_score(a, b, weights="quadratic")


ONE_HOT = np.eye(3)[CLASSES]
CASES = [
    ("accuracy", "binary", Y, P, sk.accuracy_score(Y, L)),
    ("accuracy", "multiclass", CLASSES, CLASS_P, sk.accuracy_score(CLASSES, CLASS_L)),
    ("accuracy", "multilabel", COLUMNS, COLUMN_P, 1 - sk.hamming_loss(COLUMNS, COLUMN_L)),
    ("accuracy", "ordinal", STEPS, STEP_P, sk.accuracy_score(STEPS, STEP_L)),
    ("f1", "binary", Y, P, sk.f1_score(Y, L)),
    ("macro_f1", "binary", Y, P, sk.f1_score(Y, L, average="macro")),
    ("macro_f1", "multiclass", CLASSES, CLASS_P, sk.f1_score(CLASSES, CLASS_L, average="macro")),
    ("macro_f1", "multilabel", COLUMNS, COLUMN_P, sk.f1_score(COLUMNS, COLUMN_L, average="macro")),
    ("macro_f1", "ordinal", STEPS, STEP_P, sk.f1_score(STEPS, STEP_L, average="macro")),
    ("micro_f1", "multiclass", CLASSES, CLASS_P, sk.f1_score(CLASSES, CLASS_L, average="micro")),
    ("micro_f1", "multilabel", COLUMNS, COLUMN_P, sk.f1_score(COLUMNS, COLUMN_L, average="micro")),
    ("mcc", "binary", Y, P, sk.matthews_corrcoef(Y, L)),
    ("mcc", "multiclass", CLASSES, CLASS_P, sk.matthews_corrcoef(CLASSES, CLASS_L)),
    ("mcc", "multilabel", COLUMNS, COLUMN_P, of_columns(sk.matthews_corrcoef, COLUMNS, COLUMN_L)),
    ("mcc", "ordinal", STEPS, STEP_P, sk.matthews_corrcoef(STEPS, STEP_L)),
    ("quadratic_kappa", "binary", Y, P, kappa(Y[:, 0], L[:, 0])),
    ("quadratic_kappa", "multiclass", CLASSES, CLASS_P, kappa(CLASSES, CLASS_L)),
    ("quadratic_kappa", "ordinal", STEPS, STEP_P, kappa(STEPS, STEP_L)),
    ("log_loss", "binary", Y, P, sk.log_loss(Y, P)),
    ("log_loss", "multiclass", CLASSES, CLASS_P, sk.log_loss(CLASSES, CLASS_P)),
    ("log_loss", "multilabel", COLUMNS, COLUMN_P, of_columns(sk.log_loss, COLUMNS, COLUMN_P)),
    ("mean_column_log_loss", "multilabel", COLUMNS, COLUMN_P, of_columns(sk.log_loss, COLUMNS, COLUMN_P)),
    ("roc_auc", "binary", Y, P, sk.roc_auc_score(Y, P)),
    ("roc_auc", "multiclass", CLASSES, CLASS_P, sk.roc_auc_score(CLASSES, CLASS_P, multi_class="ovr")),
    ("roc_auc", "multilabel", COLUMNS, COLUMN_P, sk.roc_auc_score(COLUMNS, COLUMN_P, average="macro")),
    ("mean_column_roc_auc", "multilabel", COLUMNS, COLUMN_P, of_columns(sk.roc_auc_score, COLUMNS, COLUMN_P)),
    ("average_precision", "binary", Y, P, sk.average_precision_score(Y, P)),
    ("average_precision", "multiclass", CLASSES, CLASS_P, sk.average_precision_score(ONE_HOT, CLASS_P)),
    ("average_precision", "multilabel", COLUMNS, COLUMN_P, sk.average_precision_score(COLUMNS, COLUMN_P)),
    ("jigsaw_bias_auc", "binary", Y, P, sk.roc_auc_score(Y, P)),  # without subgroups; with them see below
    ("rmse", "regression", VALUES, GUESSES, sk.root_mean_squared_error(VALUES, GUESSES)),
    ("rmse", "regression", VALUES[:, :1], GUESSES[:, :1], sk.root_mean_squared_error(VALUES[:, 0], GUESSES[:, 0])),
    ("rmse", "ordinal", STEPS, STEP_P, sk.root_mean_squared_error(STEPS, STEP_P[:, 0])),
    ("rmse", "multilabel", SHARES, COLUMN_P, sk.root_mean_squared_error(SHARES, COLUMN_P)),
    ("rmse", "binary", SHARES[:, :1], P, sk.root_mean_squared_error(SHARES[:, 0], P[:, 0])),
    ("mcrmse", "regression", VALUES, GUESSES, sk.root_mean_squared_error(VALUES, GUESSES)),
    ("mae", "regression", VALUES, GUESSES, sk.mean_absolute_error(VALUES, GUESSES)),
    ("mae", "ordinal", STEPS, STEP_P, sk.mean_absolute_error(STEPS, STEP_P[:, 0])),
    ("r2", "regression", VALUES, GUESSES, sk.r2_score(VALUES, GUESSES)),
    ("r2", "ordinal", STEPS, STEP_P, sk.r2_score(STEPS, STEP_P[:, 0])),
    ("pearson", "regression", VALUES, GUESSES, of_columns(pearsonr, VALUES, GUESSES)),
    ("pearson", "ordinal", STEPS, STEP_P, pearsonr(STEPS, STEP_P[:, 0])),
    ("pearson", "multilabel", SHARES, COLUMN_P, of_columns(pearsonr, SHARES, COLUMN_P)),
    ("spearman", "regression", VALUES, GUESSES, of_columns(spearmanr, VALUES, GUESSES)),
    ("spearman", "ordinal", STEPS, STEP_P, spearmanr(STEPS, STEP_P[:, 0])),
    ("spearman", "multilabel", SHARES, COLUMN_P, of_columns(spearmanr, SHARES, COLUMN_P)),
    ("spearman", "binary", SHARES[:, :1], P, spearmanr(SHARES[:, 0], P[:, 0])),
]


@pytest.mark.parametrize(("name", "task", "truth", "p", "expected"), CASES)
def test_against_references(name, task, truth, p, expected):
    assert score(metric_for(name, task), task, truth, p) == pytest.approx(expected, abs=1e-9)


def test_every_metric_has_a_reference():
    assert {name for name, *_ in CASES} == set(METRICS)


def test_half_precision_of_the_network_costs_nothing():
    for name, expected in (("rmse", sk.root_mean_squared_error), ("pearson", pearsonr), ("spearman", spearmanr)):
        truth, p = (VALUES[:, :1] + 1000).astype(np.float32), (GUESSES[:, :1] + 1000).astype(np.float32)
        wide = expected(truth[:, 0].astype(np.float64), p[:, 0].astype(np.float64))
        assert score(METRICS[name], "regression", truth, p) == pytest.approx(wide, abs=1e-9)


def contest_score(frame: pd.DataFrame, subgroups: list[str]) -> float:
    """The score as the contest's page defines it, one area after another with scikit-learn."""

    def auc(rows: pd.Series) -> float:
        part = frame[rows]
        return sk.roc_auc_score(part["toxic"], part["p"]) if part["toxic"].nunique() == 2 else np.nan

    def power_mean(scores: list[float]) -> float:
        defined = np.array(scores)[~np.isnan(scores)]
        return np.power(np.sum(np.power(defined, -5)) / len(defined), 1 / -5)

    toxic, inside = frame["toxic"], [frame[name] for name in subgroups]
    subgroup = power_mean([auc(group) for group in inside])
    bpsn = power_mean([auc((~group & toxic) | (group & ~toxic)) for group in inside])
    bnsp = power_mean([auc((~group & ~toxic) | (group & toxic)) for group in inside])
    return 0.25 * sk.roc_auc_score(toxic, frame["p"]) + 0.25 * subgroup + 0.25 * bpsn + 0.25 * bnsp


def bias_case(rows: int, lacking: bool) -> tuple[np.ndarray, np.ndarray]:
    """Truth with three subgroups, scored lower inside the second, and predictions with ties."""
    rng = np.random.default_rng(7)
    truth = (rng.random((rows, 4)) < [0.3, 0.2, 0.1, 0.05]).astype(np.float32)
    if lacking:
        truth[truth[:, 3] == 1, 0] = 0  # a subgroup without a positive row
    p = np.clip(0.3 * truth[:, 0] - 0.1 * truth[:, 2] + 0.6 * rng.random(rows), 0, 1).round(2)
    return truth, p[:, None]


@pytest.mark.parametrize("lacking", [False, True])
def test_jigsaw_bias_auc_as_the_contest_defines_it(lacking):
    truth, p = bias_case(900, lacking)
    frame = pd.DataFrame(truth.astype(bool), columns=["toxic", "a", "b", "c"]).assign(p=p[:, 0])
    expected = contest_score(frame, ["a", "b", "c"])
    assert score(METRICS["jigsaw_bias_auc"], "binary", truth, p) == pytest.approx(expected, abs=1e-9)


def test_jigsaw_bias_auc_of_little():
    bias = METRICS["jigsaw_bias_auc"]
    wrong = np.array([[1, 1], [0, 1], [1, 0], [0, 0]]), np.array([[0.1], [0.9], [0.1], [0.9]])
    assert score(bias, "binary", *wrong) == 0  # a mean of power -5 that meets a 0
    no_members = np.array([[1, 0], [0, 0]]), np.array([[0.9], [0.1]])
    assert score(bias, "binary", *no_members) == 1  # the first area is all there is
    assert np.isnan(score(bias, "binary", np.array([[1, 1], [1, 0]]), np.array([[0.9], [0.1]])))


def test_certain_and_wrong_costs_much_and_stays_finite():
    assert 30 < score(METRICS["log_loss"], "binary", np.ones((1, 1)), np.zeros((1, 1))) < 40


def test_predictions_that_are_not_finite_score_nan():
    for metric in METRICS.values():
        task = next(task for task, spec in TASKS.items() if spec.truth in metric.fits)
        assert np.isnan(score(metric, task, Y, np.full_like(P, np.nan)))


def test_undefined_is_nan_not_a_guess():
    ones, rising = np.ones((3, 1)), np.array([[0.1], [0.2], [0.3]])
    for name in ("roc_auc", "average_precision"):
        assert np.isnan(score(METRICS[name], "binary", ones, rising))
    for name in ("spearman", "pearson"):
        assert np.isnan(score(METRICS[name], "regression", VALUES[:3], np.ones((3, 2))))
    assert np.isnan(score(METRICS["r2"], "regression", ones, rising))
    assert np.isnan(score(METRICS["quadratic_kappa"], "binary", ones, ones))


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "spearman", "pearson"])
def test_a_column_of_one_value_is_left_out(name):
    truth, p = np.column_stack([COLUMNS, np.zeros(200)]), np.column_stack([COLUMN_P, P])
    assert score(METRICS[name], "multilabel", truth, p) == score(METRICS[name], "multilabel", COLUMNS, COLUMN_P)


def test_kappa_counts_the_distance_over_a_class_that_is_not_there():
    truth, values = np.array([0, 0, 3, 3, 1, 1]), np.array([[0.0], [3], [3], [0], [1], [3]])
    labels = values[:, 0].astype(int)
    expected = sk.cohen_kappa_score(truth, labels, weights="quadratic", labels=[0, 1, 2, 3])
    assert score(METRICS["quadratic_kappa"], "ordinal", truth, values) == pytest.approx(expected, abs=1e-12)


def test_a_class_that_is_nowhere_does_not_lower_macro_f1():
    truth, p = np.array([0, 2, 2]), np.eye(4)[[0, 2, 0]]
    expected = sk.f1_score(truth, [0, 2, 0], average="macro")
    assert score(METRICS["macro_f1"], "multiclass", truth, p) == pytest.approx(expected, abs=1e-12)


def test_a_metric_of_another_task_is_refused():
    with pytest.raises(InputError, match="not for a regression task; choose one of rmse, mcrmse, mae, r2, pearson, sp"):
        metric_for("f1", "regression")
    with pytest.raises(
        InputError, match="'f1' is not for a multilabel task; choose one of accuracy, macro_f1, micro_f1"
    ):
        metric_for("f1", "multilabel")


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_areas_with_any_ties(rows):
    truth = np.array([[float(positive)] for positive, _ in rows])
    p = np.array([[level / 5] for _, level in rows])
    for name, reference in (("roc_auc", sk.roc_auc_score), ("average_precision", sk.average_precision_score)):
        found = score(METRICS[name], "binary", truth, p)
        if len(set(truth[:, 0])) == 1:
            assert np.isnan(found)
        else:
            assert found == pytest.approx(reference(truth, p), abs=1e-9)
