"""Pictures of every kind beside what they should be, and damaged files of every kind: an array or an `ImageError`."""

import os
import pickle
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foldwise.images.reading import ImageError, draw_small, image_header, list_damaged, read_image

HEIGHT, WIDTH = 30, 44
ORIENTATION = 0x0112
LOSSLESS = {"lossless": True, "exact": True}
# What is stored of an upright picture, by EXIF orientation, https://exiftool.org/TagNames/EXIF.html
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: np.rot90,
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


def picture(mode="RGB", size=(HEIGHT, WIDTH)):
    """Colours that flow, in any mode."""
    height, width = size
    down, across = np.mgrid[0:height, 0:width] * (255 / (max(size) - 1))
    pixels = np.stack([down, across, 255 - down, across], axis=2).astype(np.uint8)
    if mode == "RGBA":
        return Image.fromarray(pixels)
    if mode == "LA":
        return Image.merge("LA", [Image.fromarray(down.astype(np.uint8)), Image.fromarray(across.astype(np.uint8))])
    image = Image.fromarray(pixels[..., :3])
    return image.quantize(64) if mode == "P" else image.convert(mode)


def saved(image, path, **options):
    image.save(path, **options)
    return str(path)


def expected(image, size, channels):
    """What plain Pillow makes of it, (C, H, W)."""
    mode = "L" if channels == 1 else "RGB"
    pixels = np.asarray(image.convert(mode).resize(size[::-1], Image.Resampling.BILINEAR))
    return pixels.reshape(*size, channels).transpose(2, 0, 1).astype(int)


def assert_near(found, wanted, tolerance):
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    assert found.flags.writeable
    assert found.shape == wanted.shape
    assert abs(found.astype(int) - wanted).max() <= tolerance


FILES = [
    ("RGB", "a.png", {}, 1),
    ("L", "a.png", {}, 1),
    ("1", "a.png", {}, 1),
    ("P", "a.png", {}, 1),
    ("P", "a.gif", {}, 1),
    ("L", "a.gif", {}, 1),
    ("RGB", "a.bmp", {}, 1),
    ("1", "a.bmp", {}, 1),
    ("P", "a.bmp", {}, 1),
    ("RGB", "a.webp", LOSSLESS, 1),
    ("RGB", "a.webp", {"quality": 95}, 16),
    ("RGB", "a.jpg", {"quality": 100, "subsampling": 0}, 3),
    ("RGB", "a.jpg", {"quality": 95, "progressive": True}, 12),
    ("L", "a.jpg", {"quality": 100}, 3),
    ("CMYK", "a.jpg", {"quality": 100}, 6),
    ("RGB", "a.tif", {}, 1),
    ("RGB", "a.tif", {"compression": "tiff_lzw"}, 1),
    ("RGB", "a.tif", {"compression": "jpeg", "quality": 100}, 10),
    ("1", "a.tif", {"compression": "group4"}, 1),
    ("P", "a.tif", {}, 1),
    ("L", "a.tif", {}, 1),
    ("CMYK", "a.tif", {}, 1),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("mode", "name", "options", "tolerance"), FILES)
def test_every_format_and_mode_is_read_as_pillow_shows_it(tmp_path, mode, name, options, tolerance, channels):
    image = picture(mode)
    path = saved(image, tmp_path / name, **options)
    is_grey = mode in ("1", "L") and name != "a.gif"  # which has a palette
    assert image_header(path) == (HEIGHT, WIDTH, is_grey)
    for size in ((HEIGHT, WIDTH), (13, 17), (60, 50)):  # as it is, smaller, larger
        assert_near(read_image(path, size, channels), expected(image, size, channels), tolerance)


def test_names_do_not_matter(tmp_path):
    for name in ("ä picture.of any", "a.jpg"):
        path = saved(picture(), tmp_path / name, format="PNG")
        assert_near(read_image(path, (8, 8), 3), expected(picture(), (8, 8), 3), 1)


@pytest.mark.parametrize("size", [(1500, 1000), (1025, 1999), (3000, 40)])
def test_a_large_jpeg_is_decoded_small_and_looks_the_same(tmp_path, size):
    image = picture(size=size)
    path = saved(image, tmp_path / "a.jpg", quality=95)
    assert_near(read_image(path, (64, 48), 3), expected(image, (64, 48), 3), 6)
    assert_near(read_image(path, (64, 48), 1), expected(image, (64, 48), 1), 6)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "lzw.tif", "a.webp", "a.jpg"])
