"""Word vectors for a vocabulary, with fallbacks for words the table does not have.

An unknown word takes the vector of the nearest spelling that is known, as the third place of Quora Insincere
Questions did with stems, lemmas and case; what stays unknown is drawn with the table's own mean and spread, so that
the network meets no vector of another size than it is used to.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from foldwise.data.tokenizer import PAD, SPECIAL
from foldwise.errors import InputError

SUFFIXES = ("'s", "s", "es", "ed", "d", "ing", "ly", "er", "est", "y", "ness", "ish", "like")
SHORTEST_STEM = 3
SPREAD_ROWS = 50_000  # rows of a table that its mean and spread are taken from; enough, and not all of 2 million
# Halves of cut contractions and the words they stand for; some published tables leave the halves out.
CONTRACTIONS = {
    **{"n't": "not", "'s": "is", "'re": "are", "'ll": "will", "'ve": "have", "'m": "am", "'d": "would"},
    **{"ca": "can", "wo": "will", "a": "an"},
}


@dataclass(frozen=True)
class Coverage:
    """How well a table of vectors knows a vocabulary.

    Attributes:
        words: share of the vocabulary's words with a vector, exact or by fallback.
        exact_words: share found as they are written.
        tokens: share of all tokens whose word has a vector.
        uncovered: the most frequent words without one, with their counts.
    """

    words: float
    exact_words: float
    tokens: float
    uncovered: list[tuple[str, int]]

    def lines(self) -> list[str]:
        """What to tell a user."""
        shares = f"{self.words:.1%} of words ({self.exact_words:.1%} as written), {self.tokens:.1%} of tokens"
        missing = ", ".join(f"{word} {count}" for word, count in self.uncovered)
        return [f"vectors cover {shares}", *([f"most frequent uncovered: {missing}"] if missing else [])]


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


def build_vectors(words: list[str], counts: np.ndarray, path: Path, seed: int = 0) -> tuple[np.ndarray, Coverage]:
    """Vectors for a vocabulary from a table on disk.

    Args:
        words: V words in id order; `<pad>` first.
        counts: (V,) int64 how often each occurs.
        path: safetensors file with `vectors` (W, E) float16 and, beside it, a .txt with its W words, one a line.
        seed: of the vectors of unknown words.

    Returns:
        (V, E) float32, the padding row zero; and the coverage.

    Raises:
        InputError: the table and its list of words do not fit.
    """
    table_words, table = read_table_of_vectors(path)
    row_of = {word: row for row, word in enumerate(table_words)}
    vectors = np.empty((len(words), table.shape[1]), dtype=np.float32)
    exact = np.array([row_of.get(word, -1) for word in words], dtype=np.int64)
    exact[: len(SPECIAL)] = -1
    vectors[exact >= 0] = table[exact[exact >= 0]]
    covered = exact >= 0
    for index in np.flatnonzero(~covered).tolist():
        if index < len(SPECIAL):
            continue
        for candidate in spellings(words[index]):
            rows = [row_of[part] for part in candidate if part in row_of]
            if rows and len(rows) == len(candidate):
                vectors[index] = table[rows].astype(np.float32).mean(axis=0)
                covered[index] = True
                break
    unknown = np.flatnonzero(~covered)
    frequent = table[:SPREAD_ROWS].astype(np.float32)
    drawn = np.random.default_rng(seed).standard_normal((len(unknown), table.shape[1]), dtype=np.float32)
    vectors[unknown] = drawn * frequent.std(axis=0) + frequent.mean(axis=0)
    vectors[PAD] = 0
    return vectors, measure_coverage(words, counts, covered, exact >= 0)


def read_table_of_vectors(path: Path) -> tuple[list[str], np.ndarray]:
    """The W words and (W, E) float16 vectors of a table.

    Raises:
        InputError: not readable, or another number of words than of vectors.
    """
    words_path = path.with_suffix(".txt")
    words = words_path.read_bytes().decode("utf-8", errors="replace").removesuffix("\n").split("\n")
    try:
        with safe_open(path, framework="np") as file:
            table = file.get_tensor("vectors")
    except SafetensorError as error:
        raise InputError(f"{path}: not a safetensors file with an array `vectors` ({error})") from error
    if table.ndim != 2 or len(words) != len(table):
        raise InputError(f"{words_path}: {len(words)} words where {path.name} has vectors of shape {table.shape}")
    return words, table


def random_vectors(n_words: int, dimension: int, seed: int = 0) -> np.ndarray:
    """(V, E) float32 vectors for training without a table; spread 0.4 as GloVe's."""
    vectors = np.random.default_rng(seed).standard_normal((n_words, dimension), dtype=np.float32) * 0.4
    vectors[PAD] = 0
    return vectors


def measure_coverage(words: list[str], counts: np.ndarray, covered: np.ndarray, exact: np.ndarray) -> Coverage:
    """Shares over the real words; `counts[1]` holds the tokens the vocabulary left out, which nothing covers."""
    real = np.arange(len(words)) >= len(SPECIAL)
    uncovered = np.flatnonzero(real & ~covered)
    top = uncovered[np.argsort(-counts[uncovered], kind="stable")][:10]
    n_words, n_tokens = max(int(real.sum()), 1), max(int(counts.sum()), 1)
    return Coverage(
        words=float(covered[real].sum() / n_words),
        exact_words=float(exact[real].sum() / n_words),
        tokens=float(counts[real & covered].sum() / n_tokens),
        uncovered=[(words[index], int(counts[index])) for index in top.tolist()],
    )
