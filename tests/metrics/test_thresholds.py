"""The thresholds that make labels: nothing beats them, and they hang on nothing but the rows."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from foldwise.metrics import METRICS, Metric, MetricChoice, best_thresholds, metric_for, score, score_labels
from foldwise.tasks import TASKS

F2 = [MetricChoice(name, {"beta": 2}) for name in ("fbeta", "macro_fbeta", "micro_fbeta")]
COLUMN_METRICS = ["accuracy", "macro_f1", "micro_f1", "weighted_f1", "mcc", *F2[1:]]
BINARY_METRICS = ["accuracy", "f1", "macro_f1", "weighted_f1", "mcc", "quadratic_kappa", *F2[:2]]
ORDINAL_METRICS = ["accuracy", "macro_f1", "weighted_f1", "mcc", "quadratic_kappa", F2[1]]


def tables(columns):
    row = st.tuples(*[st.tuples(st.booleans(), st.integers(0, 10)) for _ in range(columns)])
    return st.lists(row, min_size=2, max_size=30).map(np.array)


def parts_of(table):
    """(N, C, 2) of truth and level → (N, C) truth, (N, C) probabilities."""
    return table[..., 0].astype(np.float32), table[..., 1] / 10


@pytest.mark.parametrize("name", BINARY_METRICS)
@given(table=tables(1))
def test_no_other_threshold_is_better(name, table):
    (truth, p), metric = parts_of(table), metric_for(name, "binary")
    best = score(metric, "binary", truth, p, best_thresholds(metric, "binary", truth, p))
    for cut in np.linspace(-0.05, 1.05, 12):
        other = score(metric, "binary", truth, p, np.array([cut]))
        assert np.isnan(other) or best >= other - 1e-12


@pytest.mark.parametrize("name", COLUMN_METRICS)
@settings(max_examples=40)
@given(table=tables(2))
def test_no_other_thresholds_of_columns_are_better(name, table):
    (truth, p), metric = parts_of(table), metric_for(name, "multilabel")
    thresholds = best_thresholds(metric, "multilabel", truth, p)
    best = score(metric, "multilabel", truth, p, thresholds)
    assert thresholds.shape == (2,)
    for other in itertools.product(np.linspace(-0.05, 1.05, 12), repeat=2):
        assert best >= score(metric, "multilabel", truth, p, np.array(other)) - 1e-12


ORDINAL = st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 35)), min_size=2, max_size=60).map(np.array)


@pytest.mark.parametrize("name", ORDINAL_METRICS)
@settings(max_examples=60)
@given(table=ORDINAL)
def test_cut_points_rise_and_no_single_one_can_be_moved_to_advantage(name, table):
    truth, p, metric = table[:, 0], table[:, 1:] / 10, metric_for(name, "ordinal")
    thresholds = best_thresholds(metric, "ordinal", truth, p)
    assert thresholds.shape == (truth.max(),)
    assert (np.diff(thresholds) >= 0).all()
    best = score(metric, "ordinal", truth, p, thresholds)
    neutral = score(metric, "ordinal", truth, p)
    assert np.isnan(neutral) or best >= neutral - 1e-12
    if np.ptp(truth) == 0:
        return
    for place, value in itertools.product(range(len(thresholds)), np.arange(-0.55, 3.6, 0.1)):
        moved = thresholds.copy()
        moved[place] = value
        if (np.diff(moved) >= 0).all():
            assert best >= score(metric, "ordinal", truth, p, moved) - 1e-9


@settings(max_examples=40)
@given(table=tables(2), seed=st.integers(0, 9))
def test_the_order_of_rows_plays_no_part(table, seed):
    order = np.random.default_rng(seed).permutation(len(table))
    truth, p = parts_of(table)
    for name in COLUMN_METRICS:
        thresholds = [
            best_thresholds(metric_for(name, "multilabel"), "multilabel", truth[rows], p[rows])
            for rows in (slice(None), order)
        ]
        assert (thresholds[0] == thresholds[1]).all()
    for name in ORDINAL_METRICS:
        steps, values = table[:, 0, 1] // 4, p[:, 1:] * 3
        thresholds = [
            best_thresholds(metric_for(name, "ordinal"), "ordinal", steps[rows], values[rows])
            for rows in (slice(None), order)
        ]
        assert (thresholds[0] == thresholds[1]).all()


@pytest.mark.parametrize("seed", range(12))
def test_kappa_is_not_below_the_usual_optimised_rounder(seed):
    """Nelder-Mead on the kappa from the neutral cut points, as kernels of ordinal contests do it."""
    rng = np.random.default_rng(seed)
    rows, classes = [40, 300, 2000][seed % 3], [3, 5, 6][seed % 3]
    truth = np.clip(rng.normal(classes / 2, 1.2, rows).round(), 0, classes - 1).astype(int)
    p = (truth * rng.uniform(0.3, 1) + rng.normal(0, rng.uniform(0.3, 2), rows))[:, None]
    metric = METRICS["quadratic_kappa"]
    rounder = minimize(
        lambda thresholds: -score(metric, "ordinal", truth, p, np.sort(thresholds)),
        TASKS["ordinal"].neutral_thresholds(truth, p),
        method="nelder-mead",
    )
    assert score(metric, "ordinal", truth, p, best_thresholds(metric, "ordinal", truth, p)) >= -rounder.fun - 1e-12


def test_thresholds_of_many_rows_are_near_the_true_ones():
    p = np.random.default_rng(1).random((20_000, 2))
    truth = (p >= [0.37, 0.8]).astype(np.float32)
    for name in COLUMN_METRICS:
        assert best_thresholds(metric_for(name, "multilabel"), "multilabel", truth, p) == pytest.approx(
            [0.37, 0.8], abs=0.001
        )
    steps, values = np.searchsorted([0.2, 0.5, 0.6], p[:, 0]), p[:, :1]
    for name in ORDINAL_METRICS:
        assert best_thresholds(metric_for(name, "ordinal"), "ordinal", steps, values) == pytest.approx(
            [0.2, 0.5, 0.6], abs=0.001
        )


def test_the_middle_of_a_plateau():
    truth, p = np.array([[0.0], [0], [1], [1]]), np.array([[0.1], [0.2], [0.6], [0.7]])
    assert best_thresholds(METRICS["f1"], "binary", truth, p) == pytest.approx([0.4])
    assert best_thresholds(METRICS["accuracy"], "ordinal", truth[:, 0].astype(int), p) == pytest.approx([0.4])


def test_cuts_between_neighbouring_floats():
    low = np.float64(0.3)
    p = np.array([[low], [np.nextafter(low, 1)]])
    thresholds = best_thresholds(METRICS["accuracy"], "binary", np.array([[0.0], [1]]), p)
    assert score(METRICS["accuracy"], "binary", np.array([[0.0], [1]]), p, thresholds) == 1
    narrow = p.astype(np.float32)
    narrow[1] = np.nextafter(narrow[0], np.float32(1))
    thresholds = best_thresholds(METRICS["accuracy"], "binary", np.array([[0.0], [1]]), narrow)
    assert score(METRICS["accuracy"], "binary", np.array([[0.0], [1]]), narrow, thresholds) == 1


def test_where_there_is_nothing_to_choose_cuts_are_neutral():
    truth, p = np.array([[0.0], [1], [1]]), np.array([[0.2], [0.3], [0.9]])
    assert best_thresholds(METRICS["roc_auc"], "binary", truth, p).tolist() == [0.5]
    assert best_thresholds(METRICS["rmse"], "ordinal", np.array([0, 1, 2]), p).tolist() == [0.5, 1.5]
    assert best_thresholds(METRICS["f1"], "binary", truth, np.full_like(p, np.nan)).tolist() == [0.5]
    assert best_thresholds(METRICS["f1"], "binary", np.zeros_like(p), p).tolist() == [0.5]
    assert best_thresholds(METRICS["micro_f1"], "multilabel", np.zeros((3, 2)), np.tile(p, 2)).tolist() == [0.5, 0.5]
    assert best_thresholds(METRICS["mcc"], "ordinal", np.array([2, 2, 2]), p).tolist() == [0.5, 1.5]
    assert not len(best_thresholds(METRICS["accuracy"], "multiclass", np.array([0, 1, 1]), np.tile(p, 3)))


def own(function, greater=True, truth="column"):
    """A metric as of a user's function of (truth, labels)."""
    return Metric(function, greater, "label", (truth,), own=True)


