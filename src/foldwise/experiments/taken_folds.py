"""Folds that another run of the competition has trained from the same inputs: taken from there, not trained again.

So a changed member costs nothing for the others, and a recipe that was restored nothing at all.
"""

from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from foldwise.experiments.names import UNNAMED, folder_of, names_there
from foldwise.files import atomic_folder, damaged_files, link_or_copy
from foldwise.freshness import changes, read_fold
from foldwise.paths import FOLD_RECORD, Paths
from foldwise.plugins import code_hash


class NotWholeError(Exception):
    """A fold of another run is damaged, or that run writes there just now."""


def take_fold(paths: Paths, folder: Path, inputs: dict[str, Any], device: str) -> str:
    """Put into `folder` what the first run has there that trained the same; → that run, "" for none.

    The same are inputs, foldwise's code, torch, and the device if one is asked for. A fold that a time budget ended or
    hurried does not count, nor one that is not whole, or cannot be read.
    """
    for name in names_there(paths):
        found = folder_of(paths, name) / folder.relative_to(paths.output)
        with suppress(NotWholeError, OSError):
            record = None if found == folder else read_fold(found)
            if record is not None and is_same(record, inputs, device):
                with atomic_folder(folder, FOLD_RECORD) as temporary:
                    give(found, temporary, record["files"])
                return "the run without a name" if name == UNNAMED else name
    return ""


def is_same(record: dict[str, Any], inputs: dict[str, Any], device: str) -> bool:
    """Whether a fold is what training would give here."""
    here = version("torch").partition("+")[0], code_hash()
    by_clock = record.get("shortened") or record.get("hurried")
    if by_clock or (record["torch"].partition("+")[0], record.get("code")) != here:
        return False
    return device in ("auto", record["runtime"]["device"]) and not changes(record["inputs"], inputs)


def give(found: Path, folder: Path, files: dict[str, str]) -> None:
    """A fold's files by second names, where the disk has them: folds are only ever replaced as a whole."""
    for file in (FOLD_RECORD, *files):
        if not (found / file).is_file():
            raise NotWholeError
        link_or_copy(found / file, folder / file)
    if damaged_files(folder, files):
        raise NotWholeError
