"""Published files of word vectors: only the rows that a vocabulary can use are parsed and kept, in one pass.

- text: GloVe's, or word2vec's and fastText's with a first line "count dimension"; a word and its numbers a line
- .bin: word2vec's; the same first line, then each word, a space and its float32 numbers
- NAME.safetensors with `vectors` (W, E), and NAME.txt with the W words, one a line

Text and .bin may be in a .gz or .zip. Lines that are not a word and E numbers are counted and skipped: GloVe 840B has
words with spaces (`. . .`), paragram_300_sl999 words in Latin-1.
"""

import gzip
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import ExitStack
from typing import IO

import numpy as np
from safetensors import SafetensorError, safe_open

from foldwise.errors import InputError
from foldwise.paths import VectorFile
from foldwise.vectors.rows import STD_ROWS, Rows, VectorTable, no_usable_row, parse_binary, parse_text

BLOCK = 256 << 10  # bytes read at once; 4 MiB, more than a core's cache, took twice the time
LONGEST_LINE = 4 << 20  # bytes; more without a line end is no text
LONGEST_HEADER = 100  # bytes
FIRST_LINES = 100  # lines whose majority tells the dimension
Progress = Callable[[int], object]


def read_vectors(source: VectorFile, wanted: Set[bytes], progress: Progress) -> VectorTable:
    """Read the rows of wanted words.

    Args:
        source: the file.
        wanted: words in UTF-8.
        progress: called with numbers of bytes done, out of `size_of(source)`.

    Raises:
        InputError: no row is usable, the file is cut short, or it has another format than its name says.
    """
    if source.suffix == ".safetensors":
        return read_pair(source, wanted, progress)
    read = read_binary if source.suffix == ".bin" else read_text
    return read(source, blocks_of(source, progress), wanted)


def dimension_of(source: VectorFile) -> int:
    """E, from the beginning of the file.

    Raises:
        InputError: the file is empty or damaged.
    """
    if source.suffix == ".safetensors":
        return read_pair(source, frozenset(), lambda _: None).vectors.shape[1]
    blocks = blocks_of(source, lambda _: None)
    if source.suffix == ".bin":
        return binary_header(source, blocks)[1]
    for lines in lines_of(source, blocks):
        if lines:
            return layout(lines[:FIRST_LINES])[0]
    raise no_usable_row(source, "it is empty")


def size_of(source: VectorFile) -> int:
    """Bytes that reading goes through: of a .gz as it is on disk, of a member of a .zip unpacked."""
    if not source.member:
        return source.path.stat().st_size
    with zipfile.ZipFile(source.path) as archive:
        return archive.getinfo(source.member).file_size


def blocks_of(source: VectorFile, progress: Progress) -> Iterator[bytes]:
    """The unpacked content in blocks of `BLOCK` bytes, the last one shorter."""
    done = 0
    try:
        with ExitStack() as stack:
            stream: IO[bytes] | gzip.GzipFile
            if source.member:
                stream = stack.enter_context(stack.enter_context(zipfile.ZipFile(source.path)).open(source.member))
            else:
                raw = stream = stack.enter_context(source.path.open("rb"))
                if source.path.suffix == ".gz":
                    stream = gzip.GzipFile(fileobj=raw)
            while block := stream.read(BLOCK):
                now = done + len(block) if source.member else raw.tell()
                progress(now - done)
                done = now
                yield block
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{source}: cut short or damaged ({error}); fetch it again") from error
    except RuntimeError as error:  # a way of packing that Python does not know, or a password
        raise InputError(f"{source}: {error}; unpack it beside the .zip and move the .zip away") from error


