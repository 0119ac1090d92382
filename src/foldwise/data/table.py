"""Read a competition's CSV exactly, or say what is wrong with it.

Python's csv reader in strict mode refuses what pandas repairs in silence (too many or too few fields, an unclosed
quote), keeps every value as it is written (no `NA` becomes missing, no id `007` becomes 7) and knows the line on which
each row starts, so that every message can name it.
"""

import csv
import difflib
import gzip
import io
import re
import sys
import zipfile
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from foldwise.config import Quotes
from foldwise.errors import Errors, InputError, shorten

LONE_RETURN = re.compile(rb"\r(?!\n)")
EXCEL_ID = re.compile(r"\d(\.\d+)?E\+\d+")  # a long number as Excel shows and saves it
SHORT = 16  # characters of a value that is likely to come again: an empty cell, a label, a share


@dataclass(frozen=True)
class Table:
    """A table of strings."""

    path: Path
    frame: pd.DataFrame  # the values, all `str`, N rows in file order
    lines: np.ndarray  # (N,) int64, the line on which each row starts, counted from 1 as an editor does

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, name: str) -> list[str]:
        """The N values of one column."""
        return list(self.frame[name])

    def take(self, rows: np.ndarray) -> "Table":
        """Some of the rows."""
        return Table(self.path, self.frame.iloc[rows], self.lines[rows])

    def refuse(self, wrong: Mapping[str, Mapping[str, str]]) -> None:
        """An `InputError` that names every place of the wrong values: of each column, value → what is wrong with it."""
        errors = Errors(self.path)
        for column, messages in wrong.items():
            for row in np.flatnonzero(self.frame[column].isin(list(messages))).tolist():
                errors.add(messages[self.frame[column].iloc[row]], int(self.lines[row]), column)
        errors.raise_if_any()


def read_table(path: Path, quotes: Quotes = "csv", without: Collection[str] = ()) -> Table:
    """Read `.csv` or `.tsv`, plain or in `.gz` or `.zip`, with a header line; `InputError` where that cannot be.

    A lone carriage return inside a text is kept as part of the text (pandas' own `to_csv` writes such files), unless
    the whole file uses it to end lines.

    Args:
        quotes: "literal": quotes are text, values end at the separator (`quoting=3` of pandas); only see `unwrap`.
        without: columns that are left out, to save their memory.
    """
    name, content = read_bytes(path)
    check_encoding(path, content)
    stand_in = ""  # for lone carriage returns, at which the reader would end a row: a character that is not there
    if b"\n" in content and LONE_RETURN.search(content):
        stand_in = next(char for char in map(chr, range(0xE000, 0xF900)) if char.encode() not in content)
        content = LONE_RETURN.sub(stand_in.encode(), content)
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")  # leaves line ends alone
    table = read_rows(path, lines, "\t" if name.endswith(".tsv") else ",", quotes, without)
    frame = table.frame
    if stand_in:
        frame = frame.map(lambda value: value.replace(stand_in, "\r"))
        frame.columns = frame.columns.str.replace(stand_in, "\r")
    if quotes == "literal":
        frame = frame.map(unwrap).rename(columns=unwrap)
    return Table(path, frame, table.lines)


