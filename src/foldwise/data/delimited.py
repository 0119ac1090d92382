"""Rows of text with separators between the values: .csv and .tsv, as they are, or what is wrong with them.

Python's csv reader in strict mode refuses what pandas repairs in silence (too many or too few fields, an unclosed
quote), keeps every value as it is written (no `NA` becomes missing, no id `007` becomes 7) and knows the line on which
each row starts, so that every message can name it.
"""

import csv
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import compress
from pathlib import Path

import numpy as np
import pandas as pd

from foldwise.config import Format
from foldwise.data.formats import FINDS, Rows
from foldwise.errors import Errors, InputError, shorten

LONE_RETURN = re.compile(rb"\r(?!\n)")
DECLARED = re.compile(r"sep=(.)", re.DOTALL)  # Excel's first line that says what separates the columns
SEPARATORS = ",;\t|，；"  # those that are usual; the last two on Chinese keyboards
ROW_NAMES = "every row has one field more than the header, as R's write.table makes it with row names"
MOST_COLUMNS = 2_000  # with more, telling what they are takes minutes
LONGEST_VALUE = 500_000_000  # characters; Python's reader needs eight bytes for each
SHORT = 16  # characters of a value that is likely to come again: an empty cell, a label, a share


def separator_of(name: str, form: Format) -> str:
    """What separates the values in a file of that name."""
    return form.separator or ("\t" if name.endswith(".tsv") else ",")


def read_delimited(path: Path, content: bytes, separator: str, form: Format, without: Collection[str]) -> Rows:
    """Rows of UTF-8, with a header line.

    A lone carriage return inside a text is kept as part of the text (pandas' own `to_csv` writes such files), unless
    the whole file uses it to end lines.
    """
    stand_in = ""  # for lone carriage returns, at which the reader would end a row: a character that is not there
    if b"\n" in content and LONE_RETURN.search(content):
        stand_in = next(char for char in map(chr, range(0xE000, 0xF900)) if char.encode() not in content)
        content = LONE_RETURN.sub(stand_in.encode(), content)
    content = cut_empty_rows(content, separator.encode())
    if form.escape:
        content = keep_other_backslashes(content, separator)
    frame, starts, unit = read_rows(path, content, separator, form, without)
    if stand_in:
        frame = frame.map(lambda value: value.replace(stand_in, "\r"))
        frame.columns = frame.columns.str.replace(stand_in, "\r")
    if form.quotes == "literal":
        frame = frame.map(unwrap).rename(columns=unwrap)
    return Rows(frame, starts, unit)


def cut_empty_rows(content: bytes, separator: bytes) -> bytes:
    r"""Without the last rows where they are nothing but separators: spreadsheets save rows that were used once.

    >>> cut_empty_rows(b"id;text;label\n1;a;0\n;;\n;;\n", b";")
    b'id;text;label\n1;a;0\n'
    """
    end = len(content)
    while end:
        start = content.rfind(b"\n", 0, end - 1) + 1
        line = content[start:end].strip(b"\r\n")
        if not line or line.replace(separator, b""):
            break
        end = start
    return content if end == len(content) else content[:end]


def keep_other_backslashes(content: bytes, separator: str) -> bytes:
    r"""Double the backslashes that escape nothing, which Python's reader would drop (`C:\new` is no `C:new`).

    >>> print(keep_other_backslashes(rb'"a 5\" lamp", C:\new, \\', ",").decode())
    "a 5\" lamp", C:\\new, \\
    """
    escaped = rb'\\(["\\\r\n]|' + re.escape(separator).encode() + rb")?"
    return re.sub(escaped, lambda found: found[0] if found[1] else b"\\\\", content)


def read_rows(path: Path, content: bytes, separator: str, form: Format, without: Collection[str]) -> Rows:
    """The rows of a file's content, by `iter_rows`."""
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")  # leaves line ends alone
    (rows,) = iter_rows(path, lines, separator, form, without, backslashes=b'\\"' in content)
    return rows


