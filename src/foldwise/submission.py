"""The submission: built on the sample's ids and columns, checked before and after writing."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config import Kind, Task
from foldwise.data.table import read_table
from foldwise.errors import RunError
from foldwise.files import atomic_file, write_csv
from foldwise.metrics import to_labels

SUM_TOLERANCE = 1e-3  # of the probabilities of one row's classes


@dataclass(frozen=True)
class Format:
    """What the competition wants to be given.

    Attributes:
        sample: sample_submission.csv as strings; its ids, their order and its columns are kept.
        id_column: its id column.
        columns: its prediction columns, in the order of the model's outputs; one for the labels of a multiclass task.
        kind: hard labels, probabilities or values.
        task: with `kind` decides what a valid value is.
        names: the C outputs; the class labels of a multiclass task.
    """

    sample: pd.DataFrame
    id_column: str
    columns: list[str]
    kind: Kind
    task: Task
    names: list[str]


def build_submission(form: Format, predictions: np.ndarray, threshold: float = 0.5) -> pd.DataFrame:
    """Fill the sample with predictions.

    Args:
        predictions: (M, C) in the order of the sample's rows.
        threshold: where probabilities are cut to 0/1 labels.

    Returns:
        A table of strings, floats in the shortest form that reads back to the same number.
    """
    frame = form.sample.copy()
    if form.kind == "label":
        labels = to_labels(predictions, form.task, threshold)
        if form.task == "multiclass":
            frame[form.columns[0]] = [form.names[label] for label in labels]
            return frame
        predictions = labels.astype(int)
    for index, column in enumerate(form.columns):
        frame[column] = [repr(value) for value in predictions[:, index].tolist()]
    return frame


def check_submission(form: Format, frame: pd.DataFrame) -> None:
    """Hold a submission against the sample, as the competition's own check would.

    Raises:
        RunError: columns, ids or their order differ, or a value is not finite or not allowed.
    """
    if list(frame.columns) != list(form.sample.columns):
        raise RunError(f"submission: columns {list(frame.columns)} where the sample has {list(form.sample.columns)}")
    if list(frame[form.id_column]) != list(form.sample[form.id_column]):
        raise RunError(f"submission: {len(frame)} ids, not the sample's {len(form.sample)} in their order")
    if form.kind == "label":
        allowed = set(form.names) if form.task == "multiclass" else {"0", "1"}
        for column in form.columns:
            wrong = sorted(set(frame[column]) - allowed)
            if wrong:
                raise RunError(f"submission: column {column} has {wrong[0]!r}, which is no label of this competition")
        return
    values = frame[form.columns].to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise RunError(f"submission: id {frame[form.id_column].iloc[row]} has the value {values[row].tolist()}")
    if form.kind == "probability":
        if values.min() < 0 or values.max() > 1:
            raise RunError(f"submission: probabilities from {values.min()} to {values.max()}, outside 0 … 1")
        if form.task == "multiclass" and np.abs(values.sum(axis=1) - 1).max() > SUM_TOLERANCE:
            raise RunError("submission: the probabilities of a row's classes do not sum to 1")


def write_submission(path: Path, frame: pd.DataFrame) -> None:
    """Write the table, read it back, and only then let it take its name.

    Raises:
        RunError: what was read is not what was written.
    """
    with atomic_file(path) as temporary:
        write_csv(temporary, frame.columns, frame.itertuples(index=False, name=None))
        again = read_table(temporary).frame
        if list(again.columns) != list(frame.columns) or again.to_numpy().tolist() != frame.to_numpy().tolist():
            raise RunError(f"{path}: read back it is not what was written; is the disk full?")
