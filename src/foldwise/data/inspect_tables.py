"""What a competition's tables hold: id and text, each with what it rests on; the rest is in `inspect_targets`."""

from typing import Any, NamedTuple

from foldwise.data.table import Table
from foldwise.data.targets import parse_number
from foldwise.errors import InputError

CLEARLY = 3  # times as many words make a column the text and the others side columns


class Inference(NamedTuple):
    """One inference and what it rests on."""

    value: Any
    reason: str


class Tables(NamedTuple):
    """The three tables that every competition has."""

    train: Table
    test: Table
    sample: Table


def question(what: str, option: str, candidates: list[str], why: str) -> InputError:
    """The error that asks the user to decide."""
    options = " or ".join(f"{option} {candidate}" for candidate in candidates)
    return InputError(f"init cannot tell {what}: {why}; decide with {options}")


def infer_id(tables: Tables) -> Inference:
    """The column that train, test and sample share and that names each test row once."""
    train, test, sample = (table.frame for table in tables)
    shared = [name for name in sample.columns if name in test.columns and name in train.columns]
    unique = [name for name in shared if all(table.frame[name].is_unique for table in tables)]
    if len(unique) == 1:
        return Inference(unique[0], "the only column of train, test and sample without repeated values")
    if unique:
        raise question("which column is the id", "--id", unique, "each of them is unique in train, test and sample")
    raise InputError(
        f"{tables.sample.path}: shares no column with test and train whose values never repeat, so rows do not match; "
        f"it has {', '.join(map(repr, sample.columns))}, test has {', '.join(map(repr, test.columns))}"
    )


def infer_text(tables: Tables, taken: list[str]) -> Inference:
    """The column of train and test with by far the most words."""
    train, test = tables.train.frame, tables.test.frame
    words = {
        name: sum(len(text.split()) for text in train[name]) / len(train)
        for name in train.columns
        if name in test.columns and name not in taken and None in map(parse_number, train[name])
    }
    if not words:
        columns = f"train has {', '.join(train.columns)}, test has {', '.join(test.columns)}"
        raise InputError(f"{tables.test.path}: no column of words that train has too; {columns}")
    most = max(words.values())
    ranked = sorted(words, key=lambda name: -words[name])
    likely = [name for name in ranked if words[name] == most or words[name] * CLEARLY > most]
    if len(likely) == 1:
        return Inference(likely, f"{most:.1f} words a row, the most of the columns in train and test")
    counts = ", ".join(f"{name} {words[name]:.1f}" for name in likely)
    why = f"words a row: {counts} (give --text twice for both)"
    raise question("which column is the text", "--text", likely, why)
