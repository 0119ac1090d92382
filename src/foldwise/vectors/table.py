"""Word vectors for a vocabulary, with fallbacks for words a table does not have.

An unknown word takes the vector of the nearest spelling that is known, as the third place of Quora Insincere
Questions did; what stays unknown is drawn with the table's own mean and std. Several tables are put side by side or
averaged, as that contest's first places did with GloVe and paragram.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np

from foldwise.data.tokenizer import PAD, SPECIAL
from foldwise.errors import InputError
from foldwise.hashing import hash_of
from foldwise.vectors.reading import VectorTable

SUFFIXES = ("'s", "s", "es", "ed", "d", "ing", "ly", "er", "est", "y", "ness", "ish", "like")
SHORTEST_STEM = 3
RANDOM_STD = np.float32(0.4)  # of vectors without a table, as GloVe's
UNCOVERED = 10  # words without a vector that a user is told
# Halves of cut contractions and the words they stand for; some published tables leave the halves out.
CONTRACTIONS = {
    **{"n't": "not", "'s": "is", "'re": "are", "'ll": "will", "'ve": "have", "'m": "am", "'d": "would"},
    **{"ca": "can", "wo": "will", "a": "an"},
}


@dataclass(frozen=True)
class Shares:
    """How much of a vocabulary has a vector."""

    words: float  # share of the vocabulary's words with one, exact or by fallback
    exact_words: float  # share found as they are written
    tokens: float  # share of all tokens whose word has one

    @classmethod
    def of(cls, counts: np.ndarray, covered: np.ndarray, exact: np.ndarray) -> "Shares":
        """Shares over the real words; `counts[1]` holds the tokens the vocabulary left out, which nothing covers."""
        n_words, n_tokens = max(len(counts) - len(SPECIAL), 1), max(counts.sum(), 1)
        return cls(*map(float, (covered.sum() / n_words, exact.sum() / n_words, counts[covered].sum() / n_tokens)))

    def __str__(self) -> str:
        return f"{self.words:.1%} of words ({self.exact_words:.1%} as written), {self.tokens:.1%} of tokens"


@dataclass(frozen=True)
class Coverage(Shares):
    """How well one table of vectors or several together know a vocabulary."""

    uncovered: list[tuple[str, int]]  # the most frequent words that no table has, with their counts
    tables: dict[str, Shares]  # what each table has, by its name
    malformed: dict[str, tuple[int, str]]  # rows of a file that were skipped, and the first; files without left out

    def lines(self) -> list[str]:
        """What to tell a user."""
        lines = [f"vectors cover {self}"]
        if {*map(str, self.tables.values())} != {str(self)}:
            lines += [f"{name} covers {shares}" for name, shares in self.tables.items()]
        if self.uncovered:
            words = ", ".join(f"{word} ({count:,}×)" for word, count in self.uncovered)
            lines.append(f"most frequent uncovered: {words}")
        for name, (number, first) in self.malformed.items():
            lines.append(f"{name}: malformed rows skipped: {number:,}, the first: {first}")
        return lines


def spellings(word: str) -> Iterator[list[str]]:
    """Other spellings of `word`, nearest first; a list of several stands for the mean of their vectors.

    >>> list(spellings("co-writers"))[:4]
    [['CO-WRITERS'], ['Co-writers'], ['cowriters'], ['co', 'writers']]
    """
    lower = word.lower()
    if lower in CONTRACTIONS:
        yield [CONTRACTIONS[lower]]
    plain = "".join(char for char in unicodedata.normalize("NFD", lower) if not unicodedata.combining(char))
    yield from ([other] for other in (lower, word.upper(), word.capitalize(), plain) if other != word)
    parts = [part for part in lower.split("-") if part]
    if "-" in word and parts:
        yield ["".join(parts)]
        yield parts
    for length in (2, 1):  # soooo → soo → so
        squeezed = re.sub(r"(.)\1{2,}", r"\1" * length, lower)
        if squeezed != lower:
            yield [squeezed]
    for suffix in SUFFIXES:
        stem = lower.removesuffix(suffix)
        if stem != lower and len(stem) >= SHORTEST_STEM:
            yield [stem]
            yield [stem + "e"]
            if stem[-1] == stem[-2]:
                yield [stem[:-1]]
            if stem[-1] == "i":
                yield [stem[:-1] + "y"]


def wanted_words(words: list[str]) -> set[str]:
    """Every word of a table that vectors for a vocabulary may be made from."""
    return {part for word in words[len(SPECIAL) :] for parts in ([word], *spellings(word)) for part in parts}


def build_vectors(
    words: list[str],
    counts: np.ndarray,
    tables: Sequence[VectorTable],
    combine: Literal["concat", "mean"] = "concat",
    seed: int | None = 0,
) -> tuple[np.ndarray, Coverage]:
    """(V, E) float32 vectors for a vocabulary, the padding row zero; how much of it the tables cover.

    Args:
        words: V words in id order; `<pad>` first.
        counts: (V,) int64 how often each occurs.
        combine: "concat" puts the tables' vectors side by side, random ones where a table lacks the word;
            "mean" takes the mean over the tables that have the word, or of a random vector for each if none has it.
        seed: of the random vectors; None draws those of a word from the word itself, whatever other words there are.
    """
    dimensions = {table.name: table.vectors.shape[1] for table in tables}
    if combine == "mean" and len(set(dimensions.values())) > 1:
        sizes = ", ".join(f"{name} {size}" for name, size in dimensions.items())
        raise InputError(
            f'recipe.tokens.combine = "mean": vectors of different dimensions ({sizes}); use "concat", or other vectors'
        )
    filled = [fill(words, table, None if seed is None else seed + index) for index, table in enumerate(tables)]
    parts = [part for part, _, _ in filled]
    known = np.array([masks for _, *masks in filled])  # (tables, 2, V): by any spelling, as they are written
    covered, exact = np.logical_or.reduce(known)
    if combine == "mean":
        vectors = np.mean(parts, axis=0, where=(known[:, 0] | ~covered)[:, :, None])
    else:
        vectors = np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
    vectors[PAD] = 0
    missing = np.flatnonzero(~covered[len(SPECIAL) :]) + len(SPECIAL)
    most_frequent = missing[np.argsort(-counts[missing], kind="stable")][:UNCOVERED].tolist()
    return vectors, Coverage(
        **vars(Shares.of(counts, covered, exact)),
        uncovered=[(words[index], int(counts[index])) for index in most_frequent],
        tables={table.name: Shares.of(counts, *masks) for table, masks in zip(tables, known, strict=True)},
        malformed={table.name: (table.malformed, table.first_malformed) for table in tables if table.malformed},
    )


def fill(words: list[str], table: VectorTable, seed: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(V, E) vectors from one table; (V,) bool which words have one there, others a random one; which as written."""
    vectors = np.empty((len(words), table.vectors.shape[1]), dtype=np.float32)
    row_of = {word: row for row, word in enumerate(table.words)}
    covered, exact = np.zeros((2, len(words)), dtype=bool)
    for index, word in enumerate(words[len(SPECIAL) :], start=len(SPECIAL)):
        for parts in chain(([word],), spellings(word)):
            rows = [row_of[part] for part in parts if part in row_of]
            if len(rows) == len(parts):
                one = len(rows) == 1  # the usual case, in a fifth of the time
                vectors[index] = table.vectors[rows[0]] if one else table.vectors[rows].mean(axis=0, dtype=np.float32)
                covered[index], exact[index] = True, word in row_of
                break
    unknown = np.flatnonzero(~covered)
    shape = len(unknown), vectors.shape[1]
    if seed is None:
        drawn = draw_by_word([words[index] for index in unknown.tolist()], shape[1], table.name)
    else:
        drawn = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    vectors[unknown] = drawn * table.std + table.mean
    return vectors, covered, exact


def draw_by_word(words: Sequence[str], dimension: int, table: str = "") -> np.ndarray:
    """(V, E) float32 standard normal numbers, those of a word the same wherever it stands; each table has others."""
    drawn = np.empty((len(words), dimension), dtype=np.float32)
    for row, word in zip(drawn, words, strict=True):
        np.random.default_rng(int(hash_of(table, word), 16)).standard_normal(out=row, dtype=np.float32)
    return drawn


def random_vectors(n_words: int, dimension: int) -> np.ndarray:
    """(V, E) float32 vectors for training without a table."""
    vectors = np.random.default_rng(0).standard_normal((n_words, dimension), dtype=np.float32) * RANDOM_STD
    vectors[PAD] = 0
    return vectors
