"""Numbers that stand beside a text: some of the text itself, some from columns of the tables."""

import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache

import numpy as np


def share(count: int, total: int) -> float:
    """`count` of `total`; 0 of nothing."""
    return count / total if total else 0.0


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
    "capitals": lambda text: share(count_of(text, filter(str.isupper, set(text))), len(text)),
    "punctuation": lambda text: share(count_of(text, characters_of("P").intersection(text)), len(text)),
    "unique": lambda text: share(len(set(text.casefold().split())), len(text.split())),
}


def text_features(texts: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """(N, D) float64: of each text the logarithm of 1 + words, shares of capitals and of punctuation among its
    characters, share of different words among its words; those that are named, in their order.
    """
    columns = [[TEXT_FEATURES[name](text) for text in texts] for name in names]
    return np.array(columns, dtype=np.float64).reshape(len(names), len(texts)).T
