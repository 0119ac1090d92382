"""A table of any length in parts of bounded size: what `read_table` reads as a whole, a few thousand rows at a time.

CSV, TSV and JSON lines are read as they come, plain or in `.gz` or `.zip`, Parquet batch by batch. A JSON array is read
as a whole. Standard input is a text a line.
"""

import codecs
import gzip
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from posixpath import exists, isdir  # of a name too long they are false
from typing import IO, Any

import numpy as np
import pandas as pd

from foldwise.config import Format
from foldwise.data.delimited import iter_rows, keep_other_backslashes, separator_of, unwrap
from foldwise.data.formats import JSON, Rows, check_contradiction, check_signature, check_utf8
from foldwise.data.records import read_json, read_parquet_parts
from foldwise.data.table import Table, read_table
from foldwise.data.unpacking import DAMAGED
from foldwise.errors import Errors, InputError, shorten

PART_ROWS = 32_768
PART_CHARACTERS = 32_000_000  # of all values of a part
BLOCK = 1 << 20  # bytes at the beginning of a file that tell how it is written
INPUT = Path("standard input")
LONE_RETURN = re.compile(r"\r(?!\n|$)")
STAND_IN = "\ufdd0"  # for lone carriage returns inside a line; a code point that is no character


class Fullness:
    """Whether a part is full, asked row by row."""

    def __init__(self, rows: int) -> None:
        self.rows, self.characters = rows, 0

    def __call__(self, count: int, record: Sequence[str]) -> bool:
        """True if the part ends with this row."""
        self.characters += sum(map(len, record))
        full = count >= self.rows or self.characters >= PART_CHARACTERS
        if full:
            self.characters = 0
        return full


def check_file(path: Path) -> None:
    """Raise an `InputError` where there is no file, before anything is loaded for it."""
    if exists(path) and not isdir(path):
        return
    what = "a folder" if isdir(path) else "no such file"
    fix = "give a table with the text columns, or - for a text a line on standard input; -c names the competition"
    raise InputError(f"{shorten(str(path))}: {what}; {fix}")


