"""How a competition's files are written, found by `init` from their bytes and rows, each with what it rests on.

What it finds stands in `[files]` from then on: training reads the files so, and guesses nothing.
"""

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from foldwise.config import FilesSection, Format
from foldwise.data.delimited import DECLARED, ROW_NAMES, SEPARATORS, separator_of
from foldwise.data.encodings import guess_encoding
from foldwise.data.formats import JSON, check_signature, read_bytes, to_utf8
from foldwise.data.inspect_tables import Inference, Question, Tables
from foldwise.data.open_table import DECIMAL_COMMA, join_labels, point_decimals
from foldwise.data.table import Table, read_table
from foldwise.data.targets import parse_number
from foldwise.errors import InputError, check, list_names, shorten
from foldwise.paths import SUFFIXES, Paths

NAMES = ("train", "test", "sample_submission")
USUAL = ""  # a file shows that it is written as usual, where nothing found means that it does not show it
ROWS = 200  # that the separator is told from


class Found(NamedTuple):
    """How one file is written: values of `Format`, `USUAL`, or None where it does not show; and why."""

    values: dict[str, str | None]
    reasons: dict[str, str]
    table: Table


def inspect_files(paths: Paths, told: dict[str, Any]) -> tuple[Tables, dict[str, Inference]]:
    """The competition's three tables, with the labels in train, and what `[files]` must say to read them so.

    Args:
        told: keys of `[files]` that the user has given.
    """
    files = check(FilesSection, told, "init")
    names = [*NAMES, *["solution"] * bool(paths.tables("solution"))]
    found = {name: inspect_file(paths.table(name), files.format_of(name), told) for name in names}
    labels = None
    if told.get("labels") or not set(found["train"].table.frame) - set(found["test"].table.frame):
        labels, path = find_labels(paths, found, files, told)
        if path:
            found["labels"] = inspect_file(path, files.format_of("labels"), told)
    settings = {key: Inference(value, "as told") for key, value in told.items()}
    for key in Format._fields:
        of_each = {name: one.values.get(key) for name, one in found.items()}
        value = merge(of_each, key)
        if value and key not in told:
            reason = next(one.reasons[key] for one in found.values() if one.values.get(key))
            ours = {"separator": "commas", "decimal": "decimal points"}.get(key)
            settings[key] = Inference(value, f"{reason}; submission.csv has {ours}" if ours else reason)
    tables = {name: one.table for name, one in found.items()}
    if labels:
        settings["labels"] = labels
        tables["train"] = join_labels(tables["train"], tables["labels"], find_id(tables["train"], tables["labels"]))
    return Tables(*(tables[name] for name in NAMES)), settings


def merge(of_each: dict[str, str | None], key: str) -> str | dict[str, str] | None:
    """One value for all files, or one for each of those that are not written as usual; None where all are.

    >>> merge({"train": ";", "test": ";", "solution": None}, "separator")
    ';'
    >>> merge({"train": ";", "test": ""}, "separator")
    {'train': ';'}
    """
    shown = {name: value for name, value in of_each.items() if value is not None}
    odd = {name: value for name, value in shown.items() if value != USUAL}
    # Plain ASCII is the same in every encoding but in those of two bytes a letter.
    fits_all = key != "encoding" or not any(value.startswith("utf-16") for value in odd.values()) or odd == of_each
    if len(set(shown.values())) == 1 and fits_all:
        return next(iter(odd.values()), None)
    return odd or None


def inspect_file(path: Path, form: Format, told: dict[str, Any]) -> Found:
    """Read a file, with what it shows of how it is written where the user has not told it."""
    name, content = read_bytes(path)
    values: dict[str, str | None] = {}
    reasons: dict[str, str] = {}
    if not name.endswith(".parquet"):
        check_signature(path, name, content)
        if "encoding" not in told:
            guess = guess_encoding(path, content)
            if len(guess.names) > 1:
                raise Question(f"the encoding of {path.name}", "--encoding", guess.names[:4], guess.reason)
            if guess.names:
                values["encoding"] = USUAL if guess.names == ["utf-8"] else guess.names[0]
                form = form._replace(encoding=guess.names[0])
            reasons["encoding"] = guess.reason
        if "separator" not in told and not name.endswith(JSON):
            text = to_utf8(path, content, form.encoding).decode("utf-8-sig")
            values["separator"], reasons["separator"] = find_separator(text, name, path.name)
            form = form._replace(separator=values["separator"] or form.separator)
    table, escape = read_escaped(path, form, b'\\"' in content and "escape" not in told and not name.endswith(JSON))
    values["escape"], reasons["escape"] = escape, f"quotes in {path.name} have a backslash before them"
    may_have_commas = not name.endswith(JSON) and separator_of(name, form) != ","
    return find_decimals(Found(values, reasons, table), may_have_commas, told)


