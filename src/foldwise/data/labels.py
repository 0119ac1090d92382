"""Labels as they are written: in the cells of the training table, and in those and the header of the sample."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby

import numpy as np

from foldwise.config import Config
from foldwise.data.table import Table
from foldwise.errors import Errors, InputError, list_names, shorten
from foldwise.tasks import TASKS

WHOLE = re.compile(r"(-?(?:0|[1-9]\d*))(\.0*)?\Z")  # a whole number, and how its fraction of none is written
NO_LABEL = 'missing target; fix the row, or leave such rows out by [columns] missing_targets = "drop"'
UNKNOWN = {"", "na", "n/a", "nan", "null", "none"}  # numbers that nobody knows, as R, pandas and databases write them


def is_missing(value: str, words: bool = False) -> bool:
    """Whether a cell holds no target; where labels are words only an empty one does: `None` may be a class."""
    text = value.strip()
    return text == "" if words else text.casefold() in UNKNOWN


def has_names(config: Config) -> bool:
    """Whether what is predicted has names of its own, as classes have, and labels in a cell."""
    return TASKS[config.competition.task].named or config.columns.separator is not None


def are_words(config: Config) -> bool:
    """Whether the cells of the target hold labels as words; else numbers, such as 0 and 1."""
    columns = config.columns
    return len(columns.target) == 1 and (has_names(config) or columns.positive is not None)


def labelled_rows(table: Table, config: Config) -> np.ndarray:
    """(n,) int64 rows to keep: all, unless `missing_targets` leaves out those whose targets are not known.

    With "mask" a row of several targets stays while one of them is known; of several classes it needs all.
    """
    columns, spec = config.columns, TASKS[config.competition.task]
    if columns.missing_targets == "error":
        return np.arange(len(table))
    words = are_words(config)
    missing = np.column_stack([[is_missing(value, words) for value in table.column(name)] for name in columns.target])
    needs_all = columns.missing_targets == "drop" or spec.named
    kept = np.flatnonzero(~(missing.any(axis=1) if needs_all else missing.all(axis=1)))
    if not len(kept):
        raise InputError(f"{table.path}: no row has a target in {list_names(columns.target)}; is it the right file?")
    return kept


def spelling(label: str) -> str:
    """What labels that look alike share: blanks, the form of accents and a fraction of none do not count.

    >>> spelling(" pos"), spelling("1.0"), spelling("01")
    ('pos', '1', '01')
    """
    text = " ".join(unicodedata.normalize("NFC", label).split())
    whole = WHOLE.match(text)
    return whole[1] if whole else text


def check_alike(table: Table, column: str, rows: Mapping[str, int]) -> None:
    """An error that lists labels which look alike: they would be told apart as classes, unseen.

    Args:
        rows: how many rows each label has.
    """
    errors = Errors(table.path)
    for _, group in groupby(sorted(rows, key=lambda label: (spelling(label), label)), key=spelling):
        alike = list(group)
        if len(alike) > 1:
            composed = all(unicodedata.is_normalized("NFC", label) for label in alike)
            seen = [f"{shorten(label) if composed else ascii(label)} ({rows[label]:,} rows)" for label in alike]
            shown = list_names(seen, quoted=False)
            errors.add(f"labels {shown} look alike; write them alike in the file", column=column)
    errors.raise_if_any()


def read_one_hot(table: Table, names: Sequence[str], ones: np.ndarray) -> np.ndarray:
    """(N,) int64 class numbers of (N, C) zeros and ones: each row has a 1 in the column of its class, and no other."""
    errors = Errors(table.path)
    for row in np.flatnonzero(ones.sum(axis=1) != 1).tolist():
        what = f"{int(ones[row].sum())} of the columns {list_names(names)} are 1, and a row has one class"
        errors.add(f"{what}; fix the row, or make the task multilabel", int(table.lines[row]))
    errors.raise_if_any()
    return ones.argmax(axis=1)


def split_cell(cell: str, separator: str) -> list[str]:
    """The labels of a cell, each once, without the blanks around them."""
    parts = cell.split() if separator == " " else map(str.strip, cell.split(separator))
    return list(dict.fromkeys(part for part in parts if part))


def read_tags(table: Table, column: str, separator: str, known: Sequence[str] | None) -> tuple[list[str], np.ndarray]:
    """The labels of all cells, sorted or as `known`, and (N, C) float32 of 0 and 1: which of them a row has."""
    cells = {cell: split_cell(cell, separator) for cell in set(table.column(column))}
    wrong = {cell: NO_LABEL for cell, labels in cells.items() if not labels}
    if known is not None:
        for cell, labels in cells.items():
            if unknown := [label for label in labels if label not in known]:
                wrong[cell] = f"label {shorten(unknown[0])} is not in the training table"
    table.refuse({column: wrong})
    names = list(known or sorted(set().union(*cells.values())))
    place = {name: index for index, name in enumerate(names)}
    ones = np.zeros((len(table), len(names)), dtype=np.float32)
    for row, cell in enumerate(table.column(column)):
        ones[row, [place[label] for label in cells[cell]]] = 1
    check_alike(table, column, dict(zip(names, ones.sum(axis=0).astype(int).tolist(), strict=True)))
    return names, ones


def read_positive(
    table: Table, column: str, positive: str, known: tuple[str, ...] | None
) -> tuple[tuple[str, str], np.ndarray]:
    """The two labels, the positive one second, and (N, 1) float32, 1 where a row has the positive one.

    Args:
        known: the two as another table has them, of which this one may lack one.
    """
    values = table.column(column)
    table.refuse({column: {value: NO_LABEL for value in set(values) if is_missing(value, words=True)}})
    labels = sorted(set(values))
    if known:
        strange = [label for label in labels if label not in known]
        what = f"is none of the training table's labels, {list_names(known)}; correct it"
        table.refuse({column: {label: f"{shorten(label)} {what}" for label in strange}})
        return (known[0], known[1]), np.array([value == positive for value in values], dtype=np.float32)[:, None]
    if known is None:
        check_alike(table, column, Counter(values))
    others = [label for label in labels if label != positive]
    what = f"{table.path}: column {column} has the labels {list_names(labels)}"
    if positive not in labels and known is None:
        raise InputError(f"{what}; [columns] positive = {shorten(positive)} is none of them")
    if len(others) > 1:
        raise InputError(f"{what}: with [columns] positive there must be two; make the task multiclass")
    if not others and known is None:
        what = f"every row has the label {shorten(positive)}; there is nothing to learn"
        raise InputError(f"{table.path}: column {column}: {what}")
    ones = np.array([value == positive for value in values], dtype=np.float32)[:, None]
    return (others[0] if others else "", positive), ones


def write_like(sample: Iterable[str], labels: Sequence[str]) -> list[str]:
    """Labels that are whole numbers as the sample writes such numbers, others as they are.

    >>> write_like(["0.0", "1.0"], ["0", "1"]), write_like(["ham"], ["ham", "spam"]), write_like(["0"], ["01", "02"])
    (['0.0', '1.0'], ['ham', 'spam'], ['01', '02'])
    """
    numbers, cells = [WHOLE.match(label) for label in labels], [WHOLE.match(cell.strip()) for cell in set(sample)]
    endings = {cell[2] or "" for cell in cells if cell}
    if len(endings) != 1 or None in cells or None in numbers:
        return list(labels)
    ending = endings.pop()
    return [number[1] + ending for number in numbers if number]


def find_pattern(names: Sequence[str], given: Collection[str]) -> str | None:
    """What turns names of classes or targets into the sample's columns, such as `label_*`; None if nothing does.

    >>> find_pattern(["cat", "dog"], ["label_dog", "label_cat"]), find_pattern(["cat", "dog"], ["cat", "cow"])
    ('label_*', None)
    """
    for column in given:
        start = column.find(names[0])
        while start >= 0:
            before, after = column[:start], column[start + len(names[0]) :]
            if {f"{before}{name}{after}" for name in names} == set(given):
                return f"{before}*{after}"
            start = column.find(names[0], start + 1)
    return None


def apply_pattern(pattern: str, names: Sequence[str]) -> list[str]:
    """The sample's columns of these names."""
    return [pattern.replace("*", name) for name in names]
