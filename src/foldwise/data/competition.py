"""A competition's tables, read together and checked against each other and against competition.toml (`InputError`)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from foldwise.config import Config
from foldwise.data.features import contents_of, read_texts
from foldwise.data.labels import apply_pattern, find_pattern, has_names, labelled_rows, split_cell, write_like
from foldwise.data.open_table import open_table
from foldwise.data.splits import number_folds
from foldwise.data.table import Table, check_columns, check_unique
from foldwise.data.targets import NUMBER, WEIGHT, Targets, encode_extras, encode_numbers, encode_targets, read_subgroups
from foldwise.errors import InputError, list_names, shorten
from foldwise.paths import Paths

DEBUG_ROWS = 200
OWN_FIX = "correct the column"


@dataclass(frozen=True)
class ToPredict:
    """What the contest asks for: the M rows of the test table, and the sample."""

    test_ids: list[str]  # M, in file order
    test_texts: list[list[str]]  # of each text column the texts of the rows, then paths of their images, if any
    features: np.ndarray  # (M, D) float64 of the columns given as features; NaN where a cell is empty
    sample: pd.DataFrame  # sample_submission.csv, whose ids are the same in any order
    sample_columns: list[str]  # its prediction columns, in the order of the outputs; one for hard labels


@dataclass(frozen=True)
class Competition(ToPredict):
    """What the stages work on: N training rows beside the M; `features` are (N + M, D)."""

    train_ids: list[str]
    train_texts: list[list[str]]
    targets: Targets
    groups: list[str] | None
    own_folds: np.ndarray | None = None  # (N,) int64 of `columns.fold`, as in the fold file
    extra: "ExtraRows | None" = None  # `features` are then (N + M + X, D)
    left_out: int = 0  # rows of the training table, for want of a target
    has_images: bool = False  # the last of the texts are paths of images

    @cached_property
    def contents(self) -> Sequence[str]:
        """N texts by which training rows are the same."""
        return contents_of(self.train_texts, self.has_images)

    @property
    def row_ids(self) -> list[str]:
        """Ids of the rows in the order of the tokens: training rows, test rows, extra ones."""
        return [*self.train_ids, *self.test_ids, *(self.extra.ids if self.extra else [])]


class ExtraRows(NamedTuple):
    """X further rows with labels, to be trained on beside or before the training rows; nothing is scored by them."""

    ids: list[str]
    texts: list[list[str]]  # of each text column the texts of the rows
    targets: Targets
    features: np.ndarray  # (X, D)
    weights: np.ndarray | None = None  # (X,) float32, where the table has `columns.weight`
    groups: list[str] | None = None  # where it has `columns.group`


class Solution(NamedTuple):
    """The true targets of the test rows, which the submission is scored against."""

    rows: np.ndarray  # (n,) int64 rows of the sample that count
    truth: np.ndarray  # of these rows, as `Targets.truth`


def load_competition(config: Config, paths: Paths, debug: bool = False) -> Competition:
    """Read and check the tables but the solution; with `debug` keep 200 random rows of each, but all classes."""
    columns = config.columns
    train, test, sample = (open_table(config, paths, name) for name in ("train", "test", "sample_submission"))
    check_columns(train, [*columns.of_both, *columns.of_train], columns.ignore)
    check_unique(train, columns.id)
    labelled = labelled_rows(train, config)
    left_out, train = len(train) - len(labelled), train.take(labelled)
    targets = encode_extras(train, config, encode_targets(train, config))
    check_weights(train, config, targets)
    own_folds = number_folds(train, columns.fold, config.recipe.folds.n, OWN_FIX) if columns.fold else None
    asked = check_test(config, paths, test, sample, targets, train.path.name)
    extra = read_extra(config, paths, targets, debug) if config.files.extra else None
    if debug:  # after the whole tables have passed their checks
        rng = np.random.default_rng(0)
        rows, test_rows = (np.sort(rng.permutation(len(table))[:DEBUG_ROWS]) for table in (train, test))
        train, targets, test = train.take(rows), targets.take(rows), test.take(test_rows)
        sample = sample.take(np.flatnonzero(sample.frame[columns.id].isin(test.column(columns.id))))
        asked = check_test(config, paths, test, sample, targets, train.path.name)
    features = encode_numbers(train, columns.features, NUMBER, empty=np.nan)
    return Competition(
        **vars(asked) | {"features": np.vstack([features, asked.features, *([extra.features] if extra else [])])},
        train_ids=train.column(columns.id),
        train_texts=read_texts(train, columns, paths.input),
        targets=targets,
        groups=train.column(columns.group) if columns.group else None,
        own_folds=None if debug else own_folds,
        extra=extra,
        left_out=left_out,
        has_images=columns.image is not None,
    )


def check_weights(train: Table, config: Config, targets: Targets) -> None:
    """Rows of weight 0 do not count: an `InputError` where none is left, or all that are left have the same target."""
    if targets.weights is None or (targets.weights > 0).all():
        return
    where, fix = f"{train.path}: column {config.columns.weight}", "take out [columns] weight, or correct the weights"
    counts = targets.weights > 0
    if not counts.any():
        raise InputError(f"{where}: every row weighs 0; there is nothing to learn; {fix}")
    truth = targets.truth[counts].reshape(counts.sum(), -1)
    names = [config.columns.target[0]] if targets.spec.named else targets.names
    constant = []
    for name, values in zip(names, truth.T, strict=False):  # subgroups come behind the targets
        known = values[np.isfinite(values)]
        if len(known) and np.ptp(known) == 0:
            value = targets.names[int(known[0])] if targets.spec.named else f"{known[0]:g}"
            constant.append(f"{name} = {shorten(value)}")
    some = targets.spec.y == "values" or config.columns.separator is not None  # then other columns may do
    if constant and (not some or len(constant) == len(names)):
        left = f"every row that weighs more than 0 ({counts.sum():,} of {len(counts):,}) has "
        raise InputError(f"{where}: {left}{list_names(constant, quoted=False)}; there is nothing to learn; {fix}")


def read_extra(config: Config, paths: Paths, targets: Targets, debug: bool) -> ExtraRows:
    """Read and check the table `extra` as the training table; only classes that this one has are legal."""
    columns, table = config.columns, open_table(config, paths, "extra")
    check_columns(table, [*columns.of_both, *columns.target], [*columns.ignore, *columns.of_train])
    check_unique(table, columns.id)
    table = table.take(labelled_rows(table, config))
    labels = encode_targets(table, config, targets.names, targets.written)
    if debug:
        rows = np.sort(np.random.default_rng(0).permutation(len(table))[:DEBUG_ROWS])
        table, labels = table.take(rows), labels.take(rows)
    weighed = columns.weight if columns.weight in table.frame.columns else None
    return ExtraRows(
        ids=table.column(columns.id),
        texts=read_texts(table, columns, paths.input),
        targets=labels,
        features=encode_numbers(table, columns.features, NUMBER, empty=np.nan),
        weights=encode_numbers(table, [weighed], WEIGHT)[:, 0].astype(np.float32) if weighed else None,
        groups=table.column(columns.group) if columns.group and columns.group in table.frame.columns else None,
    )


def load_test(config: Config, paths: Paths, targets: Targets) -> ToPredict:
    """Read and check test and sample_submission alone; `targets` may be of no rows."""
    test, sample = (open_table(config, paths, name) for name in ("test", "sample_submission"))
    return check_test(config, paths, test, sample, targets, "the training table")


def check_test(config: Config, paths: Paths, test: Table, sample: Table, targets: Targets, train: str) -> ToPredict:
    """Hold test and sample against each other and against what the training table, called `train`, gave."""
    columns = config.columns
    others = test.frame.columns if test.path == sample.path else [*columns.ignore, *columns.of_train]
    check_columns(test, columns.of_both, others)
    check_unique(test, columns.id)
    sample_columns = check_sample(config, sample, targets, train)
    for table, other in ((test, sample), (sample, test)):
        unknown = set(table.column(columns.id)) - set(other.column(columns.id))
        sizes = f"which has {len(other):,} rows where this table has {len(table):,}"
        fix = f"is not in {other.path.name}, {sizes}; download both again, or take the row out here or add it there"
        table.refuse({columns.id: {row_id: f"id {shorten(row_id)} {fix}" for row_id in unknown}})
    return ToPredict(
        test_ids=test.column(columns.id),
        test_texts=read_texts(test, columns, paths.input),
        features=encode_numbers(test, columns.features, NUMBER, empty=np.nan),
        sample=sample.frame,
        sample_columns=sample_columns,
    )


def check_sample(config: Config, sample: Table, targets: Targets, train: str) -> list[str]:
    """The prediction columns of the sample, in the order of the model's outputs; one where labels stand in its cells.

    A single column may have any name (train says `target`, the sample `prediction`); several are those of the targets,
    or of the classes, by `submission.columns`. Columns that the test set has too (its text, say) stay as they are.
    Labels in the sample must be some of train, but for one placeholder that stands in every row.
    """
    id_column, by_name = config.columns.id, config.submission.kind == "label" and has_names(config)
    others = [*config.columns.read, *config.columns.features, *config.columns.ignore]
    given = [name for name in sample.frame.columns if name not in (id_column, *others)]
    expected = targets.columns if targets.spec.ordered else apply_pattern(config.submission.columns, targets.names)
    if by_name and set(given) != set(expected):
        expected = given if len(given) == 1 else config.columns.target
    elif lacking := sorted(set(given) - set(expected)) * (len(expected) > 1):
        if pattern := find_pattern(targets.names, given):
            fix = f"set [submission] columns = {json.dumps(pattern, ensure_ascii=False)}"
            what = f"has the columns {list_names(given)} for {list_names(targets.names)}"
            raise InputError(f"{sample.path}: {what}; {fix}")
        if targets.spec.named:
            raise InputError(
                f"{sample.path}: asks for the classes {list_names(lacking)}, which no row of {train} has "
                f"({list_names(targets.names)}); is it the whole file, and are the labels spelt alike?"
            )
    columns = given if len(expected) == len(given) == 1 else expected
    check_columns(sample, [id_column, *columns], others)
    check_unique(sample, id_column)
    if by_name and len(columns) == 1:
        check_cells(config, sample, columns[0], targets.names)
    return columns


def check_cells(config: Config, sample: Table, column: str, names: list[str]) -> None:
    """An error for each cell of the sample with a label that train has not, unless all cells are the same."""
    cells, separator = set(sample.column(column)), config.columns.separator
    if len(cells) == 1:
        return
    allowed = {*names, *write_like(cells, names)}
    labels_of = {cell: {cell} if separator is None else set(split_cell(cell, separator)) for cell in cells}
    fix = "has no row in the training table; are labels spelt alike?"
    unknown = {cell: sorted(labels - allowed) for cell, labels in labels_of.items()}
    sample.refuse({column: {cell: f"class {shorten(of[0])} {fix}" for cell, of in unknown.items() if of}})


def read_solution(config: Config, paths: Paths, sample: pd.DataFrame, names: list[str]) -> Solution | None:
    """The solution, None where there is none; only the final score reads it. `names` are those of the targets."""
    if not paths.tables("solution"):
        return None
    solution = open_table(config, paths, "solution")
    id_column, columns = config.columns.id, config.columns.target
    others = [name for name in solution.frame.columns if name not in columns]  # Usage, and whatever else Kaggle adds
    check_columns(solution, [id_column, *columns], others)
    check_unique(solution, id_column)
    subgroups = config.columns.subgroups if config.metric.of_subgroups else []
    if not set(subgroups) <= set(others):
        return None  # the score cannot be had without them
    places = pd.Index(solution.frame[id_column]).get_indexer(sample[id_column])
    missing = sample[id_column][places < 0].tolist()
    if missing:
        raise InputError(f"{solution.path}: {len(missing)} test ids are missing, for example {missing[0]!r}")
    ordered = solution.take(places)
    rows = np.flatnonzero(~(ordered.frame[columns] == config.files.unscored).any(axis=1))
    rows = rows[labelled_rows(ordered.take(rows), config)]
    scored = ordered.take(rows)
    truth = encode_targets(scored, config, known=names).truth
    if subgroups:
        truth = np.hstack([truth, read_subgroups(scored, subgroups)])
    return Solution(rows, truth)
