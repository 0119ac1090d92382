"""Which columns are texts, and which one says what rows belong together; `inspect_tables` finds the rest.

A text is a column with words: its values mostly differ, and a third of them or more have a word that other values
have, too. So a package's name (`python3-numpy`) is one. Numbers, dates, links and ids (`n0000101820`, a hash; a prefix
that all values share tells nothing) are none, nor are categories, whose values repeat.
"""

import re
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from foldwise.config import Folds
from foldwise.data.inspect_tables import Inference, Tables, question
from foldwise.data.targets import parse_number
from foldwise.errors import InputError, list_names

# Looked for from the beginning of a run on, so that a long one is not gone through again from each of its characters.
LINK = re.compile(r"(?<!\S)\S+://\S+|www\.\S+|(?<!\S)\S+@\S+|[0-9a-f]{8}-[0-9a-f]{4}-\S+")  # or an address, or a UUID
# Three letters or more, with digits at most behind them; of scripts from Devanagari on (U+0900) one or two, since
# they have marks inside words, or no blanks between them.
WORD = re.compile(r"(?<![^\W_])[^\W\d_\u0900-\U0010ffff]{3,}(?=\d*(?![^\W_]))|[^\W\d_\x00-\u08ff]{1,2}")
CALENDAR = re.compile(
    r"(jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec|january|february|march|april|august|september|october"
    r"|november|december|(mon|tues?|wed|thu|thurs?|fri|sat|sun|tues|wednes|thurs|satur)(day)?|utc|gmt|[pecm][ds]t|cest)"
)
HAVING = 1 / 3  # share of the values that have a word which comes again; of the names on PyPI 0.4 have
WORDS = 5  # fewer that come again are endings of files, or marks
ALMOST_ALL = 0.9  # share of the values from which on a word is a prefix or an ending
LOOKED_AT = 5000  # values of a column, of which the words are counted
CLEARLY = 3  # times as many words make a column the text and the others side columns, where none is a text by its words
ALMOST = 0.75  # so many of the words of the longest text, and a category may be a text all the same
REPEATED = 0.2  # share of the rows whose value comes again, from which on a column may say what belongs together
MATCHES = 10  # test rows that would have a value of train, were rows drawn at random; without any, groups were
MOST_GROUPS = 20  # columns that are held against each other, to find the coarsest
LARGEST = 0.4  # share of the rows in one group, from which on no folds are alike


def find_words(value: str) -> set[str]:
    """The different words of a value, without those of dates.

    >>> sorted(find_words("@types/react-dom2 n0001 3f2adc deadbeef7a 2024-Mar-01 http://a.org/page"))
    ['dom', 'react', 'types']
    """
    words = WORD.findall(LINK.sub(" ", value.casefold()))
    return {word for word in words if not CALENDAR.fullmatch(word)}


def has_words(values: Sequence[str]) -> bool:
    """Whether a third of these different values have one of the words that come again, but not in almost all."""
    found = [find_words(value) for value in values[:LOOKED_AT]]
    rows_with = Counter(word for words in found for word in words)
    telling = {word for word, count in rows_with.items() if 1 < count <= ALMOST_ALL * len(found)}
    having = sum(not telling.isdisjoint(words) for words in found)
    return len(telling) >= WORDS and having >= HAVING * len(found)


def differs(column: pd.Series) -> bool:
    """Whether at least half of the values that are not empty are different ones."""
    filled = column[column.str.strip() != ""]
    return 2 * filled.nunique() >= len(filled) > 0


def is_text(column: pd.Series) -> bool:
    """Whether a column of the training table is a text."""
    return differs(column) and has_words(different_values(column))


def different_values(column: pd.Series) -> list[str]:
    """The different values of a column that are not empty, in file order."""
    return [value for value in column.unique().tolist() if value.strip()]


def words_a_row(column: pd.Series) -> float:
    """Mean number of words between blanks."""
    return sum(len(text.split()) for text in column) / len(column)


def infer_text(tables: Tables, taken: list[str], optional: bool = False) -> Inference:
    """All columns of train and test that are texts; where none is by its words, the one with by far the most.

    Args:
        optional: there is something else to learn from, so that only what is a text by its words is one.
    """
    train, test = tables.train.frame, tables.test.frame
    words = {
        name: words_a_row(train[name])
        for name in train.columns
        if name in test.columns and name not in taken and None in map(parse_number, different_values(train[name]))
    }
    texts = [name for name in words if is_text(train[name])]
    if optional:
        words = {name: words[name] for name in texts}
    if optional and not texts:
        return Inference([], "no other column of train and test is a text by its words (--text decides)")
    if not words:
        columns = f"train has {list_names(train.columns)}, test has {list_names(test.columns)}"
        raise InputError(f"{tables.test.path}: no column of words that train has too; {columns}")
    most = max(words[name] for name in texts or words)
    # Beside texts only a column of the same length may be one; without any, whatever is not much shorter.
    share = ALMOST if texts else 1 / CLEARLY
    unsure = [name for name in words if name not in texts and (words[name] == most or words[name] > share * most)]
    if texts:
        unsure = [name for name in unsure if has_words(different_values(train[name]))]
    shown = {name: f"{name} {count:.1f}" for name, count in words.items()}
    if (texts and unsure) or len(unsure) > 1:
        likely = sorted([*texts, *unsure], key=lambda name: -words[name])
        counts = list_names([shown[name] for name in likely], quoted=False)
        raise question("which column is the text", "--text", likely, f"words a row: {counts} (repeat --text for both)")
    found = texts or unsure
    if len(found) == 1:
        return Inference(found, f"{most:.1f} words a row, the most of the columns in train and test")
    counts = list_names([shown[name] for name in found], quoted=False)
    return Inference(found, f"every column with words, read as one text: {counts} words a row (--text decides)")


def infer_group(tables: Tables, taken: list[str]) -> Inference | None:
    """The column whose values repeat and whose test values are none of train's: the contest was split by it."""
    train, test = tables.train.frame, tables.test.frame
    found = [
        name
        for name in train.columns
        if name in test.columns
        and name not in taken
        and parts_tables(train[name], test[name])
        and not is_text(train[name])
    ]
    found = found[:MOST_GROUPS]
    # Of a speech and its author the author is enough; of two names for the same the first is.
    coarsest = [
        name
        for place, name in enumerate(found)
        if not any(
            implies(train, name, other) and (not implies(train, other, name) or found.index(other) < place)
            for other in found
            if other != name
        )
    ]
    if not coarsest:
        return None
    if len(coarsest) > 1:
        why = "values of each repeat, and those of test are none of train's; rows of one group share a fold"
        raise question("which column is the group", "--group", [*coarsest, "none"], why)
    (name,) = coarsest
    different = train[name].nunique()
    return Inference(
        name,
        f"{different:,} values in {len(train):,} rows, and test's are none of them: rows of one value share a fold, "
        "since folds without it flatter (--group none: without)",
    )


def parts_tables(train: pd.Series, test: pd.Series) -> bool:
    """Whether a column's values repeat in train and never come again in test, where chance would have them so."""
    if not set(train).isdisjoint(test):
        return False
    counts = train.value_counts()
    repeated = counts[counts > 1].sum() / len(train)
    folds = Folds.model_fields["n"].default
    if repeated < REPEATED or repeated * len(test) < MATCHES or len(counts) < folds:
        return False
    return bool(counts.iloc[0] <= LARGEST * len(train))


def implies(train: pd.DataFrame, name: str, other: str) -> bool:
    """Whether rows with one value of `name` have one of `other`."""
    return bool(train.groupby(name)[other].nunique().max() == 1)
