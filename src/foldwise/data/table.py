"""Read a competition's CSV exactly, or say what is wrong with it.

pandas' C engine reads the values, every one as a string: no `NA` becomes missing, no id `007` becomes 7. What it
would repair in silence (fields too many or too few, an unclosed quote) is found by a second pass of Python's own
csv reader, which also knows the line on which each row starts, so that every message can name it.
"""

import csv
import difflib
import gzip
import io
import re
import sys
import zipfile
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config import Quotes
from foldwise.errors import Errors, InputError, shorten


@dataclass(frozen=True)
class Table:
    """A table of strings.

    Attributes:
        path: the file it came from.
        frame: the values, all `str`, N rows in file order.
        lines: (N,) int64, the line on which each row starts, counted from 1 as an editor does.
    """

    path: Path
    frame: pd.DataFrame
    lines: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, name: str) -> list[str]:
        """The N values of one column."""
        return list(self.frame[name])

    def take(self, rows: np.ndarray) -> "Table":
        """Some rows, in this order."""
        return Table(self.path, self.frame.iloc[rows].reset_index(drop=True), self.lines[rows])


def read_table(path: Path, quotes: Quotes = "csv", without: Collection[str] = ()) -> Table:
    """Read `.csv` or `.tsv`, plain or in `.gz` or `.zip`, with a header line.

    A lone carriage return inside a text is kept as part of the text (pandas' own `to_csv` writes such files), unless
    the whole file uses it to end lines.

    Args:
        quotes: "csv": a quoted value may hold separators and line ends, and a doubled quote is one. "literal": quotes
            are text, values end at the separator (`quoting=3` of pandas); only see `unwrap`.
        without: columns that are left out, to save their memory.

    Raises:
        InputError: not readable, not UTF-8, empty, a header with repeated names, or rows that do not fit the header.
    """
    name, content = read_bytes(path)
    content, stand_ins = replace_controls(decode(path, content))
    separator = "\t" if name.endswith(".tsv") else ","
    quoting = csv.QUOTE_MINIMAL if quotes == "csv" else csv.QUOTE_NONE
    header, lines = check_shape(path, content, separator, quoting)
    as_written = {"dtype": str, "keep_default_na": False, "na_filter": False}
    columns = {"names": header, "header": 0, "index_col": False, "usecols": [c for c in header if c not in without]}
    frame = pd.read_csv(io.BytesIO(content), sep=separator, quoting=quoting, engine="c", **columns, **as_written)
    if len(frame) != len(lines):
        counts = f"{len(lines)} or {len(frame)} rows, depending on how blank lines and quotes are read"
        raise InputError(f"{path}: {counts}; quote every text")
    for stand_in, control in stand_ins.items():
        frame = frame.apply(lambda column, old=stand_in, new=control: column.str.replace(old, new, regex=False))
        frame.columns = [name.replace(stand_in, control) for name in frame.columns]
    if quotes == "literal":
        frame = frame.apply(lambda column: column.map(unwrap))
        frame.columns = [unwrap(name) for name in frame.columns]
    return Table(path, frame, lines)


def unwrap(value: str) -> str:
    r"""A value without the one pair of quotes around the whole of it; inside, an escaped quote is one.

    >>> unwrap('"5814_8"'), unwrap(r'"\"Twin Peaks\" is back"'), unwrap('5" wide'), unwrap('"')
    ('5814_8', '"Twin Peaks" is back', '5" wide', '"')
    """
    wrapped = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1].replace('\\"', '"') if wrapped else value


def replace_controls(text: str) -> tuple[bytes, dict[str, str]]:
    """Private-use characters in place of what readers stumble over, and what each of them stands for.

    A lone carriage return would end the row, and pandas before 3 drops the rest of a value behind a NUL.
    """
    unused = (char for char in map(chr, range(0xE000, 0xF900)) if char not in text)
    stand_ins = {}
    for control, pattern in (("\r", r"\r(?!\n)" if "\n" in text else None), ("\0", "\0")):
        if pattern and control in text and re.search(pattern, text):
            stand_in = next(unused)
            text = re.sub(pattern, stand_in, text)
            stand_ins[stand_in] = control
    # As bytes: one emoji makes every character of a text, and of each copy that a reader makes, four bytes long.
    return text.encode(), stand_ins


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


def decode(path: Path, content: bytes) -> str:
    """UTF-8 with or without a byte order mark. Every line with other bytes is reported."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path}: this is UTF-16; save the file as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        errors = Errors(path)
        for number, line in enumerate(content.split(b"\n"), start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                message = f"byte {line[error.start]:#04x} at position {error.start + 1} is not UTF-8"
                errors.add(f"{message}; save the file as UTF-8 (it may be Latin-1 or Windows-1252 now)", line=number)
        errors.raise_if_any()
        raise
    if not text or text.isspace():
        raise InputError(f"{path}: the file is empty; download it again")
    return text


def check_shape(path: Path, content: bytes, delimiter: str, quoting: int) -> tuple[list[str], np.ndarray]:
    """The header, and the line each row starts on; an error for every row that has not the header's width.

    Raises:
        InputError: listing all such rows.
    """
    csv.field_size_limit(sys.maxsize)
    # newline="" leaves line ends alone; strict refuses quotes that do not match instead of guessing.
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
    reader = csv.reader(lines, delimiter=delimiter, strict=True, quoting=quoting)  # type: ignore[arg-type]
    errors = Errors(path)
    header: list[str] = []
    starts: list[int] = []
    start = 1
    try:
        for record in reader:
            if record and not header:
                header = record
                check_header(errors, header, start)
            elif record:  # else a blank line
                starts.append(start)
                if len(record) != len(header):
                    what = f"{len(record)} fields where the header has {len(header)}"
                    fix = f"quote texts that contain {delimiter!r} or a quote"
                    errors.add(f"{what} (row begins {shorten(record[0], 30)}); {fix}", line=start)
            start = reader.line_num + 1
    except csv.Error as error:
        errors.add(explain(error), line=start)
    if not starts and not errors.found:
        errors.add("a header and no rows; download it again")
    errors.raise_if_any()
    return header, np.array(starts, dtype=np.int64)


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


def check_columns(table: Table, required: list[str], ignored: Iterable[str] = ()) -> None:
    """An error for each required column that is missing and each other one that nobody asked for.

    Raises:
        InputError: naming them, with the nearest names that are there.
    """
    present = list(table.frame.columns)
    errors = Errors(table.path)
    near: dict[str, str] = {}
    for name in required:
        if name not in present:
            spare = [other for other in present if other not in required]
            close = difflib.get_close_matches(name, spare, n=1)
            near |= dict.fromkeys(close, name)
            fix = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(map(repr, present))}"
            errors.add(f"no column {name!r}; {fix}", line=1)
    for name in present:
        if name not in required and name not in ignored and name not in near:
            fix = "remove it, or list it as [columns] ignore in competition.toml"
            errors.add(f"column {name!r} is not expected here; {fix}", line=1)
    errors.raise_if_any()


def check_unique(table: Table, column: str) -> None:
    """An error for every value of `column` that was there before, and for every empty one.

    Raises:
        InputError: listing them.
    """
    errors = Errors(table.path)
    values = table.frame[column]
    if values.is_unique and not (values == "").any():
        return
    first: dict[str, int] = {}
    for value, line in zip(values, table.lines.tolist(), strict=True):
        if value == "":
            errors.add("empty id; every row needs its own", line=line, column=column)
        elif value in first:
            errors.add(f"id {shorten(value)} is already on line {first[value]}; keep one of the two", line, column)
        else:
            first[value] = line
    errors.raise_if_any()
