"""Tables for images in a folder a class: `train/CLASS/*.png`, and `test/*.png` or a table test.

Whatever lies below `train/CLASS/`, however deep, is of that class; folders below `test/` mean nothing. Tables that are
there stay as they are, but for those that were written here (`init --force`).
"""

from collections import Counter
from pathlib import Path
from posixpath import splitext

from foldwise.console import say, warn
from foldwise.data.table import Table, read_table
from foldwise.errors import InputError, list_names
from foldwise.files import atomic_file, write_csv
from foldwise.images.names import list_images
from foldwise.inputs import made_input
from foldwise.paths import Paths


def write_tables(paths: Paths) -> None:
    """Write train.csv, and test.csv and sample_submission.csv where they are missing; nothing if no images are there.

    Raises:
        InputError: the folders hold fewer than two classes, or there is nothing to predict.
    """
    folder = paths.input
    files = list_files(folder / "train")
    labels = {file: file.partition("/")[0] for file in files if "/" in file}
    classes = sorted(set(labels.values()))
    if not classes:
        return
    if len(classes) < 2:
        raise InputError(f"{folder}/train: of its folders only {classes[0]!r} has images; at least two are needed")
    empty = [path.name for path in sorted((folder / "train").glob("[!._]*/")) if path.name not in classes]
    if left := [*(file for file in files if file not in labels), *empty]:
        warn(f"{folder}/train: left out, images in no folder and folders without images: {list_names(left)}")
    test, sample = find_others(paths)
    tested = list_files(folder / "test") if test is None and (folder / "test").is_dir() else []
    if test is None and not tested:
        fix = f"put them into {folder}/test/, or a table test.csv with the columns id and file beside it"
        raise InputError(f"{folder}: no images to predict; {fix}")
    if test is not None and not {"id", "file"}.issubset(test.frame.columns):
        fix = f"where classes are folders it has id and file (a path below {folder}); without it test/ is listed"
        raise InputError(f"{test.path}: has the columns {list_names(test.frame.columns)}; {fix}")
    name, ids = name_ids(tested, sample) if test is None else ("id", test.column("id"))
    header = [name, "path" if name == "file" else "file", "label"]
    if sample is None:
        write(folder / "sample_submission.csv", [name, "label"], ids, [classes[0]] * len(ids))
    if test is None:
        write(folder / "test.csv", header[:2], ids, [f"test/{file}" for file in tested])
    write(folder / "train.csv", header, bare([*labels]), [f"train/{file}" for file in labels], [*labels.values()])
    counts = f"{len(labels):,} images to learn from, {len(ids):,} to predict, {len(classes)} classes"
    say("init", f"wrote tables of the folders in {folder}: {counts}: {list_names(classes)}")


def list_files(folder: Path) -> list[str]:
    """Paths of the images below a folder, with a word about other files."""
    files = list_images(folder)
    if odd := [file for file in files if file != file.encode(errors="replace").decode()]:
        raise InputError(f"{folder}: names that are not UTF-8: {list_names(odd)}; give these files others")
    if files and (others := sorted({*list_images(folder, "")}.difference(files))):
        warn(f"{folder}: {len(others):,} files left out, which are no images by their endings: {list_names(others)}")
    return files


def find_others(paths: Paths) -> list[Table | None]:
    """Tables test and sample that are the user's; None where there are none, or those written here beside train.csv."""
    names = ("test", "sample_submission")
    test, sample = (read_table(paths.table(name)) if paths.tables(name) else None for name in names)
    if test is None or not paths.tables("train") or list(test.frame.columns)[1:] not in (["file"], ["path"]):
        return [test, sample]
    ids, files = ([*test.frame.iloc[:, number]] for number in (0, 1))
    forms = id_forms([file.removeprefix("test/") for file in files if file.startswith("test/")])
    own = sample and list(sample.frame.columns) == ["id", "label"] and sample.column("id") == ids == forms[0]
    return [None if ids in forms else test, None if own else sample]


def bare(files: list[str]) -> list[str]:
    """Names without their endings, but where two would be the same."""
    stems = [splitext(file)[0] for file in files]
    counts = Counter(stems)
    return [stem if counts[stem] == 1 else file for stem, file in zip(stems, files, strict=True)]


def id_forms(files: list[str]) -> list[list[str]]:
    """What ids of test images may be, the likeliest first."""
    names = [file.rpartition("/")[2] for file in files]
    return [bare(files), files, bare(names), names]


def name_ids(files: list[str], sample: Table | None) -> tuple[str, list[str]]:
    """The column of ids, and those of the test images: as the sample has them, if it does."""
    columns = {name: sorted(sample.column(name)) for name in sample.frame.columns} if sample else {}
    found = ((name, ids) for ids in id_forms(files) for name, values in columns.items() if sorted(ids) == values)
    return next(found, ("id", bare(files)))


def write(path: Path, header: list[str], *columns: list[str]) -> None:
    """A table, as a whole; this run may have read what was there."""
    with atomic_file(path) as temporary:
        write_csv(temporary, header, zip(*columns, strict=True))
        made_input(path, temporary)
