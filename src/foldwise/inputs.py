"""Files that a run is given: the bytes that were parsed are the bytes that were hashed.

Somebody may save a table while a run reads it. What is recorded as used must be what was used, so during a command each
such file has the content that was first read or hashed; another one later is a `RunError`. Only digests are kept, not
the bytes. Files that a run writes itself are not meant: see `foldwise.files`.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from foldwise.errors import RunError
from foldwise.hashing import content_digest, digest_of, hash_of

Digest = Callable[[Path], Any]
# By the name that a file was asked for: where a link leads is part of its content.
Known = dict[tuple[Path, Digest], Any]
KNOWN: ContextVar[Known | None] = ContextVar("digests of files as they were first read", default=None)


@contextmanager
def same_inputs(known: Known | None = None) -> Iterator[None]:
    """While the block runs no input may change; `known` is what the parent process knows of them (`known_inputs`)."""
    outer = KNOWN.get()
    token = KNOWN.set(dict(known or {}) if outer is None else outer)
    try:
        yield
    finally:
        KNOWN.reset(token)


def known_inputs() -> Known:
    """Digests of the files read so far, for a worker process."""
    return dict(KNOWN.get() or {})


def read_input(path: Path) -> bytes:
    """The content of a file, which is from now on what the run has used.

    Raises:
        RunError: it has another content than before in this run.
    """
    content = path.read_bytes()
    hold(path, digest_of, hashlib.sha256(content).digest())
    return content


def input_hash(*parts: Any) -> str:
    """As `hash_of`, but each path stands for what this run has read of it, or will have to find there."""
    return hash_of(*(first_digest(part, digest_of) if isinstance(part, Path) else part for part in parts))


def sample_hash(path: Path) -> str:
    """`content_digest` of a file too large to be read as a whole, as it was at first."""
    return str(first_digest(path, content_digest))


def first_digest(path: Path, digest: Digest) -> Any:
    """A file's digest as it was at first; computed where this is the first time."""
    known = KNOWN.get()
    if known is not None and (key := (path.absolute(), digest)) in known:
        return known[key]
    return hold(path, digest, digest(path))


def check_input(path: Path, digest: Digest = content_digest) -> None:
    """After another library has read a file: a `RunError` if it is no longer what this run recorded before."""
    if (path.absolute(), digest) in (KNOWN.get() or {}):
        hold(path, digest, digest(path))


def hold(path: Path, digest: Digest, found: Any) -> Any:
    """Remember a digest, or hold it against the one that is known."""
    known = KNOWN.get()
    if known is not None and known.setdefault((path.absolute(), digest), found) != found:
        raise RunError(f"{path}: changed while this run was reading it; run the same command again")
    return found


def made_input(path: Path, made: Path) -> None:
    """From now on `path` has the content of `made`: this run itself puts it there."""
    known = KNOWN.get()
    if known is not None:
        known[path.absolute(), digest_of] = digest_of(made)
