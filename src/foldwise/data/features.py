"""Numbers that stand beside a text: some of the text itself, some from columns of the tables."""

import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache

import numpy as np

from foldwise.config import Config, Tokens
from foldwise.data.tokenizer import SEPARATOR


@cache
def characters_of(category: str) -> frozenset[str]:
    """All characters of a Unicode category that starts with `category`."""
    return frozenset(char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char)[0] == category)


def count_of(text: str, chars: Iterable[str]) -> int:
    """How often any of `chars` stands in a text: each different one is counted at C's speed."""
    return sum(map(text.count, chars))


# What people took beside the tokens in Quora Insincere Questions and Jigsaw: shouting and repeating show in no vector.
TEXT_FEATURES: dict[str, Callable[[str], float]] = {
    "length": lambda text: float(np.log1p(len(text.split()))),
    "capitals": lambda text: count_of(text, filter(str.isupper, set(text))) / max(len(text), 1),
    "punctuation": lambda text: count_of(text, characters_of("P").intersection(text)) / max(len(text), 1),
    "unique": lambda text: len(set(text.casefold().split())) / max(len(text.split()), 1),
}


def text_features(texts: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """(N, D) float64: of each text the logarithm of 1 + words, shares of capitals and of punctuation among its
    characters, share of different words among its words; those that are named, in their order.
    """
    columns = [[TEXT_FEATURES[name](text) for text in texts] for name in names]
    return np.array(columns, dtype=np.float64).reshape(len(names), len(texts)).T


def join_texts(texts: Sequence[Sequence[str]], separator: str = "\n") -> Sequence[str]:
    """One text a row, of the texts of each column."""
    return texts[0] if len(texts) == 1 else [separator.join(parts) for parts in zip(*texts, strict=True)]


def texts_of(columns: Sequence[Sequence[str]], settings: Tokens) -> tuple[list[str], int]:
    """The texts to tokenize, row after row, and how many of them a row has.

    Args:
        columns: of each text column the texts of the rows.
    """
    if settings.columns == "apart":
        return [text for row in zip(*columns, strict=True) for text in row], len(columns)
    return list(join_texts(columns, f" {SEPARATOR} ")), 1


def texts_and_features(config: Config) -> tuple[int, int]:
    """K texts of a row that are encoded apart, and D numbers beside them."""
    columns, settings = config.columns, config.recipe.tokens
    texts = len(columns.text) if settings.columns == "apart" else 1
    return texts, len(columns.features) + len(settings.features)


def features_of(columns: Sequence[Sequence[str]], given: np.ndarray, settings: Tokens) -> np.ndarray:
    """(n, D) float64: numbers from the texts, then those from columns of the tables.

    Args:
        columns: of each text column the texts of n rows.
        given: (n, …) float64 from columns of the tables.
    """
    if not settings.features:
        return given
    return np.hstack([text_features(join_texts(columns), settings.features), given])
