"""A competition's tables, read together and checked against each other and against competition.toml."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from foldwise.config import Config
from foldwise.data.features import join_texts
from foldwise.data.table import Table, check_columns, check_unique, read_table
from foldwise.data.targets import NUMBER, Targets, encode_extras, encode_numbers, encode_targets
from foldwise.errors import Errors, InputError, shorten
from foldwise.paths import Paths

DEBUG_ROWS = 200
TableName = Literal["train", "test", "sample_submission", "solution"]


@dataclass(frozen=True)
class ToPredict:
    """What the contest asks for: the test table and the sample, checked against each other."""

    ids: list[str]  # M, in file order
    texts: list[list[str]]  # of each text column the texts of the rows
    features: np.ndarray  # (M, D) float64 of the columns given as features; NaN where a cell is empty
    sample: pd.DataFrame  # sample_submission.csv, whose ids are the same in any order
    sample_columns: list[str]  # its prediction columns, in the order of the outputs; one for hard labels


@dataclass(frozen=True)
class Competition:
    """What the stages work on: N training rows and M to predict, each described as in `ToPredict`."""

    train_ids: list[str]
    train_texts: list[list[str]]
    features: np.ndarray  # (N + M, D)
    targets: Targets
    groups: list[str] | None
    test_ids: list[str]
    test_texts: list[list[str]]
    sample: pd.DataFrame
    sample_columns: list[str]
    empty: dict[str, int]  # how many rows of train and test have no text at all


def load_competition(config: Config, paths: Paths, debug: bool = False) -> Competition:
    """Read and check train, test and sample_submission.

    Args:
        debug: keep the first rows of a seeded shuffle only; classes are still those of the whole file.

    Raises:
        InputError: any error of any of the files.
    """
    columns = config.columns
    train, test, sample = (open_table(config, paths, name) for name in ("train", "test", "sample_submission"))
    check_columns(train, [*columns.of_both, *columns.of_train], columns.ignore)
    check_unique(train, columns.id)
    targets = encode_extras(train, config, encode_targets(train, config))
    asked = check_test(config, test, sample, targets, train.path.name)
    if debug:  # after the whole tables have passed their checks
        rng = np.random.default_rng(0)
        rows, test_rows = (np.sort(rng.permutation(len(table))[:DEBUG_ROWS]) for table in (train, test))
        train, targets = train.take(rows), targets.take(rows)
        test = test.take(test_rows)
        sample = sample.take(np.flatnonzero(sample.frame[columns.id].isin(test.column(columns.id))))
        asked = check_test(config, test, sample, targets, train.path.name)
    train_texts = [train.column(name) for name in columns.text]
    return Competition(
        train_ids=train.column(columns.id),
        train_texts=train_texts,
        features=np.vstack([read_features(train, columns.features), asked.features]),
        targets=targets,
        groups=train.column(columns.group) if columns.group else None,
        test_ids=asked.ids,
        test_texts=asked.texts,
        sample=asked.sample,
        sample_columns=asked.sample_columns,
        empty={"train": count_empty(train_texts), "test": count_empty(asked.texts)},
    )


def load_test(config: Config, paths: Paths, targets: Targets) -> ToPredict:
    """Read and check test and sample_submission alone; `targets` may be of no rows."""
    test, sample = (open_table(config, paths, name) for name in ("test", "sample_submission"))
    return check_test(config, test, sample, targets, "the training table")


def check_test(config: Config, test: Table, sample: Table, targets: Targets, train: str) -> ToPredict:
    """Hold test and sample against each other and against what the training table, called `train`, gave."""
    columns = config.columns
    check_columns(test, columns.of_both, [*columns.ignore, *columns.of_train])
    check_unique(test, columns.id)
    sample_columns = check_sample(config, sample, targets, train)
    for table, other in ((test, sample), (sample, test)):
        fix = f"is not in {other.path.name}; download both again"
        check_values(table, columns.id, set(other.frame[columns.id]), "id", fix)
    return ToPredict(
        ids=test.column(columns.id),
        texts=[test.column(name) for name in columns.text],
        features=read_features(test, columns.features),
        sample=sample.frame,
        sample_columns=sample_columns,
    )


def count_empty(texts: Sequence[Sequence[str]]) -> int:
    """How many rows have no text in any column."""
    return sum(not text.strip() for text in join_texts(texts))


def open_table(config: Config, paths: Paths, name: TableName) -> Table:
    """One of the competition's tables, written as `[files]` says; with an id column if it has none."""
    columns = config.columns
    unused = set(columns.ignore) - {*columns.of_both, *columns.of_train}
    table = read_table(paths.table(name), config.files.quotes, unused if name in ("train", "test") else ())
    if name in config.files.numbered:
        if columns.id in table.frame.columns:
            raise InputError(f"{table.path}: has a column {columns.id!r}; take {name!r} out of [files] numbered")
        table.frame.insert(0, columns.id, [str(number) for number in range(1, len(table) + 1)])
    return table


def read_features(table: Table, columns: list[str]) -> np.ndarray:
    """(N, D) float64; NaN where a cell is empty."""
    errors = Errors(table.path)
    features = encode_numbers(table, columns, errors, NUMBER, empty=np.nan)
    errors.raise_if_any()
    return features


def check_sample(config: Config, sample: Table, targets: Targets, train: str) -> list[str]:
    """The prediction columns of the sample, in the order of the model's outputs.

    A single column may have any name (train says `target`, the sample `prediction`); several must be the target
    columns, or the classes of a multiclass task. Columns that the test set has too (its text, say) stay as they are.
    Labels in the sample must be classes of train, but for one placeholder that stands in every row.
    """
    id_column, kind = config.columns.id, config.submission.kind
    others = [*config.columns.text, *config.columns.features, *config.columns.ignore]
    given = [name for name in sample.frame.columns if name not in (id_column, *others)]
    names_asked = targets.spec.named and kind == "label"
    expected = config.columns.target if names_asked else targets.columns
    lacking = sorted(set(given) - set(targets.names))
    if lacking and targets.spec.named and kind == "probability":
        raise InputError(
            f"{sample.path}: asks for the classes {', '.join(map(repr, lacking))}, which no row of {train} "
            f"has ({', '.join(map(repr, targets.names))}); is it the whole file, and are the labels spelt alike?"
        )
    columns = given if len(expected) == len(given) == 1 else expected
    check_columns(sample, [id_column, *columns], others)
    check_unique(sample, id_column)
    if names_asked and sample.frame[columns[0]].nunique() > 1:
        fix = "has no row in the training table; are labels spelt alike?"
        check_values(sample, columns[0], set(targets.names), "class", fix)
    return columns


def check_values(table: Table, column: str, known: set[str], what: str, fix: str) -> None:
    """An error for each value of a column that is not among the known ones."""
    errors = Errors(table.path)
    for row in np.flatnonzero(~table.frame[column].isin(known)).tolist():
        errors.add(f"{what} {shorten(table.frame[column].iloc[row])} {fix}", int(table.lines[row]), column)
    errors.raise_if_any()
