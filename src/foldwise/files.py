"""Writing that survives a kill, and hashes that tell whether a result is still up to date.

A kill at any moment leaves the old content or the new one (of a folder, between two renames, neither), and at worst a
hidden leftover that the next run removes.
"""

import csv
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

SAMPLE, SAMPLES = 1 << 20, 64  # bytes, and places of a large file, that its digest is made of


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; it becomes `path` when the block ends without an exception."""
    temporary = make_room(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; it takes the place of `path`, old content and all, when the block succeeds."""
    temporary = make_room(path)
    temporary.mkdir()
    replaced = temporary.with_name(f"{temporary.name}.old")
    try:
        yield temporary
        if path.exists():
            path.rename(replaced)  # no folder is replaced in one step: a kill now leaves it missing, never mixed
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def make_room(path: Path) -> Path:
    """The temporary name beside `path`, after removing what killed runs left there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.tmp*"):
        process = leftover.name.rpartition(".tmp")[2].removesuffix(".old")
        if process.isdecimal() and not is_running(int(process)):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    return path.with_name(f".{path.name}.tmp{os.getpid()}")


def is_running(process: int) -> bool:
    """True if a process of that number, other than this one, exists."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return process != os.getpid()


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with the line ends it has, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> None:
    """Write UTF-8 with plain line ends, so that the same rows are the same bytes everywhere; not atomic."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def read_json(path: Path) -> Any:
    """The dict of a JSON file, or None where there is no readable one: then the stage that made it runs again."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def sizes_of(folder: Path) -> dict[str, int]:
    """Bytes of each visible file of a folder, to notice later that one is missing or was cut short."""
    return {path.name: path.stat().st_size for path in sorted(folder.glob("[!.]*")) if path.is_file()}


def write_record(path: Path, content: dict[str, Any]) -> None:
    """Write the record of a finished folder, beside the files that it vouches for: their checksums and its own."""
    record = {**content, "files": checksums_of(path.parent, path.name)}
    write_json(path, {**record, "checksum": hash_of(record)})


def read_record(path: Path) -> dict[str, Any] | None:
    """What `write_record` wrote; None where it, or a file that it vouches for, is missing or not as it was written."""
    record = read_json(path)
    if record is None or record.pop("checksum", None) != hash_of(record):
        return None
    return record if record.get("files") == checksums_of(path.parent, path.name) else None


def checksums_of(folder: Path, without: str) -> dict[str, str]:
    """A checksum of each visible file of a folder but one."""
    paths = [path for path in sorted(folder.glob("[!.]*")) if path.is_file() and path.name != without]
    return {path.name: hash_of(path) for path in paths}


def hash_of(*parts: Any) -> str:
    """Short sha256 of paths' contents and of JSON-like values, in order; equal means nothing changed."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            digest.update(digest_of_file(part, part.stat().st_mtime_ns, part.stat().st_size))
        else:
            digest.update(json.dumps(part, sort_keys=True, ensure_ascii=False).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def content_digest(path: Path) -> str:
    """sha256 of a large file's size and content; of more than 64 MiB, of that much from all over it."""
    size, digest = path.stat().st_size, hashlib.sha256()
    with path.open("rb") as file:
        for start in [*range(0, size, max(SAMPLE, size // SAMPLES)), max(0, size - SAMPLE)]:
            file.seek(start)
            digest.update(file.read(SAMPLE))
    return hash_of(size, digest.hexdigest())


@cache
def digest_of_file(path: Path, modified: int, size: int) -> bytes:  # noqa: ARG001
    """sha256 of a file, computed once a run as long as its time and size stay."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