@pytest.mark.parametrize("number", STORED)
def test_exif_orientation(tmp_path, name, number):
    upright = np.asarray(picture())
    exif = Image.Exif()
    exif[ORIENTATION] = number
    options = {"a.webp": LOSSLESS, "lzw.tif": {"compression": "tiff_lzw"}, "a.jpg": {"quality": 100, "subsampling": 0}}
    image = Image.fromarray(np.ascontiguousarray(STORED[number](upright)))
    path = saved(image, tmp_path / name, exif=exif, **options.get(name, {}))
    assert image_header(path)[:2] == (HEIGHT, WIDTH)
    exactly = upright.transpose(2, 0, 1).astype(int)
    assert_near(read_image(path, (HEIGHT, WIDTH), 3), exactly, 3 if name == "a.jpg" else 0)
    assert_near(read_image(path, (9, 20), 3), expected(picture(), (9, 20), 3), 3)


def test_a_damaged_orientation_does_no_harm(tmp_path):
    for number, exif in enumerate((b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nothing of the kind")):
        path = saved(picture(), tmp_path / f"{number}.jpg", exif=exif, quality=100, subsampling=0)
        assert_near(read_image(path, (9, 20), 3), expected(picture(), (9, 20), 3), 3)
        assert image_header(path) == (HEIGHT, WIDTH, False)


def on_white(image):
    """An image of transparent pixels on white, by arithmetic."""
    pixels = np.asarray(image.convert("RGBA"), dtype=float)
    alpha = pixels[..., 3:] / 255
    return Image.fromarray(np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("mode", "name", "options"),
    [
        ("RGBA", "a.png", {}),
        ("LA", "a.png", {}),
        ("RGBA", "a.webp", LOSSLESS),
        ("RGBA", "a.tif", {}),
        ("P", "a.png", {"transparency": bytes(range(0, 256, 4))}),
        ("P", "a.png", {"transparency": 7}),
        ("P", "a.gif", {"transparency": 7}),
        ("RGB", "a.png", {"transparency": (0, 0, 255)}),
        ("L", "a.png", {"transparency": 29}),
    ],
)
def test_behind_transparent_pixels_there_is_white(tmp_path, mode, name, options, channels):
    path = saved(picture(mode), tmp_path / name, **options)
    with Image.open(path) as image:
        wanted = on_white(image)
    assert np.asarray(wanted).max() == 255
    assert_near(read_image(path, (HEIGHT, WIDTH), channels), expected(wanted, (HEIGHT, WIDTH), channels), 2)
    assert_near(read_image(path, (13, 17), channels), expected(wanted, (13, 17), channels), 3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["a.png", "a.tif", "lzw.tif", "big-endian.tif"])
def test_sixteen_bits_become_eight_by_their_range(tmp_path, name, channels):
    ramp = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    ramp[-1, -1] = 65535
    image = Image.fromarray(ramp.astype(">u2") if name.startswith("big") else ramp)
    path = saved(image, tmp_path / name, **({"compression": "tiff_lzw"} if name.startswith("lzw") else {}))
    assert image_header(path) == (64, 64, True)
    wanted = np.broadcast_to(np.rint(ramp / 257), (channels, 64, 64))
    assert_near(read_image(path, (64, 64), channels), wanted, 0)
    blocks = np.broadcast_to(ramp.reshape(16, 4, 16, 4).mean((1, 3)) / 257, (channels, 16, 16))
    assert abs(read_image(path, (16, 16), channels) - blocks)[:, 2:-2, 2:-2].max() < 4
    dark = saved(Image.fromarray(ramp // 16), tmp_path / "dark.png")  # stays dark
    assert read_image(dark, (64, 64), 1).max() == 16


def with_twelve_bits(path):
    """A TIFF that says its pixels have 12 bits (tag 258, one short number) in place of 16."""
    content = Path(saved(Image.fromarray(np.zeros((8, 8), np.uint16)), path)).read_bytes()
    parts = content.split(struct.pack("<HHIH", 258, 3, 1, 16))
    assert len(parts) == 2
    path.write_bytes(struct.pack("<HHIH", 258, 3, 1, 12).join(parts))
    with Image.open(path) as image:
        assert image.mode == "I;16"  # as if they had 16


def test_pixels_whose_white_is_not_known_are_refused(tmp_path):
    for kind in (np.int32, np.float32):
        saved(Image.fromarray(np.ones((8, 8), kind)), tmp_path / f"{kind.__name__}.tif")
    with_twelve_bits(tmp_path / "twelve.tif")
    for name in ("int32.tif", "float32.tif", "twelve.tif"):
        for read in (image_header, lambda path: read_image(path, (8, 8), 1)):
            with pytest.raises(ImageError, match=f"{name}: pixels of 12 or 32 bits; save it as PNG"):
                read(str(tmp_path / name))


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_of_a_moving_picture_the_first(tmp_path, name):
    first, others = picture(), [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("red", "blue")]
    options = LOSSLESS if name == "a.webp" else {}
    path = saved(first, tmp_path / name, save_all=True, append_images=others, **options)
    with Image.open(path) as image:
        assert getattr(image, "n_frames") == 3  # noqa: B009 - a class of each format has it
    assert_near(read_image(path, (20, 20), 3), expected(first, (20, 20), 3), 40 if name == "a.gif" else 1)


def chunk(kind, content):
    """A part of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(height, width, *extra):
    """A grey PNG of one black row that says it has so many."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(min(height, 4) * (min(width, 1000) + 1))))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + chunk(b"IEND", b"")


BOMB = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (png(60_000, 60_000), "more pixels than"),
        (png(2_147_483_647, 2_147_483_647), "more pixels than"),
        (png(4, 4, BOMB), "empty, damaged, or not an image"),
        (png(100, 10_000), "cut short; copy it again"),
        (b"", "empty, damaged, or not an image"),
        (b"\x89PNG\r\n\x1a\n", "empty, damaged, or not an image"),
        (b"\xff\xd8\xff\xe0", "empty, damaged, or not an image"),
        (b"<html>404</html>" * 100, "empty, damaged, or not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "empty, damaged, or not an image"),  # not of our formats
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value[:12],
)
def test_what_is_wrong_is_said(tmp_path, content, reason):
    path = tmp_path / "image.png"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        read_image(str(path), (8, 8), 3)
    assert str(caught.value).startswith(f"{path}: {reason}")
    assert caught.value.__context__ is None  # nothing holds the pixels


def test_errors_hold_no_pixels(tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(png(1000, 2000))
    with pytest.raises(ImageError) as caught:
        read_image(str(path), (8, 8), 3)
    frames = [entry.frame.raw.f_locals for entry in caught.traceback]
    for image in [frame["image"] for frame in frames if "image" in frame]:
        with pytest.raises(ValueError, match="closed image"):
            image.im.size  # noqa: B018 - what is not there says so


def test_paths_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for name, reason in (("none.png", "cannot be opened, no such"), ("pipe.png", "not a file"), ("", "not a file")):
        for read in (lambda path: read_image(path, (8, 8), 3), image_header):
            with pytest.raises(ImageError, match=reason):
                read(str(tmp_path / name))


def outcome(path, size=(8, 9), channels=3):
    """How reading a file ended; anything but an array and an ImageError fails."""
    errors = []
    for read in (image_header, lambda path: read_image(path, size, channels)):
        try:
            found = read(str(path))
        except ImageError as error:
            errors.append(error)
    assert all(str(error).startswith(f"{path}: ") for error in errors)
    if errors:
        return "error"
    assert found.shape == (channels, *size)
    assert found.dtype == np.uint8
    return "array"


def contents(tmp_path):
    """Small files of every kind, by name."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    grain = np.random.default_rng(0).integers(0, 256, size=(HEIGHT, WIDTH, 3), dtype=np.uint8)
    noisy = Image.fromarray(grain)
    deep = Image.fromarray(grain[..., 0].astype(np.uint16) * 257)
    for image, name, options in [
        (noisy, "a.jpg", {"exif": exif}),
        (noisy, "progressive.jpg", {"progressive": True}),
        (noisy.convert("CMYK"), "cmyk.jpg", {}),
        (noisy, "a.png", {}),
        (noisy.quantize(64), "palette.png", {"transparency": 3}),
        (deep, "deep.png", {}),
        (noisy, "a.webp", {"exif": exif}),
        (noisy, "lossless.webp", LOSSLESS),
        (noisy, "moving.webp", {"save_all": True, "append_images": [picture()]}),
        (noisy, "a.bmp", {}),
        (noisy.quantize(64), "a.gif", {"transparency": 3}),
        (noisy.quantize(64), "moving.gif", {"save_all": True, "append_images": [picture("P")]}),
        (noisy, "a.tif", {}),
        (noisy, "lzw.tif", {"compression": "tiff_lzw", "exif": exif}),
        (noisy, "jpeg.tif", {"compression": "jpeg"}),
        (deep, "deep.tif", {"compression": "tiff_adobe_deflate"}),
    ]:
        yield name, Path(saved(image, tmp_path / name, **options)).read_bytes()


def test_a_file_that_is_cut_short_is_an_error(tmp_path):
    path = tmp_path / "cut"
    for name, content in contents(tmp_path):
        if name in ("moving.gif", "moving.webp"):
            continue  # their first pictures may be whole
        for tenth in range(10):
            path.write_bytes(content[: len(content) * tenth // 10])
            assert outcome(path) == "error", (name, tenth)


def test_fuzzed_files_give_an_array_or_an_error(tmp_path):
    rng = random.Random(0)
    files = dict(contents(tmp_path))
    found = []
    for number in range(300):
        name = rng.choice(list(files))
        content = bytearray(files[name])
        for _ in range(rng.randint(1, 6)):
            # Half of the blows hit the header.
            place = rng.randrange(min(len(content), 200) if rng.random() < 0.5 else len(content))
            length = rng.choice([1, 1, 2, 4, 30])
            kind = rng.choice(["flip", "cut", "insert", "zero", "ones", "repeat"])
            if kind == "flip":
                content[place] ^= 1 << rng.randrange(8)
            elif kind == "cut":
                del content[place : place + length]
            elif kind == "insert":
                content[place:place] = rng.randbytes(length)
            elif kind == "repeat":
                content[place:place] = content[place : place + 10 * length]
            else:
                content[place : place + length] = bytes([255 * (kind == "ones")]) * length
            content = content or bytearray(b"\0")
        path = tmp_path / f"{number}-{name}"
        path.write_bytes(content)
        found.append(outcome(path, channels=rng.choice([1, 3])))
    assert min(found.count("array"), found.count("error")) > 30


def test_pillow_warns_nobody(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(4, 4, chunk(b"acTL", bytes(8))))  # no picture moves: a warning of Pillow
    program = "import sys; from foldwise.images import reading; print(reading.{}(sys.argv[1]))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for work, wanted in (("image_header", "(4, 4, True)\n"), ("Image.open", "<PIL.")):
        command = [sys.executable, "-c", program.format(work), str(path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.startswith(wanted)
        assert done.stderr == ""


def test_small_pictures_for_a_page(tmp_path):
    for size, wanted in (((300, 150), (48, 96)), ((3000, 10), (1, 96)), ((20, 30), (30, 20))):
        path = saved(Image.new("RGB", size, "red"), tmp_path / "a.png")
        (tmp_path / "a.jpg").write_bytes(draw_small(path))
        assert image_header(str(tmp_path / "a.jpg")) == (*wanted, False)
    (tmp_path / "a.jpg").write_bytes(draw_small(str(tmp_path / "none.png")))
    assert np.all(read_image(str(tmp_path / "a.jpg"), (96, 96), 3) == 128)


def test_errors_are_sent_and_listed(tmp_path):
    errors = [ImageError(f"/train/{number}.png: cut short; copy it again") for number in range(12)]
    sent = pickle.loads(pickle.dumps(errors[0]))
    assert (type(sent), str(sent)) == (ImageError, str(errors[0]))
    lines = str(list_damaged(errors, 1797)).splitlines()
    assert lines[0] == "12 of 1,797 images cannot be read"
    assert lines[1] == "  /train/0.png: cut short; copy it again"
    assert lines[-2:] == ["  … and 2 more", "copy these files again, or take their rows out of the tables"]
    assert len(lines) == 13
    assert "more" not in str(list_damaged(errors[:10], 20))
