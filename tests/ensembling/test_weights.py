import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from foldwise.ensembling.blend import combine_test
from foldwise.ensembling.weights import (
    assemble_oof,
    cross_fitted_scores,
    fit_weights,
    greedy_weights,
    to_ranks,
)
from foldwise.metrics import METRICS, best_thresholds, score, score_labels
from foldwise.tasks import TASKS

RNG = np.random.default_rng(0)
FOLDS = np.repeat([0, 1, 2], 40)
Y = (RNG.random((120, 1)) < 0.4).astype(np.float32)
OOF = np.clip(0.3 * Y + 0.7 * RNG.random((120, 1)), 0, 1)
COLUMNS = (RNG.random((120, 3)) < [0.3, 0.5, 0.6]).astype(np.float32)
COLUMN_OOF = np.clip(0.3 * COLUMNS + 0.7 * RNG.random((120, 3)), 0, 1)
STEPS = RNG.integers(0, 4, 120)
STEP_OOF = 0.6 * STEPS[:, None] + RNG.normal(0, 0.7, (120, 1))


def test_mean_and_rank_mean_by_hand():
    first, second = np.array([[0.1], [0.2], [0.9]]), np.array([[0.5], [0.5], [0.4]])
    folds = {"a": [first, second]}
    assert combine_test(folds, "mean", {"a": 1.0}) == pytest.approx(np.array([[0.3], [0.35], [0.65]]))
    expected = (np.array([[1], [2], [3]]) + np.array([[2.5], [2.5], [1]])) / 6
    assert combine_test(folds, "rank_mean", {"a": 1.0}) == pytest.approx(expected)


def test_weighted_mean_by_hand():
    parts = {"a": [np.array([[0.0, 1.0]])], "b": [np.array([[1.0, 0.0]])]}
    assert combine_test(parts, "mean", {"a": 3.0, "b": 1.0}) == pytest.approx(np.array([[0.25, 0.75]]))


def test_ranks_only_see_the_order():
    assert (to_ranks(OOF) == to_ranks(OOF**3)).all()


def test_oof_comes_back_in_the_order_of_the_table():
    folds = np.array([1, 0, 1, 2, 0])
    rows = np.arange(5.0)[:, None]
    parts = {fold: rows[folds == fold] for fold in (2, 0, 1)}
    assert (assemble_oof(parts, folds, "mean") == rows).all()
    assert assemble_oof(parts, folds, "rank_mean")[:, 0].tolist() == [0.5, 0.5, 1, 1, 1]


CASES = [
    *(("binary", name, Y, OOF) for name in ("f1", "accuracy", "mcc", "quadratic_kappa")),
    *(("multilabel", name, COLUMNS, COLUMN_OOF) for name in ("micro_f1", "macro_f1", "mcc")),
    *(("ordinal", name, STEPS, STEP_OOF) for name in ("quadratic_kappa", "accuracy")),
]


@pytest.mark.parametrize(("task", "name", "truth", "oof"), CASES)
def test_cuts_are_scored_on_rows_they_have_not_seen(task, name, truth, oof):
    metric, folds = METRICS[name], RNG.permutation(FOLDS)
    pooled, scores = cross_fitted_scores(metric, task, truth, [oof], folds)
    labels = np.zeros_like(truth)
    for fold, found in enumerate(scores):
        inside = fold == folds
        thresholds = best_thresholds(metric, task, truth[~inside], oof[~inside])
        labels[inside] = TASKS[task].to_labels(oof[inside], thresholds)
        assert found == score(metric, task, truth[inside], oof[inside], thresholds)
    assert pooled == pytest.approx(score_labels(metric, task, truth, labels), abs=1e-12)


@pytest.mark.parametrize(
    ("task", "name", "truth"),
    [
        ("binary", "accuracy", (RNG.random((3000, 1)) < 0.5).astype(np.float32)),
        ("multilabel", "accuracy", (RNG.random((3000, 2)) < 0.5).astype(np.float32)),
        ("ordinal", "quadratic_kappa", RNG.integers(0, 4, 3000)),
    ],
)
def test_noise_gains_nothing_from_its_cuts(task, name, truth):
    noise, folds = (
        np.random.default_rng(3).random((3000, truth.shape[-1] if truth.ndim > 1 else 1)),
        np.arange(3000) % 5,
    )
    metric = METRICS[name]
    pooled, _ = cross_fitted_scores(metric, task, truth, [noise], folds)
    flattering = score(metric, task, truth, noise, best_thresholds(metric, task, truth, noise))
    assert pooled < flattering


@pytest.mark.parametrize(
    ("task", "name", "truth", "oof"),
    [
        ("binary", "roc_auc", Y, OOF),
        ("ordinal", "rmse", STEPS, STEP_OOF),
        ("regression", "spearman", COLUMNS + COLUMN_OOF[::-1], COLUMN_OOF),
        ("multiclass", "accuracy", RNG.integers(0, 3, 120), RNG.dirichlet([1, 1, 1], 120)),
        ("multiclass", "log_loss", RNG.integers(0, 3, 120), RNG.dirichlet([1, 1, 1], 120)),
    ],
)
def test_what_is_not_cut_has_its_plain_score(task, name, truth, oof):
    pooled, scores = cross_fitted_scores(METRICS[name], task, truth, [oof], FOLDS)
    assert pooled == pytest.approx(score(METRICS[name], task, truth, oof), abs=1e-12)
    assert scores == [score(METRICS[name], task, truth[fold == FOLDS], oof[fold == FOLDS]) for fold in range(3)]


