"""Hashes that tell whether content is the same: of files, and of values as JSON writes them."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

SAMPLE, SAMPLES = 1 << 20, 64  # bytes, and places of a large file, that its digest is made of


def hash_of(*parts: Any) -> str:
    """Short sha256 of paths' contents (or their digests, as bytes) and of JSON-like values, in order."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            digest.update(digest_of_file(part, part.stat().st_mtime_ns, part.stat().st_size))
        elif isinstance(part, bytes):
            digest.update(part)
        else:
            digest.update(json.dumps(part, sort_keys=True, ensure_ascii=False).encode(errors="surrogatepass"))
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


def sha256_of(path: Path) -> str:
    """sha256 of a file in hex, "" where there is none."""
    return digest_of_file(path, path.stat().st_mtime_ns, path.stat().st_size).hex() if path.is_file() else ""


@cache
def digest_of_file(path: Path, modified: int, size: int) -> bytes:  # noqa: ARG001
    """sha256 of a file, computed once a run as long as its time and size stay."""
    return digest_of(path)


def digest_of(path: Path) -> bytes:
    """sha256 of a file, read now."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
