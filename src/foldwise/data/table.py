"""A competition's table: strings, and the line on which each row starts, so that every message can name it."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config import Format
from foldwise.data.delimited import read_delimited, separator_of
from foldwise.data.formats import JSON, check_signature, read_bytes, to_utf8
from foldwise.data.records import read_json, read_parquet
from foldwise.errors import Errors, close_names, list_names, shorten

EXCEL_ID = re.compile(r"\d([.,]\d+)?E\+\d+")  # a long number as Excel shows and saves it


@dataclass(frozen=True)
class Table:
    """A table of strings."""

    path: Path
    frame: pd.DataFrame  # the values, all `str`, N rows in file order
    lines: np.ndarray  # (N,) int64, the line on which each row starts, counted from 1 as an editor does
    unit: str = "line"  # what `lines` counts: "row" where a format has no lines
    joined: "Table | None" = None  # another file's table in the same order, whose columns are among this one's

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, name: str) -> list[str]:
        """The N values of one column."""
        return list(self.frame[name])

    def take(self, rows: np.ndarray) -> "Table":
        """Some of the rows."""
        joined = self.joined.take(rows) if self.joined else None
        return replace(self, frame=self.frame.iloc[rows], lines=self.lines[rows], joined=joined)

    def refuse(self, wrong: Mapping[str, Mapping[str, str]]) -> None:
        """An `InputError` that names every place of the wrong values: of each column, value → what is wrong with it."""
        errors, elsewhere = Errors(self.path, unit=self.unit), set(self.joined.frame.columns) if self.joined else set()
        for column, messages in wrong.items():
            if column not in elsewhere:
                for row in np.flatnonzero(self.frame[column].isin(list(messages))).tolist():
                    errors.add(messages[self.frame[column].iloc[row]], int(self.lines[row]), column)
        errors.raise_if_any()
        if self.joined:
            self.joined.refuse({column: messages for column, messages in wrong.items() if column in elsewhere})


def read_table(path: Path, form: Format = Format(), without: Collection[str] = ()) -> Table:  # noqa: B008
    """Read a table, plain or in `.gz` or `.zip`; `InputError` where that cannot be.

    Args:
        form: how it is written; the ending of its name says what it is.
        without: columns that are left out, to save their memory.
    """
    name, content = read_bytes(path)
    if name.endswith(".parquet"):
        rows = read_parquet(path, content)
    else:
        check_signature(path, name, content)
        content = to_utf8(path, content, form.encoding)
        if name.endswith(JSON):
            rows = read_json(path, content)
        else:
            rows = read_delimited(path, content, separator_of(name, form), form, without)
    unwanted = [column for column in without if column in rows.frame.columns]
    return Table(path, rows.frame.drop(columns=unwanted) if unwanted else rows.frame, rows.starts, rows.unit)


def number_values(values: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    r"""(N,) int64 numbers of values, and the different ones by number, in order.

    The `factorize` of pandas 2 takes texts for the same that are so up to a NUL.

    >>> number_values(["a", "a\0b", "a"])
    (array([0, 1, 0]), ['a', 'a\x00b'])
    """
    number: dict[str, int] = {}
    places = (number.setdefault(value, len(number)) for value in values)
    return np.fromiter(places, dtype=np.int64, count=len(values)), list(number)


def rename_columns(frame: pd.DataFrame, renamed: Mapping[str, str]) -> pd.DataFrame:
    """The frame with other names of columns, but where it has a column of the new name already."""
    return frame.rename(columns={old: new for old, new in renamed.items() if new not in frame.columns})


def check_columns(table: Table, required: list[str], ignored: Iterable[str] = ()) -> None:
    """An error for each required column that is missing, with the nearest name, and for each unexpected one."""
    present, errors = list(table.frame.columns), Errors(table.path)
    header = 1 if table.unit == "line" else 0  # else the names stand in every row
    expected = {*required, *ignored}
    for name in required:
        if name not in present:
            close = close_names(name, [other for other in present if other not in required])
            expected.update(close)
            fix = f"did you mean {close[0]!r}?" if close else f"there are {list_names(present)}"
            errors.add(f"no column {name!r}; {fix}", line=header)
    for name in present:
        if name not in expected:
            fix = "remove it, or list it as [columns] ignore in competition.toml"
            errors.add(f"column {name!r} is not expected here; {fix}", line=header)
    errors.raise_if_any()


def check_unique(table: Table, column: str) -> None:
    """An error for every value of `column` that was there before, and for every empty one."""
    errors = Errors(table.path, unit=table.unit)
    first: dict[str, int] = {}
    for value, line in zip(table.frame[column], table.lines.tolist(), strict=True):
        if value == "":
            errors.add("empty id; every row needs its own", line, column)
        elif first.setdefault(value, line) != line:
            excel = (
                "Excel saves long ids so, without their last digits: download the file again and do not save it there"
            )
            fix = excel if EXCEL_ID.fullmatch(value) else "keep one of the two"
            errors.add(f"id {shorten(value)} is already on {table.unit} {first[value]}; {fix}", line, column)
    errors.raise_if_any()
