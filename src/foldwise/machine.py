"""What a machine runs out of, memory and disk: errors of many types become one message that says how to go on.

Libraries wrap such errors in types of their own, some without the system's number, so they are known by their words.
"""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from foldwise.errors import InputError, RunError

DISK = {
    errno.ENOSPC: "no space is left on its disk",
    errno.EDQUOT: "the quota of its disk is used up",
    errno.EFBIG: "the system allows no file as large as this",
    errno.EIO: "its disk fails (input/output error)",
    errno.EROFS: "its disk can only be read",
}
# As Rust (safetensors, tokenizers), numpy and torch write them.
WORDS = {
    r"No space left on device|os error 28\b": errno.ENOSPC,
    r"Disk quota exceeded|os error 122\b": errno.EDQUOT,
    r"File too large|os error 27\b": errno.EFBIG,
    r"Input/output error|os error 5\b": errno.EIO,
    r"Read-only file system|os error 30\b": errno.EROFS,
}
MEMORY = re.compile(  # as torch, C++, oneDNN and CUDA's libraries write it
    r"DefaultCPUAllocator|bad_alloc|Cannot allocate memory|could not create a (primitive|memory object)$"
    r"|failed to map segment|(CUDNN|CUBLAS)_STATUS_ALLOC_FAILED"
)
FIX = {
    errno.ENOSPC: "make room there, or choose another folder with --output",
    errno.EDQUOT: "delete files of yours there, or choose another folder with --output",
    errno.EFBIG: "raise the limit (ulimit -f), or choose another folder with --output",
    errno.EIO: "choose another folder with --output, and look at the system's log (dmesg)",
    errno.EROFS: "choose another folder with --output",
}


def is_out_of_memory(error: BaseException) -> bool:
    """True if main memory or a GPU's did not suffice; torch may not be loaded."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # the latter is torch's
        return True
    return isinstance(error, RuntimeError | OSError | ImportError) and bool(MEMORY.search(str(error)))


def disk_error(error: BaseException) -> int:
    """The number in `DISK` of what went wrong, also of an error that another one led to; 0 for other errors."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.errno is not None:
            return found.errno if found.errno in DISK else 0
        if isinstance(found, RuntimeError | OSError) or type(found).__name__ in ("Exception", "SafetensorError"):
            for words, number in WORDS.items():
                if re.search(words, str(found)):
                    return number
        found = found.__cause__ or found.__context__
    return 0


def explain_machine(error: BaseException) -> str:
    """What the machine lacks, in words that a way to go on can follow; "" where the error is another."""
    if is_out_of_memory(error):
        return (
            "out of memory; take a smaller batches.size or tokens.max_length, fewer folds side by side (train --fold), "
            "or a machine with more"
        )
    if number := disk_error(error):
        path = getattr(error, "filename", None)
        return f"{path or 'a file'}: {DISK[number]}; {FIX[number]}"
    return ""


def named_when_full(writer: Callable[..., Any]) -> Callable[..., AbstractContextManager[Path]]:
    """For a context manager that writes `path` by way of a temporary one: a `RunError` says so if the disk cannot."""

    @contextmanager
    @wraps(writer)
    def named(path: Path, *arguments: Any, **options: Any) -> Iterator[Path]:
        written = ""
        try:
            with writer(path, *arguments, **options) as temporary:
                try:
                    yield temporary
                except Exception:  # measured before all is taken away again
                    written = f"it needs more than {show_bytes(size_of(temporary))}, "
                    raise
        except Exception as error:
            name = getattr(error, "filename", None)
            other = name is not None and path.name not in str(name)  # that it reads, say
            if isinstance(error, InputError | RunError) or other or not (number := disk_error(error)):
                raise
            raise RunError(
                f"{path} cannot be written: {DISK[number]}; {written}{show_bytes(free_bytes(path))} are free; "
                f"{FIX[number]}; what was finished is kept, and the same command goes on"
            ) from error

    return named


def check_room(folder: Path, needed: int, what: str) -> None:
    """Raise a `RunError` if a folder's disk has not the bytes that `what` needs at least."""
    if needed > (free := free_bytes(folder)):
        raise RunError(
            f"{folder}: {what} need at least {show_bytes(needed)}, and {show_bytes(free)} are free on its disk; "
            f"{FIX[errno.ENOSPC]}"
        )


def free_bytes(path: Path) -> int:
    """What is free on the disk of a path, which need not be there yet."""
    real = Path(os.path.realpath(path))
    there = next(place for place in (real, *real.parents) if place.exists())
    return shutil.disk_usage(there).free


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 where there is none, or the disk does not say."""
    try:
        return sum(part.stat().st_size for part in (path, *path.rglob("*")) if part.is_file())
    except OSError:
        return 0


def show_bytes(size: int) -> str:
    """Bytes for a message.

    >>> show_bytes(1_234_500_000), show_bytes(512)
    ('1,234.5 MB', '512 bytes')
    """
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"