def members(truth: np.ndarray, noises: list[float], seed: int) -> list[np.ndarray]:
    """Members whose logits are the truth and noise of their own."""
    rng = np.random.default_rng(seed)
    return [1 / (1 + np.exp(-(2 * truth - 1 + rng.normal(0, noise, truth.shape)))) for noise in noises]


@settings(max_examples=15)
@given(noises=st.lists(st.floats(0.1, 5), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_weights_are_shares_and_no_single_member_is_better(noises, seed):
    oofs, metric = members(Y, noises, seed), METRICS["log_loss"]
    weights = greedy_weights(metric, "binary", Y, oofs)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    found = score(metric, "binary", Y, np.average(oofs, axis=0, weights=weights))
    assert all(found <= score(metric, "binary", Y, oof) + 1e-6 for oof in oofs)
    by_fold = fit_weights(metric, "binary", Y, oofs, FOLDS, "mean")
    assert by_fold.shape == (3, len(noises))
    assert by_fold.sum(axis=1) == pytest.approx(np.ones(3))
    assert (by_fold == fit_weights(metric, "binary", Y, oofs, FOLDS, "mean")).all()


@pytest.mark.parametrize(("task", "name"), [("binary", "log_loss"), ("regression", "rmse")])
def test_greedy_weights_come_near_the_best_there_are(task, name):
    metric = METRICS[name]
    truth = (np.random.default_rng(1).random((2000, 1)) < 0.4).astype(np.float32)
    oofs = members(truth, [1.0, 1.5, 2.0, 4.0], 2)

    def loss(weights: np.ndarray) -> float:
        return score(metric, task, truth, np.average(oofs, axis=0, weights=weights))

    solved = minimize(
        loss,
        np.full(4, 0.25),
        method="SLSQP",
        bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
    )
    assert loss(greedy_weights(metric, task, truth, oofs)) == pytest.approx(solved.fun, abs=1e-3)


def test_a_useless_member_gets_little_and_a_double_nothing():
    truth = (np.random.default_rng(1).random((2000, 1)) < 0.4).astype(np.float32)
    good, noise = members(truth, [1.0, 30.0], 5)
    for metric in (METRICS["log_loss"], METRICS["roc_auc"], METRICS["average_precision"]):
        weights = greedy_weights(metric, "binary", truth, [noise, good, good])
        assert weights[0] < 0.2
        assert weights[2] == 0


def test_where_the_metric_is_undefined_weights_are_equal():
    ones = np.ones((10, 1))
    assert greedy_weights(METRICS["roc_auc"], "binary", ones, [ones, ones / 2]).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("task", "name", "truth", "method", "fitted"),
    [
        ("binary", "f1", Y, "mean", "log_loss"),
        ("multilabel", "micro_f1", COLUMNS, "rank_mean", "roc_auc"),
        ("ordinal", "quadratic_kappa", STEPS, "mean", "rmse"),
        ("ordinal", "quadratic_kappa", STEPS, "rank_mean", "spearman"),
    ],
)
def test_labels_are_fitted_by_what_moves_with_every_row(task, name, truth, method, fitted):
    oofs = members(truth.reshape(len(FOLDS), -1), [1.0, 2.0, 4.0], 7)
    weights = [fit_weights(METRICS[each], task, truth, oofs, FOLDS, method) for each in (name, fitted)]
    assert (weights[0] == weights[1]).all()


@pytest.mark.parametrize(
    ("task", "name", "truth", "oof"), [*CASES, ("binary", "roc_auc", Y, OOF), ("ordinal", "mae", STEPS, STEP_OOF)]
)
def test_weights_and_cuts_of_a_fold_never_see_it(task, name, truth, oof):
    """Whatever a fold's truth says, its labels stay: only the score of them may change."""
    metric, oofs = METRICS[name], [oof, oof[::-1], np.sqrt(np.abs(oof))]
    weights = fit_weights(metric, task, truth, oofs, FOLDS, "mean")
    _, scores = cross_fitted_scores(metric, task, truth, oofs, FOLDS, weights)
    turned = truth.copy()
    turned[FOLDS == 1] = turned[FOLDS == 1][::-1]
    again = fit_weights(metric, task, turned, oofs, FOLDS, "mean")
    assert (again[1] == weights[1]).all()
    combined = np.average(oofs, axis=0, weights=weights[1])
    thresholds = best_thresholds(metric, task, truth[FOLDS != 1], combined[FOLDS != 1])
    assert scores[1] == score(metric, task, truth[FOLDS == 1], combined[FOLDS == 1], thresholds)
    turned_scores = cross_fitted_scores(metric, task, turned, oofs, FOLDS, again)[1]
    assert turned_scores[1] == score(metric, task, turned[FOLDS == 1], combined[FOLDS == 1], thresholds)


def test_one_member_with_any_weight_is_itself():
    metric = METRICS["f1"]
    expected = cross_fitted_scores(metric, "binary", Y, [OOF], FOLDS)
    assert cross_fitted_scores(metric, "binary", Y, [OOF], FOLDS, np.ones((3, 1))) == expected
    assert cross_fitted_scores(metric, "binary", Y, [OOF, OOF], FOLDS, np.array([0.5, 0.5])) == expected
