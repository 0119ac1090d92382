"""Rows of a file of word vectors on their way into a table: bytes at first, parsed many at once if they are needed."""

from collections.abc import Callable, Set
from csv import QUOTE_NONE
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import pandas as pd

from foldwise.errors import InputError, shorten
from foldwise.paths import VectorFile

ROWS = 1024  # parsed together
STD_ROWS = 50_000  # rows of a table that its mean and std are taken from; enough, and not all of 2 million
Parse = Callable[[list[bytes], int], np.ndarray]


@dataclass(frozen=True)
class VectorTable:
    """The rows of one file that a vocabulary can use, most frequent first as in the file.

    Attributes:
        name: of the file.
        words: W words.
        vectors: (W, E) float16 or float32.
        mean: (E,) float32, of the file's first `STD_ROWS` rows, wanted or not.
        std: (E,) float32, their standard deviation.
        malformed: rows skipped.
        first_malformed: where the first of them is and what is wrong with it.
    """

    name: str
    words: list[str]
    vectors: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    malformed: int = 0
    first_malformed: str = ""


class Rows:
    """Rows on their way into a table: collected as bytes, parsed many at once, the first of a word kept.

    Args:
        wanted: words to keep, in UTF-8.
        dimension: E.
        parse: bytes of n rows' values and E to (n, E) float32, not finite where a row is malformed.
    """

    def __init__(self, wanted: Set[bytes], dimension: int, parse: Parse) -> None:
        self.wanted, self.dimension, self.parse = wanted, dimension, parse
        self.words: dict[bytes, None] = {}
        self.blocks: list[np.ndarray] = []
        self.first: list[np.ndarray] = []  # of the file, for mean and std
        self.n_first = 0
        self.malformed = 0
        self.first_malformed = (0, "")  # row, what is wrong
        self.pending: list[tuple[int, bytes, bytes]] = []

    def add(self, number: int, word: bytes, values: bytes) -> None:
        """Take in row `number` of the file if anything needs it; a word that is no UTF-8 makes it malformed."""
        if not word or not (word.isascii() or is_utf8(word)):
            self.skip(number, f"the word {shorten(word)} is not UTF-8" if word else "no word")
        elif self.n_first < STD_ROWS or (word in self.wanted and word not in self.words):
            self.pending.append((number, word, values))
            if len(self.pending) == ROWS:
                self.flush()

    def skip(self, number: int, why: str) -> None:
        """Count a malformed row."""
        self.malformed += 1
        if not self.first_malformed[0] or number < self.first_malformed[0]:
            self.first_malformed = number, why

    def flush(self) -> None:
        """Parse what is pending."""
        table = self.parse([values for _, _, values in self.pending], self.dimension)
        usable = np.isfinite(table).all(axis=1)
        for index in np.flatnonzero(~usable).tolist():
            self.skip(self.pending[index][0], "not all values are finite numbers")
        if self.n_first < STD_ROWS:
            self.first.append(table[usable][: STD_ROWS - self.n_first])
            self.n_first += len(self.first[-1])
        kept = []
        for index in np.flatnonzero(usable).tolist():
            word = self.pending[index][1]
            if word in self.wanted and word not in self.words:
                self.words[word] = None
                kept.append(index)
        self.blocks.append(table[kept])
        self.pending.clear()

    def table(self, source: VectorFile, kind: str) -> VectorTable:
        """What was collected; rows are called `kind` in messages.

        Raises:
            InputError: no row of the file is usable.
        """
        if self.pending:
            self.flush()
        number, why = self.first_malformed
        malformed = f"{kind} {number:,}: {why}" if number else ""
        if not self.n_first:
            raise no_usable_row(source, malformed or "it has no rows")
        first = np.concatenate(self.first)
        mean, std = first.mean(axis=0), first.std(axis=0)
        self.first.clear()
        vectors = np.empty((len(self.words), self.dimension), dtype=np.float32)
        end = len(vectors)
        while self.blocks:  # from the last: each is freed once copied, so that there are never two copies of all
            block = self.blocks.pop()
            vectors[end - len(block) : end] = block
            end -= len(block)
        words = [word.decode() for word in self.words]
        return VectorTable(source.file_name, words, vectors, mean, std, self.malformed, malformed)


@np.errstate(over="ignore")  # too large for float32 is not finite
def parse_text(rows: list[bytes], dimension: int) -> np.ndarray:
    """(n, E) float32 from n texts of E numbers; a row that has anything else is not finite.

    pandas' reader takes 93 ns a number, numpy's ways take 240; it refuses all rows if one has an error.
    """
    content = BytesIO(b"\n".join(rows))
    try:
        frame = pd.read_csv(
            content, sep=" ", header=None, dtype=np.float32, quoting=QUOTE_NONE, na_filter=False, low_memory=False
        )
        if frame.shape == (len(rows), dimension):
            return frame.to_numpy()
    except ValueError:
        pass
    table = np.full((len(rows), dimension), np.nan, dtype=np.float32)
    for index, row in enumerate(rows):
        try:
            table[index] = np.array(row.split(), dtype=np.float32)
        except ValueError:
            continue
    return table


def parse_binary(rows: list[bytes], dimension: int) -> np.ndarray:
    """(n, E) float32 from n times E little-endian float32."""
    return np.frombuffer(b"".join(rows), dtype="<f4").reshape(len(rows), dimension).astype(np.float32)


def no_usable_row(source: VectorFile, why: str) -> InputError:
    """The error for a file without vectors."""
    return InputError(
        f"{source}: no usable row: {why}; a line must be a word and its numbers with spaces between, "
        "as in GloVe's .txt and fastText's .vec"
    )


def is_utf8(word: bytes) -> bool:
    """True if the bytes are text in UTF-8."""
    try:
        word.decode()
    except UnicodeDecodeError:
        return False
    return True
