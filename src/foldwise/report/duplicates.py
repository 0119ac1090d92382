"""Texts that are the same, or nearly, found in time that grows with the rows: MinHash and bands (Broder 1997).

A row is the set of its words. The least of a random number for each of them is the same in two rows with the chance of
their Jaccard similarity. `BANDS` times `WIDTH` such numbers are taken; rows that share all numbers of a band are
compared word by word. Of two rows that are 0.8 alike 99.5% meet in some band, of two that are 0.5 alike 46%.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from foldwise.data.splits import normalise
from foldwise.data.table import number_values
from foldwise.data.tokenizer import UNK
from foldwise.report.results import Results

BANDS, WIDTH = 10, 4
ALIKE = 0.8
NEIGHBOURS = 5  # that a row is compared with in a bucket, so that a bucket of all rows costs no more than others


class Pair(NamedTuple):
    """Two rows, the first one a training row; test rows come behind all training rows."""

    first: int
    second: int
    alike: float  # Jaccard similarity of their words
    same: bool  # the same text, but for case and white space
    test: bool  # the second one is a test row
    apart: bool  # training rows of different folds
    disagree: bool  # training rows of different targets


def find_pairs(results: Results) -> list[Pair]:
    """Pairs with at least one training row: of the same text with its first row, of near ones those found."""
    rows = len(results.ids)
    texts = [normalise(text) for text in results.contents]
    number, different = number_values(texts)
    first_of = np.full(len(different), len(texts))
    np.minimum.at(first_of, number, np.arange(len(texts)))
    first = first_of[number]
    empty = np.array([not text for text in different])[number]
    again = np.flatnonzero((first != np.arange(len(texts))) & (first < rows) & ~empty)
    same = np.column_stack([first[again], again, np.ones(len(again))])
    lone = np.flatnonzero((first == np.arange(len(texts))) & ~empty)
    near = near_pairs(words_of(results), lone)
    near = near[near[:, 0] < rows]
    both = np.vstack([same, near])
    a, b = both[:, 0].astype(np.int64), both[:, 1].astype(np.int64)
    test = b >= rows
    inside = np.where(test, a, b)
    apart = ~test & (results.folds[a] != results.folds[inside])
    other = ~test & targets_differ(results, a, inside)
    equal = np.arange(len(both)) < len(same)
    columns = (a, b, both[:, 2], equal, test, apart, other)
    return [Pair(*cells) for cells in zip(*(column.tolist() for column in columns), strict=True)]


def targets_differ(results: Results, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(p,) bool whether the targets of training rows differ; values by more than a standard deviation."""
    y = results.targets.y.reshape(len(results.ids), -1).astype(np.float64)
    away = np.nan_to_num(np.abs(y[a] - y[b]))
    if results.targets.spec.y == "values" and not results.targets.spec.ordered:
        return (away > np.nanstd(y, axis=0)).any(axis=1)
    return away.max(axis=1, initial=0) >= 0.5


def words_of(results: Results) -> Any:
    """(N + M, V + U) bool sparse words of the rows; each unknown one counts as a word of its own."""
    known = results.counts.astype(bool)
    rows, ends = known.shape[0], results.ends
    unknown = np.flatnonzero(results.store.tokens[: ends[-1]] == UNK)
    row = np.searchsorted(ends, unknown, side="right") - 1
    ones = np.ones(len(unknown), dtype=bool)
    extra = sparse.csr_matrix((ones, (row, np.arange(len(unknown)))), shape=(rows, len(unknown)), dtype=bool)
    return sparse.hstack([known, extra]).tocsr()


def near_pairs(words: Any, lone: np.ndarray) -> np.ndarray:
    """(p, 3) two rows of `lone` that are at least `ALIKE`, the smaller number first, and how alike they are."""
    part = words[lone]
    sizes = np.diff(part.indptr)
    lone, part, sizes = lone[sizes > 0], part[sizes > 0], sizes[sizes > 0]
    if len(lone) < 2:
        return np.empty((0, 3))
    candidates = meet(part)
    a, b = candidates[:, 0], candidates[:, 1]
    close = np.minimum(sizes[a], sizes[b]) >= ALIKE * np.maximum(sizes[a], sizes[b])
    a, b = a[close], b[close]
    numbers = part.astype(np.float32)
    common = np.asarray(numbers[a].multiply(numbers[b]).sum(axis=1)).ravel()
    alike = common / (sizes[a] + sizes[b] - common)
    kept = alike >= ALIKE - 1e-9
    ordered = np.sort(np.column_stack([lone[a], lone[b]])[kept], axis=1)
    return np.column_stack([ordered, alike[kept]])


def meet(words: Any) -> np.ndarray:
    """(p, 2) pairs of rows that share a band, near one another in its order; each once, the smaller number first."""
    rng, starts = np.random.default_rng(0), words.indptr[:-1]
    found = [np.empty(0, dtype=np.int64)]
    rows = np.int64(words.shape[0])
    for _ in range(BANDS):
        key = np.zeros(len(starts), dtype=np.uint64)
        for _ in range(WIDTH):
            draw = rng.integers(0, 2**32, words.shape[1], dtype=np.uint32)
            least = np.minimum.reduceat(draw[words.indices], starts)
            key = key * np.uint64(0x9E3779B97F4A7C15) + least  # wraps round: a hash of the band
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        for step in range(1, NEIGHBOURS + 1):
            equal = np.flatnonzero(ordered[step:] == ordered[:-step])
            pairs = np.sort(np.column_stack([order[equal], order[equal + step]]), axis=1)
            found.append(pairs[:, 0] * rows + pairs[:, 1])
    together = np.unique(np.concatenate(found))
    return np.column_stack([together // rows, together % rows])
