"""Targets: from the strings of train.csv to the arrays that a loss and a metric take, as `foldwise.tasks` says."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from foldwise.config import Config
from foldwise.data.labels import NO_LABEL, check_alike, is_missing, read_one_hot, read_positive, read_tags
from foldwise.data.table import Table, number_values
from foldwise.errors import InputError, list_names, shorten, with_article
from foldwise.tasks import HALF, TASKS, TaskSpec

SHARE, WEIGHT = "a share from 0 to 1", "a weight, 0 or from 1e-18 to 1e18"
NUMBER = "a number of at most 1e16"
NO_TARGET = 'missing value; fix the row, or see [columns] missing_targets = "drop" and "mask"'
# What a number should be, and whether it is.
FITS: dict[str, Callable[[float], bool]] = {
    NUMBER: lambda number: abs(number) <= 1e16,  # float32 holds the sum of the squares of a million
    "0 or 1": lambda number: number in (0, 1),
    SHARE: lambda number: 0 <= number <= 1,
    WEIGHT: lambda number: number == 0 or 1e-18 <= number <= 1e18,
}


@dataclass(frozen=True)
class Targets:
    """The encoded targets of train.csv."""

    task: str
    y: np.ndarray  # what is learnt, in the task's form
    truth: np.ndarray  # what predictions are scored against; with subgroups (N, 1 + S): target, then who is in which
    names: list[str]  # target columns, or the labels where these are names
    # (N, A) further targets, learnt beside and not predicted; float64 where the task learns values, else float32 shares
    auxiliary: np.ndarray | None = None
    weights: np.ndarray | None = None  # (N,) float32 how much a row counts in the loss
    subgroups: np.ndarray | None = None  # (N, S) float32 of 0 and 1: whom a text is about
    written: tuple[str, str] = ("0", "1")  # what stands for 0 and 1 in a binary target

    @property
    def spec(self) -> TaskSpec:
        """What the task means."""
        return TASKS[self.task]

    @property
    def of_classes(self) -> bool:
        """Whether each row is or is not of a class: not so of numbers, nor of shares that are scored as they are."""
        known = self.truth[np.isfinite(self.truth)]
        return self.spec.named or (self.spec.y == "columns" and bool(np.isin(known, (0, 1)).all()))

    @property
    def columns(self) -> list[str]:
        """Names of the C prediction columns: one for each output."""
        return ["prediction"] if self.spec.ordered else self.names

    @property
    def outputs(self) -> int:
        """C, the numbers that a model predicts for a row."""
        return len(self.columns)

    @property
    def auxiliary_outputs(self) -> int:
        """A, the numbers that a model learns beside."""
        return 0 if self.auxiliary is None else self.auxiliary.shape[1]

    @property
    def strata(self) -> np.ndarray:
        """(N, L) uint8 indicators that the folds share evenly."""
        return self.spec.strata(self.truth, len(self.names))

    def take(self, rows: np.ndarray) -> "Targets":
        """The targets of some rows."""
        arrays = {name: part[rows] for name, part in vars(self).items() if isinstance(part, np.ndarray)}
        return replace(self, **arrays)


def encode_targets(
    table: Table, config: Config, known: list[str] | None = None, written: tuple[str, ...] = ()
) -> Targets:
    """Encode the target columns of the training table, or `InputError` with every value that does not fit the task.

    Args:
        known: `names` of the training table; the solution is then encoded as it was, and one value throughout is legal.
        written: `Targets.written` of the training table, likewise.
    """
    competition, columns = config.competition, config.columns
    task, spec = competition.task, TASKS[competition.task]
    if spec.y != "classes" and not spec.several and len(columns.target) != 1:
        there = f"{len(columns.target)}: {list_names(columns.target)}"
        what = f"{with_article(task)} task has one target column, not {there}"
        raise InputError(f"{table.path}: {what}; see [columns] target")
    if spec.named:
        if len(columns.target) == 1:
            return encode_classes(table, config, known)
        truth = read_one_hot(table, columns.target, encode_numbers(table, columns.target, "0 or 1", missing=NO_TARGET))
        return Targets(task, truth, truth, list(columns.target))
    if columns.separator is not None:
        names, ones = read_tags(table, columns.target[0], columns.separator, known)
        return Targets(task, ones, ones, names)
    if columns.positive is not None:
        both, ones = read_positive(table, columns.target[0], columns.positive, None if known is None else written)
        return Targets(task, ones, ones, list(columns.target), written=both)
    wanted = NUMBER if spec.y == "values" else "0 or 1" if competition.soft_cut is None else SHARE
    y = encode_numbers(table, columns.target, wanted, np.nan if columns.missing_targets == "mask" else None, NO_TARGET)
    if known is None:
        check_constant(table, columns.target, y, every=spec.y == "values")
    if spec.y == "values":
        return Targets(task, y, y, list(columns.target))
    # A metric of values compares shares as they are; others ask whether a row is one or not.
    if competition.soft_cut is None or config.metric.prediction_type == "value":
        truth = y
    else:
        truth = np.where(np.isnan(y), np.nan, y >= competition.soft_cut)
        if known is None:
            check_constant(table, columns.target, truth)
    return Targets(task, y.astype(np.float32), truth.astype(np.float32), list(columns.target))


def check_constant(table: Table, columns: Sequence[str], numbers: np.ndarray, every: bool = False) -> None:
    """An error for a column of (N, C) numbers with nothing to learn; `every`: only where all columns are so."""
    constant = []
    for column, values in zip(columns, numbers.T, strict=True):
        known = values[np.isfinite(values)]
        if not len(known) or np.ptp(known) == 0:
            constant.append(f"every row has {column} = {known[0]:g}" if len(known) else f"no row has a {column}")
    if constant and (not every or len(constant) == len(columns)):
        what = f"{list_names(constant, quoted=False)}; there is nothing to learn"
        raise InputError(f"{table.path}: {what}")


def encode_numbers(
    table: Table, columns: Sequence[str], wanted: str, empty: float | None = None, missing: str = "missing value"
) -> np.ndarray:
    """(N, len(columns)) float64, each as one of `FITS` wants it.

    Args:
        empty: what a cell without a number stands for; None if that is an error, which `missing` then explains.
    """
    encoded = np.zeros((len(table), len(columns)))
    wrong: dict[str, dict[str, str]] = {column: {} for column in columns}
    for index, column in enumerate(columns):
        # Each different value once: two million shares of raters are a few thousand different ones.
        places, values = number_values(table.column(column))
        numbers = np.zeros(len(values))
        for place, value in enumerate(values):
            number = parse_number(value)
            if empty is not None and is_missing(value):
                numbers[place] = empty
            elif number is not None and FITS[wanted](number):
                numbers[place] = number
            else:
                what = f"{shorten(value)} is not {wanted}; fix the row, or what competition.toml says of this column"
                wrong[column][value] = what if value.strip() else missing
        encoded[:, index] = numbers[places]
    table.refuse(wrong)
    return encoded


def encode_classes(table: Table, config: Config, known: list[str] | None) -> Targets:
    """Class numbers of one label column; classes are its own labels, or the known ones."""
    (column,), task, metric = config.columns.target, config.competition.task, config.competition.metric
    values, ordered = table.column(column), TASKS[task].ordered
    wrong = {}
    for value in set(values):
        if is_missing(value, words=True):
            wrong[value] = NO_LABEL
        elif known is not None and value not in known:
            wrong[value] = f"label {shorten(value)} is not in the training table"
        elif ordered and parse_number(value) is None:
            what = f"{shorten(value)} is not a number, and {task} classes are in order of their numbers"
            wrong[value] = f"{what}; number them, or make the task multiclass"
        elif ordered and not FITS[NUMBER](float(value)):
            wrong[value] = f"{shorten(value)} is not {NUMBER}; number the classes anew, or make the task multiclass"
    table.refuse({column: wrong})
    if known is None:
        check_alike(table, column, Counter(values))
    classes = known or sort_labels(set(values))
    if len(classes) < 2:
        what = f"every row has the label {shorten(values[0])}; there is nothing to learn"
        raise InputError(f"{table.path}: column {column}: {what}")
    if ordered and config.metric.prediction_type == "value" and (np.diff(np.array(classes, dtype=float)) != 1).any():
        # The classes' numbers would be scored, 0, 1, 2, not the labels.
        what = f"classes {list_names(classes)} are not one apart, as {metric} needs them"
        raise InputError(f"{table.path}: {what}; make the task regression")
    number_of = {label: number for number, label in enumerate(classes)}
    truth = np.array([number_of[value] for value in values], dtype=np.int64)
    return Targets(task, truth[:, None].astype(np.float64) if ordered else truth, truth, classes)


def encode_extras(table: Table, config: Config, targets: Targets) -> Targets:
    """The targets with what stands beside them in the training table: auxiliary targets, subgroups, weights."""
    columns = config.columns
    extras: dict[str, Any] = {}
    if columns.auxiliary and targets.spec.y == "values":
        extras["auxiliary"] = encode_numbers(table, columns.auxiliary, NUMBER)
    elif columns.auxiliary:
        extras["auxiliary"] = encode_numbers(table, columns.auxiliary, SHARE).astype(np.float32)
    if columns.weight:
        extras["weights"] = encode_numbers(table, [columns.weight], WEIGHT)[:, 0].astype(np.float32)
    if columns.subgroups:
        extras["subgroups"] = read_subgroups(table, columns.subgroups)
    if config.metric.of_subgroups:
        extras["truth"] = np.hstack([targets.truth, extras["subgroups"]])
    return replace(targets, **extras)


def read_subgroups(table: Table, columns: Sequence[str]) -> np.ndarray:
    """(N, S) float32 of 0 and 1: at least half of the raters saw the subgroup in the text; empty cells are 0."""
    return (encode_numbers(table, columns, SHARE, empty=0.0) >= HALF).astype(np.float32)


def weigh_by_subgroups(targets: Targets) -> Targets:
    """The targets with row weights that make the errors count which `jigsaw_bias_auc` looks for.

    A quarter each for being there, for a subgroup in the text, for positive rows that name none (background positive)
    and for negative rows that name one (subgroup negative), divided by the mean of rows that count; the customary loss
    weights of the public solutions of Jigsaw Unintended Bias in Toxicity Classification (2019). Weights that rows have
    already are multiplied by them.
    """
    assert targets.subgroups is not None  # check_config sees to it
    named, positive = targets.subgroups.any(axis=1), targets.truth[:, 0].astype(bool)
    weights = (1.0 + named + (positive & ~named) + (~positive & named)) / 4
    given = np.ones(len(weights)) if targets.weights is None else targets.weights
    return replace(targets, weights=(weights / weights[given > 0].mean() * given).astype(np.float32))


def sort_labels(labels: set[str]) -> list[str]:
    """Labels by value where all are numbers ("2" before "10"), else alphabetically."""
    if any(parse_number(label) is None for label in labels):
        return sorted(labels)
    return sorted(labels, key=lambda label: (float(label), label))


def parse_number(value: str) -> float | None:
    """A finite float, or None."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in value else None
