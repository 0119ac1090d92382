"""Targets: from the strings of train.csv to the arrays that a loss and a metric take, as `foldwise.tasks` says."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from foldwise.config import Config
from foldwise.data.table import Table
from foldwise.errors import InputError, shorten, with_article
from foldwise.metrics import METRICS
from foldwise.tasks import HALF, TASKS, TaskSpec

SHARE, WEIGHT = "a share from 0 to 1", "a weight, 0 or more"
NUMBER = "a number of at most 1e18"
# What a number should be, and whether it is.
FITS: dict[str, Callable[[float], bool]] = {
    NUMBER: lambda number: not abs(number) > 1e18,  # whose square float32 still holds; nan is an empty cell
    "0 or 1": lambda number: number in (0, 1),
    SHARE: lambda number: 0 <= number <= 1,
    WEIGHT: lambda number: number >= 0,
}


@dataclass(frozen=True)
class Targets:
    """The encoded targets of train.csv."""

    task: str
    y: np.ndarray  # what is learnt, in the task's form
    truth: np.ndarray  # what predictions are scored against; with subgroups (N, 1 + S): target, then who is in which
    names: list[str]  # target columns, or the classes where labels are names
    # (N, A) further targets, learnt beside and not predicted; float64 where the task learns values, else float32 shares
    auxiliary: np.ndarray | None = None
    weights: np.ndarray | None = None  # (N,) float32 how much a row counts in the loss
    subgroups: np.ndarray | None = None  # (N, S) float32 of 0 and 1: whom a text is about

    @property
    def spec(self) -> TaskSpec:
        """What the task means."""
        return TASKS[self.task]

    @property
    def of_classes(self) -> bool:
        """Whether each row is or is not of a class: not so of numbers, nor of shares that are scored as they are."""
        return self.spec.named or (self.spec.y == "columns" and bool(np.isin(self.truth, (0, 1)).all()))

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


def encode_targets(table: Table, config: Config, known: list[str] | None = None) -> Targets:
    """Encode the target columns of the training table, or `InputError` with every value that does not fit the task.

    Args:
        known: `names` of the training table; the solution is then encoded as it was, and one value throughout is legal.
    """
    task, columns, cut = config.competition.task, config.columns.target, config.competition.soft_cut
    spec = TASKS[task]
    if not spec.several and len(columns) != 1:
        what = f"{with_article(task)} task has one target column, not {len(columns)}: {', '.join(columns)}"
        raise InputError(f"{table.path}: {what}; see [columns] target")
    if spec.named:
        return encode_classes(table, config, known)
    if spec.y == "values":
        y = encode_numbers(table, columns, NUMBER)
        return Targets(task, y, y, list(columns))
    y = encode_numbers(table, columns, "0 or 1" if cut is None else SHARE)
    # A metric of values compares shares as they are; others ask whether a row is one or not.
    as_they_are = cut is None or METRICS[config.competition.metric].prediction_type == "value"
    truth = (y if as_they_are else y >= cut).astype(np.float32)
    for column, values in zip(columns, truth.T, strict=True):
        if known is None and np.ptp(values) == 0:
            what = f"every row has {column} = {values[0]:g}; there is nothing to learn"
            raise InputError(f"{table.path}: column {column}: {what}")
    return Targets(task, y.astype(np.float32), truth, list(columns))


def encode_numbers(table: Table, columns: Sequence[str], wanted: str, empty: float | None = None) -> np.ndarray:
    """(N, len(columns)) float64, each as one of `FITS` wants it; an empty cell is an error, or stands for `empty`."""
    encoded = np.zeros((len(table), len(columns)))
    wrong: dict[str, dict[str, str]] = {column: {} for column in columns}
    for index, column in enumerate(columns):
        # Each different value once: two million shares of raters are a few thousand different ones.
        places, values = pd.factorize(np.array(table.column(column), dtype=object))
        numbers = [empty if value.strip() == "" else parse_number(value) for value in values]
        for value, number in zip(values, numbers, strict=True):
            if number is None or not FITS[wanted](number):
                what = f"{shorten(value)} is not {wanted}" if value.strip() else "missing value"
                wrong[column][value] = f"{what}; fix the row, or the task in competition.toml"
        encoded[:, index] = np.array([number or 0.0 for number in numbers])[places]
    table.refuse(wrong)
    return encoded


def encode_classes(table: Table, config: Config, known: list[str] | None) -> Targets:
    """Class numbers of one label column; classes are its own labels, or the known ones."""
    (column,), task, metric = config.columns.target, config.competition.task, config.competition.metric
    values, ordered = table.column(column), TASKS[task].ordered
    wrong = {}
    for value in set(values):
        if value.strip() == "":
            wrong[value] = "missing target; fix or remove the row"
        elif known is not None and value not in known:
            wrong[value] = f"label {shorten(value)} is not in the training table"
        elif ordered and parse_number(value) is None:
            what = f"{shorten(value)} is not a number, and {task} classes are in order of their numbers"
            wrong[value] = f"{what}; number them, or make the task multiclass"
    table.refuse({column: wrong})
    classes = known or sort_labels(set(values))
    if len(classes) < 2:
        what = f"every row has the label {shorten(values[0])}; there is nothing to learn"
        raise InputError(f"{table.path}: column {column}: {what}")
    if ordered and METRICS[metric].prediction_type == "value" and (np.diff(np.array(classes, dtype=float)) != 1).any():
        # The classes' numbers would be scored, 0, 1, 2, not the labels.
        what = f"classes {', '.join(classes)} are not one apart, as {metric} needs them"
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
    if METRICS[config.competition.metric].of_subgroups:
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
