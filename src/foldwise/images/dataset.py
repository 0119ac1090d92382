"""Images as PyTorch's Dataset: listed at first, each file opened only when its row is asked for.

    dataset = ImageFiles(pixels, store, rows, targets=y)
    loader = make_loader(dataset, BucketBatchSampler(dataset.lengths, batch_size=64))

A row has the tokens of its texts, one image, and its target. Files are read by threads, as Pillow lets others run while
it decodes: worker processes of a DataLoader would load torch again for each fold (EXPERIMENTS.md).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from foldwise.config import Images
from foldwise.data.dataset import Batch, Item, TokenDataset
from foldwise.data.token_store import open_array
from foldwise.files import read_json
from foldwise.images.reading import read_image
from foldwise.learners import NewRows

PIXELS, NAMES = "pixels.npy", "images.json"
PLACES = 64  # pixels that count as one token where batches of prediction are cut by their size
Augment = Callable[[Tensor, np.ndarray, int], Tensor]  # (B, channels, H, W) uint8, (B,) row numbers, epoch → images


class Pixels(NamedTuple):
    """Where the images of N rows are: in one array, or still in their files."""

    size: tuple[int, int]  # H, W
    channels: int
    array: np.ndarray | None  # (N, channels, H, W) uint8, mapped
    paths: Sequence[str]  # N
    threads: int = 0  # that read files; 0 for as many as torch uses

    @classmethod
    def open(cls, folder: Path, settings: Images) -> "Pixels":
        """What `foldwise.images.cache` wrote."""
        array = open_array(folder / PIXELS, np.uint8, 4) if (folder / PIXELS).is_file() else None
        height, width = settings.size
        return cls((height, width), settings.channels, array, read_json(folder / NAMES)["paths"])

    def read(self, rows: np.ndarray) -> Tensor:
        """(B, channels, H, W) uint8 of B rows; `ImageError` where a file cannot be read."""
        if self.array is not None:
            return torch.from_numpy(self.array)[torch.from_numpy(rows)]
        with ThreadPoolExecutor(self.threads or torch.get_num_threads()) as threads:
            images = list(threads.map(self.read_file, rows.tolist()))
        return torch.from_numpy(np.stack(images))

    def read_file(self, row: int) -> np.ndarray:
        """(channels, H, W) uint8 of one row, from its file."""
        return read_image(self.paths[row], self.size, self.channels)


def open_images(settings: Images, data: NewRows) -> "ImageFiles":
    """New rows with their images, at the size of the training."""
    assert data.own is not None
    return ImageFiles(Pixels.open(data.own, settings), data.store, np.arange(len(data.store)))


class ImageFiles(TokenDataset):
    """Rows of a token store with an image each.

    Args:
        augment: changes training images, each time in another way; rows without targets stay as they are.
        mix: mixes images and targets of training rows, as `foldwise.images.augment.mix` does.
        others: as of `TokenDataset`; batches are made on the CPU, whatever the device.
    """

    def __init__(
        self,
        pixels: Pixels,
        *arguments: Any,
        augment: Augment | None = None,
        mix: Callable[[Batch, int], Batch] | None = None,
        **others: Any,
    ) -> None:
        super().__init__(*arguments, **{**others, "device": torch.device("cpu")})
        self.pixels, self.augment, self.mix = pixels, augment, mix
        if pixels.array is not None:
            self.mapped.append(pixels.array)

    @property
    def lengths(self) -> np.ndarray:
        """(n,) int64 size of each item in tokens: what it takes to see an image does not depend on its text."""
        height, width = self.pixels.size
        return np.full(len(self.rows), max(1, height * width // PLACES))

    def __getitem__(self, index: int) -> Item:
        item = super().__getitem__(index)
        return item._replace(image=self.pixels.read(np.array([item.row]))[0])

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The batch of these items, in training with other images each epoch."""
        batch = super().__getitems__(indices)
        rows = batch.rows.numpy()
        images = self.pixels.read(rows)
        if batch.targets is None:
            return batch._replace(images=images)
        batch = batch._replace(images=self.augment(images, rows, self.epoch) if self.augment else images)
        return self.mix(batch, self.epoch) if self.mix else batch
