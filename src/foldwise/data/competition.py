"""A competition's tables, read together and checked against each other and against competition.toml."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from foldwise.config import Config
from foldwise.data.features import join_texts
from foldwise.data.table import Table, check_columns, check_unique, read_table
from foldwise.data.targets import Targets, encode_extras, encode_numbers, encode_targets
from foldwise.errors import Errors, InputError, shorten
from foldwise.paths import Paths

DEBUG_ROWS = 200
TableName = Literal["train", "test", "sample_submission", "solution"]


@dataclass(frozen=True)
class Competition:
    """What the stages work on.

    Attributes:
        train_ids, test_ids: ids in file order, N and M of them.
        train_texts, test_texts: of each text column the texts of the rows.
        features: (N + M, D) float64 of the columns given as features; NaN where a cell is empty.
        targets: encoded targets of the N training rows.
        groups: N group names, or None.
        sample: sample_submission.csv, whose ids are `test_ids` in any order.
        sample_columns: its prediction columns, in the order of the outputs (one column for hard labels).
        empty: how many rows of train and test have no text at all.
    """

    train_ids: list[str]
    train_texts: list[list[str]]
    features: np.ndarray
    targets: Targets
    groups: list[str] | None
    test_ids: list[str]
    test_texts: list[list[str]]
    sample: pd.DataFrame
    sample_columns: list[str]
    empty: dict[str, int]


@dataclass(frozen=True)
class ToPredict:
    """What the contest asks for: the test table and the sample, checked against each other.

    Attributes:
        ids: M ids in file order.
        texts: of each text column the texts of the rows.
        features: (M, D) float64 of the columns given as features; NaN where a cell is empty.
        sample: as `Competition.sample`.
        sample_columns: as `Competition.sample_columns`.
    """

    ids: list[str]
    texts: list[list[str]]
    features: np.ndarray
    sample: pd.DataFrame
    sample_columns: list[str]


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
    sample_columns = check_test(config, test, sample, targets, train.path.name)
    features = [read_features(table, columns.features) for table in (train, test)]
    if debug:
        rng = np.random.default_rng(0)
        kept = [np.sort(rng.permutation(len(table))[:DEBUG_ROWS]) for table in (train, test)]
        features = [part[rows] for part, rows in zip(features, kept, strict=True)]
        train, test, targets = train.take(kept[0]), test.take(kept[1]), targets.take(kept[0])
    train_texts, test_texts = ([table.column(name) for name in columns.text] for table in (train, test))
    test_ids = test.column(columns.id)
    return Competition(
        train_ids=train.column(columns.id),
        train_texts=train_texts,
        features=np.vstack(features),
        targets=targets,
        groups=train.column(columns.group) if columns.group else None,
        test_ids=test_ids,
        test_texts=test_texts,
        sample=sample.frame[sample.frame[columns.id].isin(test_ids)],
        sample_columns=sample_columns,
        empty={"train": count_empty(train_texts), "test": count_empty(test_texts)},
    )


def load_test(config: Config, paths: Paths, targets: Targets) -> ToPredict:
    """Read and check test and sample_submission alone.

    Args:
        targets: what a training table gave; that they are of no rows does not matter.

    Raises:
        InputError: any error of either file.
    """
    columns = config.columns
    test, sample = (open_table(config, paths, name) for name in ("test", "sample_submission"))
    sample_columns = check_test(config, test, sample, targets, "the training table")
    texts, features = [test.column(name) for name in columns.text], read_features(test, columns.features)
    return ToPredict(test.column(columns.id), texts, features, sample.frame, sample_columns)


def check_test(config: Config, test: Table, sample: Table, targets: Targets, train: str) -> list[str]:
    """Hold test and sample against each other and against what the training table gave.

    Args:
        train: what to call the training table in a message.

    Returns:
        The sample's prediction columns.

    Raises:
        InputError: any error of either table.
    """
    columns = config.columns
    check_columns(test, columns.of_both, [*columns.ignore, *columns.of_train])
    check_unique(test, columns.id)
    sample_columns = check_sample(config, sample, targets, train)
    check_same_ids(test, sample, columns.id)
    return sample_columns


def count_empty(texts: Sequence[Sequence[str]]) -> int:
    """How many rows have no text in any column."""
    return sum(not text.strip() for text in join_texts(texts))


def open_table(config: Config, paths: Paths, name: TableName) -> Table:
    """One of the competition's tables, written as `[files]` says; with an id column if it has none."""
    columns = config.columns
    unused = set(columns.ignore) - {*columns.of_both, *columns.of_train}
    without = unused if name in ("train", "test") else ()
    table = read_table(paths.table(name), config.files.quotes, without)
    if name not in config.files.numbered:
        return table
    id_column = config.columns.id
    if id_column in table.frame.columns:
        raise InputError(f"{table.path}: has a column {id_column!r}; take {name!r} out of [files] numbered")
    frame = table.frame.copy()
    frame.insert(0, id_column, [str(number) for number in range(1, len(frame) + 1)])
    return Table(table.path, frame, table.lines)


