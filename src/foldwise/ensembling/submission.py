"""The submission: built on the sample's ids and columns, checked before and after writing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config import Config
from foldwise.data.table import read_table
from foldwise.data.targets import Targets, parse_number
from foldwise.errors import InputError, RunError
from foldwise.files import atomic_file, write_csv
from foldwise.tasks import TASKS, Kind, TaskSpec

SUM_TOLERANCE = 1e-3  # of the probabilities of one row's classes


@dataclass(frozen=True)
class Format:
    """What the competition wants to be given."""

    sample: pd.DataFrame  # sample_submission.csv as strings; its ids, their order and its columns are kept
    id_column: str
    columns: list[str]  # of predictions, in the order of the model's outputs; one where labels are names
    kind: Kind
    task: str
    names: list[str]  # target columns, or the classes where labels are names
    numbered: bool = False  # the sample's file has no id column; that in `sample` counts its rows

    @classmethod
    def of(cls, config: Config, targets: Targets, sample: pd.DataFrame, columns: list[str]) -> "Format":
        """The format that competition.toml and the sample ask for."""
        numbered = "sample_submission" in config.files.numbered
        return cls(sample, config.columns.id, columns, config.submission.kind, targets.task, targets.names, numbered)

    @property
    def spec(self) -> TaskSpec:
        """What the task means."""
        return TASKS[self.task]


def in_sample_order(sample_ids: Iterable[str], ids: Sequence[str], predictions: np.ndarray) -> np.ndarray:
    """(M, C) predictions of the rows `ids`, in the order of the sample's."""
    row_of = {row_id: row for row, row_id in enumerate(ids)}
    return predictions[[row_of[row_id] for row_id in sample_ids]]


def build_submission(form: Format, predictions: np.ndarray, thresholds: np.ndarray) -> pd.DataFrame:
    """Fill the sample with predictions.

    Args:
        predictions: (M, C) in the order of the sample's rows.
        thresholds: where labels begin, as `foldwise.metrics.best_thresholds` gives them.

    Returns:
        A table of strings, floats in the shortest form that reads back to the same number.
    """
    frame = form.sample.copy()
    if form.kind == "label":
        labels = form.spec.to_labels(predictions, thresholds)
        if form.spec.named:
            frame[form.columns[0]] = [form.names[label] for label in labels]
            return frame
        predictions = labels.astype(int)
    elif form.spec.ordered:
        predictions = to_scale(predictions, form.names)
    for index, column in enumerate(form.columns):
        frame[column] = [repr(value) for value in predictions[:, index].tolist()]
    return frame


def to_scale(predictions: np.ndarray, names: list[str]) -> np.ndarray:
    """Values on the scale of class numbers → on that of the labels, such as 1 … 6; straight between and beyond."""
    numbers = [parse_number(name) for name in names]
    if None in numbers:
        name = names[numbers.index(None)]
        raise InputError(f"submission.kind = 'value': the label {name!r} is not a number; set the kind to 'label'")
    scale = np.array(numbers, dtype=np.float64)
    lower = np.clip(np.floor(predictions), 0, len(scale) - 2).astype(np.int64)
    return scale[lower] + (predictions - lower) * (scale[lower + 1] - scale[lower])


def check_submission(form: Format, frame: pd.DataFrame) -> None:
    """Raise `RunError` where columns, ids or their order are not the sample's, or a value is not finite or allowed."""
    if list(frame.columns) != list(form.sample.columns):
        raise RunError(f"submission: columns {list(frame.columns)} where the sample has {list(form.sample.columns)}")
    if list(frame[form.id_column]) != list(form.sample[form.id_column]):
        raise RunError(f"submission: {len(frame)} ids, not the sample's {len(form.sample)} in their order")
    if form.kind == "label":
        allowed = form.names if form.spec.named else ["0", "1"]
        for column in form.columns:
            if wrong := sorted(set(frame[column]) - set(allowed)):
                raise RunError(f"submission: column {column} has {wrong[0]!r}, which is no label of this competition")
        return
    values = frame[form.columns].to_numpy(dtype=np.float64)
    if len(rows := np.flatnonzero(~np.isfinite(values).all(axis=1))):
        raise RunError(f"submission: id {frame[form.id_column].iloc[rows[0]]} has the value {values[rows[0]].tolist()}")
    if form.kind == "probability":
        if values.min() < 0 or values.max() > 1:
            raise RunError(f"submission: probabilities from {values.min()} to {values.max()}, outside 0 … 1")
        if form.spec.y == "classes" and np.abs(values.sum(axis=1) - 1).max() > SUM_TOLERANCE:
            raise RunError("submission: the probabilities of a row's classes do not sum to 1")


def write_submission(
    path: Path, form: Format, ids: Sequence[str], predictions: np.ndarray, thresholds: np.ndarray
) -> None:
    """Build, check and write the submission, read it back, and only then let it take its name.

    Args:
        ids: of the M rows of `predictions`, in any order.

    Raises:
        InputError: values are asked for of an ordinal task whose labels are not numbers.
        RunError: it does not pass its check, or what was read is not what was written.
    """
    ordered = in_sample_order(form.sample[form.id_column], ids, predictions)
    frame = build_submission(form, ordered, thresholds)
    check_submission(form, frame)
    if form.numbered:
        frame = frame.drop(columns=form.id_column)
    with atomic_file(path) as temporary:
        write_csv(temporary, frame.columns, frame.itertuples(index=False, name=None))
        again = read_table(temporary).frame
        if list(again.columns) != list(frame.columns) or again.to_numpy().tolist() != frame.to_numpy().tolist():
            raise RunError(f"{path}: read back it is not what was written; is the disk full?")
