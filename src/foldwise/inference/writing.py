"""What the command predict writes: rows of a CSV to a file or to standard output, or vectors to an .npy."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from foldwise.config import Config
from foldwise.data.targets import Targets
from foldwise.ensembling.probabilities import as_written, name_apart, prediction_columns
from foldwise.files import atomic_file, write_rows
from foldwise.inference.given import Given, label_cells, label_columns

What = Literal["labels", "proba", "embed"]
ARRAY = ".npy"


class Writer:
    """Takes part after part of the rows and what came of them."""

    def __init__(self, file: Any, config: Config, targets: Targets, thresholds: np.ndarray, what: What) -> None:
        self.file, self.config, self.targets, self.thresholds, self.what = file, config, targets, thresholds, what
        self.parts = self.rows = 0

    def write(self, given: Given, numbers: np.ndarray) -> None:
        """Write the next part: (n, C) predictions or (n, D) vectors of its n rows."""
        if not self.parts:
            self.begin(numbers)
        self.write_part(given.ids, numbers)
        self.parts, self.rows = self.parts + 1, self.rows + len(given.ids)

    def begin(self, numbers: np.ndarray) -> None:
        """The header."""
        names = prediction_columns(self.targets)
        if self.what == "labels":
            names = label_columns(self.config, self.targets)
        elif self.what == "embed":
            names = [f"embedding_{place}" for place in range(numbers.shape[1])]
        id_column = self.config.columns.id
        write_rows(self.file, [[id_column, *name_apart(names, [id_column])]])

    def write_part(self, ids: Sequence[str], numbers: np.ndarray) -> None:
        """The rows."""
        if self.what == "labels":
            cells = label_cells(self.config, self.targets, numbers, self.thresholds)
        else:
            cells = (numbers if self.what == "embed" else as_written(self.targets, numbers)).T.tolist()
        write_rows(self.file, zip(ids, *cells, strict=True))
        self.file.flush()

    def end(self) -> None:
        """Nothing follows the last row."""


class ArrayWriter(Writer):
    """Writes vectors as numpy does: the shape stands at the beginning, where it is set when all rows are there."""

    def begin(self, numbers: np.ndarray) -> None:
        """A header for no rows, which has room for any number."""
        self.width = numbers.shape[1]
        self.write_header()

    def write_header(self) -> None:
        """The header for the rows so far."""
        shape = {"descr": "<f4", "fortran_order": False, "shape": (self.rows, self.width)}
        np.lib.format.write_array_header_1_0(self.file, shape)

    def write_part(self, ids: Sequence[str], numbers: np.ndarray) -> None:  # noqa: ARG002
        """The rows, in their order; ids have no place there."""
        self.file.write(numbers.astype("<f4").tobytes())

    def end(self) -> None:
        """The header, now that the number of rows is known."""
        self.file.seek(0)
        self.write_header()


@contextmanager
def open_writer(
    out: Path | None, config: Config, targets: Targets, thresholds: Sequence[float], what: What
) -> Iterator[Writer]:
    """A writer to a file, which is there once all is written, or to standard output."""
    settings = config, targets, np.array(thresholds), what
    if out is None:
        # not by Python's own stream, which goes on where a disk is full
        with os.fdopen(os.dup(1), "w", encoding="utf-8", newline="") as file:
            yield Writer(file, *settings)
        return
    is_array = out.suffix == ARRAY and what == "embed"
    with atomic_file(out) as temporary, open_file(temporary, is_array) as file:
        writer = (ArrayWriter if is_array else Writer)(file, *settings)
        yield writer
        writer.end()


def open_file(path: Path, is_array: bool) -> Any:
    """For bytes, or for text with the line ends it has."""
    return path.open("wb") if is_array else path.open("w", encoding="utf-8", newline="")
