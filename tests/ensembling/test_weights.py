import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, logit, softmax

from foldwise.ensembling.blend import combine_test
from foldwise.ensembling.weights import (
    Mixture,
    assemble_oof,
    cross_fitted_scores,
    fit_mixture,
    fit_mixtures,
    least_squares_weights,
    likelihood_weights,
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
    folds = {"a": [np.array([[0.1], [0.2], [0.9]]), np.array([[0.5], [0.5], [0.4]])]}
    mixture = Mixture(np.ones(1))
    assert combine_test(folds, "mean", "binary", mixture) == pytest.approx(np.array([[0.3], [0.35], [0.65]]))
    expected = (np.array([[1], [2], [3]]) + np.array([[2.5], [2.5], [1]])) / 6
    assert combine_test(folds, "rank_mean", "binary", mixture) == pytest.approx(expected)


def test_weighted_mean_by_hand():
    parts = {"a": [np.array([[0.0, 1.0]])], "b": [np.array([[1.0, 0.0]])]}
    mixture = Mixture(np.array([0.75, 0.25]))
    assert combine_test(parts, "mean", "multilabel", mixture) == pytest.approx(np.array([[0.25, 0.75]]))


def test_members_are_calibrated_before_the_mean():
    parts = [np.array([[0.5]]), np.array([[0.8]])]
    mixture = Mixture(np.array([0.5, 0.5]), [np.array([[1.0], [2.0]]), np.array([[0.5], [0.0]])])
    expected = (expit(2.0) + expit(0.5 * logit(0.8))) / 2
    assert mixture.apply("binary", parts) == pytest.approx(np.array([[expected]]))


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


@settings(max_examples=15, deadline=None)
@given(noises=st.lists(st.floats(0.1, 5), min_size=1, max_size=4), seed=st.integers(0, 99))
@pytest.mark.parametrize("name", ["log_loss", "accuracy", "f1", "roc_auc"])
def test_the_mixture_is_never_below_its_best_member_by_more_than_noise(name, noises, seed):
    rng = np.random.default_rng(seed)
    truth = (rng.random((1200, 1)) < 0.4).astype(np.float32)
    folds, metric = rng.permutation(np.arange(1200) % 5), METRICS[name]
    slopes = rng.uniform(0.3, 3, len(noises))  # some too sure of themselves, some not sure enough
    oofs = [expit(slope * logit(oof)) for slope, oof in zip(slopes, members(truth, noises, seed), strict=True)]
    mixtures = fit_mixtures(metric, "binary", truth, oofs, folds)
    for mixture in mixtures:
        assert (mixture.weights >= 0).all()
        assert mixture.weights.sum() == pytest.approx(1)
    sign = 1 if metric.greater_is_better else -1
    found, _ = cross_fitted_scores(metric, "binary", truth, oofs, folds, mixtures)
    best = max(sign * cross_fitted_scores(metric, "binary", truth, [oof], folds)[0] for oof in oofs)
    noise = 0.02  # a standard error of the accuracy is 0.014 of one half, less where members agree with the truth
    assert sign * found >= best - noise


def test_a_member_too_sure_of_itself_does_not_outweigh_a_better_one():
    """Log loss of raw predictions gave the better member, which is unsure, no weight at all."""
    rng = np.random.default_rng(4)
    truth, folds = rng.integers(0, 5, 2000), np.arange(2000) % 5
    sure, unsure = (3 * np.eye(5)[truth] + rng.normal(0, noise, (2000, 5)) for noise in (1.5, 1.2))
    oofs, metric = [softmax(2 * sure, axis=1), softmax(0.2 * unsure, axis=1)], METRICS["accuracy"]
    mixture = fit_mixture(metric, "multiclass", truth, oofs, folds)
    assert mixture.weights[1] > 0.5
    found, _ = cross_fitted_scores(
        metric, "multiclass", truth, oofs, folds, fit_mixtures(metric, "multiclass", truth, oofs, folds)
    )
    alone = [score(metric, "multiclass", truth, oof) for oof in oofs]
    assert alone[1] > alone[0]
    assert found > alone[1]


@pytest.mark.parametrize(("task", "name"), [("binary", "log_loss"), ("regression", "rmse")])
def test_weights_are_the_best_there_are(task, name):
    metric = METRICS[name]
    truth = (np.random.default_rng(1).random((20_000, 1)) < 0.4).astype(np.float32)
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
    fitted = likelihood_weights(task, truth, oofs) if task == "binary" else least_squares_weights(truth, oofs)
    assert loss(fitted) == pytest.approx(solved.fun, abs=1e-4)


def test_values_are_weighed_as_they_are():
    """A line through each would make one equal to the other, and its weights would then be of other predictions."""
    rng = np.random.default_rng(2)
    truth, folds = rng.normal(5, 1, (600, 1)), np.arange(600) % 3
    oofs = [0.3 * truth, truth + rng.normal(0, 0.4, truth.shape)]
    mixture = fit_mixture(METRICS["rmse"], "regression", truth, oofs, folds)
    assert not mixture.calibrations
    assert mixture.weights[1] > 0.9
    found = score(METRICS["rmse"], "regression", truth, mixture.apply("regression", oofs))
    assert found < 1.02 * score(METRICS["rmse"], "regression", truth, oofs[1])  # pulled to equal weights by 25 rows


def test_exact_members_weigh_the_same():
    ones = np.ones((20, 1))
    assert fit_mixture(METRICS["rmse"], "regression", ones, [ones, ones], np.arange(20) % 2).weights.tolist() == [
        0.5,
        0.5,
    ]


def test_few_rows_leave_weights_nearly_equal():
    truth = np.array([[0.0], [1.0], [1.0], [0.0]])
    oofs = [truth * 0.8 + 0.1, 0.9 - truth * 0.8]
    for weights in (likelihood_weights("binary", truth, oofs), least_squares_weights(truth, oofs)):
        assert 0.5 < weights[0] < 0.65


def test_a_useless_member_gets_little():
    truth = (np.random.default_rng(1).random((2000, 1)) < 0.4).astype(np.float32)
    good, noise = members(truth, [1.0, 30.0], 5)
    for name in ("log_loss", "roc_auc", "average_precision", "f1"):
        weights = fit_mixture(METRICS[name], "binary", truth, [noise, good, good], np.arange(2000) % 3).weights
        assert weights[0] < 0.1


def test_where_the_metric_is_undefined_members_are_still_weighed():
    ones, folds = np.ones((10, 1)), np.arange(10) % 2
    weights = fit_mixture(METRICS["roc_auc"], "binary", ones, [ones, ones / 2], folds).weights
    assert weights.sum() == pytest.approx(1)
    assert (weights > 0.3).all()


@pytest.mark.parametrize(
    ("task", "name", "truth", "oof"), [*CASES, ("binary", "roc_auc", Y, OOF), ("ordinal", "mae", STEPS, STEP_OOF)]
)
def test_mixture_and_cuts_of_a_fold_never_see_it(task, name, truth, oof):
    """Whatever a fold's truth says, its labels stay: only the score of them may change."""
    metric, oofs = METRICS[name], [oof, oof[::-1], np.sqrt(np.abs(oof))]
    mixtures = fit_mixtures(metric, task, truth, oofs, FOLDS)
    _, scores = cross_fitted_scores(metric, task, truth, oofs, FOLDS, mixtures)
    turned = truth.copy()
    turned[FOLDS == 1] = turned[FOLDS == 1][::-1]
    again = fit_mixtures(metric, task, turned, oofs, FOLDS)
    combined = mixtures[1].apply(task, oofs)
    assert (again[1].apply(task, oofs) == combined).all()
    thresholds = best_thresholds(metric, task, truth[FOLDS != 1], combined[FOLDS != 1])
    assert scores[1] == score(metric, task, truth[FOLDS == 1], combined[FOLDS == 1], thresholds)
    turned_scores = cross_fitted_scores(metric, task, turned, oofs, FOLDS, again)[1]
    assert turned_scores[1] == score(metric, task, turned[FOLDS == 1], combined[FOLDS == 1], thresholds)


def test_one_member_is_itself_however_it_is_mixed():
    metric = METRICS["f1"]
    expected = cross_fitted_scores(metric, "binary", Y, [OOF], FOLDS)
    fitted = fit_mixtures(metric, "binary", Y, [OOF], FOLDS)
    assert cross_fitted_scores(metric, "binary", Y, [OOF], FOLDS, fitted) == expected
    halves = [Mixture(np.array([0.5, 0.5]))] * 3
    assert cross_fitted_scores(metric, "binary", Y, [OOF, OOF], FOLDS, halves) == expected


@pytest.mark.parametrize(("task", "name"), [("multilabel", "log_loss"), ("regression", "rmse")])
def test_unknown_targets_have_no_say_in_the_mixture(task, name):
    rng = np.random.default_rng(3)
    truth = (rng.random((200, 2)) < 0.4).astype(float)
    oofs = [np.clip(truth * 0.4 + rng.random((200, 2)) * 0.6, 0.01, 0.99) for _ in range(2)]
    unknown = rng.random((200, 2)) < 0.3
    masked, folds = np.where(unknown, np.nan, truth), np.arange(200) % 4
    others = [np.where(unknown, rng.random((200, 2)), oof) for oof in oofs]
    found, again = (fit_mixture(METRICS[name], task, masked, parts, folds) for parts in (oofs, others))
    assert found.weights.tolist() == pytest.approx(again.weights.tolist())
    assert found.weights.min() > 0
    for one, other in zip(found.calibrations, again.calibrations, strict=True):
        assert one == pytest.approx(other)
