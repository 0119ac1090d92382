"""Writing that survives a kill, a full disk and a power cut, and checksums that show what has changed since.

A kill at any moment leaves the old content or the new one, whole, and at worst a hidden leftover that the next run
clears up (`foldwise.leftovers`). What is called written is on the disk itself, not only in memory. Links stay links:
what they point to is written.
"""

import csv
import errno
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

from foldwise.errors import InputError
from foldwise.hashing import hash_of
from foldwise.leftovers import LEFTOVER, clear, settle, temporary_name
from foldwise.machine import named_when_full

NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES}  # of folders on disks mounted from elsewhere
KINDS = {".npy", ".safetensors", ".json", ".jsonl"}  # of files that folders with a record are made of
NO_JSON = {"(inf)": math.inf, "(-inf)": -math.inf, "(nan)": math.nan}  # as text, and what it means


@named_when_full
@contextmanager
def atomic_file(path: Path, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path to write to; it becomes `path` when the block ends without an exception.

    Args:
        durable: it must survive a power cut as well, for which the disk is waited for.

    Raises:
        InputError: `path` is there and no file.
    """
    target = find_target(path)
    temporary = make_room(target)
    try:
        yield temporary
        inside = LEFTOVER.fullmatch(target.parent.name)  # of a folder that is itself on its way, and synced as a whole
        durable = durable and not inside
        if durable:
            sync(temporary)
        temporary.replace(target)
        if durable:
            sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@named_when_full
@contextmanager
def overwritten_file(path: Path) -> Iterator[Path]:
    """Yield `path` itself, to write over what it holds; a kill leaves neither the old content nor the new one."""
    yield path


@named_when_full
@contextmanager
def atomic_folder(path: Path, record: str = "") -> Iterator[Path]:
    """Yield an empty folder to fill; it takes the place of `path` when the block succeeds, old content and all.

    Args:
        record: the file that says what in the old folder was foldwise's own; what else lies there stays.

    Raises:
        InputError: `path` is there and no folder.
    """
    target = find_target(path, folder=True)
    temporary = make_room(target)
    temporary.mkdir()
    try:
        yield temporary
        for written in [*temporary.rglob("*"), temporary]:
            sync(written)
        if record and target.exists():
            keep_others(target, temporary, record)
        if target.exists():
            target.rename(f"{temporary}.old")  # no folder is replaced in one step: `settle` ends what a kill cut here
        temporary.rename(target)
        sync(target.parent)
    finally:
        settle(temporary, target)


def find_target(path: Path, folder: bool = False) -> Path:
    """Where a file, or a folder, is written: `path`, or what it points to; `InputError` if that is of another kind."""
    target, wanted = Path(os.path.realpath(path)), "folder" if folder else "file"
    there = path.exists() or target.is_symlink()  # the latter is a link to itself
    if there and not (path.is_dir() if folder else path.is_file()):
        kind = "a folder" if path.is_dir() else "a file" if path.is_file() else "a device, a pipe or no regular file"
        raise InputError(f"{path}: {kind}, where a {wanted} is to be written; move it away, or name another place")
    return target


def make_room(target: Path) -> Path:
    """The temporary name beside `target`, after clearing up what killed runs left there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    clear(target.parent, target.name)
    return temporary_name(target)


def sync(path: Path) -> None:
    """Have the content of a file, or the names in a folder, written to the disk itself."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_SYNC or not path.is_dir():
            raise
    finally:
        os.close(handle)


def keep_others(old: Path, new: Path, record: str) -> None:
    """Take over into the new folder what someone else put into the old one.

    Where the old record cannot be read, files of the kinds that foldwise writes count as its own.
    """
    listed = (read_json(old / record) or {}).get("files")
    known = set(listed) if isinstance(listed, dict) else None

    def own(place: str, names: list[str]) -> list[str]:
        if Path(place) != old:
            return []
        return [
            name
            for name in names
            if name == record or (new / name).exists() or (name in known if known else Path(name).suffix in KINDS)
        ]

    shutil.copytree(old, new, symlinks=True, ignore=own, copy_function=link_or_copy, dirs_exist_ok=True)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Give a file a second name, for it may be large; where the disk has no such thing, or it is another, copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@contextmanager
def usual_mode(path: Path) -> Iterator[None]:
    """Give the file that the block writes the mode that the umask asks for; safetensors lets only its owner read it."""
    path.touch()
    mode = path.stat().st_mode
    try:
        yield
    finally:
        path.chmod(mode)


def reserve(path: Path) -> None:
    """Have the disk set aside the size of a file that is written by mapping it: if it is full, that kills a process."""
    if hasattr(os, "posix_fallocate"):  # not on a Mac
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def write_text(path: Path, text: str, durable: bool = True) -> None:
    """Write `text` as UTF-8 with the line ends it has, as `atomic_file`."""
    with atomic_file(path, durable) as temporary:
        temporary.write_bytes(text.encode())


def write_json(path: Path, value: Any, durable: bool = True) -> None:
    """Write readable JSON, as `atomic_file`."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", durable)


