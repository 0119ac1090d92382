"""Download a contest's files. They are fetched and unpacked beside input/SLUG/, and moved into it once complete."""

import shutil
from pathlib import Path

from foldwise.console import say, warn
from foldwise.errors import InputError, RunError
from foldwise.files import write_checked
from foldwise.kaggle.client import run_client
from foldwise.kaggle.unpack import unpack
from foldwise.records import read_or_warn

RECORD = ".download.json"  # names and sizes of the files that a download put there
PARTIAL = ".kaggle-partial"  # beside a file that the client has not finished
UNPACKED = "unpacked"  # folder beside the archive


def archive_folder(folder: Path) -> Path:
    """Where the archive is kept until it is whole: a second call goes on where the first was cut off."""
    return folder.with_name(f".{folder.name}.download")


def download_files(slug: str, folder: Path, force: bool = False) -> None:
    """Fetch all files of contest `slug` into `folder`, unpacked; files of the user's own in it stay.

    Args:
        force: fetch anew what is there, and replace files that no download put there.
    """
    if not force and is_complete(folder):
        say("download", f"kept: {folder} has all files of the last download; --force fetches them anew")
        return
    store = archive_folder(folder)
    if force:
        shutil.rmtree(store, ignore_errors=True)
    store.mkdir(parents=True, exist_ok=True)
    run_client("download", slug=slug, folder=store)
    fetched = [path for path in store.iterdir() if path.is_file()]
    if len(fetched) != 1 or fetched[0].suffix == PARTIAL:
        raise RunError("the download did not end; run the same command again, it goes on where it stopped")
    shutil.rmtree(unpacked := store / UNPACKED, ignore_errors=True)
    unpacked.mkdir()
    if fetched[0].suffix != ".zip":  # of a contest of one plain file
        fetched[0].rename(unpacked / fetched[0].name)
        names = [Path(fetched[0].name)]
    else:
        try:
            names = unpack(fetched[0], unpacked)
        except RunError:  # the next call must not go on with this archive
            shutil.rmtree(store)
            raise
    move_files(unpacked, names, folder, force)
    shutil.rmtree(store)
    for name in names:
        say("download", f"{folder / name}: {(folder / name).stat().st_size:,} bytes")
    if packed := [str(name) for name in names if name.suffix in (".7z", ".rar")]:
        warn(f"{folder}: {', '.join(packed)} stays packed; unpack it by hand, then `./run.sh init {folder.name}`")


def read_sizes(folder: Path) -> dict[str, int]:
    """Names and sizes of the files that the last download put there."""
    return read_or_warn(folder / RECORD, dict[str, int], "which files are of a download is not known") or {}


def is_complete(folder: Path) -> bool:
    """True if every file of the last download is there in its full size."""
    sizes = read_sizes(folder)
    there = {name: (folder / name).stat().st_size for name in sizes if (folder / name).is_file()}
    return bool(sizes) and there == sizes


def move_files(unpacked: Path, names: list[Path], folder: Path, force: bool) -> None:
    """Move the files into place; their names are recorded first, so that a call after a kill knows them as its own."""
    known = read_sizes(folder)
    foreign = [str(name) for name in names if (folder / name).exists() and str(name) not in known]
    if foreign and not force:
        raise InputError(
            f"{folder}: {', '.join(foreign[:5])}{' …' * (len(foreign) > 5)} already there, and not from a download; "
            "move them away, or replace them with --force"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_checked(folder / RECORD, {name.as_posix(): (unpacked / name).stat().st_size for name in names})
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (unpacked / name).replace(folder / name)