def read_parts(path: Path, form: Format, rows: int = PART_ROWS) -> Iterator[Table]:
    """The table in parts of so many rows; `InputError` where it cannot be read, once it comes to that."""
    name = path.name.removesuffix(".gz").removesuffix(".zip")
    whole = name.endswith(JSON) if not is_utf8_name(form.encoding) else name.endswith(".json")
    if whole or (name.endswith(".parquet") and name != path.name):
        table = read_table(path, form)
        yield from (table.take(part) for part in np.array_split(np.arange(len(table)), -(-len(table) // rows)))
        return
    if name.endswith(".parquet"):
        yield from (Table(path, *part) for part in read_parquet_parts(path, rows, PART_CHARACTERS))
        return
    try:
        with ExitStack() as opened:
            name, stream = open_unpacked(path, opened)
            json = name.endswith(JSON)
            found = json_parts(path, stream, rows) if json else delimited_parts(path, name, stream, form, rows)
            yield from (Table(path, *part) for part in found)
    except DAMAGED as error:
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
            raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
        raise InputError(f"{path}: cannot be read: {error}; fetch it again, or unpack it by hand") from error


def open_unpacked(path: Path, opened: ExitStack) -> tuple[str, Any]:
    """The name of the table's file and its content, unpacked where it is packed."""
    if path.suffix == ".gz":
        return path.stem, opened.enter_context(gzip.open(path))
    if path.suffix == ".zip":
        archive = opened.enter_context(zipfile.ZipFile(path))
        names = [name for name in archive.namelist() if not name.startswith("__MACOSX") and not name.endswith("/")]
        if len(names) != 1:
            raise InputError(f"{path}: holds {len(names)} files; a table's .zip must hold one")
        return names[0], opened.enter_context(archive.open(names[0]))
    return path.name, opened.enter_context(path.open("rb"))


def delimited_parts(path: Path, name: str, stream: IO[bytes], form: Format, rows: int) -> Iterator[Rows]:
    """Of rows with separators between the values."""
    begun = stream.read(BLOCK)
    check_signature(path, name, begun)
    check_encoding(path, begun if len(begun) < BLOCK else begun[: begun.rfind(b"\n") + 1], form.encoding)
    separator, lines = separator_of(name, form), decode(path, begun, stream, form.encoding)
    if form.escape:
        lines = (keep_other_backslashes(line.encode(), separator).decode() for line in lines)
    full, literal = Fullness(rows), form.quotes == "literal"
    for part in iter_rows(path, without_empty_end(lines, separator), separator, form, (), full, b'\\"' in begun):
        frame = part.frame.map(lambda value: value.replace(STAND_IN, "\r"))
        frame.columns = frame.columns.str.replace(STAND_IN, "\r")
        yield part._replace(frame=frame.map(unwrap).rename(columns=unwrap) if literal else frame)


def check_encoding(path: Path, begun: bytes, encoding: str) -> None:
    """An error where the beginning of a file shows that it is written in another encoding."""
    if is_utf8_name(encoding):
        check_utf8(path, begun)
    else:
        check_contradiction(path, begun, encoding)


def is_utf8_name(encoding: str) -> bool:
    """Whether it is a name of UTF-8."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def decode(path: Path, begun: bytes, stream: IO[bytes], encoding: str) -> Iterator[str]:
    """Lines of text with their ends; a lone carriage return is part of one, unless the whole file ends lines so."""
    after_lines = "\n" if b"\n" in begun else ""
    joined: Any = io.BufferedReader(Joined(begun, stream))
    lines = io.TextIOWrapper(joined, "utf-8-sig" if is_utf8_name(encoding) else encoding, newline=after_lines)
    done = 0
    try:
        for line in lines:
            done += 1
            yield LONE_RETURN.sub(STAND_IN, line) if after_lines and "\r" in line else line
    except UnicodeError as error:
        what = f"{error.reason} ({encoding})" if isinstance(error, UnicodeDecodeError) else str(error)
        raise InputError(
            f"{path}: behind line {done:,}: {what}; save it in the encoding of the competition's test table"
        ) from error


class Joined(io.RawIOBase):
    """A stream from its beginning on, some of which was read already."""

    def __init__(self, begun: bytes, stream: IO[bytes]) -> None:
        self.begun, self.stream = io.BytesIO(begun), stream

    def readable(self) -> bool:
        """`io.RawIOBase` asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, as far as that goes."""
        data = self.begun.read(len(buffer)) or self.stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def without_empty_end(lines: Iterator[str], separator: str) -> Iterator[str]:
    """Lines without the last ones that are nothing but separators: spreadsheets save rows that were used once."""
    held: list[str] = []
    for line in lines:
        plain = line.strip("\r\n")
        if plain and not plain.replace(separator, ""):
            held.append(line)
            continue
        yield from held
        held.clear()
        yield line


def json_parts(path: Path, stream: IO[bytes], rows: int) -> Iterator[Rows]:
    """Of an object a line."""
    lines: list[bytes] = []
    before, size, names, first = 0, 0, None, True
    for line in chain(stream, [b""]):
        lines.append(line)
        size += len(line)
        if line and len(lines) < rows and size < PART_CHARACTERS:
            continue
        if b"".join(lines).strip() or first:
            check_utf8(path, content := b"".join(lines))
            part = read_json(path, content, before)
            names = part.frame.columns if names is None else names
            yield part._replace(
                frame=part.frame.reindex(columns=names.union(part.frame.columns, sort=False), fill_value="")
            )
        before, size, lines, first = before + len(lines), 0, [], False


def line_parts(stream: IO[bytes], columns: Sequence[str], rows: int = PART_ROWS) -> Iterator[Table]:
    """Texts on standard input, one a line; those of several columns with tabs between."""
    found: list[list[str]] = []
    starts: list[int] = []
    full, number = Fullness(rows), 0
    for number, line in enumerate(stream, start=1):
        found.append(split_line(line, number, columns))
        starts.append(number)
        if full(len(found), found[-1]):
            yield as_table(found, columns, starts)
            found, starts = [], []
    if number == 0:
        raise InputError(f"{INPUT}: empty; give it a text a line")
    if found:
        yield as_table(found, columns, starts)


def split_line(line: bytes, number: int, columns: Sequence[str]) -> list[str]:
    """The texts of a line, one for each column."""
    errors = Errors(INPUT)
    try:
        text = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        errors.add(f"byte {line[error.start]:#04x} at position {error.start + 1} is not UTF-8; recode it", number)
        errors.raise_if_any()
    texts = [text] if len(columns) == 1 else text.split("\t")
    if len(texts) != len(columns):
        what = (
            f"{len(texts)} text{'s' * (len(texts) > 1)} where there are {len(columns)} columns ({', '.join(columns)})"
        )
        errors.add(f"{what}; put a tab between them, or give a table", number)
        errors.raise_if_any()
    return texts


def as_table(texts: list[list[str]], columns: Sequence[str], starts: list[int]) -> Table:
    """Texts of lines as a table."""
    return Table(INPUT, pd.DataFrame(texts, columns=list(columns), dtype=object), np.array(starts, dtype=np.int64))