def write_csv(path: Path, header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> None:
    """Write UTF-8 with plain line ends, so that the same rows are the same bytes everywhere; not atomic."""
    with path.open("w", encoding="utf-8", newline="") as file:
        write_rows(file, [header])
        write_rows(file, rows)


def write_rows(file: TextIO, rows: Iterable[Iterable[Any]]) -> None:
    """Write rows to such a file, which is open."""
    # Given these line ends it puts a cell with a lone \r in quotes, which before Python 3.13 it does not otherwise.
    lines = SimpleNamespace(write=lambda line: file.write(line.removesuffix("\r\n") + "\n"))
    csv.writer(lines, lineterminator="\r\n").writerows(rows)


def read_json(path: Path) -> Any:
    """The dict of a JSON file, or None where there is no readable one: then the stage that made it runs again."""
    if not path.is_file():  # a pipe would be waited for
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def without_infinity(value: Any) -> Any:
    """A value of JSON's types with texts for the numbers that JSON does not have, such as a limit of inf."""
    if isinstance(value, dict):
        return {name: without_infinity(part) for name, part in value.items()}
    if isinstance(value, list):
        return [without_infinity(part) for part in value]
    return f"({value})" if isinstance(value, float) and not math.isfinite(value) else value


def with_infinity(value: Any) -> Any:
    """The value that became this one."""
    if isinstance(value, dict):
        return {place: with_infinity(part) for place, part in value.items()}
    if isinstance(value, list):
        return [with_infinity(part) for part in value]
    return NO_JSON.get(value, value) if isinstance(value, str) else value


def write_checked(path: Path, content: dict[str, Any], durable: bool = True) -> None:
    """Write JSON with a checksum of its own, as `atomic_file`; `foldwise.records` reads it."""
    write_json(path, {**content, "checksum": hash_of(json.loads(json.dumps(content)))}, durable)


def write_record(path: Path, content: dict[str, Any]) -> None:
    """Write the record of a finished folder, beside the files that it vouches for: their checksums and its own."""
    write_checked(path, {**content, "files": checksums_of(path.parent, path.name)})


def is_checked(content: dict[str, Any]) -> bool:
    """True if the content of a JSON file is as `write_checked` was given it, from where its checksum is taken out."""
    return content.pop("checksum", None) == hash_of(content)


def checksums_of(folder: Path, without: str) -> dict[str, str]:
    """A checksum of each visible file of a folder but one."""
    paths = [path for path in sorted(folder.glob("[!.]*")) if path.is_file() and path.name != without]
    return {path.name: hash_of(path) for path in paths}


def damaged_files(folder: Path, checksums: dict[str, str]) -> list[str]:
    """What is wrong with the files of a folder, a phrase for each: `oof.safetensors is damaged`."""
    phrases = []
    for name, checksum in checksums.items():
        path = folder / name
        if not path.is_file() or hash_of(path) != checksum:
            phrases.append(f"{name} is {'damaged' if path.exists() else 'missing'}")
    return phrases
