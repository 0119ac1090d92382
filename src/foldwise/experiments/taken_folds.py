"""Folds that another run of the competition has trained from the same inputs: copied, instead of trained again.

So a changed member costs nothing for the others, and a recipe that was restored nothing at all.
"""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from foldwise.experiments.names import UNNAMED, folder_of, names_there
from foldwise.files import atomic_folder
from foldwise.freshness import changes, fold_differences, read_fold
from foldwise.paths import FOLD_RECORD, Paths


def take_fold(paths: Paths, folder: Path, inputs: dict[str, Any]) -> str:
    """Put a whole copy into `folder` of what the first run there has in its place; → that run, "" for none.

    One that a time budget ended early is no such fold.
    """
    for name in names_there(paths):
        found = folder_of(paths, name) / folder.relative_to(paths.output)
        record = None if found == folder else read_fold(found)
        if record is None or record.get("shortened") or changes(record["inputs"], inputs):
            continue
        with suppress(FileNotFoundError):  # that run writes there just now
            with atomic_folder(folder, FOLD_RECORD) as temporary:
                for file in (FOLD_RECORD, *record["files"]):
                    shutil.copyfile(found / file, temporary / file)
            if not fold_differences(folder, inputs):
                return "the run without a name" if name == UNNAMED else name
    return ""
