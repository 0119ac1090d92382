"""Files that somebody else packed: unpacked as far as this machine's memory goes, whatever their headers claim."""

import gzip
import io
import lzma
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

from foldwise.errors import InputError
from foldwise.machine import show_bytes

CHUNK = 1 << 20  # bytes
# A table's content may take this part of what is free: its lines and its rows as strings need as much again and more.
PART = 4
# What Python's readers of packed files raise for one that is damaged, has a password or is packed in a strange way.
DAMAGED = (
    EOFError, KeyError, OSError, RuntimeError, ValueError, lzma.LZMAError, struct.error, zipfile.BadZipFile, zlib.error
)  # fmt: skip
CGROUPS = (  # limit and use of a container, by the second and the first version of control groups
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
CACHES = ("inactive_file", "active_file")  # counted as used there, and given back when asked for


def available_memory() -> int:
    """Bytes of memory that are free on this machine, or in this container if that has less."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    lines = read_words(Path("/proc/meminfo"))
    if "MemAvailable:" in lines:
        found.append(int(lines[lines.index("MemAvailable:") + 1]) << 10)
    for folder, limit, used in CGROUPS:
        words, stat = [*read_words(folder / limit), *read_words(folder / used)], read_words(folder / "memory.stat")
        if len(words) == 2 and all(map(str.isdecimal, words)):  # else there is no limit: "max"
            cached = sum(int(stat[stat.index(name) + 1]) for name in CACHES if name in stat)
            found.append(int(words[0]) - int(words[1]) + cached)
    return max(0, min(found))


def read_words(path: Path) -> list[str]:
    """The words of a small file of the system; none where it is not there."""
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []


def check_size(path: Path, size: int, free: int) -> None:
    """Refuse a table of so many bytes where they are too many for the memory that is free."""
    if size > free // PART:
        raise InputError(
            f"{path}: its content is {show_bytes(size)} or more, and of the {show_bytes(free)} of memory that are free "
            f"now a table may take a quarter, {show_bytes(free // PART)}; free memory, take a larger machine, or "
            "leave out columns and rows that are not needed"
        )


def read_limited(path: Path, stream: IO[bytes] | gzip.GzipFile) -> bytes:
    """All of an unpacked stream; `InputError` as soon as it is too large."""
    content, free = io.BytesIO(), available_memory()
    while chunk := stream.read(CHUNK):
        content.write(chunk)
        check_size(path, content.tell(), free)
    return content.getvalue()
