"""Which rows of the tables belong together: columns of one name, and ids."""

import re
from collections import Counter
from collections.abc import Container
from dataclasses import replace

import pandas as pd

from foldwise.data.inspect_tables import INDEX, Inference, Tables, counts_rows, question, repeats_in
from foldwise.data.table import EXCEL_ID, check_unique
from foldwise.data.targets import parse_number
from foldwise.errors import InputError, list_names

ID_NAME = re.compile(r"(^|.*[^a-z])id", re.IGNORECASE)
ID_WORDS = 3  # what has more words on average is a text
CODE = re.compile(r"[!-~]{1,100}")  # an id has no blanks
RENAME = "; if it names something else, give the column another name in this table: its rows are then numbered"
ALL_TABLES = ["train", "test", "sample_submission"]


def match_names(tables: Tables) -> tuple[dict[str, str], str]:
    """Names of columns in train or test → what the sample, or train, calls the same column; and why they are the same.

    They are alike but for case and blanks, or the only columns of ids of test and sample. The sample's names count,
    since the submission must have them.
    """
    train, test, sample = (table.frame for table in tables)
    renamed: dict[str, str] = {}
    known = set(sample.columns)
    for frame in (train, test):
        spellings: dict[str, set[str]] = {}  # of names known elsewhere
        for other in known - set(frame.columns):
            spellings.setdefault(plain(other), set()).add(other)
        rivals = Counter(map(plain, frame.columns))
        for name in frame.columns:
            alike = spellings.get(plain(name), set()) if plain(name) else set()
            if name not in known and len(alike) == rivals[plain(name)] == 1:
                renamed[name] = next(iter(alike))
        known.update(renamed.get(name, name) for name in frame.columns)
    why = "alike but for case and blanks"
    there = {renamed.get(name, name) for name in test.columns}
    named_rows = [name for name in sample.columns if sample[name].is_unique and len(sample) > 1]
    if not there.intersection(named_rows):
        same = [(other, name) for name in named_rows for other in test.columns if same_ids(test[other], sample[name])]
        same = [(other, name) for other, name in same if not has_both(train, other, renamed, name)]
        if len(same) == 1:
            renamed.update(same)
            why = "with the same ids" if len(renamed) == 1 else f"{why}, or with the same ids"
    return renamed, why


def has_both(frame: pd.DataFrame, name: str, renamed: dict[str, str], new: str) -> bool:
    """Whether a table has a column `name`, and another that is to be called `new`: both would be."""
    return name in frame and any(old in frame for old, other in renamed.items() if other == new)


def same_ids(test: pd.Series, sample: pd.Series) -> bool:
    """Whether two columns hold the same values, each once."""
    return test.is_unique and len(test) == len(sample) and set(test) == set(sample)


def plain(name: str) -> str:
    """A name without case and blanks.

    >>> plain(" Review Text ")
    'reviewtext'
    """
    return "".join(name.split()).casefold()


def infer_id(tables: Tables, named: Container[str] = ()) -> Inference:
    """The column that names each row of test and sample once, and those of train where it has one; else a new name.

    Args:
        named: columns of files' names, which may have many words.
    """
    train, test, sample = (table.frame for table in tables)
    shared = [name for name in sample.columns if name in test.columns]
    unique = [
        name
        for name in shared
        if all(frame[name].is_unique for frame in (train, test, sample) if name in frame.columns)
        and (name in named or sample[name].str.split().str.len().mean() <= ID_WORDS)
    ]
    by_likelihood = (
        lambda name: set(test[name]) == set(sample[name]),
        lambda name: all(map(CODE.fullmatch, sample[name])),
        lambda name: not INDEX.fullmatch(name),
        lambda name: name in train.columns,
    )
    for likely in by_likelihood:
        unique = [name for name in unique if likely(name)] or unique
    if len(unique) > 1:
        raise question("which column is the id", "--id", unique, "each of them is unique in train, test and sample")
    if unique:
        where = "train, test and sample" if unique[0] in train.columns else "test and sample"
        return Inference(unique[0], f"the only column of {where} without repeated values that can be one")
    for name in shared:
        refuse_repeated(tables, name)
    return number_rows(tables)


def refuse_repeated(tables: Tables, name: str) -> None:
    """An error with the values that repeat, where a column looks like an id."""
    shown = [table for table in tables if name in table.frame.columns]
    mostly = all(2 * table.frame[name].nunique() > len(table) for table in shown)
    excel = any(EXCEL_ID.fullmatch(value) for table in shown for value in table.frame[name].head(10))
    if mostly or excel or ID_NAME.fullmatch(name.strip()):
        for table in shown:
            try:
                check_unique(table, name)
            except InputError as error:
                fix = "" if excel or table is not tables.train else RENAME
                raise InputError(f"{error}\n  {name!r} is read as the id, which names each row once{fix}") from None


def number_rows(tables: Tables) -> Inference:
    """A new name for ids that count rows, where test and sample share none; only if they can be matched by order."""
    test, sample = tables.test, tables.sample
    if len(test) != len(sample):
        what = f"has {len(sample):,} rows and no id column that {test.path.name} has, which has {len(test):,} rows"
        raise InputError(f"{sample.path}: {what}, so neither ids nor order match them; download both again")
    for name in sample.frame.columns:
        values = sample.frame[name]
        if repeats_in(tables.train.frame, name) or len(sample) == 1 or not values.is_unique or counts_rows(values):
            continue
        if not any((parse_number(value) or 0) % 1 for value in values):
            what = f"column {name!r} names each row, and no column of {test.path.name} has these values"
            raise InputError(f"{sample.path}: {what} ({list_names(test.frame.columns)}); download both again")
    taken = {name for table in tables for name in table.frame.columns}
    name = next(name for name in ("id", "row", "row number", "number of the row") if name not in taken)
    return Inference(
        name, "no column of test and sample names rows, so they are numbered, and must be in the same order"
    )


def lacking_id(tables: Tables, column: str) -> list[str]:
    """The tables without the id column: [files] numbered."""
    return [name for name, table in zip(ALL_TABLES, tables, strict=True) if column not in table.frame.columns]


def add_ids(tables: Tables, column: str) -> Tables:
    """The tables, each with an id column."""
    numbered = []
    for table in tables:
        ids = pd.Series([str(number) for number in range(1, len(table) + 1)], dtype=object, index=table.frame.index)
        frame = table.frame if column in table.frame.columns else table.frame.assign(**{column: ids})
        numbered.append(replace(table, frame=frame))
    return Tables(*numbered)
