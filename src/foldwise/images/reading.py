"""Image files as arrays: each picture as a person would see it, or an `ImageError` that says what is wrong.

JPEG, PNG, WebP, BMP, GIF and TIFF; of moving ones the first picture. Pictures are turned by their EXIF orientation.
Behind transparent pixels there is white. 16 bits a pixel become 8 by their range: 65,535 is white, whatever the
brightest pixel is. Pixels of 32 bits, whole or with a fraction, have no such range: white is the first of 1 (fractions
only), 255 and 65,535 that none is above; where some are above or negative, the least is black and the greatest white.
"""

import contextlib
import ctypes
import logging
import re
import stat
import warnings
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from foldwise.errors import SHOWN, InputError

try:
    from PIL import Image, ImageFile, _imaging
except ImportError as error:
    raise InputError(f"images need Pillow: {error}; install it: pip install -r requirements-images.txt") from error

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
SMALL = 96
MOST_PIXELS = 150_000_000  # of a file; Pillow's own limit is 178,956,970
TURN = Image.Transpose
TURNS = {  # by EXIF orientation
    **{2: TURN.FLIP_LEFT_RIGHT, 3: TURN.ROTATE_180, 4: TURN.FLIP_TOP_BOTTOM},
    **{5: TURN.TRANSPOSE, 6: TURN.ROTATE_270, 7: TURN.TRANSVERSE, 8: TURN.ROTATE_90},
}
SIDEWAYS = range(5, 9)  # orientations that change height and width over
QUIET: Any = ("ignore", None, Warning, re.compile(r"PIL\."), 0)  # an entry of warnings.filters
Found = TypeVar("Found")

# What Pillow and its libtiff write to the screen of their own accord, an error says.
logging.getLogger("PIL").addHandler(logging.NullHandler())
with contextlib.suppress(AttributeError, OSError):  # a libtiff that is not to be reached from here goes on writing
    ctypes.CDLL(str(_imaging.__file__)).TIFFSetErrorHandler(None)


class ImageError(InputError):
    """An image file cannot be read: `reason` says why, and what to do. It can be sent to another process."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def read_image(path: str, size: tuple[int, int], channels: int) -> np.ndarray:
    """The picture of a file at `size` (height, width): (channels, H, W) uint8, grey or RGB. ImageError: it has none."""
    return with_image(path, lambda image: to_array(image, size, channels))


def image_header(path: str) -> tuple[int, int, bool]:
    """Height, width, whether it is grey (with a palette it is not), from the header alone. ImageError: it has none."""
    return with_image(path, from_header)


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


def with_image(path: str, work: Callable[[Image.Image], Found]) -> Found:
    """What `work` makes of an open image; whatever is raised becomes an `ImageError`."""
    # Pillow's warnings say nothing that an error does not. They are let pass for each image anew, since others put the
    # list back; `catch_warnings` would change it under other threads.
    if warnings.filters[:1] != [QUIET]:
        warnings.filterwarnings("ignore", module=QUIET[3].pattern)
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # a user's own code may have set it, and half a picture would be grey
    try:
        found = (place := Path(path)).stat()
        if not stat.S_ISREG(found.st_mode):  # to open a pipe may take for ever
            raise ImageError(path, "not a file")
        if not found.st_size:
            raise ImageError(path, "empty, 0 bytes; copy it again")
        # Pillow gets no path: it would map the file into memory, and die if somebody cut the file then.
        with place.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            return work(image)
    except Exception as error:  # Pillow raises nearly all there are
        reason = explain(error)
    # Raised out here it holds neither what caused it nor the pixels: thousands of them may be kept to be listed.
    raise ImageError(path, reason)


def explain(error: Exception) -> str:
    """What is wrong with the file, and the fix, from what was raised when it was read."""
    if isinstance(error, ImageError):
        return error.reason
    if isinstance(error, OSError) and error.strerror:  # of the system; Pillow's have only a message
        return f"cannot be opened, {error.strerror[0].lower()}{error.strerror[1:]}"
    if isinstance(error, (Image.DecompressionBombError, MemoryError)):
        return f"more than {MOST_PIXELS:,} pixels, or than there is memory for; make it smaller"
    if isinstance(error, EOFError) or "truncated" in str(error):
        return "cut short; copy it again"
    return "damaged, or not an image that Pillow reads; copy it again, or save it as PNG"


def from_header(image: Image.Image) -> tuple[int, int, bool]:
    """What `image_header` gives."""
    tags = getattr(image, "tag_v2", None)  # of a TIFF, which versions of Pillow turn sooner or later
    width, height = (tags[256], tags[257]) if tags else image.size
    if orientation(image) in SIDEWAYS:
        width, height = height, width
    return height, width, image.mode in ("1", "L", "LA", "La") or image.mode.startswith(("I", "F"))


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none, or none that can be read: that does not harm the pixels."""
    try:
        return int(Image.Image.getexif(image).get(0x0112, 1))  # a PNG's own getexif would read the pixels
    except Exception:
        return 1


def to_array(image: Image.Image, size: tuple[int, int], channels: int) -> np.ndarray:
    """What `read_image` gives."""
    if image.format not in ("JPEG", "MPO"):
        image.load()  # the orientation may stand behind the pixels
    turned = 1 if image.format == "TIFF" else orientation(image)  # Pillow turns a TIFF itself
    width, height = size if turned in SIDEWAYS else size[::-1]
    mode = "L" if channels == 1 else "RGB"
    image.draft(mode, (width, height))  # a JPEG is decoded at 1/2, 1/4 or 1/8 where that is enough
    image.load()
    image, black, white = plain(image, mode)
    image = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    if image.mode in ("I", "F"):
        values = (np.asarray(image, dtype=np.float64) - black) * (255 / (white - black))
        image = Image.fromarray(np.rint(values).clip(0, 255).astype(np.uint8))
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if turned in TURNS:
        image = image.transpose(TURNS[turned])
    pixels = np.asarray(image.convert(mode)).reshape(*size, channels)
    return np.array(pixels.transpose(2, 0, 1), order="C")  # (C, H, W), a copy that may be written to


def plain(image: Image.Image, mode: str) -> tuple[Image.Image, float, float]:
    """An image as can be resized, L, RGB, RGBA or the deeper I and F; the values that are black and white."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        bits = getattr(image, "tag_v2", {}).get(258, (16,))[0]  # a TIFF may have 12
        return image.convert("I"), 0, 2 ** min(bits, 16) - 1
    if image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image), posinf=0, neginf=0)  # what is no number becomes 0
        low, high = float(values.min()), float(values.max())
        whites = [white for white in (1, 255, 65_535)[image.mode == "I" :] if low >= 0 and high <= white]
        black, white = (0, whites[0]) if whites else (low, high if high > low else low + 1)
        return Image.fromarray(values), black, white
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        mode = "RGBA"
    elif image.mode in ("1", "L"):
        mode = "L"  # a third of the work
    return (image if image.mode == mode else image.convert(mode)), 0, 255
