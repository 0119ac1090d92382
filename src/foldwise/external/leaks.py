"""What tells that a model had seen the rows that it predicts: its folds, too few errors, the truth itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from foldwise.data.splits import MOST_FOLDS
from foldwise.data.targets import Targets, parse_number
from foldwise.errors import SHOWN, InputError, shorten
from foldwise.external.tables import Predictions
from foldwise.tasks import HALF, TaskSpec

BETTER = 1 / 3  # times the errors that are expected in test rows, from which those out of fold are too few
SURE = 3  # standard errors of the difference that chance does not make


def check_folds(
    predictions: Predictions, run: Any, fold_of_row: np.ndarray, trained: Sequence[int], units: np.ndarray
) -> np.ndarray | None:
    """The (N,) folds of another model, -1 where they are not known; None where its table has no column of them.

    Args:
        trained: our folds that are to have its predictions.
        units: (N,) rows with one text or group share a number.

    Raises:
        InputError: a row of these folds is in another one there.
    """
    table, ids, n_folds = predictions.table, run.competition.train_ids, run.config.recipe.folds.n
    if predictions.fold not in table.frame.columns:
        return None
    row_of = {row_id: row for row, row_id in enumerate(predictions.ids)}
    places = np.array([row_of.get(row_id, -1) for row_id in ids])
    theirs = np.where(places < 0, -1, parse_folds(predictions, n_folds)[places])
    wrong = (fold_of_row >= 0) & (places >= 0) & (theirs != fold_of_row)
    wrong &= np.isin(fold_of_row, trained) | np.isin(theirs, trained)
    if not wrong.any():
        return theirs
    rows = np.flatnonzero(wrong).tolist()
    lines = [f"{table.path}: {len(rows):,} of {len(ids):,} training rows are in other folds than here"]
    for row in rows[:SHOWN]:
        line = f"{table.unit} {table.lines[places[row]]}, column {predictions.fold}"
        lines.append(f"{line}: id {shorten(ids[row])} is in fold {theirs[row]}, and here in {fold_of_row[row]}")
    lines += [f"… and {len(rows) - SHOWN:,} more"] * (len(rows) > SHOWN)
    lines += filter(None, [describe_shared(units, theirs, ids)])
    lines.append(
        f"train that model on the folds of {run.paths.folds}, or take its folds here: copy its ids and folds into a "
        f"table of their own, name it in competition.toml, [files] folds = …, and run `{run.hint('folds', '--force')}`"
    )
    raise InputError("\n  ".join(lines))


def parse_folds(predictions: Predictions, n_folds: int) -> np.ndarray:
    """(n,) int64 folds of a table's rows, counted from 0; a column that counts from 1 to `n_folds` is understood."""
    table, column = predictions.table, predictions.fold
    number_of = {value: parse_number(value) for value in set(table.column(column))}
    odd = [value for value, n in number_of.items() if n is None or not n.is_integer() or abs(n) > MOST_FOLDS]
    fix = "is not a whole number; write the fold in which the row was predicted, or take the whole column out"
    table.refuse({column: {value: f"{shorten(value)} {fix}" for value in odd}})
    folds = np.array([number_of[value] for value in table.column(column)], dtype=np.int64)
    from_one = (folds == n_folds).any() and not (folds == 0).any()
    return np.where(folds > 0, folds - 1, folds) if from_one else folds


def describe_shared(units: np.ndarray, folds: np.ndarray, ids: Sequence[str]) -> str:
    """How many texts or groups stand in more than one fold, and where the first one does; "" for none."""
    rows = np.flatnonzero(folds >= 0)
    lowest, highest = np.full(units.max() + 1, np.iinfo(np.int64).max), np.full(units.max() + 1, -1)
    np.minimum.at(lowest, units[rows], folds[rows])
    np.maximum.at(highest, units[rows], folds[rows])
    apart = (lowest < highest)[units] & (folds >= 0)
    if not apart.any():
        return ""
    count = len(np.unique(units[apart]))
    first, *_ = np.flatnonzero(apart).tolist()
    other = next(row for row in np.flatnonzero(apart & (units == units[first])).tolist() if folds[row] != folds[first])
    pair = f"{shorten(ids[first])} (fold {folds[first]}) and {shorten(ids[other])} (fold {folds[other]})"
    stand = "1 text or group stands" if count == 1 else f"{count:,} texts or groups stand"
    return f"{stand} in more than one of its folds, such as ids {pair}: what predicted one had learnt the other"


def is_truth(targets: Targets, oof: np.ndarray, rows: np.ndarray) -> bool:
    """True if (N, C) predictions of some rows are their targets, as far as these are known."""
    truth = np.eye(targets.outputs)[targets.truth] if targets.spec.y == "classes" else targets.y
    known = np.isfinite(truth[rows])
    return bool((oof[rows][known] == truth[rows][known]).all())


def better_than_on_test(spec: TaskSpec, truth: np.ndarray, oof: np.ndarray, test: np.ndarray) -> str:
    """What to say where training rows are predicted far better than the same model expects of test rows; else "".

    Test rows nobody has learnt from, and a model's own probabilities, or the spread of its values, tell how often it
    errs there. Out of fold it should do about the same.

    Args:
        truth: of the n rows of `oof`.
    """
    truth = truth.reshape(len(truth), -1)[:, : oof.shape[1]].astype(np.float64)  # further columns are subgroups
    here, there = errors_of_rows(spec, truth, oof), doubts(spec, truth, test)
    noise = np.concatenate([here, there]).std() * np.sqrt(1 / len(here) + 1 / len(there))
    if here.mean() >= BETTER * there.mean() or there.mean() - here.mean() <= SURE * noise:
        return ""
    if spec.y == "values":
        what = f"miss {here.mean():.1%} of the variance out of fold, and by their spread {there.mean():.1%}"
        otherwise = "values are drawn far towards their mean"
    else:
        what = f"err in {here.mean():.1%} of the rows out of fold, and by their own word in {there.mean():.1%}"
        otherwise = "probabilities are far too unsure"
    return f"its predictions {what} of the test rows: as of a model that had seen the rows, or whose {otherwise}"


def errors_of_rows(spec: TaskSpec, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(n,) share of a row's columns that are wrong, or its squared error by the variance; without unknown targets."""
    if spec.y == "classes":
        return (predictions.argmax(axis=1) != truth[:, 0]).astype(np.float64)
    if spec.y == "columns":
        wrong = ((predictions >= HALF) != (truth >= HALF)).astype(np.float64)
    else:
        wrong = ((predictions - truth) / scale_of(truth)[1]) ** 2
    known = np.isfinite(truth)
    rows = known.any(axis=1)
    return np.where(known, wrong, 0)[rows].sum(axis=1) / known[rows].sum(axis=1)


def doubts(spec: TaskSpec, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(n,) the same as predictions expect it of themselves.

    Of a good prediction of values, its variance and its mean squared error are together the variance of the truth.
    """
    if spec.y == "classes":
        return 1 - predictions.max(axis=1)
    if spec.y == "columns":
        return np.minimum(predictions, 1 - predictions).mean(axis=1)
    mean, std = scale_of(truth)
    return (1 - ((predictions - mean) / std) ** 2).mean(axis=1)


def scale_of(truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column of values, 1 for one that does not vary."""
    std = np.nanstd(truth, axis=0)
    return np.nanmean(truth, axis=0), np.where(std > 0, std, 1)
