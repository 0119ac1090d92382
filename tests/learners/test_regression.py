"""The C that a linear member chooses for itself, against scikit-learn's cross-validation on rows of movie-reviews."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import PredefinedSplit, cross_val_score
from threadpoolctl import threadpool_limits

from foldwise.config import Linear
from foldwise.errors import InputError
from foldwise.learners import regression
from foldwise.learners.linear import fit_linear
from foldwise.learners.regression import (
    FALLBACK_C,
    LOGISTIC_GRID,
    RIDGE_GRID,
    deal_folds,
    fit_columns,
    fit_ridge,
    fit_softmax,
)
from foldwise.load_config import load_config
from learners.test_ngrams import CLASSES, LENGTHS, OTHER, ROWS, TRAIN, WEIGHTS, Y, ngrams

AUTO = Linear(weighting="tfidf", char_ngrams=4)
INPUTS = ngrams().fit_transform(TRAIN)


def in_rising_order(vectorizer) -> sparse.csr_matrix:
    """The TF-IDF of TRAIN with n-grams in rising order: another order of a row's sums gives other last bits."""
    counts = CountVectorizer.fit_transform(vectorizer, TRAIN)
    counts.sort_indices()
    return TfidfTransformer(sublinear_tf=True).fit_transform(counts)


SORTED = sparse.hstack([in_rising_order(vectorizer) for _, vectorizer in ngrams().transformer_list]).tocsr()
NOISE = np.random.default_rng(5).normal(size=ROWS + len(OTHER))
NOISY = Y + 2 * NOISE  # its best prediction is little better than the mean


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def best_of(grid, make, inputs, y, scoring, seed=0) -> float:
    """C by scikit-learn's own cross-validation over the same folds, each fit from scratch and to its end."""
    folds = PredefinedSplit(deal_folds(y, seed))
    scores = [cross_val_score(make(c), inputs, y, scoring=scoring, cv=folds).mean() for c in grid]
    return grid[int(np.argmax(scores))]


def logistic(c: float) -> LogisticRegression:
    return LogisticRegression(C=c, max_iter=1000)


def ridge(c: float) -> Ridge:
    return Ridge(alpha=1 / c)


@pytest.mark.parametrize("seed", range(3))
def test_binary_c_is_that_of_cross_validation(seed):
    expected = best_of(LOGISTIC_GRID, logistic, INPUTS, Y[:ROWS], "neg_log_loss", seed)
    assert [expected] == fit_linear(TRAIN, Y[:ROWS], "binary", AUTO, None, seed).C
    assert expected not in (LOGISTIC_GRID[0], LOGISTIC_GRID[-1])


def test_inner_folds_have_like_values():
    folds = deal_folds(CLASSES, 3)
    counts = np.array([np.bincount(CLASSES[folds == fold], minlength=4) for fold in range(5)])
    assert np.ptp(counts, axis=0).max() <= 1
    assert (folds != deal_folds(CLASSES, 4)).any()


def test_softmax_c_is_that_of_cross_validation():
    words = Linear(char_ngrams=0)
    inputs = ngrams().transformer_list[0][1].fit_transform(TRAIN)
    expected = best_of(LOGISTIC_GRID, logistic, inputs, CLASSES, "neg_log_loss")
    assert [expected] == fit_linear(TRAIN, CLASSES, "multiclass", words, None, 0).C


def test_each_ridge_has_the_c_of_cross_validation():
    y = np.stack([LENGTHS * 1000.0, Y[:ROWS], NOISY[:ROWS]], axis=1)
    expected = [best_of(RIDGE_GRID, ridge, INPUTS, column, "neg_mean_squared_error") for column in y.T]
    model = fit_linear(TRAIN, y, "regression", AUTO, None, 0)
    assert expected == model.C
    assert len(set(expected)) > 1
    for column, c in enumerate(expected):
        alone = fit_linear(TRAIN, y[:, column], "regression", AUTO, None, 0)
        fixed = fit_linear(TRAIN, y[:, column], "regression", AUTO.model_copy(update={"C": c}), None, 0)
        assert model.predict(OTHER)[:, column] == pytest.approx(alone.predict(OTHER)[:, 0], rel=1e-9)
        assert alone.predict(OTHER).tobytes() == fixed.predict(OTHER).tobytes()


