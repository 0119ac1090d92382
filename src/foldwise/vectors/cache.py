"""The rows that a vocabulary can use of large files of word vectors, read once and then remembered.

They lie in `output/.vectors`, under a name made of what file and vocabulary contain and of a checksum of their own. The
folder may be deleted.
"""

import time
from collections.abc import Sequence, Set
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from foldwise.console import duration, say, warn
from foldwise.files import atomic_file, usual_mode
from foldwise.hashing import hash_of
from foldwise.leftovers import clear, temporary_name
from foldwise.vectors.files import VectorFile, content_hash
from foldwise.vectors.reading import VectorTable, read_vectors
from foldwise.vectors.table import wanted_words

FORMAT = 3  # of what is remembered; another one once files are read in another way
KEPT = 8  # tables remembered, a few hundred MB each; those not used for longest go


def read_tables(sources: Sequence[VectorFile], words: list[str], cache: Path, stage: str) -> list[VectorTable]:
    """The rows that a vocabulary can use of each file of word vectors; `stage` is who says so."""
    wanted = wanted_words(words)
    return [read_table(source, wanted, cache, stage) for source in sources]


def read_table(source: VectorFile, wanted: Set[str], cache: Path, stage: str) -> VectorTable:
    """The wanted rows of a file, from the cache if they were read before; a .safetensors file is quick as it is."""
    if source.suffix == ".safetensors":
        return read_vectors(source, wanted)
    key = hash_of(FORMAT, content_hash(source), sorted(wanted))
    arrays = load_whole(sorted(cache.glob(f"{key}-*.safetensors")))
    if arrays is None:
        start = time.perf_counter()
        table = read_vectors(source, wanted)
        say(stage, f"{table.name}: read {len(table.words):,} rows of use in {duration(time.perf_counter() - start)}")
        remember(cache / f"{key}.safetensors", table)
        return table
    *words, first = arrays.pop("texts").tobytes().decode().split("\n")
    malformed = int(arrays.pop("malformed"))
    say(stage, f"{source.file_name}: {len(words):,} rows of use, as read before")
    return VectorTable(source.file_name, words, **arrays, malformed=malformed, first_malformed=first)


def load_whole(paths: Sequence[Path]) -> dict[str, np.ndarray] | None:
    """The arrays of the first of these files that is as it was written; others, which are damaged, go."""
    for path in paths:
        if path.is_file() and path.stem.endswith(f"-{hash_of(path)}"):
            path.touch()
            arrays: dict[str, np.ndarray] = load_file(path)
            return arrays
        warn(f"{path}: damaged; the file of word vectors is read again")
        if path.is_file():
            path.unlink()
    return None


def remember(path: Path, table: VectorTable) -> None:
    """Write a table to the cache, as arrays alone, with a checksum in its name; those used longest ago go."""
    arrays = {name: part for name, part in vars(table).items() if isinstance(part, np.ndarray)}
    arrays["malformed"] = np.array(table.malformed)
    arrays["texts"] = np.frombuffer("\n".join([*table.words, table.first_malformed]).encode(), dtype=np.uint8)
    clear(path.parent)  # also what other runs, now dead, began
    arrived = temporary_name(path)
    with atomic_file(arrived) as temporary, usual_mode(temporary):
        save_file(arrays, temporary)
    arrived.rename(path.with_stem(f"{path.stem}-{hash_of(arrived)}"))
    files = [other for other in path.parent.glob("*.safetensors") if other.is_file()]
    for other in sorted(files, key=lambda file: file.stat().st_mtime_ns)[:-KEPT]:
        other.unlink(missing_ok=True)