def lines_of(source: VectorFile, blocks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Lines without their ends, in lists; only a line feed ends one, for words may hold Unicode's other separators."""
    rest = b""
    for block in blocks:
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        if len(rest) > LONGEST_LINE:
            raise no_usable_row(source, f"{len(rest):,} bytes without a line end")
        yield lines
    if rest:
        yield [rest]


def read_text(source: VectorFile, blocks: Iterator[bytes], wanted: Set[bytes]) -> VectorTable:
    """A table from text: lines of a word and E numbers, and perhaps a first line "count dimension"."""
    rows, number = None, 0
    for lines in lines_of(source, blocks):
        if rows is None:
            if not lines:
                continue
            dimension, has_header = layout(lines[:FIRST_LINES])
            rows, separators = Rows(wanted, dimension, parse_text), dimension - 1
        for line in lines:
            number += 1
            word, _, values = line.partition(b" ")
            values = values.rstrip()
            if values.count(b" ") != separators or not values:
                values = b" ".join(values.split())
                if values.count(b" ") != separators or not values:
                    if not (number == 1 and has_header):
                        found = values.count(b" ") + 1 if values else 0
                        rows.skip(number, f"{found} values after the first space where most lines have {dimension}")
                    continue
            rows.add(number, word, values)
    if rows is None:
        raise no_usable_row(source, "it is empty")
    return rows.table(source, "line")


def layout(lines: Sequence[bytes]) -> tuple[int, bool]:
    """The dimension that most lines have, at least 1, and whether the first is a header that says the same.

    >>> layout([b"2 3", b"a 1 2 3", b"b 1 2 3"]), layout([b". . . 1 2", b"a 1 2", b"b 1 2"])
    ((3, True), (2, False))
    """
    first = lines[0].split()
    stated = int(first[1]) if len(first) == 2 and first[0].isdigit() and first[1].isdigit() else 0
    numbers = [stated] * (stated > 0) + [len(line.split()) - 1 for line in lines[stated > 0 :]]
    votes = Counter(number for number in numbers if number > 0)
    dimension = votes.most_common(1)[0][0] if votes else 1
    return dimension, stated == dimension and stated > 0


def binary_header(source: VectorFile, blocks: Iterator[bytes]) -> tuple[int, int, bytes]:
    """How many words, E, and what follows the header in the blocks read for it."""
    buffer = b""
    while b"\n" not in buffer and len(buffer) < LONGEST_HEADER and (more := next(blocks, b"")):
        buffer += more
    header, _, buffer = buffer.partition(b"\n")
    fields = header.split()
    if len(fields) != 2 or not all(field.isdigit() and int(field) for field in fields):
        raise InputError(
            f"{source}: not word2vec's binary format, which starts with a line 'count dimension'; "
            "of a fastText model take the .vec file"
        )
    return int(fields[0]), int(fields[1]), buffer


def read_binary(source: VectorFile, blocks: Iterator[bytes], wanted: Set[bytes]) -> VectorTable:
    """A table from word2vec's binary format, with or without a line end after each row."""
    count, dimension, buffer = binary_header(source, blocks)
    rows, size, start = Rows(wanted, dimension, parse_binary), 4 * dimension, 0
    for number in range(1, count + 1):
        space = buffer.find(b" ", start)
        while space < 0 or space + 1 + size > len(buffer):
            more = next(blocks, b"")
            if not more or (space < 0 and len(buffer) - start > LONGEST_LINE):
                raise InputError(f"{source}: ends within word {number:,} of {count:,}; fetch it again")
            buffer, start = buffer[start:] + more, 0
            space = buffer.find(b" ")
        rows.add(number, buffer[start:space].lstrip(b"\n"), buffer[space + 1 : space + 1 + size])
        start = space + 1 + size
    for _ in blocks:  # to the end, where a .gz or .zip has its checksum
        pass
    return rows.table(source, "word")


def read_pair(source: VectorFile, wanted: Set[bytes], progress: Progress) -> VectorTable:
    """A table from NAME.safetensors and the words of NAME.txt.

    Raises:
        InputError: not readable, or another number of words than of vectors.
    """
    words_path = source.path.with_suffix(".txt")
    words = words_path.read_bytes().removesuffix(b"\n").split(b"\n")
    try:
        with safe_open(source.path, framework="np") as file:
            table = file.get_slice("vectors")
            shape = tuple(table.get_shape())
            if len(shape) != 2 or len(words) != shape[0]:
                raise InputError(
                    f"{words_path}: {len(words)} words where {source.path.name} has vectors of shape {shape}"
                )
            found: dict[bytes, None] = {}
            blocks = []
            for start in range(0, len(words), STD_ROWS):
                end, chosen = min(start + STD_ROWS, len(words)), []
                for row, word in enumerate(words[start:end]):
                    if word in wanted and word not in found:
                        found[word] = None
                        chosen.append(row)
                block = table[start:end]
                if not start:
                    first = block.astype(np.float32)
                blocks.append(block[chosen])
    except SafetensorError as error:
        raise InputError(f"{source}: not a safetensors file with an array `vectors` ({error})") from error
    progress(size_of(source))
    names = [word.decode() for word in found]
    return VectorTable(source.file_name, names, np.concatenate(blocks), first.mean(axis=0), first.std(axis=0))