@given(table=tables(1))
def test_an_own_metric_finds_what_the_same_metric_by_name_finds(table):
    (truth, p), by_name = parts_of(table), METRICS["f1"]
    mine = own(lambda *pair: score_labels(by_name, "binary", *pair))
    found = best_thresholds(mine, "binary", truth, p)
    best = score(by_name, "binary", truth, p, best_thresholds(by_name, "binary", truth, p))
    assert score(by_name, "binary", truth, p, found) == pytest.approx(best, abs=1e-12)  # 11 levels: all are tried


@settings(max_examples=40)
@given(table=tables(3))
def test_own_metrics_of_columns_and_errors_are_never_worse_than_neutral(table):
    truth, p = parts_of(table)
    wrong = own(lambda true, labels: float((true != labels).any(axis=1).mean()), greater=False, truth="columns")
    thresholds = best_thresholds(wrong, "multilabel", truth, p)
    assert score(wrong, "multilabel", truth, p, thresholds) <= score(wrong, "multilabel", truth, p) + 1e-12


@settings(max_examples=40)
@given(table=ORDINAL)
def test_own_metrics_of_steps_rise_and_are_never_worse_than_neutral(table):
    truth, p = table[:, 0], table[:, 1:] / 10
    mine = own(lambda *pair: score_labels(METRICS["accuracy"], "ordinal", *pair), truth="ordered classes")
    thresholds = best_thresholds(mine, "ordinal", truth, p)
    assert (np.diff(thresholds) >= 0).all()
    assert score(mine, "ordinal", truth, p, thresholds) >= score(mine, "ordinal", truth, p) - 1e-12
