"""The submission: built on the sample's ids and columns, checked before and after writing."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config import Config, Format
from foldwise.data.competition import ToPredict
from foldwise.data.delimited import read_delimited
from foldwise.data.labels import has_names, split_cell, write_like
from foldwise.data.targets import Targets, parse_number
from foldwise.errors import InputError, RunError
from foldwise.files import atomic_file, write_csv
from foldwise.metrics import submitted_values

SUM_TOLERANCE = 1e-3  # of the probabilities of one row's classes


def in_sample_order(sample_ids: Iterable[str], ids: Sequence[str], predictions: np.ndarray) -> np.ndarray:
    """(M, C) predictions of the rows `ids`, in the order of the sample's."""
    row_of = {row_id: row for row, row_id in enumerate(ids)}
    return predictions[[row_of[row_id] for row_id in sample_ids]]


def build_submission(
    config: Config, targets: Targets, asked: ToPredict, predictions: np.ndarray, thresholds: np.ndarray
) -> pd.DataFrame:
    """The sample filled with (M, C) predictions of its rows: strings, the shortest that read back to the same."""
    frame = asked.sample.copy()
    if config.submission.kind == "label":
        cells = write_labels(config, targets, asked, predictions, thresholds)
    else:
        values = to_scale(predictions, targets.names) if targets.spec.ordered else predictions
        if config.submission.kind == "value" and not targets.spec.ordered:
            values = submitted_values(config.competition.metric, targets.task, values)
        cells = [[repr(value) for value in column.tolist()] for column in values.T]
    for column, written in zip(asked.sample_columns, cells, strict=True):
        frame[column] = written
    return frame


def write_labels(
    config: Config, targets: Targets, asked: ToPredict, predictions: np.ndarray, thresholds: np.ndarray
) -> list[list[str]]:
    """Of each of the sample's columns the M labels, written as there."""
    labels, allowed = targets.spec.to_labels(predictions, thresholds), allowed_labels(config, targets, asked)
    if len(asked.sample_columns) > 1 or not has_names(config):
        ones = np.eye(len(targets.names))[labels] if targets.spec.named else labels  # a column for each class
        return [[allowed[one] for one in column] for column in ones.astype(int).T.tolist()]
    if targets.spec.named:
        return [[allowed[label] for label in labels.tolist()]]
    cells, separator = list(asked.sample[asked.sample_columns[0]]), config.columns.separator
    assert separator is not None  # `has_names`
    if not any(cell == "" for cell in cells):  # as in the sample, no row is without: its nearest label
        nearest = (predictions - thresholds).argmax(axis=1)
        labels[labels.sum(axis=1) == 0] = np.eye(len(targets.names))[nearest][labels.sum(axis=1) == 0]
    glue = f"{separator} " if any(f"{separator} " in cell for cell in cells) else separator
    return [[glue.join(allowed[place] for place in np.flatnonzero(row).tolist()) for row in labels]]


def allowed_labels(config: Config, targets: Targets, asked: ToPredict) -> list[str]:
    """Labels in order of their numbers, as they stand in the sample."""
    cells = {cell for column in asked.sample_columns for cell in asked.sample[column]}
    if has_names(config) and len(asked.sample_columns) == 1:
        return write_like(cells, targets.names)
    numbers = write_like(cells, ["0", "1"])
    by_number = cells <= set(numbers) and not cells & set(targets.written)
    return numbers if by_number or config.columns.positive is None else list(targets.written)


def to_scale(predictions: np.ndarray, names: list[str]) -> np.ndarray:
    """Values on the scale of class numbers → on that of the labels, such as 1 … 6; straight between and beyond.

    NaN, of rows that nothing predicted, stays.
    """
    scale = label_scale(names)
    lower = np.clip(np.floor(np.nan_to_num(predictions)), 0, len(scale) - 2).astype(np.int64)
    return scale[lower] + (predictions - lower) * (scale[lower + 1] - scale[lower])


def from_scale(values: np.ndarray, names: list[str]) -> np.ndarray:
    """The predictions that `to_scale` has made these values of."""
    scale = label_scale(names)
    lower = np.clip(np.searchsorted(scale, values, side="right") - 1, 0, len(scale) - 2)
    return lower + (values - scale[lower]) / (scale[lower + 1] - scale[lower])


def label_scale(names: list[str]) -> np.ndarray:
    """(K,) float64 numbers of the labels of an ordinal task."""
    numbers = [parse_number(name) for name in names]
    if None in numbers:
        name = names[numbers.index(None)]
        raise InputError(f"submission.kind = 'value': the label {name!r} is not a number; set the kind to 'label'")
    return np.array(numbers, dtype=np.float64)


def check_submission(config: Config, targets: Targets, asked: ToPredict, frame: pd.DataFrame) -> None:
    """Raise `RunError` where columns, ids or their order are not the sample's, or a value is not finite or allowed."""
    if list(frame.columns) != list(asked.sample.columns):
        raise RunError(f"submission: columns {list(frame.columns)} where the sample has {list(asked.sample.columns)}")
    ids = list(frame[config.columns.id])
    if ids != list(asked.sample[config.columns.id]):
        raise RunError(f"submission: {len(ids)} ids, not the sample's {len(asked.sample)} in their order")
    if config.submission.kind == "label":
        allowed, separator = set(allowed_labels(config, targets, asked)), config.columns.separator
        for column in asked.sample_columns:
            labels = set(frame[column])
            if separator is not None and len(asked.sample_columns) == 1:
                labels = {label for cell in labels for label in split_cell(cell, separator)}
            if wrong := sorted(labels - allowed):
                raise RunError(f"submission: column {column} has {wrong[0]!r}, which is no label of this competition")
        return
    values = frame[asked.sample_columns].to_numpy(dtype=np.float64)
    if len(rows := np.flatnonzero(~np.isfinite(values).all(axis=1))):
        raise RunError(f"submission: id {ids[rows[0]]} has the value {values[rows[0]].tolist()}")
    if config.submission.kind == "probability":
        if values.min() < 0 or values.max() > 1:
            raise RunError(f"submission: probabilities from {values.min()} to {values.max()}, outside 0 … 1")
        if targets.spec.y == "classes" and np.abs(values.sum(axis=1) - 1).max() > SUM_TOLERANCE:
            raise RunError("submission: the probabilities of a row's classes do not sum to 1")


def write_submission(
    path: Path, config: Config, targets: Targets, asked: ToPredict, predictions: np.ndarray, thresholds: np.ndarray
) -> None:
    """Build, check and write the submission, read it back, and only then let it take its name.

    Raises:
        InputError: values are asked for of an ordinal task whose labels are not numbers.
        RunError: it does not pass its check, or what was read is not what was written.
    """
    ordered = in_sample_order(asked.sample[config.columns.id], asked.test_ids, predictions)
    frame = build_submission(config, targets, asked, ordered, thresholds)
    check_submission(config, targets, asked, frame)
    if "sample_submission" in config.files.numbered:  # the file has no id column; that in the sample counts its rows
        frame = frame.drop(columns=config.columns.id)
    with atomic_file(path) as temporary:
        write_csv(temporary, frame.columns, frame.itertuples(index=False, name=None))
        again = read_delimited(temporary, temporary.read_bytes(), ",", Format(), ()).frame
        if list(again.columns) != list(frame.columns) or again.to_numpy().tolist() != frame.to_numpy().tolist():
            raise RunError(f"{path}: read back it is not what was written; is the disk full?")
