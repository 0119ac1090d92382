"""Targets: from the strings of train.csv to the array a loss and a metric take.

The shape of `y` follows the task: binary and multilabel (N, C) float32 of 0 and 1, C = 1 for binary; multiclass (N,)
int64 class numbers; regression (N, C) float64 in the target's own units.
"""

import math
from dataclasses import dataclass

import numpy as np

from foldwise.config import Task
from foldwise.data.table import Table
from foldwise.errors import Faults, shorten


@dataclass(frozen=True)
class Targets:
    """The encoded targets of train.csv.

    Attributes:
        task: decides the shape of `y`.
        y: (N, C) float32, float64 for regression, or (N,) int64 for multiclass.
        names: the C prediction columns: target columns, or the classes of a multiclass task.
    """

    task: Task
    y: np.ndarray
    names: list[str]

    @property
    def outputs(self) -> int:
        """C, how many numbers the model gives for a row."""
        return len(self.names)


def encode_targets(table: Table, columns: list[str], task: Task, known: list[str] | None = None) -> Targets:
    """Encode `columns` of the training table, or of the solution.

    Classes of a multiclass task are the labels as written, in order of their value where all are numbers.

    Args:
        known: outputs of the training table; the solution is then encoded as it was, and one value throughout is legal.

    Raises:
        InputError: listing every value that does not fit the task.
    """
    faults = Faults(table.path)
    if task in ("binary", "multiclass") and len(columns) != 1:
        faults.add(
            f"a {task} task has one target column, not {len(columns)}: {', '.join(columns)}; see [columns] target"
        )
        faults.raise_if_any()
    if task == "multiclass":
        return encode_classes(table, columns[0], faults, known)
    binary = task in ("binary", "multilabel")
    y = np.empty((len(table), len(columns)), dtype=np.float32 if binary else np.float64)
    for index, column in enumerate(columns):
        values = table.column(column)
        for row, value in enumerate(values):
            number = parse_number(value)
            if number is None or (binary and number not in (0.0, 1.0)):
                what = (
                    "missing target"
                    if value.strip() == ""
                    else f"{shorten(value)} is not {'0 or 1' if binary else 'a number'}"
                )
                faults.add(f"{what}; mend the row, or the task in competition.toml", int(table.lines[row]), column)
            else:
                y[row, index] = number
        if binary and known is None and not faults.found and len(set(y[:, index].tolist())) < 2:
            faults.add(f"every row has {column} = {values[0]}; there is nothing to learn", column=column)
    faults.raise_if_any()
    return Targets(task, y, list(columns))


def encode_classes(table: Table, column: str, faults: Faults, known: list[str] | None) -> Targets:
    """Class numbers of one label column; classes are its own labels, or the known ones."""
    values = table.column(column)
    for row, value in enumerate(values):
        if value.strip() == "":
            faults.add("missing target; mend or remove the row", int(table.lines[row]), column)
        elif known is not None and value not in known:
            faults.add(f"label {shorten(value)} is not in the training table", int(table.lines[row]), column)
    classes = known or sort_labels(set(values))
    if len(classes) < 2 and not faults.found:
        faults.add(f"every row has the label {shorten(values[0])}; there is nothing to learn", column=column)
    faults.raise_if_any()
    number_of = {label: number for number, label in enumerate(classes)}
    return Targets("multiclass", np.array([number_of[value] for value in values], dtype=np.int64), classes)


def sort_labels(labels: set[str]) -> list[str]:
    """Labels by value where all are numbers ("2" before "10"), else alphabetically."""
    numbers = {label: parse_number(label) for label in labels}
    if all(number is not None for number in numbers.values()):
        return sorted(labels, key=lambda label: (numbers[label], label))
    return sorted(labels)


def parse_number(value: str) -> float | None:
    """A finite float, or None."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in value else None