def find_separator(text: str, name: str, shown: str) -> tuple[str | None, str]:
    """What separates the columns: Excel's first line says it, or all rows have as many columns with it and more."""
    usual = separator_of(name, Format())
    first = text[: text.find("\n")].strip('"\r')
    if declared := DECLARED.fullmatch(first):
        return (USUAL if declared[1] == usual else declared[1]), f"{shown} begins with Excel's {shorten(first)}"
    widths = {separator: columns(text, separator) for separator in (usual, *SEPARATORS.replace(usual, ""), " ")}
    if widths[usual] > 1:
        return USUAL, ""
    best = max(widths, key=lambda separator: widths[separator])
    if widths[best] < 2:
        return None, ""
    return best, f"{shown} has {widths[best]} columns in every row with it, and not with {shorten(usual)}"


def columns(text: str, separator: str) -> int:
    """How many columns the first rows have with a separator; 0 where they differ, but for one more than the header."""
    rows = csv.reader(cut(text), delimiter=separator, escapechar="\\" if '\\"' in text else None)
    try:
        header, *widths = [len(row) for row in islice(filter(None, rows), ROWS)] or [0]
    except csv.Error:
        return 0
    return header if set(widths) in ({header}, {header + 1}) else 0


def cut(text: str) -> Iterator[str]:
    """The lines of a text, with their ends."""
    return iter(io.StringIO(text, newline=""))


def read_escaped(path: Path, form: Format, may_escape: bool) -> tuple[Table, str | None]:
    """The table, and the escape that it takes to read it."""
    try:
        return read_table(path, form), None
    except InputError:
        if not may_escape or form.quotes == "literal":
            raise
        try:
            return read_table(path, form._replace(escape="\\")), "\\"
        except InputError as again:
            if ROW_NAMES in str(again):  # which it took the escape to see
                raise
        raise


def find_decimals(found: Found, may_have_commas: bool, told: dict[str, Any]) -> Found:
    """With decimal points where columns of numbers have commas, and that said; a comma may also mean thousands."""
    table, frame = found.table, found.table.frame
    with_commas = [name for name in frame.columns if may_have_commas and has_decimal_commas(frame[name])]
    if told.get("decimal") == ".":
        return found
    if with_commas:
        found.values["decimal"] = ","
        example = next(value for value in frame[with_commas[0]] if "," in value)
        reason = f"{shorten(example)} in column {with_commas[0]} of {table.path.name} is a number so"
        found.reasons["decimal"] = reason
    elif any(has_decimal_points(frame[name]) for name in frame.columns):
        found.values["decimal"] = USUAL
    return found._replace(table=point_decimals(table, with_commas))


def has_decimal_commas(values: pd.Series) -> bool:
    """Whether a column is numbers, some with a decimal comma: one that is not before three digits in all of them."""
    shown = [value for value in values.unique() if value.strip()]
    commas = [value for value in shown if DECIMAL_COMMA.fullmatch(value)]
    if not commas or not all(DECIMAL_COMMA.fullmatch(value) or parse_number(value) is not None for value in shown):
        return False
    return any(len(value.strip().partition(",")[2]) != 3 or value.strip().startswith("0,") for value in commas)


def has_decimal_points(values: pd.Series) -> bool:
    """Whether a column is numbers, some with a decimal point."""
    shown = values.unique()
    return all(parse_number(value) is not None for value in shown) and any("." in value for value in shown)


def find_labels(
    paths: Paths, found: dict[str, Found], files: FilesSection, told: dict[str, Any]
) -> tuple[Inference | None, Path | None]:
    """The file that holds the labels of the training rows, which it names by the ids of train."""
    if told.get("labels"):
        return Inference(told["labels"], "as told"), paths.table("labels")
    train = found["train"].table
    possible: dict[str, Path] = {}
    for path in sorted(paths.input.iterdir()):
        suffix = next((ending for ending in SUFFIXES if path.name.endswith(ending) and ending != ".zip"), "")
        if not suffix or path in [one.table.path for one in found.values()]:
            continue
        try:
            table = inspect_file(path, files.format_of("labels"), told).table
        except InputError:
            continue  # some other file
        if shared_id(train, table) and set(table.frame) - set(train.frame):
            possible[path.name.removesuffix(suffix)] = path
    if len(possible) > 1:
        raise Question("which file holds the labels", "--labels", list(possible), "each has the ids of train")
    if not possible:
        return None, None
    ((stem, path),) = possible.items()
    return Inference(stem, f"train has no column that test has not, and {path.name} has its ids and more"), path


def find_id(train: Table, labels: Table) -> str:
    """The column by which the labels that the user has told are joined, whether or not all rows have partners."""
    shared = [name for name in labels.frame.columns if name in train.frame.columns]
    likely = [shared_id(train, labels)] if shared_id(train, labels) else shared
    if len(likely) != 1:
        columns = f"{train.path.name} has {list_names(train.frame.columns)}"
        raise InputError(
            f"{labels.path}: one column must name the rows of train; {columns}, this {list_names(labels.frame.columns)}"
        )
    return likely[0]


def shared_id(train: Table, labels: Table) -> str:
    """The column by which the rows of two files are joined; "" for none or several."""
    shared = [name for name in labels.frame.columns if name in train.frame.columns and labels.frame[name].is_unique]
    same = [name for name in shared if set(labels.frame[name]) == set(train.frame[name])]
    return same[0] if len(same) == 1 else ""
