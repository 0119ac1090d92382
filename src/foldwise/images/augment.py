"""Random changes of training images.

What a row gets depends on the seed, the epoch and its number, and on nothing else: it is the same whatever batch it is
in, whatever thread reads it, and after a kill.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from foldwise.data.dataset import Batch
from foldwise.hashing import hash_of

SHIFT = 1 / 8  # of height or width, at most
LEAST_AREA = 0.6  # of the part that "crop" keeps
DEGREES = 15.0
COLOUR = 0.4  # how far brightness, contrast and saturation go from 1
CUT = 0.4  # side of the square of "cutout", as a share of height and width
GREY = 128
BETA = 0.4  # both parameters of the beta distribution of "mixup"
DRAWS = 10  # random numbers of each row


def draw(seed: int, epoch: int, rows: np.ndarray) -> Tensor:
    """(DRAWS, B) float32 random numbers from 0 to 1 of B rows, by hashing (SplitMix64, Steele et al. 2014)."""
    key = np.uint64(int(hash_of(seed, epoch), 16))
    counter = rows.astype(np.uint64)[None, :] * np.uint64(DRAWS) + np.arange(DRAWS, dtype=np.uint64)[:, None]
    z = key + (counter + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return torch.from_numpy(((z ^ (z >> np.uint64(31))) >> np.uint64(40)).astype(np.float32) / 2**24)


class RandomChanges:
    """The changes of `images.augment`, without "mixup"."""

    def __init__(self, names: Sequence[str], seed: int) -> None:
        self.names, self.seed = frozenset(names), seed

    def __call__(self, images: Tensor, rows: np.ndarray, epoch: int) -> Tensor:
        """(B, channels, H, W) uint8 of the same size."""
        numbers = draw(self.seed, epoch, rows)
        changed = images.float()
        if self.names & {"flip", "shift", "crop", "rotate"}:
            changed = self.move(changed, numbers[:5])
        if "colour" in self.names:
            changed = recolour(changed, 1 + COLOUR * (2 * numbers[5:8] - 1))
        if "cutout" in self.names:
            changed = cut_out(changed, numbers[8:10])
        return changed.round_().clamp_(0, 255).byte()

    def move(self, images: Tensor, numbers: Tensor) -> Tensor:
        """One affine map for all that moves pixels; what comes in from outside repeats the border."""
        centred = 2 * numbers - 1  # -1 … 1
        zoom = (
            (LEAST_AREA + (1 - LEAST_AREA) * numbers[0]).sqrt() if "crop" in self.names else torch.ones_like(numbers[0])
        )
        room = 1 - zoom if "crop" in self.names else torch.zeros_like(zoom)  # for the part that is kept
        room = room + 2 * SHIFT if "shift" in self.names else room  # a picture is 2 wide here
        angle = centred[3] * (DEGREES * torch.pi / 180 if "rotate" in self.names else 0.0)
        mirror = 1 - 2 * (numbers[4] < 0.5).float() if "flip" in self.names else torch.ones_like(zoom)
        height, width = images.shape[2:]
        cos, sin, shape = zoom * angle.cos(), zoom * angle.sin(), height / width
        rows = [cos * mirror, -sin * shape, room * centred[1], sin / shape * mirror, cos, room * centred[2]]
        maps = torch.stack(rows, dim=1).view(-1, 2, 3)
        grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def recolour(images: Tensor, factors: Tensor) -> Tensor:
    """Brightness, contrast and saturation times the three (3, B) factors."""
    brightness, contrast, saturation = factors[:, :, None, None, None]
    images = images * brightness
    images = torch.lerp(images.mean(dim=(1, 2, 3), keepdim=True), images, contrast)
    return torch.lerp(images.mean(dim=1, keepdim=True), images, saturation)


def cut_out(images: Tensor, centres: Tensor) -> Tensor:
    """A grey square around each of the (2, B) centres (DeVries & Taylor 2017)."""
    inside = []
    for size, centre in zip(images.shape[2:], centres, strict=True):
        places = (torch.arange(size) + 0.5) / size
        inside.append((places - centre[:, None]).abs() < CUT / 2)  # (B, size)
    return images.masked_fill((inside[0][:, :, None] & inside[1][:, None, :])[:, None], GREY)


class OwnTransform:
    """Code of the user's own, called image by image, with torch's random numbers seeded for each."""

    def __init__(self, transform: Any, seed: int) -> None:
        self.transform, self.seed = transform, seed

    def __call__(self, images: Tensor, rows: np.ndarray, epoch: int) -> Tensor:
        """(B, channels, H, W) uint8 of the same size; ValueError where it gives something else."""
        changed = []
        with torch.random.fork_rng(devices=[]):
            for image, row in zip(images, rows.tolist(), strict=True):
                torch.manual_seed(int(hash_of(self.seed, epoch, row), 16) % 2**63)
                changed.append(self.transform(image))
        for image in changed:
            if image.shape != images.shape[1:] or image.dtype != torch.uint8:
                raise ValueError(
                    f"it gives {image.dtype} of {tuple(image.shape)}, not uint8 of {tuple(images.shape[1:])}"
                )
        return torch.stack(changed)


class Mixup:
    """Each image with the next one of the batch, and their targets, in random shares (Zhang et al. 2018, "mixup").

    Args:
        classes: of a multiclass task, whose targets become probabilities; else 0.
    """

    def __init__(self, classes: int, seed: int) -> None:
        self.classes, self.seed = classes, seed

    def __call__(self, batch: Batch, epoch: int) -> Batch:
        """The batch mixed; its weights stay those of the first of two rows."""
        rows = batch.rows.tolist()
        rng = np.random.default_rng([self.seed, epoch, rows[0]])
        share = torch.from_numpy(rng.beta(BETA, BETA, len(rows)).astype(np.float32))
        assert batch.images is not None
        assert batch.targets is not None
        targets = functional.one_hot(batch.targets, self.classes).float() if self.classes else batch.targets
        images = torch.lerp(batch.images.roll(1, 0).float(), batch.images.float(), share[:, None, None, None])
        mixed = torch.lerp(targets.roll(1, 0), targets, share[:, None])
        return batch._replace(images=images.round_().byte(), targets=mixed)
