"""Image files as arrays: each picture as a person would see it, or an `ImageError` that says what is wrong.

JPEG, PNG, WebP, BMP, GIF and TIFF; of moving ones the first picture. Pictures are turned by their EXIF orientation.
Behind transparent pixels there is white. 16 bits a pixel become 8 by their range: 65,535 is white.
"""

import logging
import stat
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np

from foldwise.errors import SHOWN, InputError

try:
    from PIL import Image, ImageOps
except ImportError as error:
    raise InputError(f"images need Pillow: {error}; install it: pip install -r requirements-images.txt") from error

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
SMALL = 96
MOST_PIXELS = 150_000_000  # of a file; Pillow's own limit is 178,956,970
Found = TypeVar("Found")

# What Pillow writes to the screen of its own accord, an error says.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())


class ImageError(InputError):
    """An image file cannot be read: `reason` says why, and what to do. It can be sent to another process."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def read_image(path: str, size: tuple[int, int], channels: int) -> np.ndarray:
    """The picture of a file at `size` (height, width): (channels, H, W) uint8, grey or RGB. ImageError: it has none."""
    return explained(path, lambda image: to_array(image, size, channels))


def image_header(path: str) -> tuple[int, int, bool]:
    """Height, width, whether it is grey (with a palette it is not), from the header alone. ImageError: it has none."""
    return explained(path, from_header)


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


def explained(path: str, work: Callable[[Image.Image], Found]) -> Found:
    """What `work` makes of the image of a file; whatever is raised becomes an `ImageError`."""
    try:
        return with_image(Path(path), work)
    except InputError as error:
        reason = str(error)
    except (Image.DecompressionBombError, MemoryError):
        reason = f"more than {MOST_PIXELS:,} pixels, or than there is memory for; make it smaller"
    except Exception as error:  # Pillow raises nearly all there are
        if isinstance(error, OSError) and error.strerror:  # of the system; Pillow's have only a message
            reason = f"cannot be opened, {error.strerror[0].lower()}{error.strerror[1:]}"
        elif isinstance(error, EOFError) or "truncated" in str(error):
            reason = "empty or cut short; copy it again"
        else:
            reason = "damaged, or not an image that Pillow reads; copy it again, or save it as PNG"
    raise ImageError(path, reason)  # out here: it holds no pixels, and thousands of them may be kept to be listed


def with_image(path: Path, work: Callable[[Image.Image], Found]) -> Found:
    """What `work` makes of the image of a file."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):  # to open a pipe may take for ever
        raise InputError("not a file")
    if not found.st_size:
        raise EOFError
    # Pillow gets no path: it would map the file into memory, and die if somebody cut the file then.
    with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise Image.DecompressionBombError
        unknown = image.mode in ("I", "F") and image.format != "PNG"
        if unknown or getattr(image, "tag_v2", {}).get(258) == (12,):  # bits a pixel of a TIFF
            raise InputError("neither 8 nor 16 bits a pixel, so what is white is not known; save it as PNG")
        return work(image)


def from_header(image: Image.Image) -> tuple[int, int, bool]:
    """What `image_header` gives."""
    sides, turned = image.size, 1
    with suppress(Exception):  # damaged EXIF does not harm the pixels
        turned = Image.Image.getexif(image).get(0x0112, 1)  # a PNG's own getexif would read the pixels
    width, height = sides[::-1] if turned in range(5, 9) and image.format != "TIFF" else sides
    return height, width, image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")


def to_array(image: Image.Image, size: tuple[int, int], channels: int) -> np.ndarray:
    """What `read_image` gives."""
    mode = "L" if channels == 1 else "RGB"
    image.draft(mode, (max(size), max(size)))  # a JPEG is decoded at 1/2, 1/4 or 1/8 where that is enough
    image.load()
    with suppress(Exception):  # damaged EXIF
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):
        image = image.convert("I")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
    else:
        image = image.convert("L" if image.mode in ("1", "L") else mode)
    image = image.resize(size[::-1], Image.Resampling.BILINEAR, reducing_gap=2.0)
    if image.mode == "I":
        image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    elif image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", size[::-1], "white"), image)
    pixels = np.asarray(image.convert(mode)).reshape(*size, channels)
    return np.array(pixels.transpose(2, 0, 1), order="C")  # (C, H, W), a copy that may be written to
