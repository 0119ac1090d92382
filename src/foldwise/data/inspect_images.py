"""Which column names image files, and what these are like; `inspect_tables` finds the rest.

The images are looked up by the extension `foldwise.images`. Where its folder is not there, no column names any.
"""

import statistics
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from foldwise.data.inspect_tables import Inference, Tables, question
from foldwise.data.inspect_texts import different_values, differs, is_text
from foldwise.data.table import read_table
from foldwise.data.targets import parse_number
from foldwise.errors import InputError, shorten
from foldwise.extensions import load_extension

INDEX = "foldwise.images.names:ImageIndex"
HEADER = "foldwise.images.reading:image_header"
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
NO_IMAGE = "none"  # --image none
LOOKED_AT = 200  # different values of a column, and images
NEARLY = 0.95  # share of the values that name images, of names without an ending
HALF = 0.5  # the same of names with an ending, which tells what they are; load_competition lists what is missing
LARGEST, SMALLEST = 128, 8  # pixels that `init` proposes as height or width


def has_ending(values: list[str]) -> bool:
    """Whether nearly all values end as images' names do."""
    return sum(value.lower().endswith(ENDINGS) for value in values) >= NEARLY * len(values) > 0


def naming_columns(tables: Tables) -> dict[str, float]:
    """Columns of train and test that seem to name images → the share of the values looked at that do."""
    train, test = tables.train.frame, tables.test.frame
    try:
        index = load_extension(INDEX, "columns.image")(tables.train.path.parent)
    except InputError:
        return {}
    found = {}
    twice = {*train.columns[train.columns.duplicated()], *test.columns[test.columns.duplicated()]}
    for name in train.columns.difference(twice, sort=False):  # twice the same name is refused later
        values = different_values(train[name])[:LOOKED_AT] if name in test.columns else []
        share = sum(bool(index.find(value, tables.train.path)) for value in values) / max(1, len(values))
        # Numbers that come again may be those of images by chance.
        telling = share >= NEARLY and (differs(train[name]) or None in map(parse_number, values))
        if has_ending(values) or telling:
            found[name] = share
    return found


def infer_image(tables: Tables, named: dict[str, float], told: str | None) -> Inference | None:
    """The column that names the images; None where there is none, or texts beside it are what is read."""
    if told is not None:
        return None if told == NO_IMAGE else Inference(told, "as told")
    train, folder = tables.train, tables.train.path.parent
    if of_folders(train.frame):
        return Inference(train.frame.columns[1], "paths of the images, by which init wrote the tables")
    there = [name for name, share in named.items() if share >= HALF]
    with_ending = [name for name in there if has_ending(different_values(train.frame[name])[:LOOKED_AT])]
    likely = with_ending or there
    if len(likely) > 1:
        raise question(
            "which column names the images", "--image", [*likely, NO_IMAGE], "each names files that are there"
        )
    if likely:
        return Inference(likely[0], f"its values name images below {folder}")
    others = [name for name in train.frame if name in tables.test.frame and name not in named]
    if named and not any(is_text(train.frame[name]) for name in others):
        name, share = max(named.items(), key=lambda item: item[1])
        example = shorten(different_values(train.frame[name])[0])
        there_are = f"{share:.0%} of them are" if share else "none of them is"
        raise InputError(
            f"{train.path}: column {name!r} names images ({example}), and {there_are} below {folder}; unpack them "
            f"there, or give --image {NO_IMAGE} to read the names as texts"
        )
    return None


def infer_images(tables: Tables, column: str) -> dict[str, Inference]:
    """`[recipe.images]` by the sizes and colours of some images; what cannot be read is left to who reads all."""
    index = load_extension(INDEX, "columns.image")(tables.train.path.parent)
    cells = different_values(tables.train.frame[column])
    chosen = cells[:: max(1, len(cells) // LOOKED_AT)][:LOOKED_AT]
    read, headers = load_extension(HEADER, "columns.image"), []
    for path in [path for cell in chosen for path in index.find(cell, tables.train.path)]:
        with suppress(InputError):
            headers.append(read(path))
    if not headers:
        return {}
    middle = [int(statistics.median(sizes)) for sizes in list(zip(*headers, strict=True))[:2]]
    size = [min(LARGEST, max(SMALLEST, length)) for length in middle]
    limits = "" if size == middle else f", between {SMALLEST} and {LARGEST}"
    reason = f"height and width, the median of {len(headers)} images is {middle[0]} x {middle[1]}{limits}"
    found = {"size": Inference(size, reason)}
    if all(grey for *_, grey in headers):
        found["channels"] = Inference(1, "all of these images are grey")
    return found


def infer_members(texts: list[str]) -> tuple[Inference, dict[str, dict[str, Any]]]:
    """The members that see images and those that read texts beside them, and the tables of the recipe for them."""
    if not texts:
        return Inference(["convnet"], "images, and no texts"), {"recipe.model": {"name": "convnet"}}
    members: dict[str, dict[str, Any]] = {
        "convnet": {"model.name": "convnet"},
        "bilstm": {},  # the recipe as it is
        "linear": {"model.name": "linear"},
    }
    sections = {f"recipe.members.{name}": values for name, values in members.items()}
    return Inference(list(members), "the first sees images and texts, the others read the texts"), sections


def of_folders(frame: pd.DataFrame) -> bool:
    """Whether a training table is one that `init` wrote: ids, images below train/, and the folders they are in."""
    if len(frame.columns) != 3 or frame.columns[1] not in ("file", "path") or frame.columns[2] != "label":
        return False
    return all(
        file.startswith(f"train/{label}/") for file, label in zip(frame.iloc[:, 1], frame.iloc[:, 2], strict=True)
    )


def lists_folders(path: Path) -> bool:
    """Whether a file is such a table."""
    try:
        return path.name == "train.csv" and of_folders(read_table(path).frame)
    except InputError:
        return False


def has_class_folders(folder: Path) -> bool:
    """Whether train/ has two folders or more, which may be classes."""
    train = folder / "train"
    return (
        train.is_dir() and sum(path.is_dir() and not path.name.startswith((".", "__")) for path in train.iterdir()) > 1
    )
