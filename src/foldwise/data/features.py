"""The texts of a row, and numbers that stand beside them; `columns` are of each column that is read all rows' cells."""

import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from foldwise.config import ColumnsSection, Config, Tokens
from foldwise.data.table import Table
from foldwise.data.tokenizer import SEPARATOR
from foldwise.extensions import load_extension
from foldwise.hashing import sha256_of


@cache
def is_punctuation(character: str) -> bool:
    """Whether Unicode calls it so."""
    return unicodedata.category(character)[0] == "P"


def share_of(text: str, counts: Callable[[str], bool]) -> float:
    """Share of the characters of a text that `counts` is true of; each different one is counted at C's speed."""
    return sum(map(text.count, filter(counts, set(text)))) / max(len(text), 1)


# What people took beside the tokens in Quora Insincere Questions and Jigsaw: shouting and repeating show in no vector.
TEXT_FEATURES: dict[str, Callable[[str], float]] = {
    "length": lambda text: float(np.log1p(len(text.split()))),
    "capitals": lambda text: share_of(text, str.isupper),
    "punctuation": lambda text: share_of(text, is_punctuation),
    "unique": lambda text: len(set(text.casefold().split())) / max(len(text.split()), 1),
}


def join_texts(texts: Sequence[Sequence[str]], separator: str = "\n") -> Sequence[str]:
    """One text a row, of the texts of each column."""
    return texts[0] if len(texts) == 1 else [separator.join(parts) for parts in zip(*texts, strict=True)]


def read_texts(table: Table, named: ColumnsSection, folder: Path) -> list[list[str]]:
    """Of each text column the texts of a table's rows; behind them, where images are named, the paths of these.

    Args:
        folder: where image files are looked for, also in folders within.

    Raises:
        InputError: a file is not there, or a name fits several.
    """
    texts = [table.column(name) for name in named.text]
    if named.image is not None:
        find = load_extension("foldwise.images.names:find_images", "columns.image")
        texts.append(find(table.column(named.image), folder, table.path, named.image))
    return texts


def contents_of(columns: Sequence[Sequence[str]], has_images: bool) -> Sequence[str]:
    """One text a row, by which rows are the same: where rows have images, the bytes of these, whatever the texts."""
    return [sha256_of(Path(path)) for path in columns[-1]] if has_images else join_texts(columns)


def only_texts(columns: Sequence[Sequence[str]], named: ColumnsSection) -> Sequence[Sequence[str]]:
    """The text columns, without that of image files behind them; one empty text a row where there are none."""
    return columns[: len(named.text)] or [[""] * len(columns[0])]


def texts_of(columns: Sequence[Sequence[str]], settings: Tokens) -> tuple[list[str], int]:
    """The texts to tokenize, row after row, and how many of them a row has."""
    if settings.columns == "apart":
        return [text for row in zip(*columns, strict=True) for text in row], len(columns)
    return list(join_texts(columns, f" {SEPARATOR} ")), 1


def texts_and_features(config: Config) -> tuple[int, int]:
    """K texts of a row that are encoded apart, and D numbers beside them."""
    columns, settings = config.columns, config.recipe.tokens
    texts = max(1, len(columns.text)) if settings.columns == "apart" else 1
    return texts, len(columns.features) + len(settings.features)


def features_of(columns: Sequence[Sequence[str]], given: np.ndarray, settings: Tokens) -> np.ndarray:
    """(n, D) float64: numbers from the texts of n rows, then those `given` by columns of the tables."""
    texts = join_texts(columns)
    made = [[TEXT_FEATURES[name](text) for text in texts] for name in settings.features]
    return np.hstack([np.array(made, dtype=np.float64).reshape(len(made), len(texts)).T, given])
