"""Reading image files, a core: `read_image` beside bare loops of Pillow over the same JPEGs.

    .venv/bin/python tests/benchmarks/image_reading.py
    .venv/bin/python tests/benchmarks/image_reading.py --images 20000 --kilobytes 200 --rounds 1

Makes a few hundred different pictures of the size asked for, and of each as many links as are needed; deletes them. Where
memory has room for them they are still there from writing: the disk's own speed is not in the figures. The best round of
each counts; the loops take turns.
"""

import argparse
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from foldwise.images.reading import read_image

DIFFERENT = 300  # pictures; the others are links to them
Loop = Callable[[str, tuple[int, int]], np.ndarray]


def write_images(folder: Path, images: int, kilobytes: int) -> list[str]:
    """JPEGs of about so many kilobytes, 4 wide to 3 high: colours that flow, and grain."""
    rng = np.random.default_rng(0)
    paths: list[str] = []
    height = 480
    for _ in range(3):  # bytes grow with pixels
        height = max(16, round(height * (1000 * kilobytes / len(jpeg(rng, height))) ** 0.5))
    for number in range(images):
        path = folder / f"{number:06}.jpg"
        if number < DIFFERENT:
            path.write_bytes(jpeg(rng, height))
        else:
            os.link(paths[number % DIFFERENT], path)
        paths.append(str(path))
    kilobytes = round(Path(paths[0]).stat().st_size / 1000)
    print(f"{images:,} files of {kilobytes} kB, {height} × {height * 4 // 3} pixels", flush=True)
    return paths


def jpeg(rng: np.random.Generator, height: int) -> bytes:
    """One picture, encoded."""
    coarse = Image.fromarray(rng.integers(0, 256, size=(12, 16, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((height * 4 // 3, height), Image.Resampling.BICUBIC), dtype=np.int16)
    noisy = pixels + rng.integers(-12, 13, size=(*pixels.shape[:2], 1), dtype=np.int16)
    file = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def ours(path: str, size: tuple[int, int]) -> np.ndarray:
    """What foldwise does."""
    return read_image(path, size, 3)


def bare(path: str, size: tuple[int, int]) -> np.ndarray:
    """Pillow, as most write it."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize(size[::-1], Image.Resampling.BILINEAR))


def drafted(path: str, size: tuple[int, int]) -> np.ndarray:
    """Pillow, by somebody who knows its draft mode."""
    with Image.open(path) as image:
        image.draft("RGB", size[::-1])
        return np.asarray(image.convert("RGB").resize(size[::-1], Image.Resampling.BILINEAR))


LOOPS: dict[str, Loop] = {"foldwise": ours, "bare Pillow": bare, "bare Pillow with draft": drafted}


def seconds(loop: Loop, paths: list[str], size: tuple[int, int]) -> float:
    """Processor time of one round: other programs of the machine are not in it."""
    start = time.process_time()
    for path in paths:
        loop(path, size)
    return time.process_time() - start


def main() -> None:
    """Make, read, print, delete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--kilobytes", type=int, default=200)
    parser.add_argument("--size", type=int, nargs=2, default=(128, 128), metavar=("H", "W"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        paths = write_images(Path(folder), chosen.images, chosen.kilobytes)
        size = chosen.size[0], chosen.size[1]
        for loop in LOOPS.values():
            loop(paths[0], size)
        rounds = [{name: seconds(loop, paths, size) for name, loop in LOOPS.items()} for _ in range(chosen.rounds)]
        best = {name: min(found[name] for found in rounds) for name in LOOPS}
    print("| loop | images a second | foldwise is |\n|---|---|---|")
    for name, took in best.items():
        print(f"| {name} | {len(paths) / took:,.0f} | × {took / best['foldwise']:.2f} |")


if __name__ == "__main__":
    main()
