"""The rows that a vocabulary can use of large files of word vectors, read once and then remembered.

They lie in `output/.vectors`, under a name made of what file and vocabulary contain. The folder may be deleted.
"""

import time
from collections.abc import Sequence, Set
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from foldwise.console import duration, say
from foldwise.files import atomic_file, hash_of
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
    path = cache / f"{hash_of(FORMAT, content_hash(source), sorted(wanted))}.safetensors"
    try:
        arrays = load_file(path)
        path.touch()
    except (OSError, SafetensorError):  # there is no whole one
        start = time.perf_counter()
        table = read_vectors(source, wanted)
        say(stage, f"{table.name}: read {len(table.words):,} rows of use in {duration(time.perf_counter() - start)}")
        remember(path, table)
        return table
    *words, first = arrays.pop("texts").tobytes().decode().split("\n")
    malformed = int(arrays.pop("malformed"))
    say(stage, f"{source.file_name}: {len(words):,} rows of use, as read before")
    return VectorTable(source.file_name, words, **arrays, malformed=malformed, first_malformed=first)


def remember(path: Path, table: VectorTable) -> None:
    """Write a table to the cache, as arrays alone; those used longest ago go."""
    arrays = {name: part for name, part in vars(table).items() if isinstance(part, np.ndarray)}
    arrays["malformed"] = np.array(table.malformed)
    arrays["texts"] = np.frombuffer("\n".join([*table.words, table.first_malformed]).encode(), dtype=np.uint8)
    with atomic_file(path) as temporary:
        save_file(arrays, temporary)
    for other in sorted(path.parent.glob("*.safetensors"), key=lambda file: file.stat().st_mtime_ns)[:-KEPT]:
        other.unlink(missing_ok=True)
