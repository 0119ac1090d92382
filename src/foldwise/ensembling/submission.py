"""The submission: built on the sample's ids and columns, checked before and after writing."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config import Config
from foldwise.data.competition import ToPredict
from foldwise.data.table import read_table
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
        labels = targets.spec.to_labels(predictions, thresholds)
        if targets.spec.named:
            frame[asked.sample_columns[0]] = [targets.names[label] for label in labels]
            return frame
        predictions = labels.astype(int)
    elif targets.spec.ordered:
        predictions = to_scale(predictions, targets.names)
    elif config.submission.kind == "value":
        predictions = submitted_values(config.competition.metric, targets.task, predictions)
    for index, column in enumerate(asked.sample_columns):
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


def check_submission(config: Config, targets: Targets, asked: ToPredict, frame: pd.DataFrame) -> None:
    """Raise `RunError` where columns, ids or their order are not the sample's, or a value is not finite or allowed."""
    if list(frame.columns) != list(asked.sample.columns):
        raise RunError(f"submission: columns {list(frame.columns)} where the sample has {list(asked.sample.columns)}")
    ids = list(frame[config.columns.id])
    if ids != list(asked.sample[config.columns.id]):
        raise RunError(f"submission: {len(ids)} ids, not the sample's {len(asked.sample)} in their order")
    if config.submission.kind == "label":
        allowed = targets.names if targets.spec.named else ["0", "1"]
        for column in asked.sample_columns:
            if wrong := sorted(set(frame[column]) - set(allowed)):
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
        again = read_table(temporary).frame
        if list(again.columns) != list(frame.columns) or again.to_numpy().tolist() != frame.to_numpy().tolist():
            raise RunError(f"{path}: read back it is not what was written; is the disk full?")
