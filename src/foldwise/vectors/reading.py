"""Published word vectors: of a file, in one pass, only the rows that a vocabulary can use are parsed and kept.

- text: GloVe's, or word2vec's and fastText's with a first line "count dimension"; a word and its numbers a line
- .bin: word2vec's; the same first line, then each word, a space and its float32 numbers
- NAME.safetensors with `vectors` (W, E), and NAME.txt with the W words, one a line

Rows that are not a word and E numbers are counted and skipped: GloVe 840B has words with spaces (`. . .`),
paragram_300_sl999 words in Latin-1.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import suppress
from csv import QUOTE_NONE
from dataclasses import dataclass
from io import BytesIO
from itertools import chain, count, islice
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from foldwise.errors import InputError, shorten
from foldwise.inputs import check_input
from foldwise.vectors.files import VectorFile

LONGEST_LINE = 4 << 20  # bytes; more without a line end is no text
LONGEST_HEADER = 100  # bytes
LONGEST_NUMBER = 12  # digits in a header
LARGEST = 100_000  # dimension
MOST_MALFORMED = 100_000  # rows, from which on a file of more malformed rows than others is no word vectors
FIRST_LINES = 100  # lines whose majority tells the dimension
ROWS = 1024  # parsed together
STD_ROWS = 50_000  # rows of a file that its mean and std are taken from; enough, and not all of 2 million
Row = tuple[int, bytes, Any]  # number from 1, word, and values as they stand in the file: bytes, or an array
Parse = Callable[[list[Any]], np.ndarray]  # values of n rows to (n, E) float; not finite where a row is malformed


@dataclass
class Malformed:
    """The rows of a file that are skipped: how many, and the first of them."""

    source: VectorFile
    count: int = 0
    first: tuple[int, str] = (0, "")  # number, and what is wrong

    def add(self, number: int, error: str) -> None:
        """Note a row, in any order; `InputError` once they are more than a file of word vectors would have."""
        self.count += 1
        self.first = min(self.first, (number, error)) if self.count > 1 else (number, error)
        if self.count > max(MOST_MALFORMED, number // 2):
            first, what = self.first
            raise InputError(f"{self.source}: most rows are no word with its numbers (row {first:,}: {what})")


@dataclass(frozen=True)
class VectorTable:
    """The rows of one file that a vocabulary can use, in the file's order, which is mostly by frequency."""

    name: str  # of the file
    words: list[str]  # W
    vectors: np.ndarray  # (W, E) float16 or float32
    mean: np.ndarray  # (E,) float32, of the file's first `STD_ROWS` rows, wanted or not
    std: np.ndarray  # (E,) float32, their standard deviation
    malformed: int = 0  # rows skipped
    first_malformed: str = ""  # where the first of them is and what is wrong with it


def read_vectors(source: VectorFile, wanted: Set[str] | None) -> VectorTable:
    """Read the rows of wanted words, None for all, of a word that is there twice the first.

    Raises:
        InputError: no row can be used.
    """
    malformed = Malformed(source)
    rows, parse = open_rows(source, malformed)
    chosen = choose_rows(rows, wanted, malformed)
    words: dict[str, None] = {}
    found: list[np.ndarray] = []
    first: list[np.ndarray] = []
    while batch := list(islice(chosen, ROWS)):
        vectors, kept = parse([values for _, _, values in batch]), []
        usable = np.logical_and.reduce(np.isfinite(vectors), axis=1)
        for index, (number, word, _) in enumerate(batch):
            if not usable[index]:
                malformed.add(number, "not all values are finite numbers")
            elif (wanted is None or word in wanted) and word not in words:
                words[word] = None
                kept.append(index)
        found.append(vectors[kept])
        if (room := STD_ROWS - sum(map(len, first))) > 0:
            first.append(vectors[usable][:room])
    number, error = malformed.first
    place = f"{'word' if source.suffix == '.bin' else 'line'} {number:,}: {error}" if malformed.count else ""
    if not sum(map(len, first)):
        raise InputError(
            f"{source}: no usable row: {place or 'it has no rows'}; a line must be a word and its numbers with spaces "
            "between, as in GloVe's .txt and fastText's .vec"
        )
    for path in source.paths:
        check_input(path)
    sample = np.concatenate(first).astype(np.float32)
    mean, std = sample.mean(axis=0), sample.std(axis=0)
    return VectorTable(source.file_name, list(words), np.concatenate(found), mean, std, malformed.count, place)


def read_dimension(source: VectorFile) -> int:
    """E, from the beginning of the file."""
    rows, parse = open_rows(source, Malformed(source))
    for _, _, values in rows:
        return parse([values]).shape[1]
    raise InputError(f"{source}: no usable row")


def choose_rows(rows: Iterator[Row], wanted: Set[str] | None, malformed: Malformed) -> Iterator[tuple[int, str, Any]]:
    """The rows to parse: the first `STD_ROWS`, and those of wanted words."""
    seen = 0
    for number, raw_word, values in rows:
        word = raw_word.decode(errors="ignore")
        if not word or word.encode() != raw_word:
            malformed.add(number, f"{shorten(raw_word)} is no word in UTF-8")
            continue
        seen += 1
        if seen <= STD_ROWS or wanted is None or word in wanted:
            yield number, word, values


