"""Every metric against scikit-learn, scipy or the contest's formula."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from foldwise.errors import InputError
from foldwise.metrics import METRICS, MetricChoice, metric_for, score
from foldwise.metrics.choice import table_name
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


def ml_metrics_map(true_sets, p, k):
    """As Kaggle's ml_metrics has it (`apk` of Ben Hamner), written row by row."""
    scores = []
    for true, row in zip(true_sets, p, strict=True):
        found, total = 0, 0.0
        for rank, label in enumerate(np.argsort(-row, kind="stable")[:k], start=1):
            if label in true:
                found += 1
                total += found / rank
        scores.append(total / min(len(true), k) if true else 0.0)
    return np.mean(scores)


def first_k(p, k):
    return np.argsort(np.argsort(-p, axis=1, kind="stable"), axis=1) < k


def beta(name, value):
    return MetricChoice(name, {"beta": value})


def quantile(share):
    return MetricChoice("pinball", {"quantile": share})


POSITIVE = np.exp(VALUES / 20)
NEAR = POSITIVE + RNG.normal(size=(200, 2)) / 4  # some below 0
GRADES = RNG.integers(1, 7, (200, 2)).astype(np.float64)
GRADE_GUESSES = GRADES + RNG.normal(size=(200, 2))
TRUE_SETS = [set(np.flatnonzero(row)) for row in COLUMNS]  # some are empty
RECALL_2 = sk.recall_score(COLUMNS, first_k(COLUMN_P, 2), average="samples", zero_division=0)
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
    ("weighted_f1", "binary", Y, P, sk.f1_score(Y, L, average="weighted")),
    ("weighted_f1", "multiclass", CLASSES, CLASS_P, sk.f1_score(CLASSES, CLASS_L, average="weighted")),
    ("weighted_f1", "multilabel", COLUMNS, COLUMN_P, sk.f1_score(COLUMNS, COLUMN_L, average="weighted")),
    ("weighted_f1", "ordinal", STEPS, STEP_P, sk.f1_score(STEPS, STEP_L, average="weighted")),
    (beta("fbeta", 2), "binary", Y, P, sk.fbeta_score(Y, L, beta=2)),
    (beta("fbeta", 0.5), "binary", Y, P, sk.fbeta_score(Y, L, beta=0.5)),
    (beta("macro_fbeta", 2), "multiclass", CLASSES, CLASS_P, sk.fbeta_score(CLASSES, CLASS_L, beta=2, average="macro")),
    (
        beta("macro_fbeta", 2),
        "multilabel",
        COLUMNS,
        COLUMN_P,
        sk.fbeta_score(COLUMNS, COLUMN_L, beta=2, average="macro"),
    ),
    (
        beta("micro_fbeta", 3),
        "multilabel",
        COLUMNS,
        COLUMN_P,
        sk.fbeta_score(COLUMNS, COLUMN_L, beta=3, average="micro"),
    ),
    ("mcc", "binary", Y, P, sk.matthews_corrcoef(Y, L)),
    ("mcc", "multiclass", CLASSES, CLASS_P, sk.matthews_corrcoef(CLASSES, CLASS_L)),
    ("mcc", "multilabel", COLUMNS, COLUMN_P, of_columns(sk.matthews_corrcoef, COLUMNS, COLUMN_L)),
    ("mcc", "ordinal", STEPS, STEP_P, sk.matthews_corrcoef(STEPS, STEP_L)),
    ("quadratic_kappa", "binary", Y, P, kappa(Y[:, 0], L[:, 0])),
    ("quadratic_kappa", "multiclass", CLASSES, CLASS_P, kappa(CLASSES, CLASS_L)),
    ("quadratic_kappa", "ordinal", STEPS, STEP_P, kappa(STEPS, STEP_L)),
    ("quadratic_kappa", "multilabel", COLUMNS, COLUMN_P, of_columns(kappa, COLUMNS, COLUMN_L)),
    ("quadratic_kappa", "regression", GRADES, GRADE_GUESSES, of_columns(kappa, GRADES, np.rint(GRADE_GUESSES))),
    ("brier", "binary", Y, P, sk.brier_score_loss(Y, P)),
    ("brier", "multiclass", CLASSES, CLASS_P, sk.brier_score_loss(CLASSES, CLASS_P, scale_by_half=False)),
    ("brier", "multilabel", COLUMNS, COLUMN_P, of_columns(sk.brier_score_loss, COLUMNS, COLUMN_P)),
    ("precision@2", "multiclass", CLASSES, CLASS_P, sk.top_k_accuracy_score(CLASSES, CLASS_P, k=2) / 2),
    ("precision@2", "multilabel", COLUMNS, COLUMN_P, (COLUMNS * first_k(COLUMN_P, 2)).sum(axis=1).mean() / 2),
    ("recall@2", "multiclass", CLASSES, CLASS_P, sk.top_k_accuracy_score(CLASSES, CLASS_P, k=2)),
    ("recall@2", "multilabel", COLUMNS, COLUMN_P, RECALL_2),
    ("map@2", "multiclass", CLASSES, CLASS_P, ml_metrics_map([{c} for c in CLASSES], CLASS_P, 2)),
    ("map@9", "multiclass", CLASSES, CLASS_P, sk.label_ranking_average_precision_score(ONE_HOT, CLASS_P)),
    ("map@2", "multilabel", COLUMNS, COLUMN_P, ml_metrics_map(TRUE_SETS, COLUMN_P, 2)),
    ("roc_auc_ovr", "multiclass", CLASSES, CLASS_P, sk.roc_auc_score(CLASSES, CLASS_P, multi_class="ovr")),
    ("roc_auc_ovo", "multiclass", CLASSES, CLASS_P, sk.roc_auc_score(CLASSES, CLASS_P, multi_class="ovo")),
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
    ("rmsle", "regression", POSITIVE, NEAR, sk.root_mean_squared_log_error(POSITIVE, np.maximum(NEAR, 0))),
    ("mape", "regression", POSITIVE, NEAR, sk.mean_absolute_percentage_error(POSITIVE, NEAR)),
    (quantile(0.9), "regression", VALUES, GUESSES, sk.mean_pinball_loss(VALUES, GUESSES, alpha=0.9)),
    (quantile(0.2), "ordinal", STEPS, STEP_P, sk.mean_pinball_loss(STEPS, STEP_P[:, 0], alpha=0.2)),
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
    names = [asked if isinstance(asked, str) else asked.name for asked, *_ in CASES]
    assert {table_name(name)[0] for name in names} == set(METRICS)


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
    with pytest.raises(
        InputError, match="not for a regression task; choose one of quadratic_kappa, rmse, mcrmse, rmsle, mae"
    ):
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


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(1, 5)), min_size=6, max_size=40))
def test_areas_of_pairs_of_classes_with_any_ties(rows):
    truth = np.array([row[0] for row in rows])
    p = np.array([[a, b, 11 - a - b] for _, a, b in rows]) / 11
    found = score(METRICS["roc_auc_ovo"], "multiclass", truth, p)
    if len(set(truth)) == 3:
        assert found == pytest.approx(sk.roc_auc_score(truth, p, multi_class="ovo"), abs=1e-9)
    else:
        assert np.isnan(found) == (len(set(truth)) == 1)


@given(st.integers(1, 5), st.lists(st.sets(st.integers(0, 3)), min_size=1, max_size=20), st.integers(0, 99))
def test_ranked_scores_lie_between_0_and_1_and_agree_on_what_is_found(k, sets, seed):
    truth = np.array([[label in true for label in range(4)] for true in sets], dtype=np.float32)
    p = np.random.default_rng(seed).integers(0, 4, (len(sets), 4)) / 4  # with ties
    precision, recall, ap = (
        score(metric_for(f"{name}@{k}", "multilabel"), "multilabel", truth, p)
        for name in ("precision", "recall", "map")
    )
    assert max(precision, recall) <= 1
    assert ap == pytest.approx(ml_metrics_map(sets, p, k))
    assert (precision == 0) == (recall == 0) == (ap == 0)


def test_a_column_without_a_kappa_is_left_out():
    truth = np.column_stack([COLUMNS[:, 0], np.zeros(200)])
    p = np.column_stack([COLUMN_P[:, 0], np.zeros(200)])
    found = score(METRICS["quadratic_kappa"], "multilabel", truth, p)
    assert found == pytest.approx(kappa(COLUMNS[:, 0], COLUMN_L[:, 0]), abs=1e-12)