def read_features(table: Table, columns: list[str]) -> np.ndarray:
    """(N, D) float64; NaN where a cell is empty."""
    errors = Errors(table.path)
    features = encode_numbers(table, columns, errors, "a number", empty=np.nan)
    errors.raise_if_any()
    return features


def check_sample(config: Config, sample: Table, targets: Targets, train: str) -> list[str]:
    """The prediction columns of the sample, in the order of the model's outputs.

    A single column may have any name (train says `target`, the sample `prediction`); several must be the target
    columns, or the classes of a multiclass task. Columns that the test set has too (its text, say) stay as they are.

    Raises:
        InputError: the sample does not fit the task and the kind of submission, or has classes that train lacks.
    """
    id_column, kind = config.columns.id, config.submission.kind
    present = list(sample.frame.columns)
    check_unique(sample, id_column) if id_column in present else check_columns(sample, [id_column], present)
    others = [*config.columns.text, *config.columns.features, *config.columns.ignore]
    given = [name for name in present if name != id_column and name not in others]
    names_asked = targets.spec.named and kind == "label"
    expected = config.columns.target if names_asked else targets.columns
    lacking = sorted(set(given) - set(targets.names))
    if lacking and targets.spec.named and kind == "probability":
        raise InputError(
            f"{sample.path}: asks for the classes {', '.join(map(repr, lacking))}, which no row of {train} "
            f"has ({', '.join(map(repr, targets.names))}); is it the whole file, and are the labels spelt alike?"
        )
    if len(expected) != 1 or len(given) != 1:
        if sorted(given) != sorted(expected):
            check_columns(sample, [id_column, *expected], others)
        given = expected
    if names_asked:
        check_sample_labels(sample, given[0], targets.names)
    return given


def check_sample_labels(sample: Table, column: str, classes: list[str]) -> None:
    """The sample's labels are the classes of train, but for one placeholder that stands in every row.

    Raises:
        InputError: listing the rows.
    """
    values = sample.column(column)
    if len(set(values)) == 1:
        return
    errors = Errors(sample.path)
    for value, line in zip(values, sample.lines.tolist(), strict=True):
        if value not in classes:
            errors.add(
                f"class {shorten(value)} has no row in the training table; are labels spelt alike?", line, column
            )
    errors.raise_if_any()


def check_same_ids(test: Table, sample: Table, column: str) -> None:
    """Test and sample must hold the same ids; their order may differ.

    Raises:
        InputError: listing ids that only one of them has.
    """
    for table, other in ((test, sample), (sample, test)):
        theirs = set(other.frame[column])
        errors = Errors(table.path)
        for value, line in zip(table.frame[column], table.lines.tolist(), strict=True):
            if value not in theirs:
                errors.add(f"id {shorten(value)} is not in {other.path.name}; download both again", line, column)
        errors.raise_if_any()
