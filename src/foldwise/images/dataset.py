"""Images as PyTorch's Dataset: listed at first, each file opened only when its row is asked for.

    dataset = ImageFiles(folder, settings, store, rows, targets=y)
    loader = make_loader(dataset, BucketBatchSampler(dataset.lengths, batch_size=64))

A row has hashed words of its texts, one image, and its target. `write_rows` fills the folder that this reads:

    tokens.npy, offsets.npy, columns.npy   a `TokenStore` of hashed words; of rows without texts one number each
    pixels.npy                             (N, channels, H, W) uint8, where images are kept
    images.json                            the paths of all rows' images; whether rows have texts, and images are kept

Files are read by threads, as Pillow lets others run while it decodes: each worker process of a DataLoader would load
torch, and the worker of a fold may have none (EXPERIMENTS.md, "Images").
"""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from foldwise.clock import Clock
from foldwise.config import Images, Tokens
from foldwise.console import Progress
from foldwise.data.dataset import Batch, Item, TokenDataset
from foldwise.data.features import join_texts
from foldwise.data.token_store import TokenStore, open_array
from foldwise.data.tokenizer import tokenize
from foldwise.files import read_json, reserve, write_json
from foldwise.images.convnet import WORDS
from foldwise.images.reading import ImageError, list_damaged, read_image
from foldwise.machine import check_room
from foldwise.training.fold import GivenUpError

PIXELS, NAMES = "pixels.npy", "images.json"
PLACES = 64  # pixels that count as one token where batches of prediction are cut by their size
CHUNK = 512  # images that are read at once
TRIED = 5.0  # seconds after which the time of the rest can be told
DISK = 0.5  # of what is free, which images.cache = "auto" takes at most
EVERY_WORD = 1_000_000_000


class ImageFiles(TokenDataset):
    """Rows of a token store with an image each; batches are made on the CPU.

    Args:
        folder: of `write_rows`.
        augment: makes of (B, channels, H, W) uint8 training images, their (B,) row numbers and the epoch other images.
        mix: makes of a training batch with its images, and of the epoch, another batch.
        others: as of `TokenDataset`.
    """

    def __init__(
        self,
        folder: Path,
        settings: Images,
        *arguments: Any,
        augment: Callable[[Tensor, np.ndarray, int], Tensor] | None = None,
        mix: Callable[[Batch, int], Batch] | None = None,
        **others: Any,
    ) -> None:
        super().__init__(*arguments, **{**others, "device": torch.device("cpu")})
        self.settings, self.augment, self.mix = settings, augment, mix
        about = read_json(folder / NAMES)
        self.paths, self.threads, self.pixels = about["paths"], torch.get_num_threads(), None
        if about["kept"]:
            self.mapped.append(kept := open_array(folder / PIXELS, np.uint8, 4))
            self.pixels = torch.from_numpy(kept)

    @property
    def lengths(self) -> np.ndarray:
        """(n,) int64 size of each item in tokens: what it takes to see an image does not depend on its text."""
        height, width = self.settings.size
        return np.full(len(self.rows), max(1, height * width // PLACES))

    def read(self, rows: np.ndarray) -> Tensor:
        """(B, channels, H, W) uint8 images of B rows; `ImageError` where a file cannot be read."""
        if self.pixels is not None:
            return self.pixels[torch.from_numpy(rows)]
        with ThreadPoolExecutor(self.threads) as threads:
            images = threads.map(partial(read_file, self.settings), [self.paths[row] for row in rows])
            return torch.from_numpy(np.stack(list(images)))

    def __getitem__(self, index: int) -> Item:
        item = super().__getitem__(index)
        return item._replace(image=self.read(np.array([item.row]))[0])

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The batch of these items, in training with other images each epoch."""
        batch = super().__getitems__(indices)
        rows = batch.rows.numpy()
        images = self.read(rows)
        if batch.targets is None:
            return batch._replace(images=images)
        batch = batch._replace(images=self.augment(images, rows, self.epoch) if self.augment else images)
        return self.mix(batch, self.epoch) if self.mix else batch


def read_file(settings: Images, path: str) -> np.ndarray:
    """(channels, H, W) uint8 of an image file, at the size of the recipe."""
    height, width = settings.size
    return read_image(path, (height, width), settings.channels)


def write_rows(
    texts: Sequence[Sequence[str]],
    paths: Sequence[str],
    settings: Images,
    folder: Path,
    threads: int,
    deadline: float | None,
) -> str:
    """As `Learner.write_tokens`, of the texts of each column and the paths of all rows' images, each read once.

    Raises:
        InputError: images that cannot be read, the first ten by name.
        GivenUpError: it will not be done by the deadline.
    """
    shape = len(paths), settings.channels, *settings.size
    needed, free, kept = int(np.prod(shape)), shutil.disk_usage(folder).free, None
    if settings.cache == "always" or (settings.cache == "auto" and needed <= DISK * free):
        check_room(folder, needed, "the images")
        kept = np.lib.format.open_memmap(folder / PIXELS, mode="w+", dtype=np.uint8, shape=shape)
        reserve(folder / PIXELS)

    def read(row: int) -> ImageError | None:
        try:
            pixels = read_file(settings, paths[row])
        except ImageError as error:
            return error
        if kept is not None:
            kept[row] = pixels
        return None

    start, errors = Clock.now(), list[ImageError]()
    with Progress("tokens", len(paths), "images") as shown, ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(paths), CHUNK):
            chunk = range(first, min(first + CHUNK, len(paths)))
            errors += filter(None, pool.map(read, chunk))
            shown.update(len(chunk))
            spent = Clock.now() - start
            if deadline and spent > TRIED and start + spent * len(paths) / chunk.stop > deadline:
                raise GivenUpError
    if errors:
        raise list_damaged(errors, len(paths))
    if kept is not None:
        kept.flush()
    hash_words(texts, len(paths)).save(folder)
    write_json(folder / NAMES, {"paths": list(paths), "texts": bool(texts), "kept": kept is not None})
    size = " × ".join(map(str, settings.size))
    where = "read from their files in every epoch" if kept is None else f"{needed / 1e6:,.1f} MB"
    return f"{len(paths):,} images of {size}, {where}"


def hash_words(texts: Sequence[Sequence[str]], rows: int) -> TokenStore:
    """Words and pairs of neighbours as numbers from 1 on, by hashing: no vocabulary, so new texts have no new words.

    (Weinberger et al. 2009, "Feature hashing for large scale multitask learning")
    """
    if not texts:
        return TokenStore(np.ones(rows, np.int32), np.arange(rows + 1, dtype=np.int64))
    store, words, _ = tokenize(list(join_texts(texts)), rows, Tokens(max_size=EVERY_WORD), lambda _: None)
    of_rows = []
    for row in range(rows):
        own = [words[token] for token in store.row(row)]
        both = (*own, *map(" ".join, pairwise(own)))
        of_rows.append([1 + crc32(word.encode(errors="surrogatepass")) % (WORDS - 1) for word in both])
    offsets = np.cumsum([0, *map(len, of_rows)], dtype=np.int64)
    return TokenStore(np.fromiter(chain.from_iterable(of_rows), np.int32), offsets)
