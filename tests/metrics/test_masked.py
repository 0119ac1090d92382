"""Targets that are not known count nowhere: each column is scored on its known rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.metrics import METRICS, best_score, best_thresholds, score
from foldwise.metrics.registry import METRICS as ALL
from foldwise.tasks import TASKS

RNG = np.random.default_rng(0)
TRUTH = (RNG.random((60, 3)) < [0.3, 0.5, 0.7]).astype(np.float32)
GUESS = np.clip(TRUTH * 0.3 + RNG.random((60, 3)) * 0.7, 0.01, 0.99).round(2)
UNKNOWN = RNG.random((60, 3)) < [0.0, 0.2, 0.5]
MASKED = np.where(UNKNOWN, np.nan, TRUTH)
OF_COLUMNS = [
    (name, task) for task in ("multilabel", "regression") for name in ALL if TASKS[task].truth in ALL[name].fits
]


@pytest.mark.parametrize(("name", "task"), OF_COLUMNS)
def test_a_score_is_the_mean_over_columns_of_their_known_rows(name, task):
    metric = METRICS[name]
    each = []
    for column in range(3):
        rows = ~UNKNOWN[:, column]
        each.append(score(metric, task, TRUTH[rows][:, [column]], GUESS[rows][:, [column]]))
    found = score(metric, task, MASKED, GUESS)
    if metric.pooled:  # the sum of all known cells
        hits = ((GUESS >= 0.5) * np.nan_to_num(MASKED)).sum()
        called, true = ((GUESS >= 0.5) & ~UNKNOWN).sum(), np.nansum(MASKED)
        each = [2 * hits / (called + true)]
    assert found == pytest.approx(np.mean(each))


@pytest.mark.parametrize("name", ["micro_f1", "macro_f1", "accuracy"])
@given(seed=st.integers(0, 99))
def test_predictions_of_unknown_targets_do_not_matter(name, seed):
    others = np.where(UNKNOWN, np.random.default_rng(seed).random((60, 3)), GUESS)
    metric = METRICS[name]
    assert score(metric, "multilabel", MASKED, others) == score(metric, "multilabel", MASKED, GUESS)
    thresholds = best_thresholds(metric, "multilabel", MASKED, others)
    assert score(metric, "multilabel", MASKED, GUESS, thresholds) >= score(metric, "multilabel", MASKED, GUESS)


def test_columns_that_nobody_knows_are_left_out():
    metric = METRICS["macro_f1"]
    last = MASKED.copy()
    last[:, 2] = np.nan
    assert best_score(metric, "multilabel", last, GUESS) == best_score(
        metric, "multilabel", MASKED[:, :2], GUESS[:, :2]
    )
    assert np.isnan(score(metric, "multilabel", np.full((60, 3), np.nan), GUESS))
    assert np.isnan(score(METRICS["rmse"], "regression", np.full((60, 3), np.nan), GUESS))
