"""One of a competition's tables as competition.toml says it is: written in its way, with ids, with labels joined."""

import re
from collections.abc import Collection
from dataclasses import replace

import pandas as pd

from foldwise.config import Config, TableName
from foldwise.data.labels import has_names
from foldwise.data.table import Table, check_unique, read_table, rename_columns
from foldwise.errors import InputError, close_names, list_names, shorten
from foldwise.paths import Paths
from foldwise.tasks import TASKS

DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*")


def open_table(config: Config, paths: Paths, name: TableName) -> Table:
    """A table written as `[files]` says; with an id column if it has none, and the labels of the training rows."""
    columns, files = config.columns, config.files
    form = files.format_of(name)
    unused = set(columns.ignore) - {*columns.of_both, *columns.of_train}
    table = read_table(paths.table(name), form, () if name in ("sample_submission", "solution", "folds") else unused)
    if name != "sample_submission" and columns.renamed:
        table = replace(table, frame=rename_columns(table.frame, columns.renamed))
    if name in files.numbered:
        table = number_rows(table, columns.id, name)
    check_id(table, columns.id, name)
    if form.decimal == ",":
        table = point_decimals(table, number_columns(config, table, name))
    elif form.separator not in (None, ","):
        refuse_commas(table, number_columns(config, table, name))
    if name == "train" and files.labels:
        return join_labels(table, open_table(config, paths, "labels"), columns.id)
    return table


def number_rows(table: Table, id_column: str, name: str) -> Table:
    """The table with an id column: its rows count from 1."""
    if id_column in table.frame.columns:
        raise InputError(f"{table.path}: has a column {id_column!r}; take {name!r} out of [files] numbered")
    frame = table.frame.copy(deep=False)
    frame.insert(0, id_column, [str(number) for number in range(1, len(table) + 1)])
    return replace(table, frame=frame)


def check_id(table: Table, id_column: str, name: str) -> None:
    """An error for a table that has no id, nor a column that is called nearly so."""
    present = list(table.frame.columns)
    if id_column not in present and not close_names(id_column, present):
        raise InputError(
            f"{table.path}: no column {id_column!r}; there are {list_names(present)}; set [columns] id to the one that "
            f'names the rows, or if there is none [files] numbered = ["{name}"]: rows then count from 1'
        )


def number_columns(config: Config, table: Table, name: TableName) -> list[str]:
    """The columns of a table that hold numbers. In the sample that is whatever is to be predicted, by any name."""
    columns = config.columns
    words = {columns.id, *columns.read, columns.group, *columns.ignore}
    ordered = TASKS[config.competition.task].ordered
    if (has_names(config) or columns.positive is not None) and not ordered:  # labels may be anything
        words |= {*columns.target, *(table.frame.columns if config.submission.kind == "label" else ())}
    numbers = set(table.frame.columns) if name == "sample_submission" else {*columns.features, *columns.of_train}
    return [column for column in table.frame.columns if column in numbers - words]


def point_decimals(table: Table, columns: Collection[str]) -> Table:
    """The table with decimal points where these columns have decimal commas; an error for each point there is."""
    frame, wrong = table.frame.copy(deep=False), {}
    for column in columns:
        values = frame[column].unique()
        pointed = {value: value.replace(",", ".") for value in values if DECIMAL_COMMA.fullmatch(value)}
        fix = "has a point, and [files] decimal says that numbers have commas; take it out for this table"
        wrong[column] = {value: f"{shorten(value)} {fix}" for value in values if re.fullmatch(r"[^,]*\d\.\d.*", value)}
        frame[column] = frame[column].map(lambda value, known=pointed: known.get(value, value))
    table.refuse(wrong)
    return replace(table, frame=frame)


def refuse_commas(table: Table, columns: Collection[str]) -> None:
    """An error for each number with a decimal comma: files with semicolons or tabs often have them."""
    fix = 'has a comma; if numbers of this table have decimal commas, set [files] decimal = ","'
    wrong = {}
    for column in columns:
        values = {value for value in table.frame[column] if "," in value and DECIMAL_COMMA.fullmatch(value)}
        wrong[column] = {value: f"{shorten(value)} {fix}" for value in values}
    table.refuse(wrong)


def join_labels(table: Table, labels: Table, id_column: str) -> Table:
    """The training rows with the columns of another file, row by row of the same id; an error for ids of one alone."""
    check_unique(table, id_column)
    check_unique(labels, id_column)
    if twice := [name for name in labels.frame.columns if name in table.frame.columns and name != id_column]:
        raise InputError(
            f"{labels.path}: {list_names(twice)} is also in {table.path.name}; leave it out of one, or list it as "
            "[columns] ignore"
        )
    for one, other in ((table, labels), (labels, table)):
        alone = one.frame[id_column][~one.frame[id_column].isin(other.frame[id_column])]
        fix = f"has no row in {other.path.name}; remove the row, or add its partner"
        one.refuse({id_column: {row_id: f"id {shorten(row_id)} {fix}" for row_id in alone}})
    places = pd.Index(labels.frame[id_column]).get_indexer(table.frame[id_column])
    beside = labels.take(places)
    values = beside.frame.drop(columns=id_column).set_axis(table.frame.index)
    joined = replace(beside, frame=values)
    return replace(table, frame=pd.concat([table.frame, values], axis=1), joined=joined)