def test_weights_count_in_the_choice():
    """By a plain loop over folds, on rows that weigh 0.2 to 3."""
    y = CLASSES // 2
    losses = np.zeros(len(LOGISTIC_GRID))
    for train, held in PredefinedSplit(deal_folds(y, 0)).split():
        for place, c in enumerate(LOGISTIC_GRID):
            model = logistic(c).fit(INPUTS[train], y[train], WEIGHTS[train])
            losses[place] -= WEIGHTS[held] @ np.log(model.predict_proba(INPUTS[held])[np.arange(len(held)), y[held]])
    expected = LOGISTIC_GRID[int(np.argmin(losses))]
    assert [expected] == fit_linear(TRAIN, y, "multiclass", AUTO, WEIGHTS, 0).C


def test_a_noisy_regression_is_no_worse_than_the_mean():
    def error(settings):
        predicted = fit_linear(TRAIN, NOISY[:ROWS], "regression", settings, None, 0).predict(OTHER)[:, 0]
        return math.sqrt(((predicted - NOISY[ROWS:]) ** 2).mean())

    mean = math.sqrt(((NOISY[:ROWS].mean() - NOISY[ROWS:]) ** 2).mean())
    assert error(AUTO) < 1.01 * mean
    assert error(Linear(char_ngrams=4, C=4.0)) > 1.05 * mean


@pytest.mark.parametrize(("task", "y"), [("binary", Y[:ROWS]), ("multiclass", CLASSES), ("regression", NOISY[:ROWS])])
def test_a_given_c_is_scikit_learns_fit_to_the_bit(task, y):
    model = fit_linear(TRAIN, y, task, Linear(weighting="tfidf", char_ngrams=4, C=2.5), None, 0)
    expected = (Ridge(alpha=1 / 2.5) if task == "regression" else logistic(2.5)).fit(SORTED, y)
    assert model.coef.tobytes() == np.atleast_2d(expected.coef_).tobytes()
    assert model.intercept.tobytes() == np.atleast_1d(expected.intercept_).tobytes()
    assert model.C == [2.5]


def test_by_saga_classes_have_nearly_the_predictions_of_the_exact_fit(monkeypatch):
    settings = Linear(char_ngrams=4, C=2.5)
    exact = fit_linear(TRAIN, CLASSES, "multiclass", settings, WEIGHTS, 0)
    monkeypatch.setattr(regression, "LARGE", 0)
    quick = fit_linear(TRAIN, CLASSES, "multiclass", settings, WEIGHTS, 0)
    assert (quick.coef != exact.coef).any()
    assert np.abs(quick.predict(OTHER) - exact.predict(OTHER)).max() < 0.02


def test_each_column_has_its_own_c_and_one_of_one_value_none():
    y = np.stack([Y[:ROWS], np.ones(ROWS), RATED], axis=1)
    model = fit_linear(TRAIN, y, "multilabel", AUTO, None, 0)
    assert model.C[0] in LOGISTIC_GRID
    assert model.C[1] == 0
    assert model.C[2] == fit_linear(TRAIN, RATED, "binary", AUTO, None, 0).C[0]


RATED = np.clip(Y[:ROWS] * 0.6 + 0.2 + np.random.default_rng(2).integers(-1, 2, ROWS) / 5, 0, 1)  # shares, and 0 and 1


@pytest.mark.parametrize("rows", [1, 2, 3, 4])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_tables_of_a_few_rows(rows, task):
    y = np.arange(rows) % 2
    model = fit_linear(TRAIN[:rows], y if task == "multiclass" else y * 1.0, task, Linear(min_count=1), None, 0, 2)
    assert np.isfinite(model.predict(OTHER)).all()


def test_one_row_of_a_class_can_be_fitted():
    y = np.zeros(20)
    y[7] = 1
    model = fit_linear(TRAIN[:20], y, "binary", AUTO, None, 0)
    assert model.C[0] in LOGISTIC_GRID
    assert (model.predict(OTHER) < 0.5).all()
    assert fit_linear(TRAIN[:2], np.array([0.0, 1.0]), "binary", Linear(min_count=1), None, 0).C == [FALLBACK_C]


@st.composite
def tables(draw):
    rows = draw(st.integers(2, 40))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    inputs = sparse.random_array((rows, 12), density=0.4, rng=rng, format="csr")
    weight = rng.choice([0.0, 0.5, 1.0, 3.0], rows) if draw(st.booleans()) else np.ones(rows)
    weight[rng.integers(rows)] = 1.0
    kind = draw(st.sampled_from(["classes", "labels", "shares", "values"]))
    y = {
        "classes": rng.integers(0, draw(st.integers(1, 6)), rows),
        "labels": (rng.random(rows) < draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))) * 1.0,
        "shares": rng.integers(0, 5, rows) / 4,
        "values": rng.normal(size=rows) * draw(st.sampled_from([0.0, 1e-3, 1.0, 1e6])),
    }[kind]
    return inputs, y, weight, kind, draw(st.sampled_from(["tfidf", "nb"]))


