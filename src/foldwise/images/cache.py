"""Rows with images as a learner sees them: hashed words of their texts, and the images at one size, on disk.

tokens.npy, offsets.npy, columns.npy   a `TokenStore` of hashed words; of rows without texts one number each
pixels.npy                             (N, channels, H, W) uint8, where images are kept
images.json                            the paths of all rows' images, and whether they have texts
"""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise
from pathlib import Path
from zlib import crc32

import numpy as np

from foldwise.clock import Clock
from foldwise.config import Images, Tokens
from foldwise.console import Progress
from foldwise.data.features import join_texts
from foldwise.data.token_store import TokenStore
from foldwise.data.tokenizer import tokenize
from foldwise.files import reserve, write_json
from foldwise.images.convnet import WORDS
from foldwise.images.dataset import NAMES, PIXELS
from foldwise.images.reading import ImageError, image_header, list_damaged, read_image
from foldwise.machine import check_room
from foldwise.training.fold import GivenUpError

CHUNK = 512  # images that are read at once
TRIED = 5.0  # seconds after which the time of the rest can be told
EVERY_WORD = 1_000_000_000
DISK = 0.5  # of what is free, which "auto" takes at most


def write_rows(
    texts: Sequence[Sequence[str]],
    paths: Sequence[str],
    settings: Images,
    folder: Path,
    threads: int,
    deadline: float | None,
) -> str:
    """As `Learner.write_tokens`, of the texts of each column and the paths of all rows' images.

    Raises:
        InputError: images that cannot be read, the first ten by name.
        GivenUpError: it will not be done by the deadline.
    """
    height, width = settings.size
    shape = len(paths), settings.channels, height, width
    needed = int(np.prod(shape))
    keep = settings.cache == "always" or (settings.cache == "auto" and needed <= DISK * shutil.disk_usage(folder).free)
    made = f"{len(paths):,} images of {height} × {width}"
    if keep:
        check_room(folder, needed, "the images")
        array = np.lib.format.open_memmap(folder / PIXELS, mode="w+", dtype=np.uint8, shape=shape)
        reserve(folder / PIXELS)

        def keep_image(row: int) -> None:
            array[row] = read_image(paths[row], (height, width), settings.channels)

        for_all(len(paths), keep_image, threads, deadline)
        array.flush()
        made += f", {needed / 1e6:,.1f} MB"
    else:
        for_all(len(paths), lambda row: image_header(paths[row]), threads, deadline)
        made += ", to be read from their files in every epoch"
    hash_words(texts, len(paths)).save(folder)
    write_json(folder / NAMES, {"paths": list(paths), "texts": bool(texts)})
    return made


def for_all(rows: int, work: Callable[[int], object], threads: int, deadline: float | None) -> None:
    """Do the work of each row, in threads, with progress; errors as of `write_rows`."""
    start, errors = Clock.now(), list[ImageError]()

    def attempt(row: int) -> ImageError | None:
        try:
            work(row)
        except ImageError as error:
            return error
        return None

    with Progress("tokens", rows, "images") as shown, ThreadPoolExecutor(threads) as pool:
        for first in range(0, rows, CHUNK):
            chunk = range(first, min(first + CHUNK, rows))
            errors += filter(None, pool.map(attempt, chunk))
            shown.update(len(chunk))
            spent = Clock.now() - start
            if deadline and spent > TRIED and start + spent * rows / chunk.stop > deadline:
                raise GivenUpError
    if errors:
        raise list_damaged(errors, rows)


def hash_words(texts: Sequence[Sequence[str]], rows: int) -> TokenStore:
    """Words and pairs of neighbours as numbers from 1 on, by hashing: no vocabulary, so new texts have no new words.

    (Weinberger et al. 2009, "Feature hashing for large scale multitask learning")
    """
    if not texts:
        return TokenStore(np.ones(rows, np.int32), np.arange(rows + 1, dtype=np.int64))
    store, words, _ = tokenize(list(join_texts(texts)), rows, Tokens(max_size=EVERY_WORD), lambda _: None, None)
    of_rows = []
    for row in range(rows):
        own = [words[token] for token in store.row(row)]
        pairs = map(" ".join, pairwise(own))
        of_rows.append([1 + crc32(word.encode(errors="surrogatepass")) % (WORDS - 1) for word in (*own, *pairs)])
    offsets = np.cumsum([0, *map(len, of_rows)], dtype=np.int64)
    return TokenStore(np.fromiter(chain.from_iterable(of_rows), np.int32), offsets)