def open_rows(source: VectorFile, malformed: Malformed) -> tuple[Iterator[Row], Parse]:
    """All rows of a file, read as they are asked for, and what parses the values of some of them."""
    if source.suffix == ".safetensors":
        return pair_rows(source), np.array  # of what np.stack takes ten times as long for
    if source.suffix == ".bin":
        return binary_rows(source), lambda rows: np.frombuffer(b"".join(rows), dtype="<f4").reshape(len(rows), -1)
    return text_rows(source, malformed), parse_text


def text_rows(source: VectorFile, malformed: Malformed) -> Iterator[Row]:
    """The rows of a text; a header "count dimension" is none."""
    lines = split_lines(source.blocks())
    beginning = list(islice(lines, FIRST_LINES))
    dimension, has_header = layout(beginning or [b""])
    for number, line in enumerate(chain(beginning, lines), start=1):
        word, _, values = line.partition(b" ")
        values = values.rstrip()
        if values and values.count(b" ") == dimension - 1:
            yield number, word, values
        elif len(numbers := values.split()) == dimension:  # more spaces than one, or tabs
            yield number, word, b" ".join(numbers)
        elif number > 1 or not has_header:
            error = f"{len(numbers)} values after the first space where most lines have {dimension}"
            malformed.add(number, error)


def split_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Lines without their ends; only a line feed ends one, for words may hold Unicode's other separators."""
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) > LONGEST_LINE:  # no text; as a malformed line it takes no more memory
            lines, rest = [*lines, rest], b""
        yield from lines
    if rest:
        yield rest


def layout(lines: Sequence[bytes]) -> tuple[int, bool]:
    """The dimension that most lines have, at least 1, and whether the first is a header that says the same."""
    fields = lines[0].split()
    is_header = len(fields) == 2 and all(field.isdigit() and len(field) < LONGEST_NUMBER for field in fields)
    stated = int(fields[1]) if is_header else 0
    votes = Counter([stated, *(len(line.split()) - 1 for line in lines[stated > 0 :])])
    dimension = max((number for number in votes if number > 0), key=votes.__getitem__, default=1)
    return dimension, dimension == stated


@np.errstate(over="ignore")  # too large for float32 is not finite
def parse_text(rows: list[bytes]) -> np.ndarray:
    """(n, E) float32 from n texts of E numbers; a row that has anything else is not finite.

    pandas' reader takes 93 ns a number, numpy's ways take 240; it refuses all rows if one has an error.
    """
    shape, kinds = (len(rows), rows[0].count(b" ") + 1), {"dtype": np.float32, "quoting": QUOTE_NONE}
    with suppress(ValueError):
        content = BytesIO(b"\n".join(rows))
        frame = pd.read_csv(content, sep=" ", header=None, low_memory=False, na_filter=False, **kinds)
        if frame.shape == shape:
            return frame.to_numpy()
    table = np.full(shape, np.nan, dtype=np.float32)
    for index, row in enumerate(rows):
        with suppress(ValueError):
            table[index] = np.array(row.split(), dtype=np.float32)
    return table


def binary_rows(source: VectorFile) -> Iterator[Row]:
    """The rows of word2vec's binary format, with or without a line end after each."""
    buffer, blocks, start = b"", source.blocks(), 0
    while b"\n" not in buffer and len(buffer) < LONGEST_HEADER and (more := next(blocks, b"")):
        buffer += more
    header, _, buffer = buffer.partition(b"\n")
    dimension, is_header = layout([header])
    if not is_header or dimension > LARGEST:
        raise InputError(
            f"{source}: not word2vec's binary format, which starts with a line 'count dimension'; "
            "of a fastText model take the .vec file"
        )
    total, size = int(header.split()[0]), 4 * dimension
    for number in range(1, total + 1):
        while (space := buffer.find(b" ", start)) < 0 or space + 1 + size > len(buffer):
            more = next(blocks, b"")
            if not more or (space < 0 and len(buffer) - start > LONGEST_LINE):
                raise InputError(f"{source}: ends within word {number:,} of {total:,}; fetch it again")
            buffer, start = buffer[start:] + more, 0
        yield number, buffer[start:space].lstrip(b"\n"), buffer[space + 1 : space + 1 + size]
        start = space + 1 + size
    for _ in blocks:  # to the end, where a .gz or .zip has its checksum
        pass


def pair_rows(source: VectorFile) -> Iterator[Row]:
    """The rows of NAME.safetensors, whose words are in NAME.txt."""
    words = source.paths[1].read_bytes().removesuffix(b"\n").split(b"\n")
    try:
        with safe_open(source.path, framework="np") as file:
            table = file.get_slice("vectors")
            shape = tuple(table.get_shape())
            if len(shape) != 2 or len(words) != shape[0]:
                raise InputError(
                    f"{source.paths[1]}: {len(words)} words where {source.path.name} has vectors of shape {shape}"
                )
            for start in range(0, len(words), ROWS):
                part = slice(start, min(start + ROWS, len(words)))
                yield from zip(count(start + 1), words[part], table[part], strict=False)
    except SafetensorError as error:
        raise InputError(f"{source}: not a safetensors file with an array `vectors` ({error})") from error