@settings(max_examples=40, deadline=None)
@given(tables())
def test_odd_tables_choose_from_the_grid_and_only_by_rows_that_count(table):
    inputs, y, weight, kind, weighting = table
    used = np.flatnonzero(weight)
    rows, fewer = (inputs, y, weight), (inputs[used], y[used], weight[used])
    if kind == "values":
        coef, intercept, chosen = fit_ridge(inputs, y[:, None], weight, Linear(), 0)
        again = fit_ridge(fewer[0], fewer[1][:, None], fewer[2], Linear(), 0)[2]
        grid = RIDGE_GRID
    elif kind == "classes":
        coef, intercept, chosen = fit_softmax(rows, 7, Linear(), 0)
        again = fit_softmax(fewer, 7, Linear(), 0)[2]
        intercept, grid = intercept[np.unique(y)], LOGISTIC_GRID
    else:
        coef, intercept, chosen = fit_columns((inputs, y[:, None], weight), Linear(weighting=weighting), 0)
        again = fit_columns((fewer[0], fewer[1][:, None], fewer[2]), Linear(weighting=weighting), 0)[2]
        grid = LOGISTIC_GRID
    assert np.isfinite(coef).all()
    assert np.isfinite(intercept).all()
    assert set(chosen) <= {0.0, FALLBACK_C, *grid}
    if 0.0 not in again:  # of one value once rows without weight are gone
        assert chosen == again


@pytest.mark.parametrize("value", ["0", "-1.5", "inf", "nan", "true", "'strong'"])
def test_a_c_that_is_none(tmp_path, value):
    path = tmp_path / "competition.toml"
    path.write_text(
        '[competition]\nslug = "a"\ntask = "binary"\nmetric = "accuracy"\n[columns]\nid = "id"\ntext = ["text"]\n'
        'target = ["target"]\n[submission]\nkind = "label"\n',
        encoding="utf-8",
    )
    with pytest.raises(InputError, match=r'recipe\.linear\.C = .*: give a positive number, or "auto"'):
        load_config(path, [f"linear.C={value}"])
    assert load_config(path, ["linear.C=3"]).recipe.linear.C == 3.0
    assert load_config(path, ["linear.C=auto"]).recipe.linear.C == "auto"


@pytest.mark.parametrize("fit", [fit_ridge, fit_columns])
def test_a_column_is_fitted_on_its_known_rows(fit):
    rng = np.random.default_rng(0)
    inputs = sparse.random_array((40, 6), density=0.5, rng=rng).tocsr()
    y = (rng.random((40, 3)) < 0.5).astype(float)
    known = rng.random((40, 3)) < [1, 0.6, 0]
    masked, weight = np.where(known, y, np.nan), rng.random(40) + 0.5

    def run(rows, columns):
        if fit is fit_ridge:
            return fit(inputs[rows], columns, weight[rows], Linear(), 0)
        return fit((inputs[rows], columns, weight[rows]), Linear(), 0)

    coef, intercept, chosen = run(np.arange(40), masked)
    for column in (0, 1):
        rows = np.flatnonzero(known[:, column])
        alone = run(rows, y[rows][:, [column]])
        assert coef[column] == pytest.approx(alone[0][0])
        assert (intercept[column], chosen[column]) == pytest.approx((alone[1][0], alone[2][0]))
    assert (coef[2] == 0).all()
    assert intercept[2] == 0


def test_very_many_classes_get_the_largest_c_and_few_epochs(monkeypatch):
    rng = np.random.default_rng(0)
    inputs = sparse.random_array((60, 40), density=0.2, rng=rng).tocsr()
    y = np.arange(60) % 5
    monkeypatch.setattr(regression, "LARGE", 0)
    searched = regression.fit_softmax((inputs, y, np.ones(60)), 5, Linear(), 0)
    monkeypatch.setattr(regression, "SEARCHED", 0)
    monkeypatch.setattr(regression, "MOST", 0)
    *_, chosen = regression.fit_softmax((inputs, y, np.ones(60)), 5, Linear(), 0)
    assert chosen == [64.0]
    assert searched[2] != [64.0]
    assert regression.fit_softmax((inputs, y, np.ones(60)), 5, Linear(C=2.0), 0)[2] == [2.0]
