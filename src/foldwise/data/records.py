"""Tables that are records: JSON, one object a line or in one array, and Parquet.

Their values become the strings that a CSV would hold: numbers as they are written, True and False, nothing for null. A
list of words or numbers is one value with | between its parts, as labels in one cell have it.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foldwise.data.delimited import MOST_COLUMNS
from foldwise.data.formats import Rows
from foldwise.data.unpacking import available_memory, check_size
from foldwise.errors import Errors, InputError, shorten

BATCH = 1024  # rows of Parquet read at once: a few bytes may stand for many copies of a long text
BETWEEN = "|"  # the parts of a list
TABULAR = "a table is an array of objects, [{…}, {…}], or an object a line; pandas: to_json(…, orient='records')"


def read_json(path: Path, content: bytes, before: int = 0) -> Rows:
    """One object a row: in one array, or each on a line of its own; a key that an object lacks is an empty value.

    `before` are lines of the file that come before this content.
    """
    text = content.decode("utf-8-sig")
    errors = Errors(path)
    if text.lstrip()[:1] == "[":
        values = parse(text, errors, 0)
        if isinstance(values, list):
            records, starts, errors.unit = values, list(range(1, len(values) + 1)), "row"
    else:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), start=before + 1) if line.strip()]
        records = [parse(line, errors, number) for number, line in lines]
        starts = [number for number, _ in lines]
    errors.raise_if_any()
    for place, record in zip(starts, records, strict=True):
        if not isinstance(record, dict):
            errors.add(f"{shorten(record)} is no object; {TABULAR}", place)
    errors.raise_if_any()
    names = list(dict.fromkeys(name for record in records for name in record))
    if len(names) > MOST_COLUMNS:
        raise InputError(f"{path}: {len(names):,} different keys, and a table may have {MOST_COLUMNS:,} columns")
    columns = {name: [record.get(name) for record in records] for name in names}
    return to_rows(path, columns, starts, errors)


def parse(text: str, errors: Errors, line: int) -> Any:
    """A JSON value with its numbers as they are written; None, and an error noted, where it is none."""
    try:
        return json.loads(text, parse_float=str, parse_int=str, parse_constant=constant)
    except json.JSONDecodeError as error:
        errors.add(f"not JSON: {error.msg} at character {error.colno}; {TABULAR}", line or error.lineno)
    except RecursionError:
        errors.add(f"values are nested too deeply; {TABULAR}", line)
    return None


def constant(name: str) -> str | None:
    """What Python writes for numbers that JSON has not; NaN is a missing one."""
    return None if name == "NaN" else name


def read_parquet(path: Path, content: bytes) -> Rows:
    """The columns of a Parquet file; `InputError` where pyarrow is not installed."""
    batches, free = [], available_memory()
    with parquet_errors(path):
        import pyarrow

        file, size = open_parquet(pyarrow.BufferReader(content)), 0
        for batch in file.iter_batches(BATCH):
            size += batch.nbytes
            check_size(path, size, free)
            batches.append(batch)
        table = pyarrow.Table.from_batches(batches, file.schema_arrow)
    return parquet_rows(path, table)


def read_parquet_parts(path: Path, rows: int, most: int) -> Iterator[Rows]:
    """The same in parts of so many rows, and about `most` bytes."""
    before = 0
    with parquet_errors(path):
        import pyarrow

        file = open_parquet(path)
        batches: list[Any] = []
        for batch in chain(file.iter_batches(min(BATCH, rows)), [None]):
            if batch is not None:
                batches.append(batch)
            count, size = (sum(getattr(part, name) for part in batches) for name in ("num_rows", "nbytes"))
            if (batch is None and (count or not before)) or count >= rows or size >= most:
                yield parquet_rows(path, pyarrow.Table.from_batches(batches, file.schema_arrow), before)
                batches, before = [], before + count


def open_parquet(source: Any) -> Any:
    """A file of pyarrow's."""
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(source)


@contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """What pyarrow finds wrong with a file, or that it is not there, becomes an `InputError`."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        fix = "install it (.venv/bin/pip install pyarrow), or save the table as CSV"
        raise InputError(f"{path}: Parquet is read by pyarrow, which is not there; {fix}") from error
    try:
        yield
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: is no whole Parquet file: {shorten(str(error), 200)}; download it again") from error


def parquet_rows(path: Path, table: Any, before: int = 0) -> Rows:
    """The rows of a table of pyarrow's, which stand behind so many others."""
    import pyarrow

    columns: dict[str, list[Any]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        values = column.to_pylist()
        if pyarrow.types.is_float32(column.type) or pyarrow.types.is_float16(column.type):
            # The shortest number that is this one with so few digits: 0.1, not 0.10000000149011612.
            values = [value if value is None else str(np.float32(value)) for value in values]
        columns[name] = values
    if len(columns) < len(table.column_names):
        raise InputError(f"{path}: two columns have the same name; rename one")
    return to_rows(path, columns, range(before + 1, before + table.num_rows + 1), Errors(path, unit="row"))


def to_rows(path: Path, columns: dict[str, list[Any]], starts: Sequence[int], errors: Errors) -> Rows:
    """Columns of values as columns of strings; an error for each value that is no such thing."""
    if not columns or not starts:
        raise InputError(f"{path}: no rows; download it again")
    texts = {}
    for raw_name, values in columns.items():
        name = to_text(raw_name) or ""
        if name in texts:
            raise InputError(f"{path}: two columns have the name {shorten(name)}; rename one")
        texts[name] = [to_text(value) for value in values]
        for place, value, text in zip(starts, values, texts[name], strict=True):
            if text is None:
                errors.add(f"{shorten(value)} is no text and no number; {fix_of(value)}", place, name)
    errors.raise_if_any()
    return Rows(pd.DataFrame(texts, dtype=object), np.array(starts, dtype=np.int64), errors.unit)


def to_text(value: Any) -> str | None:
    """One value as a CSV would hold it; None for what has no such form.

    >>> to_text("NA"), to_text(None), to_text(True), to_text(0.5), to_text(["red", "green"]), to_text({"a": 1})
    ('NA', '', 'True', '0.5', 'red|green', None)
    """
    if isinstance(value, str):  # half of an emoji, which JSON can hold and UTF-8 cannot, becomes a sign of its own
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if value is None or value != value:  # noqa: PLR0124, what is not equal to itself is not a number
        return ""
    if isinstance(value, bytes | dict):
        return None
    if isinstance(value, list):
        parts = [None if isinstance(part, list) else to_text(part) for part in value]
        whole = None not in parts and not any(BETWEEN in (part or "") for part in parts)
        return BETWEEN.join(part or "" for part in parts) if whole else None
    return str(value)


def fix_of(value: Any) -> str:
    """What to do about a value that has no form in a table."""
    if isinstance(value, list):
        return f"a list must hold texts or numbers without {BETWEEN}; write its parts as one text"
    return "give its parts columns of their own, or leave it out"
