"""The linear head against scikit-learn on inputs scaled by hand."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from foldwise.encoders.head import fit_head

N, F = 120, 12
RNG = np.random.default_rng(0)
STATES = (RNG.normal(size=(N, F)) * RNG.uniform(0.1, 9, F) + RNG.normal(size=F)).astype(np.float16)
STATES[:, 3] = 2.5  # tells nothing
SIGNAL = (STATES[:, 0] - STATES[:, 1] / 4).astype(np.float64) + RNG.normal(size=N)
POSITIVE = (SIGNAL > 0).astype(np.float64)
CLASSES = np.digitize(SIGNAL, [-2, 2])
TRAIN, REST = slice(0, 80), slice(80, N)


def scaled() -> np.ndarray:
    numbers = STATES.astype(np.float64)
    std = numbers[TRAIN].std(axis=0)
    return (numbers - numbers[TRAIN].mean(axis=0)) / np.where(std > 0, std, 1) / np.sqrt(F)


def head(y, task, outputs=1, weight=None, c=2.0):
    return fit_head(STATES[TRAIN], y[TRAIN], task, outputs, weight, c, seed=0)


def test_binary_and_multilabel_are_a_logistic_regression_a_column():
    y = np.stack([POSITIVE, 1 - POSITIVE, CLASSES == 2], axis=1)
    found = head(y, "multilabel", 3).predict(STATES[REST])
    for column in range(3):
        model = LogisticRegression(C=2.0, max_iter=1000).fit(scaled()[TRAIN], y[TRAIN, column])
        assert found[:, column] == pytest.approx(model.predict_proba(scaled()[REST])[:, 1], abs=2e-3)


def test_multiclass_is_a_softmax_and_a_class_without_rows_has_no_probability():
    found = head(CLASSES, "multiclass", 4).predict(STATES[REST])
    model = LogisticRegression(C=2.0, max_iter=1000).fit(scaled()[TRAIN], CLASSES[TRAIN])
    assert found[:, :3] == pytest.approx(model.predict_proba(scaled()[REST]), abs=2e-3)
    assert (found[:, 3] == 0).all()


def test_regression_is_a_ridge_in_the_targets_own_units():
    y = 1000 + 50 * SIGNAL[:, None]
    model = Ridge(alpha=0.5).fit(scaled()[TRAIN], y[TRAIN, 0])
    assert head(y, "regression").predict(STATES[REST])[:, 0] == pytest.approx(model.predict(scaled()[REST]), rel=1e-3)


def test_rows_weigh_as_they_are_told():
    weight = (np.arange(80) % 2).astype(np.float64)
    flipped = np.where(np.arange(N) % 2 == 0, 1 - POSITIVE, POSITIVE)
    found = [head(y[:, None], "binary", weight=weight).predict(STATES[REST]) for y in (POSITIVE, flipped)]
    assert found[0] == pytest.approx(found[1], abs=1e-6)


@pytest.mark.parametrize(("y", "task", "outputs"), [(POSITIVE[:, None], "binary", 1), (CLASSES, "multiclass", 3),
                                                    (SIGNAL[:, None], "regression", 1)])  # fmt: skip
def test_c_is_chosen(y, task, outputs):
    chosen = head(y, task, outputs, c="auto").C[0]
    assert chosen == 4 ** round(np.log2(chosen) / 2)  # of the grid
