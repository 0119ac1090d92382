"""Image files as arrays: each picture as a person would see it, or an `ImageError` that says what is wrong.

The first of moving ones, turned by EXIF, on white where it is transparent; of 16 bits a pixel 65,535 is white.
"""

import warnings
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.errors import SHOWN, InputError

try:
    from PIL import Image, ImageOps
except ImportError as error:
    raise InputError(f"images need Pillow: {error}; install it: pip install -r requirements-images.txt") from error

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
SMALL = 96
warnings.filterwarnings("ignore", module=r"PIL\.")  # they say nothing that an error does not


class ImageError(InputError):
    """An image file cannot be read: its name, why, and what to do. It can be sent to another process."""


def read_image(path: str, size: tuple[int, int], channels: int) -> np.ndarray:
    """The picture of a file at `size` (height, width): (channels, H, W) uint8, grey or RGB. ImageError: it has none."""
    return with_image(path, lambda image: to_array(image, size, channels))


def to_array(image: Image.Image, size: tuple[int, int], channels: int) -> np.ndarray:
    """What `read_image` gives."""
    mode = "L" if channels == 1 else "RGB"
    image.draft(mode, (max(size), max(size)))  # a JPEG is decoded at 1/2, 1/4 or 1/8 where that is enough
    image.load()
    with suppress(Exception):  # damaged EXIF does not harm the pixels
        ImageOps.exif_transpose(image, in_place=True)
    deep, plain = image.mode.startswith("I"), "L" if image.mode in ("1", "L") else mode
    image = image.convert("I" if deep else "RGBA" if image.has_transparency_data else plain)
    image = image.resize(size[::-1], Image.Resampling.BILINEAR, reducing_gap=2.0)
    if deep:
        image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert(mode)).reshape(*size, channels).transpose(2, 0, 1).copy()  # (C, H, W)


def image_header(path: str) -> tuple[int, int, bool]:
    """Height, width, whether it is grey (with a palette it is not), from the header alone. ImageError: it has none."""

    def look(image: Image.Image) -> tuple[int, int, bool]:
        grey, sideways = image.mode in ("1", "L", "LA") or image.mode.startswith("I"), False
        with suppress(Exception):  # a PNG's own getexif would read the pixels; a TIFF Pillow turns itself
            sideways = Image.Image.getexif(image).get(0x0112) in range(5, 9) and image.format != "TIFF"
        return *(image.size if sideways else image.size[::-1]), grey

    return with_image(path, look)


def with_image(path: str, work: Callable[[Image.Image], Any]) -> Any:
    """What `work` makes of the image of a file; whatever is raised becomes an `ImageError`."""
    try:
        if (place := Path(path)).exists() and not place.is_file():  # to open a pipe may take for ever
            raise InputError("not a file")
        # Pillow gets no path: it would map the file into memory, and die if somebody cut the file then.
        with place.open("rb") as file, closing(Image.open(file, formats=FORMATS)) as image:
            if (image.mode in ("I", "F") and image.format != "PNG") or getattr(image, "tag_v2", {}).get(258) == (12,):
                raise InputError("pixels of 12 or 32 bits; save it as PNG")  # nobody knows what is white
            return work(image)
    except InputError as error:
        reason = str(error)
    except (Image.DecompressionBombError, MemoryError):
        reason = "more pixels than Pillow takes, or than there is memory for; make it smaller"
    except Exception as error:  # Pillow raises nearly all there are
        reason = "empty, damaged, or not an image that Pillow reads; copy it again, or save it as PNG"
        if isinstance(error, OSError) and error.strerror:  # of the system; Pillow's have only a message
            reason = f"cannot be opened, {error.strerror[0].lower()}{error.strerror[1:]}"
        elif isinstance(error, EOFError) or "truncated" in str(error):
            reason = "cut short; copy it again"
    raise ImageError(f"{path}: {reason}")  # out here it holds no pixels: thousands may be kept to be listed


def draw_small(path: str) -> bytes:
    """The picture as a JPEG of at most `SMALL` pixels a side, for a page; a grey square where it cannot be read."""
    try:
        height, width, _ = image_header(path)
        scale = min(1.0, SMALL / max(height, width))
        pixels = read_image(path, (max(1, round(height * scale)), max(1, round(width * scale))), 3)
    except ImageError:
        pixels = np.full((3, SMALL, SMALL), 128, np.uint8)
    content = BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(content, "JPEG", quality=80)
    return content.getvalue()


def list_damaged(errors: Sequence[ImageError], total: int) -> InputError:
    """One message for the images that cannot be read, of `total`: the first ten, a count, and what to do."""
    lines = [f"{len(errors):,} of {total:,} images cannot be read", *(f"  {error}" for error in errors[:SHOWN])]
    lines += [f"  … and {len(errors) - SHOWN:,} more"] * (len(errors) > SHOWN)
    return InputError("\n".join([*lines, "copy these files again, or take their rows out of the tables"]))
