"""Tables of another model's predictions: which columns they are in, and the rows that belong to ours, by id.

The columns may be called as in our own oof.csv (`prediction`, or `prediction_NAME` of each target or class), or as the
targets, the classes or the sample's columns are. What else our own oof.csv has may stand beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foldwise.data.table import Table, check_columns, check_unique, read_table
from foldwise.data.targets import FITS, NUMBER, parse_number
from foldwise.ensembling.oof import own_columns
from foldwise.ensembling.submission import from_scale
from foldwise.errors import Errors, InputError, list_names, shorten
from foldwise.paths import Paths

WHAT = {"oof": "out-of-fold predictions of the training rows", "test": "predictions of the test rows"}
PROBABILITY = "a probability from 0 to 1"
ROUNDED = 1e-6  # beyond 0 and 1, and in the sum of classes, that is rounding
SUM_TOLERANCE = 0.01  # of the probabilities of one row's classes, which may be written with few digits


@dataclass(frozen=True)
class Predictions:
    """A table and what its columns are."""

    table: Table
    row_id: str
    fold: str  # what the column of folds is called, if there is one
    columns: list[str]  # of the C outputs, in their order

    @property
    def ids(self) -> list[str]:
        """The id of each row."""
        return self.table.column(self.row_id)


def find_table(name: str, given: str, paths: Paths) -> Path:
    """The file of `external.oof` or `external.test`; `InputError` where there is none."""
    key = f"recipe.external.{name} = {given!r}"
    if not given:
        raise InputError(f'{key}: name the table of {WHAT[name]}, such as "deberta_{name}.csv", in {paths.input}')
    found = [folder / given for folder in paths.own_files if (folder / given).is_file()]
    if not found:
        places = " or ".join(map(str, dict.fromkeys(paths.own_files)))
        raise InputError(f"{key}: no such file in {places}; put the table of {WHAT[name]} there")
    return found[0]


def open_predictions(path: Path, run: Any) -> Predictions:
    """Read a table and find its columns; `InputError` for missing or unknown ones, and for ids that come twice."""
    table, targets, columns = read_table(path), run.competition.targets, run.config.columns
    here = set(table.frame.columns)
    our_id, fold, ours = own_columns(targets, columns.target)
    row_id = columns.id if columns.id in here or our_id not in here else our_id
    of_target = columns.target if targets.outputs == 1 else targets.names
    named = [ours, of_target, run.competition.sample_columns]
    usable = [names for names in named if len(names) == targets.outputs]
    chosen = max(usable, key=lambda names: len(here.intersection(names)) / len(names))  # the first of equals
    beside = [fold, columns.id, our_id, *columns.target, *targets.names, *columns.ignore]
    check_columns(table, [row_id, *chosen], beside)
    check_unique(table, row_id)
    return Predictions(table, row_id, fold, list(chosen))


def read_values(
    predictions: Predictions,
    ids: Sequence[str],
    run: Any,
    needed: np.ndarray | None = None,
    fold_of_row: np.ndarray | None = None,
    more: str = "",
) -> np.ndarray:
    """(n, C) float64 predictions of the rows `ids`; NaN where they are not needed.

    Args:
        needed: (n,) bool rows that must be there, with numbers; all if left out.
        fold_of_row: (n,) of training rows, for messages.
        more: another fix for rows that are missing, for messages.

    Raises:
        InputError: rows that are missing, or not ours, or hold something else than fits the task.
    """
    table, targets = predictions.table, run.competition.targets
    check_added(predictions, ids, run, of_training=fold_of_row is not None)
    needed = np.ones(len(ids), bool) if needed is None else needed
    blank = (table.frame[predictions.columns] == "").all(axis=1).to_numpy()  # as our oof.csv has rows of other folds
    places = pd.Index(predictions.ids).get_indexer(list(ids))
    lacking = needed & np.append(blank, True)[places]  # the last one stands for those without a row
    if lacking.any():
        names = list_names(ids[row] for row in np.flatnonzero(lacking).tolist())
        where, fix = "test rows", "add them"
        if fold_of_row is not None:
            numbers = ", ".join(map(str, np.unique(fold_of_row[lacking]).tolist()))
            where, fix = f"training rows of fold {numbers}", f"add them, or {more}"
        raise InputError(f"{table.path}: no prediction of {lacking.sum():,} {where}: id {names}; {fix}")
    values = np.full((len(ids), targets.outputs), np.nan)
    values[needed] = parse_values(predictions, table.take(places[needed]), targets)
    return values


def check_added(predictions: Predictions, ids: Sequence[str], run: Any, of_training: bool) -> None:
    """An `InputError` for rows of other ids than `ids`; with `--debug`, which draws some rows, nobody knows all."""
    table, known = predictions.table, set(ids)
    added = [row for row, row_id in enumerate(predictions.ids) if row_id not in known]
    without_target = run.competition.left_out if of_training else 0
    if run.debug or len(added) <= without_target:
        return
    errors, whose = Errors(table.path, unit=table.unit), "train" if of_training else "test"
    for row in added:
        what = f"id {shorten(predictions.ids[row])} is not in {run.paths.table(whose).name}"
        errors.add(f"{what}; take the row out", int(table.lines[row]), predictions.row_id)
    errors.raise_if_any()


def parse_values(predictions: Predictions, table: Table, targets: Any) -> np.ndarray:
    """(n, C) float64 of the rows of `table`, in the units that members predict in; every value that is none is named.

    Raises:
        InputError: naming line, column, id and value.
    """
    values_of, ids = targets.spec.y == "values", table.column(predictions.row_id)
    wanted, fix = (NUMBER, "correct it") if values_of else (PROBABILITY, "give probabilities, not scores or logits")
    errors, numbers = Errors(table.path, unit=table.unit), np.full((len(table), targets.outputs), np.nan)
    for index, column in enumerate(predictions.columns):
        for row, value in enumerate(table.column(column)):
            number = parse_number(value)
            if number is not None and (FITS[NUMBER](number) if values_of else -ROUNDED <= number <= 1 + ROUNDED):
                numbers[row, index] = number
            else:
                errors.add(
                    f"id {shorten(ids[row])}: {shorten(value)} is not {wanted}; {fix}", int(table.lines[row]), column
                )
    errors.raise_if_any()
    if targets.spec.ordered:
        return from_scale(numbers, targets.names)
    if values_of:
        return numbers
    numbers = np.clip(numbers, 0, 1)
    return sum_to_one(table, ids, numbers) if targets.spec.y == "classes" else numbers


def sum_to_one(table: Table, ids: Sequence[str], numbers: np.ndarray) -> np.ndarray:
    """(n, C) probabilities of classes that were rounded, so that each row's sum is 1; `InputError` for other sums."""
    sums, errors = numbers.sum(axis=1), Errors(table.path, unit=table.unit)
    for row in np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE).tolist():
        what = f"id {shorten(ids[row])}: its probabilities sum to {sums[row]:.4g}, not to 1"
        errors.add(f"{what}; give one of each class, as softmax makes them", int(table.lines[row]))
    errors.raise_if_any()
    off = np.abs(sums - 1) > ROUNDED  # others stay as they are, to the last bit
    return np.where(off[:, None], numbers / sums[:, None], numbers)
