"""Word vectors for a vocabulary, with fallbacks for words a table does not have.

An unknown word takes the vector of the nearest spelling that is known, as the third place of Quora Insincere
Questions did with stems, lemmas and case; what stays unknown is drawn with the table's own mean and std, so that
the network meets no vector of another size than it is used to. Several tables are put side by side or averaged, as
that contest's first places did with GloVe and paragram.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from foldwise.data.tokenizer import PAD, SPECIAL
from foldwise.errors import InputError
from foldwise.vectors.rows import VectorTable

SUFFIXES = ("'s", "s", "es", "ed", "d", "ing", "ly", "er", "est", "y", "ness", "ish", "like")
SHORTEST_STEM = 3
CHUNK = 8192  # words whose vectors are copied together
# Halves of cut contractions and the words they stand for; some published tables leave the halves out.
CONTRACTIONS = {
    **{"n't": "not", "'s": "is", "'re": "are", "'ll": "will", "'ve": "have", "'m": "am", "'d": "would"},
    **{"ca": "can", "wo": "will", "a": "an"},
}


@dataclass(frozen=True)
class Shares:
    """How much of a vocabulary has a vector.

    Attributes:
        words: share of the vocabulary's words with a vector, exact or by fallback.
        exact_words: share found as they are written.
        tokens: share of all tokens whose word has a vector.
    """

    words: float
    exact_words: float
    tokens: float

    def __str__(self) -> str:
        return f"{self.words:.1%} of words ({self.exact_words:.1%} as written), {self.tokens:.1%} of tokens"


@dataclass(frozen=True)
class Coverage(Shares):
    """How well one table of vectors or several together know a vocabulary.

    Attributes:
        uncovered: the most frequent words that no table has, with their counts.
        tables: what each table has, by its name.
        malformed: rows of each file that were skipped, and the first of them in words; files without any left out.
    """

    uncovered: list[tuple[str, int]]
    tables: dict[str, Shares] = field(default_factory=dict)
    malformed: dict[str, tuple[int, str]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """What to tell a user."""
        lines = [f"vectors cover {self}"]
        if len(self.tables) > 1:
            lines += [f"{name} covers {shares}" for name, shares in self.tables.items()]
        if self.uncovered:
            lines.append(f"most frequent uncovered: {', '.join(f'{word} {count}' for word, count in self.uncovered)}")
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


def wanted_words(words: list[str]) -> set[bytes]:
    """In UTF-8, every word of a table that vectors for a vocabulary may be made from."""
    wanted = set()
    for word in words[len(SPECIAL) :]:
        wanted.add(word.encode())
        for candidate in spellings(word):
            wanted.update(part.encode() for part in candidate)
    return wanted


def build_vectors(
    words: list[str],
    counts: np.ndarray,
    tables: Sequence[VectorTable],
    combine: Literal["concat", "mean"] = "concat",
    seed: int = 0,
) -> tuple[np.ndarray, Coverage]:
    """Vectors for a vocabulary from one table or several.

    Args:
        words: V words in id order; `<pad>` first.
        counts: (V,) int64 how often each occurs.
        tables: at least one, with the rows that `wanted_words` asks for.
        combine: "concat" puts the tables' vectors side by side, where a table that lacks the word has a random part;
            "mean" takes the mean over the tables that have the word, or of a random vector for each if none has it.
        seed: of the random vectors.

    Returns:
        (V, E) float32, the padding row zero; and the coverage. E is the sum of the tables' dimensions if put side by
        side, else their common one.

    Raises:
        InputError: a mean of tables of different dimensions.
    """
    dimensions = [table.vectors.shape[1] for table in tables]
    if combine == "mean" and len(set(dimensions)) > 1:
        sizes = ", ".join(f"{table.name} {size}" for table, size in zip(tables, dimensions, strict=True))
        raise InputError(
            f'recipe.tokens.combine = "mean": vectors of different dimensions ({sizes}); use "concat", or other vectors'
        )
    if combine == "concat" or len(tables) == 1:
        vectors = np.empty((len(words), sum(dimensions)), dtype=np.float32)
        parts = np.split(vectors, np.cumsum(dimensions)[:-1], axis=1)  # views
        known = [fill(part, words, table, seed + i) for i, (part, table) in enumerate(zip(parts, tables, strict=True))]
    else:
        vectors, known = mean_of(words, tables, seed)
    vectors[PAD] = 0
    covered, exact = (np.logical_or.reduce(masks) for masks in zip(*known, strict=True))
    shares = {table.name: measure_shares(counts, *masks) for table, masks in zip(tables, known, strict=True)}
    malformed = {table.name: (table.malformed, table.first_malformed) for table in tables if table.malformed}
    uncovered = most_frequent(words, counts, ~covered)
    return vectors, Coverage(
        **vars(measure_shares(counts, covered, exact)), uncovered=uncovered, tables=shares, malformed=malformed
    )


def mean_of(
    words: list[str], tables: Sequence[VectorTable], seed: int
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """(V, E) float32 mean over the tables that have a word, and what `fill` says of each table."""
    known = []
    total = np.zeros((len(words), tables[0].vectors.shape[1]), dtype=np.float32)
    drawn, number = total.copy(), np.zeros((len(words), 1), dtype=np.float32)
    part = np.empty_like(total)
    for index, table in enumerate(tables):
        known.append(fill(part, words, table, seed + index))
        has = known[-1][0]
        total[has] += part[has]
        number[has] += 1
        drawn += part
    nowhere = number[:, 0] == 0
    total[nowhere], number[nowhere] = drawn[nowhere], len(tables)
    return total / number, known


def fill(vectors: np.ndarray, words: list[str], table: VectorTable, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Write one table's vectors of all words into `vectors` (V, E), random ones for words it does not have.

    Returns:
        (V,) bool which words have a vector, exact or by fallback; (V,) bool which as they are written.
    """
    row_of = {word: row for row, word in enumerate(table.words)}
    row = np.array([row_of.get(word, -1) for word in words], dtype=np.int64)
    row[: len(SPECIAL)] = -1
    exact = row >= 0
    for start in range(0, len(words), CHUNK):  # not at once: the rows taken would be one more copy of everything
        chunk = slice(start, start + CHUNK)
        vectors[chunk][exact[chunk]] = table.vectors[row[chunk][exact[chunk]]]
    covered = exact.copy()
    for index in np.flatnonzero(~exact).tolist():
        if index < len(SPECIAL):
            continue
        for candidate in spellings(words[index]):
            rows = [row_of[part] for part in candidate if part in row_of]
            if rows and len(rows) == len(candidate):
                vectors[index] = table.vectors[rows].astype(np.float32).mean(axis=0)
                covered[index] = True
                break
    unknown = np.flatnonzero(~covered)
    drawn = np.random.default_rng(seed).standard_normal((len(unknown), vectors.shape[1]), dtype=np.float32)
    vectors[unknown] = drawn * table.std + table.mean
    return covered, exact