def read_bytes(path: Path) -> tuple[str, bytes]:
    """The name of the table's file and its content, unpacked where it is packed."""
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            return path.stem, gzip.decompress(content)
        if path.suffix == ".zip":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = [name for name in archive.namelist() if not name.startswith("__MACOSX") and name[-1] != "/"]
                if len(names) != 1:
                    raise InputError(f"{path}: holds {len(names)} files; a table's .zip must hold one")
                return names[0], archive.read(names[0])
    except (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read: {error}; download it again") from error
    return path.name, content


def check_encoding(path: Path, content: bytes) -> None:
    """An error for each line that is not UTF-8."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path}: this is UTF-16; save the file as UTF-8")
    errors = Errors(path)
    for number, line in enumerate(io.BytesIO(content), start=1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            message = f"byte {line[error.start]:#04x} at position {error.start + 1} is not UTF-8"
            errors.add(f"{message}; save the file as UTF-8 (it may be Latin-1 or Windows-1252 now)", line=number)
    errors.raise_if_any()


def read_rows(path: Path, lines: TextIO, delimiter: str, quotes: Quotes, without: Collection[str]) -> Table:
    """The rows as they are; an error for each that has not the header's width."""
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(
        lines, delimiter=delimiter, strict=True, quoting=csv.QUOTE_NONE if quotes == "literal" else csv.QUOTE_MINIMAL
    )
    errors = Errors(path)
    header: list[str] = []
    kept: list[bool] = []  # whether a column is
    rows: list[tuple[str, ...]] = []  # no lists, which garbage collection would look through again and again
    starts: list[int] = []
    start = 1
    try:
        for record in reader:
            if record and not header:
                header, kept = record, [name not in without for name in record]
                check_header(errors, header, start)
            elif record:  # else a blank line
                starts.append(start)
                rows.append(tuple([sys.intern(v) if len(v) < SHORT else v for v in compress(record, kept)]))
                if len(record) != len(header):
                    what = f"{len(record)} fields where the header has {len(header)}"
                    fix = f"quote texts that contain {delimiter!r} or a quote"
                    errors.add(f"{what} (row begins {shorten(record[0], 30)}); {fix}", line=start)
            start = reader.line_num + 1
    except csv.Error as error:
        errors.add(explain(error), line=start)
    if not rows and not errors.found:
        what = "a header and no rows" if header else "the file is empty"
        errors.add(f"{what}; download it again")
    errors.raise_if_any()
    frame = pd.DataFrame(rows, columns=list(compress(header, kept)), dtype=object)
    return Table(path, frame, np.array(starts, dtype=np.int64))


def explain(error: csv.Error) -> str:
    """What is wrong with a row that cannot be read, and the fix."""
    if "end of data" in str(error):
        return 'a quote " opened in this row is never closed; close it or double it'
    if "expected after" in str(error):
        return (
            'a quote " inside a quoted text of this row, or one not closed; double it or close it, or if '
            'quotes are plain text in these files, set [files] quotes = "literal" (init --quotes literal)'
        )
    return f"{str(error).split(' - ')[0]}; are its line ends mixed? save it with plain ones"


def check_header(errors: Errors, header: list[str], line: int) -> None:
    """A header names each column once, and is cut at the right character."""
    others = [other for other in ";\t|," if other in header[0]]
    if len(header) == 1 and others:
        what = f"the header is one column, {shorten(header[0])}; columns seem to be separated by {others[0]!r}"
        errors.add(f"{what}: save the file with commas, or as .tsv with tabs", line=line)
    for name in dict.fromkeys(header):
        if header.count(name) > 1:
            errors.add(f"the header names {header.count(name)} columns {name!r}; rename all but one", line=line)


def unwrap(value: str) -> str:
    r"""A value without the one pair of quotes around the whole of it; inside, an escaped quote is one.

    >>> unwrap('"5814_8"'), unwrap(r'"\"Twin Peaks\" is back"'), unwrap('5" wide'), unwrap('"')
    ('5814_8', '"Twin Peaks" is back', '5" wide', '"')
    """
    wrapped = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1].replace('\\"', '"') if wrapped else value


def rename_columns(frame: pd.DataFrame, renamed: Mapping[str, str]) -> pd.DataFrame:
    """The frame with other names of columns, but where it has a column of the new name already."""
    return frame.rename(columns={old: new for old, new in renamed.items() if new not in frame.columns})


def check_columns(table: Table, required: list[str], ignored: Iterable[str] = ()) -> None:
    """An error for each required column that is missing, with the nearest name, and for each unexpected one."""
    present, errors = list(table.frame.columns), Errors(table.path)
    expected = {*required, *ignored}
    for name in required:
        if name not in present:
            close = difflib.get_close_matches(name, [other for other in present if other not in required], n=1)
            expected.update(close)
            fix = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(map(repr, present))}"
            errors.add(f"no column {name!r}; {fix}", line=1)
    for name in present:
        if name not in expected:
            fix = "remove it, or list it as [columns] ignore in competition.toml"
            errors.add(f"column {name!r} is not expected here; {fix}", line=1)
    errors.raise_if_any()


def check_unique(table: Table, column: str) -> None:
    """An error for every value of `column` that was there before, and for every empty one."""
    errors = Errors(table.path)
    first: dict[str, int] = {}
    for value, line in zip(table.frame[column], table.lines.tolist(), strict=True):
        if value == "":
            errors.add("empty id; every row needs its own", line, column)
        elif first.setdefault(value, line) != line:
            excel = (
                "Excel saves long ids so, without their last digits: download the file again and do not save it there"
            )
            fix = excel if EXCEL_ID.fullmatch(value) else "keep one of the two"
            errors.add(f"id {shorten(value)} is already on line {first[value]}; {fix}", line, column)
    errors.raise_if_any()
