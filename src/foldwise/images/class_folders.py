"""Tables for images in a folder a class: `train/CLASS/*.png`, and `test/*.png` or a table test.

Whatever lies below `train/CLASS/`, however deep, is of that class; folders below `test/` mean nothing. Tables that are
there stay as they are, but for those that were written here (`init --force`).
"""

from collections import Counter
from pathlib import Path
from posixpath import splitext

from foldwise.console import say, warn
from foldwise.data.inspect_images import has_ending, of_folders
from foldwise.data.table import Table, check_columns, read_table
from foldwise.errors import InputError, list_names
from foldwise.files import atomic_file, write_csv
from foldwise.images.names import list_images
from foldwise.inputs import made_input
from foldwise.paths import Paths

SAMPLE = "sample_submission"


def write_tables(paths: Paths) -> None:
    """Write train.csv, test.csv and sample_submission.csv, those that are missing or were written here."""
    folder, kept = paths.input, find_tables(paths)
    files = [] if "train" in kept else list_files(folder / "train", deep=True)
    if not files:
        return
    labels = [file.partition("/")[0] for file in files]
    classes = sorted({*labels})
    if len(classes) < 2:
        raise InputError(f"{folder}/train: of its folders only {classes[0]!r} has images; at least two are needed")
    tested, name = [], "id"
    if "test" in kept:
        check_columns(kept["test"], ["id", "file"], kept["test"].frame.columns)
        ids = kept["test"].column("id")
    elif tested := list_files(folder / "test"):
        asked = {name: {*values} for name, values in kept[SAMPLE].frame.items()} if SAMPLE in kept else {}
        forms = ((name, ids) for ids in (bare(tested), tested) for name in asked if {*ids} == asked[name])
        name, ids = next(forms, ("id", bare(tested)))  # as the sample has them, if it does
    else:
        fix = f"put them into {folder}/test/, or a table test.csv with the columns id and file beside it"
        raise InputError(f"{folder}: no images to predict; {fix}")
    path = "path" if name == "file" else "file"
    columns = {
        SAMPLE: {name: ids, "label": [classes[0]] * len(ids)},
        "test": {name: ids, path: [f"test/{file}" for file in tested]},
        "train": {name: bare(files), path: [f"train/{file}" for file in files], "label": labels},
    }
    for table in (table for table in columns if table not in kept):
        with atomic_file(folder / f"{table}.csv") as temporary:
            write_csv(temporary, columns[table], zip(*columns[table].values(), strict=True))
            made_input(folder / f"{table}.csv", temporary)  # this run may have read what was there
    if others := {path.partition("/")[0] for path in list_images(folder) if "/" in path} - {"train", "test"}:
        warn(
            f"{folder}: images in {list_names(sorted(others))} are not used; what is to be learnt from goes into train/"
        )
    counts = f"{len(files):,} images to learn from, {len(ids):,} to predict, {len(classes)} classes"
    say("init", f"wrote tables of the folders in {folder}: {counts}: {list_names(classes)}")


def find_tables(paths: Paths) -> dict[str, Table]:
    """The tables that are there, but for those that were written here."""
    names = [name for name in ("train", "test", SAMPLE) if paths.tables(name)]
    tables = {name: read_table(paths.table(name)) for name in names}
    if "train" not in tables or not of_folders(tables["train"].frame):
        return tables
    written = {"train"}
    if "test" in tables and len(tables["test"].frame.columns) == 2:
        ids, files = ([*column] for _, column in tables["test"].frame.items())
        files = [file.removeprefix("test/") for file in files if file.startswith("test/")]
        written |= {"test"} if ids in (bare(files), files) else set()
        sample = {name: [*column] for name, column in tables[SAMPLE].frame.items()} if SAMPLE in tables else {}
        written |= {SAMPLE} if [*sample] == ["id", "label"] and sample["id"] == ids == bare(files) else set()
    return {name: table for name, table in tables.items() if name not in written}


def list_files(folder: Path, deep: bool = False) -> list[str]:
    """Paths of the images below a folder, or if `deep` in folders of it, with a word about other files."""
    found = list_images(folder, "")
    files = [file for file in found if has_ending(file) and ("/" in file or not deep)]
    if odd := [file for file in files if file != file.encode(errors="replace").decode()]:
        raise InputError(f"{folder}: names that are not UTF-8: {list_names(odd)}; give these files others")
    if files and (others := sorted({*found}.difference(files))):
        what = "which are no images by their endings" + " or in no folder of a class" * deep
        warn(f"{folder}: {len(others):,} files left out, {what}: {list_names(others)}")
    return files


def bare(files: list[str]) -> list[str]:
    """Names without their endings, but where two would be the same."""
    stems = [splitext(file)[0] for file in files]
    counts = Counter(stems)
    return [stem if counts[stem] == 1 else file for stem, file in zip(stems, files, strict=True)]
