"""What is given to predict: texts and numbers of a table, or of Python's own values, and the labels that come of it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from foldwise.config import Config
from foldwise.data.competition import ToPredict
from foldwise.data.features import read_texts
from foldwise.data.labels import has_names
from foldwise.data.open_table import point_decimals, refuse_commas
from foldwise.data.records import to_text
from foldwise.data.table import Table, check_columns, rename_columns
from foldwise.data.targets import NUMBER, Targets, encode_numbers
from foldwise.ensembling.submission import write_labels
from foldwise.errors import Errors, InputError, did_you_mean, list_names, shorten
from foldwise.metrics import submitted_values

HERE = Path("texts")  # what messages call a table that is in memory


class Given(NamedTuple):
    """n rows to predict."""

    ids: list[str]
    texts: list[list[str]]  # of each column that is read, as in `ToPredict`
    features: np.ndarray  # (n, d) float64 of the columns given as features


def take_columns(config: Config, table: Table, before: int = 0) -> Given:
    """Texts, features and ids of a table's rows; without an id column what names their images, or numbers from 1, after
    `before` others.

    Other columns may stand in it. `InputError` for a column that is missing, and for a feature that is no number.
    """
    columns, form = config.columns, config.files.format_of("test")
    table = Table(table.path, rename_columns(table.frame, columns.renamed), table.lines, table.unit)
    wanted = [*columns.read, *columns.features]
    known = {*wanted, columns.id, columns.group, *columns.target, *columns.ignore}
    if columns.text and len(table.frame.columns) == 1 and not known & {*table.frame.columns} and table.path != HERE:
        lines = f"if these are texts without a name above them: ./run.sh predict -c … < {table.path.name}"
        fix = did_you_mean(wanted[0], table.frame.columns, lines)
        raise InputError(f"{table.path}: no column {wanted[0]!r}; {fix}")
    check_columns(table, wanted, table.frame.columns)
    if form.decimal == ",":
        table = point_decimals(table, columns.features)
    elif form.separator not in (None, ","):
        refuse_commas(table, columns.features)
    features = encode_numbers(table, columns.features, NUMBER, empty=np.nan)
    named = columns.id if columns.id in table.frame.columns else columns.image
    ids = table.column(named) if named is not None else list(map(str, range(before + 1, before + len(table) + 1)))
    return Given(ids, read_texts(table, columns, table.path.parent), features)


def as_table(config: Config, texts: Any) -> Table:
    """A list of texts, or a table of columns as a DataFrame or a dict, as a table of strings."""
    wanted = [*config.columns.read, *config.columns.features]
    if isinstance(texts, pd.DataFrame):
        names = list(map(str, texts.columns))
        if twice := next((name for name in wanted if names.count(name) > 1), None):
            raise InputError(f"{HERE}: several columns {twice!r}; give one")
        columns = {name: texts.iloc[:, place].tolist() for place, name in enumerate(names)}
    elif isinstance(texts, Mapping):
        columns = {str(name): list_values(values, f"{HERE}, column {name}") for name, values in texts.items()}
    elif len(wanted) > 1:
        raise InputError(f"{HERE}: a list, and this competition reads {list_names(wanted)}; give a DataFrame of these")
    else:
        columns = {wanted[0]: list_values(texts, str(HERE))}
    sizes = {len(values) for values in columns.values()}
    if len(sizes) > 1:
        raise InputError(f"{HERE}: columns of {' and '.join(map(str, sorted(sizes)))} rows; make them equally long")
    errors, strings = Errors(HERE, unit="row"), {name: [""] * len(values) for name, values in columns.items()}
    for name in {*wanted, config.columns.id, *config.columns.renamed} & set(columns):
        for row, value in enumerate(columns[name]):
            text = None if isinstance(value, np.ndarray) else to_text(None if value is pd.NA else value)
            if text is None:
                errors.add(f"{shorten(value)} is no text; give a str", row + 1, name)
            else:
                strings[name][row] = text
    errors.raise_if_any()
    count = max(sizes, default=0)
    return Table(HERE, pd.DataFrame(strings, dtype=object, index=range(count)), np.arange(1, count + 1), "row")


def list_values(values: Any, where: str) -> list[Any]:
    """The values of a column; InputError for a single one, whose letters a loop would take for texts."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InputError(f"{where}: {shorten(values)} is no list; give a list of texts")
    return list(values)


def label_columns(config: Config, targets: Targets) -> list[str]:
    """What columns of labels, or of values, are called: as in the training table."""
    return list(config.columns.target) if targets.spec.named or has_names(config) else targets.columns


def label_cells(config: Config, targets: Targets, predictions: np.ndarray, thresholds: np.ndarray) -> list[list[str]]:
    """Of each of `label_columns` the n labels, written as in the training table; values as they are submitted."""
    if targets.spec.y == "values" and not targets.spec.ordered:
        values = submitted_values(config.competition.metric, targets.task, predictions)
        return [[repr(value) for value in column.tolist()] for column in values.T]
    columns = label_columns(config, targets)
    known = pd.DataFrame({name: list(targets.written if not has_names(config) else targets.names) for name in columns})
    return write_labels(config, targets, ToPredict([], [], np.empty(0), known, columns), predictions, thresholds)


def labels_of(config: Config, targets: Targets, predictions: np.ndarray, thresholds: np.ndarray) -> Any:
    """Labels as Python has them.

    Returns:
        - classes, and a binary target of two words: (n,) array of the labels as str
        - a binary target of 0 and 1: (n,) int64; several such targets, or a column for each class: (n, C) int64
        - several labels in a cell: a list of the labels of each row
        - values: (n, C) float64, of one target (n,)
    """
    if targets.spec.y == "values" and not targets.spec.ordered:
        values = submitted_values(config.competition.metric, targets.task, predictions)
        return values[:, 0] if values.shape[1] == 1 else values
    cells = label_cells(config, targets, predictions, thresholds)
    if has_names(config) and len(cells) == 1:
        separator = config.columns.separator
        if separator is None:
            return np.array(cells[0], dtype=object)
        return [cell.split(separator) if cell else [] for cell in cells[0]]
    if targets.written != ("0", "1"):
        return np.array(cells[0], dtype=object)
    numbers = np.array(cells, dtype=np.int64).T
    return numbers[:, 0] if numbers.shape[1] == 1 else numbers
