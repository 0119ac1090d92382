"""Which file a cell of the image column names.

A cell may be a path below the competition's folder, or the end of one (a bare name), with or without the file's ending.
"""

import os
from collections.abc import Iterable, Sequence
from errno import ENOENT
from itertools import accumulate
from pathlib import Path
from posixpath import isfile, islink, join, normpath, realpath, relpath, splitext  # isfile of a name too long is false

from foldwise.data.inspect_images import ENDINGS
from foldwise.errors import Errors, InputError, list_names, shorten

OTHER = {"train": "test", "test": "train"}


def list_images(folder: Path, endings: str | tuple[str, ...] = ENDINGS) -> list[str]:
    """Paths below a folder of all files with such an ending, in order; nothing hidden, nor what macOS packs."""
    found: list[str] = []
    seen: set[str] = set()  # folders; links may lead round in a circle
    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        new, below = realpath(place) not in seen, f"{place}/"[len(f"{folder}/") :]
        seen.add(realpath(place))
        shown = [name for name in folders if new and not name.startswith(".") and name != "__MACOSX"]
        folders[:] = sorted(shown, key=lambda name: islink(join(place, name)))
        images = [name for name in names if new and not name.startswith(".") and name.lower().endswith(endings)]
        found += [f"{below}{name}" for name in images if isfile(join(place, name))]
    return sorted(found)


def refuse(error: OSError) -> None:
    """A folder that cannot be listed is not passed over."""
    if error.errno != ENOENT:
        raise InputError(f"{error.filename}: cannot be listed ({error.strerror}); allow it, or move the folder away")


def find_paths(cells: Iterable[str], folder: Path, table: Path) -> dict[str, list[str]]:
    """Cell → absolute paths of the images that it may mean: none if it is missing, several if that is not clear.

    Folders are only searched for what is not there as the cell says, beside the table or in the competition's folder.
    """
    places = [str(table.absolute().parent), str(folder.absolute())]
    found: dict[str, list[str]] = {}
    ends: dict[str, list[str]] = {}  # what the others may be the ends of → paths
    for cell in filter(str.strip, dict.fromkeys(cells)):
        name = normpath(cell.replace("\\", "/"))
        paths = (join(place, one) for one in (name, cell) for place in places if one.lower().endswith(ENDINGS))
        there = next(filter(isfile, paths), None)
        found[cell] = [there] if there else ends.setdefault(name, [])
    images = list_images(folder) if ends else []
    own = next((word for word in OTHER if table.name.lower().startswith(word)), None)
    if any(is_below(path, own) for path in images):
        # A file that train lacks is missing, even if the test images have one of that name.
        images = [path for path in images if is_below(path, own) or not is_below(path, OTHER.get(own or ""))]
    for path in images:
        for end in accumulate(reversed(path.split("/")), "{1}/{0}".format):
            for name in {end, splitext(end)[0]} & ends.keys():
                ends[name].append(path)
    for name, several in ends.items():
        likely = [path for path in several if path.endswith(name)] or several  # with its ending
        likely = [path for path in likely if is_below(path, own)] or likely
        several[:] = [join(places[1], path) for path in likely]
    return found


def is_below(path: str, word: str | None) -> bool:
    """Whether a path leads through a folder whose name begins with a word."""
    return word is not None and f"/{word}" in f"/{path.rpartition('/')[0]}".lower()


def find_images(cells: Sequence[str], folder: Path, table: Path, column: str) -> list[str]:
    """The absolute path of the image that each cell of a table's column names; `InputError` where that is not clear."""
    found, errors = find_paths(cells, folder, table), Errors(table)
    for cell, paths in found.items():
        if not paths:
            fix = "put it there, into any folder, or correct the name"
            errors.add(f"{shorten(cell)}: no such image below {folder}; {fix}", column=column)
        elif len(paths) > 1:
            several = list_names(relpath(path, folder) for path in paths)
            errors.add(f"{shorten(cell)} may be {several}; write the path, or take the other away", column=column)
    if empty := sum(cell not in found for cell in cells):
        errors.add(f"no image named in {empty:,} rows; name one there, or take the rows out", column=column)
    errors.raise_if_any()
    return [found[cell][0] for cell in cells]
