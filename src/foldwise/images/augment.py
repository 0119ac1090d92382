"""Random changes of training images.

What a row gets depends on the seed, the epoch and its number, and on nothing else: it is the same whatever batch it is
in, whatever thread reads it, and after a kill.
"""

from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from foldwise.data.dataset import Batch
from foldwise.hashing import hash_of
from foldwise.plugins import as_input_error, load

SHIFT = 1 / 8  # of height or width, at most
LEAST_AREA = 0.6  # of the part that "crop" keeps
ANGLE = np.pi / 12  # of "rotate", at most
COLOUR = 0.4  # how far brightness, contrast and saturation go from 1
CUT = 0.4  # side of the square of "cutout", as a share of height and width
GREY = 128
BETA = 0.4  # both parameters of the beta distribution of "mixup"
DRAWS = 10  # random numbers of each row


def draw(seed: int, epoch: int, rows: np.ndarray) -> Tensor:
    """(DRAWS, B) float32 random numbers from 0 to 1 of B rows."""
    of_rows = [np.random.default_rng([seed, epoch, row]).random(DRAWS, np.float32) for row in rows.tolist()]
    return torch.from_numpy(np.stack(of_rows, axis=1))


class RandomChanges:
    """The changes of `images.augment` that see one image at a time."""

    def __init__(self, names: Collection[str], seed: int) -> None:
        self.names, self.seed = names, seed

    def __call__(self, images: Tensor, rows: np.ndarray, epoch: int) -> Tensor:
        """(B, channels, H, W) uint8 of the same size."""
        numbers = draw(self.seed, epoch, rows)
        changed = images.float()
        if not {"flip", "shift", "crop", "rotate"}.isdisjoint(self.names):
            changed = self.move(changed, numbers[:5])
        if "colour" in self.names:
            changed = recolour(changed, 1 + COLOUR * (2 * numbers[5:8] - 1))
        if "cutout" in self.names:
            changed = cut_out(changed, numbers[8:10])
        return changed.round_().clamp_(0, 255).byte()

    def move(self, images: Tensor, numbers: Tensor) -> Tensor:
        """One affine map for all that moves pixels; what comes in from outside repeats the border."""
        flip, shift, crop, rotate = (float(name in self.names) for name in ("flip", "shift", "crop", "rotate"))
        zoom = (1 - crop * (1 - LEAST_AREA) * numbers[0]).sqrt()
        room = 1 - zoom + shift * 2 * SHIFT  # an image is 2 wide here
        right, down, angle = (
            room * (2 * numbers[1] - 1),
            room * (2 * numbers[2] - 1),
            rotate * ANGLE * (2 * numbers[3] - 1),
        )
        mirror = 1 - 2 * flip * (numbers[4] < 0.5)
        cos, sin, shape = zoom * angle.cos(), zoom * angle.sin(), images.shape[2] / images.shape[3]
        maps = torch.stack([cos * mirror, -sin * shape, right, sin / shape * mirror, cos, down], dim=1).view(-1, 2, 3)
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
    sides = zip(images.shape[2:], centres, strict=True)
    down, right = (((torch.arange(size) + 0.5) / size - centre[:, None]).abs() < CUT / 2 for size, centre in sides)
    return images.masked_fill((down[:, :, None] & right[:, None, :])[:, None], GREY)


class OwnTransform:
    """Code of the user's own, called image by image, with torch's random numbers seeded for each."""

    def __init__(self, name: str, seed: int) -> None:
        own, self.where = load(name, "recipe.images.transform"), f"recipe.images.transform = {name!r}: "
        with as_input_error(self.where):
            self.transform, self.seed = own() if isinstance(own, type) else own, seed

    def __call__(self, images: Tensor, rows: np.ndarray, epoch: int) -> Tensor:
        """(B, channels, H, W) uint8 of the same size; InputError where it fails, or gives something else."""
        changed = []
        with as_input_error(self.where), torch.random.fork_rng(devices=[]):
            for image, row in zip(images, rows.tolist(), strict=True):
                torch.manual_seed(int(hash_of(self.seed, epoch, row), 16) % 2**63)
                changed.append(self.transform(image))
            for image in changed:
                if image.shape != images.shape[1:] or image.dtype != torch.uint8:
                    what = f"{image.dtype} of {tuple(image.shape)}, not uint8 of {tuple(images.shape[1:])}"
                    raise ValueError(f"it gives {what}")
        return torch.stack(changed)


class Mixup:
    """Each image with the next one of the batch, and their targets, in random shares (Zhang et al. 2018, "mixup").

    Args:
        classes: of a multiclass task, whose targets become probabilities; else 0.
    """

    def __init__(self, classes: int, seed: int) -> None:
        self.classes, self.seed = classes, seed

    def __call__(self, batch: Batch, epoch: int) -> Batch:
        """The batch mixed, but for words; a row that lacks a target is not mixed."""
        rng = np.random.default_rng([self.seed, epoch, int(batch.rows[0])])
        assert batch.images is not None
        assert batch.targets is not None
        targets = functional.one_hot(batch.targets, self.classes).float() if self.classes else batch.targets
        share = torch.from_numpy(rng.beta(BETA, BETA, len(targets)).astype(np.float32))
        known = targets.isfinite().all(dim=1)
        share = torch.where(known & known.roll(1), share, 1.0)

        def blend(part: Tensor) -> Tensor:
            own = share.view(-1, *[1] * (part.ndim - 1))
            return torch.where(own < 1, torch.lerp(part.roll(1, 0), part, own), part)

        parts = {"auxiliary": batch.auxiliary, "weights": batch.weights}
        beside = {name: blend(part) for name, part in parts.items() if part is not None}
        return batch._replace(images=blend(batch.images.float()).round_().byte(), targets=blend(targets), **beside)
