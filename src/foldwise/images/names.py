"""Which file a cell of the image column names.

A cell may be a path below the competition's folder, or the end of one (a bare name), with or without the file's ending.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from posixpath import normpath, splitext

from foldwise.data.inspect_images import ENDINGS
from foldwise.errors import Errors, list_names, shorten

OTHER = {"train": "test", "test": "train"}


def list_images(folder: Path, endings: str | tuple[str, ...] = ENDINGS) -> list[str]:
    """Paths below a folder of all files with such an ending, in order; nothing hidden, nor what macOS packs."""
    found: list[str] = []
    linked: set[Path] = set()  # folders; links may lead round in a circle
    for place, folders, names in os.walk(folder, followlinks=True):  # which passes over what it may not read
        above = Path(place)
        links = {name: (above / name).resolve() for name in folders if (above / name).is_symlink()}
        folders[:] = [name for name in folders if is_shown(name) and links.get(name) not in linked]
        linked.update(links.values())
        below = "" if above == folder else f"{above.relative_to(folder).as_posix()}/"
        images = [name for name in names if is_shown(name) and name.lower().endswith(endings)]
        found += [f"{below}{name}" for name in images if (above / name).is_file()]
    return sorted(found)


def is_shown(name: str) -> bool:
    """Whether a file or folder is neither hidden nor what macOS packs beside the others."""
    return not name.startswith(".") and name != "__MACOSX"


class ImageIndex:
    """The images below a folder by their names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.paths = list_images(folder)
        self.known = set(self.paths)
        self.by_name: dict[str, list[str]] = defaultdict(list)  # with and without ending → paths
        for path in self.paths:
            name = path.rpartition("/")[2]
            self.by_name[name].append(path)
            self.by_name[splitext(name)[0]].append(path)
        self.parts = {part for path in self.paths for part in path.split("/")[:-1]}

    def find(self, cell: str, table: Path) -> list[str]:
        """Absolute paths of the images that a cell of a table may mean; of several only those that are as likely."""
        path = cell if cell in self.known else normpath(cell.replace("\\", "/"))
        found = [path] if path in self.known else self.choose(path, table.name.partition(".")[0].lower())
        if not found and path.lower().endswith(ENDINGS):
            beside = str(table.parent.absolute() / path)
            return [beside] if os.path.isfile(beside) else []  # noqa: PTH113 (which fails for a name that is too long)
        return [f"{self.folder}/{one}" for one in found]

    def choose(self, path: str, stem: str) -> list[str]:
        """Of the images whose path ends so the likeliest for a table of this name (`train` …)."""
        named, end = self.by_name.get(path.rpartition("/")[2], ()), f"/{path}"
        ends = [one for one in named if f"/{one}".endswith(end)]
        ends = ends or [one for one in named if f"/{splitext(one)[0]}".endswith(end)]
        own = next((word for word in OTHER if stem.startswith(word)), stem)
        if own in OTHER and any(part.lower().startswith(own) for part in self.parts):
            # A file that train lacks is missing, even if the test images have one of that name.
            ends = [one for one in ends if is_below(one, own) or not is_below(one, OTHER[own])]
        below = [one for one in ends if is_below(one, own)]
        return below or [one for one in ends if one.startswith("images/")] or ends


def is_below(path: str, word: str) -> bool:
    """Whether a path leads through a folder whose name begins with a word."""
    return any(part.lower().startswith(word) for part in path.split("/")[:-1])


def find_images(cells: Sequence[str], folder: Path, table: Path, column: str) -> list[str]:
    """The absolute path of the image that each cell of a table's column names; `InputError` where that is not clear.

    Args:
        folder: the competition's, anywhere below which the images lie.
    """
    index, errors = ImageIndex(folder), Errors(table)
    found = {cell: index.find(cell, table) if cell.strip() else [] for cell in dict.fromkeys(cells)}
    for cell, paths in found.items():
        if not cell.strip():
            rows = sum(other == cell for other in cells)
            errors.add(f"no image named in {rows:,} rows; name one there, or take the rows out", column=column)
        elif not paths:
            fix = "put it there, into any folder, or correct the name"
            errors.add(f"{shorten(cell)}: no such image below {folder}; {fix}", column=column)
        elif len(paths) > 1:
            several = list_names(path.removeprefix(f"{index.folder}/") for path in paths)
            errors.add(f"{shorten(cell)} may be {several}; write the path, or take the other away", column=column)
    errors.raise_if_any()
    return [found[cell][0] for cell in cells]
