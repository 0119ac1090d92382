"""How a competition's labels are written: what is empty, several in a cell, the positive one, the sample's columns."""

import re
from collections.abc import Iterable, Sequence

from foldwise.data.inspect_tables import Inference, Tables, question
from foldwise.data.labels import find_pattern, is_missing, split_cell
from foldwise.data.table import Table
from foldwise.data.targets import parse_number
from foldwise.errors import list_names
from foldwise.metrics import METRICS

SEPARATORS = ("|", ";", ",", "#", "/", " ")
SURE = ("|", ";")  # which names of classes do not have
MANY = 3  # times as many different cells as labels in them are too many to be classes
YES = {"1", "true", "t", "yes", "y", "positive", "pos", "spam"}  # what the positive one of two labels is called


def values_of(table: Table, columns: Sequence[str]) -> set[str]:
    """The different values of some columns without the empty ones; beside numbers `NA` and its like are empty."""
    filled = {value for name in columns for value in set(table.column(name)) if not is_missing(value, words=True)}
    known = {value for value in filled if not is_missing(value)}
    return known if known and all(parse_number(value) is not None for value in known) else filled


def infer_missing(train: Table, columns: Sequence[str], task: str) -> Inference | None:
    """What to do with rows without a target, where there are any."""
    words = any(parse_number(value) is None for value in values_of(train, columns))
    empty = [[is_missing(value, words) for value in train.column(name)] for name in columns]
    lines = [int(line) for line, cells in zip(train.lines, zip(*empty, strict=True), strict=True) if any(cells)]
    if not lines or len(lines) == len(train):
        return None
    places = f"{len(lines):,} of {len(train):,} rows lack a target (line {list_names(map(str, lines), quoted=False)})"
    if len(columns) > 1 and task in ("multilabel", "regression"):
        return Inference("mask", f"{places}; what is known of them is learnt and scored")
    return Inference("drop", f"{places} and are left out")


def infer_separator(train: Table, target: Sequence[str], asked: Sequence[str]) -> Inference | None:
    """The character between several labels in the cells of a single target column, if there is one."""
    cells = values_of(train, target[:1])
    if len(target) > 1 or all(parse_number(cell) is not None for cell in cells):
        return None
    for separator in SEPARATORS:
        labels_of = {cell: split_cell(cell, separator) for cell in cells}
        labels = {label for of in labels_of.values() for label in of}
        several = {cell for cell, of in labels_of.items() if len(of) > 1}
        alone = labels & {of[0] for of in labels_of.values() if len(of) == 1}
        enough = separator in SURE or alone == labels or len(cells) >= MANY * len(labels)
        if several and (set(asked) == labels or (len(labels) < len(cells) and enough and len(labels) > 1)):
            what = f"{len(cells):,} different cells hold {len(labels):,} labels: {list_names(sorted(labels))}"
            return Inference(separator, what)
    return None


def labels_in(train: Table, column: str, separator: str | None) -> set[str]:
    """The labels in the cells of a column, one or several each."""
    cells = values_of(train, [column])
    return cells if separator is None else {label for cell in cells for label in split_cell(cell, separator)}


def asks_for_two(
    tables: Tables, asked: Sequence[str], target: Sequence[str], metric: str | None, kind: str | None
) -> str:
    """Why two labels that are not 0 and 1 have a positive one among them; "" where they are classes alike."""
    labels = values_of(tables.train, target)
    if len(labels) != 2 or len(asked) != 1 or len(target) != 1:
        return ""
    if metric and METRICS[metric].prediction_type == "label" and "classes" not in METRICS[metric].fits:
        return f"{metric} scores one label of two"
    if kind == "probability" or (metric and METRICS[metric].prediction_type == "probability"):
        return "one column of the sample is to hold the probability of one of two labels"
    cells, words = set(tables.sample.column(asked[0])), any(parse_number(label) is None for label in labels)
    if words and not cells & labels and all(parse_number(cell) is not None for cell in cells):
        return f"{target[0]} has two labels, and the sample's {asked[0]} holds numbers"
    return ""


def infer_positive(tables: Tables, asked: Sequence[str], target: Sequence[str]) -> Inference | None:
    """Which of two labels is the positive one; None where they are 0 and 1."""
    labels = sorted(values_of(tables.train, target))
    numbers = [parse_number(label) for label in labels]
    if {*numbers} <= {0, 1} or len(labels) != 2:
        return None
    for name in (*asked, *target):
        named = [label for label in labels if label.casefold() in re.split(r"[\W_]+", name.casefold())]
        if len(named) == 1:
            return Inference(named[0], f"the column {name!r} is called so")
    if None not in numbers:
        return Inference(max(labels, key=float), "the greater of two numbers")
    usual = [label for label in labels if label.strip().casefold() in YES]
    if len(usual) == 1:
        return Inference(usual[0], f"of {list_names(labels)} the one that usually is")
    why = f"{list_names(labels)} are as likely"
    raise question("which label is the positive one", "--positive", list(labels), why)


def infer_pattern(asked: Sequence[str], names: Iterable[str]) -> Inference | None:
    """How the sample's columns are made of the names of classes or targets, where they are not the same."""
    names = sorted(names)
    if len(names) < 2 or set(asked) == set(names) or len(asked) != len(names):
        return None
    pattern = find_pattern(names, asked)
    if pattern is None:
        return None
    return Inference(pattern, f"the sample calls the columns of {list_names(names)} {list_names(sorted(asked))}")