def iter_rows(
    path: Path,
    lines: Iterable[str],
    separator: str,
    form: Format,
    without: Collection[str],
    is_full: Callable[[int, Sequence[str]], bool] = lambda *_: False,
    backslashes: bool = False,
) -> Iterator[Rows]:
    """The same of lines, in parts.

    Args:
        is_full: asked after each row, with the number of rows in the part, whether the part ends.
        backslashes: whether some stand before quotes, for a message.
    """
    csv.field_size_limit(LONGEST_VALUE)
    reader = csv.reader(
        lines,
        delimiter=separator,
        strict=True,
        escapechar=form.escape,
        quoting=csv.QUOTE_NONE if form.quotes == "literal" else csv.QUOTE_MINIMAL,
    )
    errors = Errors(path)
    header: list[str] = []
    kept: list[bool] = []  # whether a column is
    rows: list[tuple[str, ...]] = []  # no lists, which garbage collection would look through again and again
    starts: list[int] = []
    widths: set[int] = set()  # of rows that have not the header's
    start, parts = 1, 0

    def part() -> Rows:
        errors.raise_if_any()
        frame = pd.DataFrame(rows, columns=list(compress(header, kept)), dtype=object)
        if "" in header:
            frame = drop_unnamed(path, frame)
        return Rows(frame, np.array(starts, dtype=np.int64), "line")

    try:
        for record in reader:
            if record and not header:
                if start > 1 or not is_declared(separator.join(record), separator):
                    header, kept = record, [name not in without for name in record]
                    if sum(kept) > MOST_COLUMNS:
                        what = f"the header has {sum(kept):,} columns, and a table may have {MOST_COLUMNS:,}"
                        raise InputError(f"{path}: {what}; list those that are not needed as [columns] ignore")
                    check_header(errors, header, start, separator)
            elif record:  # else a blank line
                starts.append(start)
                rows.append(tuple([sys.intern(v) if len(v) < SHORT else v for v in compress(record, kept)]))
                if len(record) != len(header):
                    widths.add(len(record))
                    what = f"{len(record)} fields where the header has {len(header)}"
                    fix = f"quote texts that contain {separator!r} or a quote"
                    errors.add(f"{what} (row begins {shorten(record[0], 30)}); {fix}", line=start)
                if is_full(len(rows), record):
                    yield part()
                    rows, starts, parts = [], [], parts + 1
            start = reader.line_num + 1
    except csv.Error as error:
        errors.add(explain(error, backslashes), line=start)
    if parts and not rows and not errors.found:
        return
    if not rows and not errors.found:
        what = "a header and no rows" if header else "the file is empty"
        errors.add(f"{what}; download it again")
    if widths == {len(header) + 1} and len(errors.found) == len(rows):
        errors.add(
            f'{ROW_NAMES}; write it without them, or put a name for them in front of the header: "row"{separator}'
        )
    yield part()


def drop_unnamed(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """The table without columns that have neither name nor content: spreadsheets save those that were used once."""
    kept = [name != "" or bool((frame.iloc[:, place] != "").any()) for place, name in enumerate(frame.columns)]
    frame = frame.loc[:, kept]
    if (count := list(frame.columns).count("")) > 1:
        raise InputError(f"{path}: line 1: {count} columns have no name and yet values; name all but one")
    return frame


def is_declared(first: str, separator: str) -> bool:
    """Whether a first line is Excel's that names this separator, which is no header."""
    declared = DECLARED.fullmatch(first)
    return declared is not None and declared[1] == separator


def explain(error: csv.Error, backslashes: bool) -> str:
    """What is wrong with a row that cannot be read, and the fix; `backslashes`: there are some before quotes."""
    what, escape = str(error), r"if texts have a backslash before their quotes, set [files] escape = '\'"
    literal = 'if quotes are plain text in these files, set [files] quotes = "literal" (init --quotes literal)'
    fixes = [escape] * backslashes + [literal]
    if "end of data" in what:
        return "; ".join(['a quote " opened in this row is never closed; close it or double it', *fixes[:backslashes]])
    if "expected after" in what:
        fault = 'a quote " inside a quoted text of this row, or one not closed; double it or close it, or'
        return f"{fault} {'; or '.join(fixes)}"
    if "field limit" in what:
        return f"a value of more than {LONGEST_VALUE:,} characters; is a quote before it not closed?"
    return f"{what.partition(' - ')[0]}; are its line ends mixed? save it with plain ones"


def check_header(errors: Errors, header: list[str], line: int, separator: str) -> None:
    """A header names each column once, and is cut at the right character."""
    declared = DECLARED.fullmatch(separator.join(header))
    others = [declared[1]] if declared else [other for other in SEPARATORS if other in header[0]]
    if declared or (len(header) == 1 and others):
        what = f"the header is one column, {shorten(header[0])}; columns seem to be separated by {others[0]!r}"
        if declared:
            what = f"this line of Excel's says that columns are separated by {others[0]!r}"
        errors.add(f"{what}: set [files] separator = {json.dumps(others[0], ensure_ascii=False)}; {FINDS}", line=line)
    for name, count in Counter(header).items():
        if name and count > 1:
            errors.add(f"the header names {count} columns {shorten(name)}; rename all but one", line=line)


def unwrap(value: str) -> str:
    r"""A value without the one pair of quotes around the whole of it; inside, an escaped quote is one.

    >>> unwrap('"5814_8"'), unwrap(r'"\"Twin Peaks\" is back"'), unwrap('5" wide'), unwrap('"')
    ('5814_8', '"Twin Peaks" is back', '5" wide', '"')
    """
    wrapped = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1].replace('\\"', '"') if wrapped else value
