"""Which column names image files, and what these are like; `inspect_tables` finds the rest.

The images are looked up by the extension `foldwise.images`. Where its folder is not there, no column names any.
"""

import statistics
from collections.abc import Container
from contextlib import suppress
from itertools import chain
from typing import Any

import pandas as pd

from foldwise.data.inspect_tables import Inference, Tables, question
from foldwise.data.inspect_texts import different_values, differs, is_text
from foldwise.data.table import Table
from foldwise.data.targets import parse_number
from foldwise.errors import InputError, shorten
from foldwise.extensions import load_extension

FIND = "foldwise.images.names:find_paths"
HEADER = "foldwise.images.reading:image_header"
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
NO_IMAGE = "none"  # --image none
LOOKED_AT = 200  # different values of a column, and images
NEARLY = 0.95  # share of the values that name images
LARGEST, SMALLEST = 64, 8  # pixels that `init` proposes as height or width
CONVNET: dict[str, Any] = {  # what suits small networks of convolutions on some thousand images
    "model.name": "convnet",
    "training.epochs": 20,
    "training.learning_rate": 0.003,
    "training.r_drop": 0.0,
    "training.evaluations_per_epoch": 1,
    "training.patience": 6,
    "batches.size": 64,
}
EPOCH, STEPS, MOST_EPOCHS = 25, 600, 60  # of few images: batches of an epoch, steps of a training
NOISY = 600  # images below which the score of a fold goes up and down, so that it is waited for half of the epochs


def naming_columns(tables: Tables, others: Container[str | None]) -> dict[str, bool]:
    """Columns of train and test, none of `others`, that name images → whether any of these is there.

    Nearly all of the values end as images' names do, or are names of images that are there.
    """
    train, test = tables.train.frame, tables.test.frame
    looked_at = {
        name: different_values(train[name])[:LOOKED_AT] for name in train if name in test and name not in others
    }
    try:
        find = load_extension(FIND, "columns.image")
    except InputError:
        return {}
    paths, named = find(chain(*looked_at.values()), tables.train.path.parent, tables.train.path), {}
    for name, values in looked_at.items():
        by_chance = {} if differs(train[name]) else {value for value in values if parse_number(value) is not None}
        naming = [value for value in values if has_ending(value) or (paths[value] and value not in by_chance)]
        if len(naming) >= NEARLY * len(values) > 0:
            named[name] = any(paths[value] for value in naming)
    return named


def find_images(table: Table) -> str:
    """The first column whose values nearly all name images that are there; "" for none."""
    for name in table.frame:
        values = different_values(table.frame[name])[:LOOKED_AT]
        with suppress(InputError):
            paths = load_extension(FIND, "columns.image")(values, table.path.parent, table.path)
            if sum(bool(paths[value]) for value in values) >= NEARLY * len(values) > 0:
                return str(name)
    return ""


def has_ending(value: str) -> bool:
    """Whether a value ends as images' names do."""
    return value.lower().endswith(ENDINGS)


def infer_image(tables: Tables, named: dict[str, bool], told: str | None, texts: list[str]) -> Inference | None:
    """The column that names the images, of those `named`; None where there is none, or `texts` are told or there."""
    if told is not None:
        return None if told == NO_IMAGE else Inference(told, "as told")
    train, place = tables.train.frame, f"below {tables.train.path.parent}"
    there = [name for name, is_there in named.items() if is_there]
    # Of an id and a path the path is meant.
    there = [name for name in there if all(map(has_ending, train[name]))] or there
    if len(there) > 1:
        why = "each names files that are there"
        raise question("which column names the images", "--image", [*there, NO_IMAGE], why)
    if there:
        return Inference(there[0], f"its values name images {place}")
    others = train.columns.intersection(tables.test.frame.columns).difference([*named])
    if not named or texts or any(is_text(train[name]) for name in others):
        return None
    name = next(iter(named))
    what = f"column {name!r} names images ({shorten(different_values(train[name])[0])}), none is {place}"
    fix = f"unpack them there, or give --image {NO_IMAGE} to read the names as texts"
    raise InputError(f"{tables.train.path}: {what}; {fix}")


def infer_images(tables: Tables, column: str) -> dict[str, Inference]:
    """`[recipe.images]` by the sizes and colours of some images; what cannot be read is left to who reads all."""
    cells = different_values(tables.train.frame[column])
    find, read = load_extension(FIND, "columns.image"), load_extension(HEADER, "columns.image")
    chosen = cells[:: max(1, len(cells) // LOOKED_AT)][:LOOKED_AT]
    headers = []
    for path in chain(*find(chosen, tables.train.path.parent, tables.train.path).values()):
        with suppress(InputError):
            headers.append(read(path))
    if not headers:
        return {}
    heights, widths, grey = zip(*headers, strict=True)
    size = [min(LARGEST, max(SMALLEST, int(statistics.median(lengths)))) for lengths in (heights, widths)]
    found = {"size": Inference(size, f"height and width, the median of {len(headers)} images; {LARGEST} at most")}
    return found | ({"channels": Inference(1, "all of these images are grey")} if all(grey) else {})


def recipe_for(rows: int) -> dict[str, Any]:
    """What `init` writes for so many training images: of few, smaller batches and more epochs, lest steps be few."""
    size = 8
    while size < CONVNET["batches.size"] and 2 * size * EPOCH <= rows:
        size *= 2
    if size == CONVNET["batches.size"]:
        return CONVNET
    epochs = min(MOST_EPOCHS, max(CONVNET["training.epochs"], STEPS * size // rows))
    share = 1 / 2 if rows < NOISY else CONVNET["training.patience"] / CONVNET["training.epochs"]
    return {**CONVNET, "batches.size": size, "training.epochs": epochs, "training.patience": int(share * epochs)}


def of_folders(frame: pd.DataFrame) -> bool:
    """Whether a training table is one that `init` wrote: ids, images below train/, and the folders they are in."""
    if [*frame][1:] not in (["file", "label"], ["path", "label"]):
        return False
    return all(path.startswith(f"train/{label}/") for path, label in frame.iloc[:, 1:].itertuples(index=False))