def random_vectors(n_words: int, dimension: int, seed: int = 0) -> np.ndarray:
    """(V, E) float32 vectors for training without a table; std 0.4 as GloVe's."""
    vectors = np.random.default_rng(seed).standard_normal((n_words, dimension), dtype=np.float32) * 0.4
    vectors[PAD] = 0
    return vectors


def measure_shares(counts: np.ndarray, covered: np.ndarray, exact: np.ndarray) -> Shares:
    """Shares over the real words; `counts[1]` holds the tokens the vocabulary left out, which nothing covers."""
    real = np.arange(len(counts)) >= len(SPECIAL)
    n_words, n_tokens = max(int(real.sum()), 1), max(int(counts.sum()), 1)
    return Shares(
        words=float(covered[real].sum() / n_words),
        exact_words=float(exact[real].sum() / n_words),
        tokens=float(counts[real & covered].sum() / n_tokens),
    )


def most_frequent(words: list[str], counts: np.ndarray, chosen: np.ndarray) -> list[tuple[str, int]]:
    """The ten most frequent of the chosen words, and how often each occurs."""
    rows = np.flatnonzero(chosen)
    rows = rows[rows >= len(SPECIAL)]
    top = rows[np.argsort(-counts[rows], kind="stable")][:10]
    return [(words[index], int(counts[index])) for index in top.tolist()]
