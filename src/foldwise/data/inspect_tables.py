"""What a competition's tables hold, each with what it rests on; here what the sample asks for.

Names and ids are in `inspect_ids`, texts and groups in `inspect_texts`, target, task and kind in `inspect_targets`.
"""

import re
import shlex
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd

from foldwise.data.table import Table
from foldwise.data.targets import parse_number
from foldwise.errors import SHOWN, InputError

WIDTH = 300  # characters of the options that a question lists
INDEX = re.compile(r"\s*(Unnamed: \d+)?\s*")  # what pandas and R call the column of their row numbers


class Inference(NamedTuple):
    """One inference and what it rests on."""

    value: Any
    reason: str


class Tables(NamedTuple):
    """The three tables that every competition has."""

    train: Table
    test: Table
    sample: Table

    def without(self, *names: Iterable[str]) -> "Tables":
        """The tables without some columns, given for each table."""
        dropped = zip(self, names, strict=True)
        return Tables(*(replace(table, frame=table.frame.drop(columns=list(gone))) for table, gone in dropped))


class Question(InputError):  # noqa: N818 (what it says is no error of the user's)
    """Two readings are equally likely: an option decides between its candidates."""

    def __init__(self, what: str, option: str, candidates: list[str], why: str) -> None:
        self.what, self.option, self.candidates, self.why = what, option, candidates, why
        options = [f"{option} {shlex.quote(candidate)}" for candidate in candidates]
        shown = options[:SHOWN]
        while len(shown) > 2 and len(" or ".join(shown)) > WIDTH:
            shown.pop()
        more = f" (or {len(options) - len(shown)} more)" if len(options) > len(shown) else ""
        super().__init__(f"init cannot tell {what}: {why}; decide with {' or '.join(shown)}{more}")


def question(what: str, option: str, candidates: list[str], why: str) -> Question:
    """The error that asks the user to decide."""
    return Question(what, option, candidates, why)


def repeats_in(frame: pd.DataFrame, name: str) -> bool:
    """Whether a table has a column whose values come again, so that it names no rows."""
    return name in frame and not frame[name].is_unique


def counts_rows(values: pd.Series) -> bool:
    """Whether a column numbers the rows, from any number on."""
    first = parse_number(values.iloc[0]) or 0
    return first % 1 == 0 and list(values) == [str(number) for number in range(int(first), int(first) + len(values))]


def hide_useless(tables: Tables, id_column: str, targets: list[str]) -> Tables:
    """The tables without numbers of rows, and without what stands in test in place of a target.

    Args:
        targets: columns that the user says are predicted; [] where it is to be inferred.
    """
    of_each = [[name for name in table.frame if name != id_column and INDEX.fullmatch(name)] for table in tables]
    train, sample = tables.train.frame, tables.sample
    others = [name for name in sample.frame if name not in (id_column, *of_each[2]) and not repeats_in(train, name)]
    of_each[2] += [name for name in others if len(sample) > 2 and counts_rows(sample.frame[name])]
    tables = tables.without(*of_each)
    copies = [name for name in targets if name in tables.test.frame] or stand_ins(tables, id_column)
    return tables.without([], copies, [])


def stand_ins(tables: Tables, id_column: str) -> list[str]:
    """Columns of test that only keep a place for a target of train.

    The sample asks for them, and does not repeat what test has there; or all have one value, which no row of train has
    (any value, where train has no further column).
    """
    train, test, sample = (table.frame for table in tables)
    varied = [name for name in test if name != id_column and name in train and train[name].nunique() > 1]
    constant = [name for name in varied if len(test) > 1 and test[name].nunique() == 1 and not has_blanks(train[name])]
    found = [
        name
        for name in varied
        if name in sample
        and not repeats(test, sample, name, id_column)
        and (name in constant or not has_blanks(train[name]))
    ]
    marked = [name for name in constant if not test[name].iloc[0].strip() or test[name].iloc[0] not in set(train[name])]
    if set(train) - set(test) - {id_column}:
        return list(dict.fromkeys([*found, *marked]))
    return found or marked or constant


def repeats(test: pd.DataFrame, sample: pd.DataFrame, name: str, id_column: str) -> bool:
    """Whether a column of the sample says of each row what that of test does, and not the same of all."""
    if sample[name].nunique() == 1:
        return False
    value_of = dict(zip(test[id_column], test[name], strict=True))
    return all(value_of.get(row) == value for row, value in zip(sample[id_column], sample[name], strict=True))


def has_blanks(values: pd.Series) -> bool:
    """Whether most values are several words."""
    return bool(values.str.strip().str.contains(r"\s").mean() > 0.5)


def infer_asked(tables: Tables, id_column: str, targets: list[str]) -> list[str]:
    """The sample's columns that are predicted: not the id, nor what it repeats of test.

    Args:
        targets: as the user says; where they are some of the sample's columns, the others stay as they are there.
    """
    train, test, sample = (table.frame for table in tables)
    if targets and set(targets) <= set(sample):
        return [name for name in sample if name in targets]
    asked = [name for name in sample if name != id_column and name not in test]
    if not asked and not (others := [name for name in sample if name != id_column and name in train]):
        raise InputError(f"{tables.sample.path}: has no column beside the id {id_column!r}; download it again")
    if not asked:
        raise question("the target", "--target", others, "test has every column of the sample, with the same values")
    likely = [name for name in train if name != id_column and train[name].nunique() > 1 and not has_blanks(train[name])]
    if not targets and likely and set(train) <= {id_column, *test} and set(train).isdisjoint(asked):
        raise question("the target", "--target", likely, "test has every column of train")
    return asked
