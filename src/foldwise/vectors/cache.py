"""Files of word vectors for the token stage: which ones, their hashes, and their rows, read once and then remembered.

What was read out of gigabytes lies in `output/.vectors`, under a name made from what file and vocabulary contain;
files' hashes lie there too, beside the size and time that tell whether a file has changed. The folder may be deleted.
"""

import hashlib
import time
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from foldwise.console import Progress, duration, say
from foldwise.errors import InputError
from foldwise.files import atomic_file, hash_of, read_json, write_json, write_text
from foldwise.paths import VectorFile
from foldwise.run import Run
from foldwise.vectors.files import read_vectors, size_of
from foldwise.vectors.rows import VectorTable
from foldwise.vectors.table import wanted_words

FORMAT = 1  # of what is remembered; another one once files are read in another way
KEPT = 8  # tables remembered, a few hundred MB each; those not used for longest go
BLOCK = 1 << 20  # bytes hashed between two steps of the bar


def vector_sources(run: Run) -> list[VectorFile]:
    """The files of `recipe.tokens.vectors`, none for random vectors.

    Raises:
        InputError: a file is not there or not told from another, named twice, or "none" is not alone.
    """
    names = run.config.recipe.tokens.vectors
    if names == ["none"]:
        return []
    if "none" in names:
        raise InputError(f'recipe.tokens.vectors = {names}: "none" stands alone; take it out, or the others')
    sources = [run.paths.vectors(name) for name in names]
    for index, source in enumerate(sources):
        if source in sources[:index]:
            raise InputError(f"recipe.tokens.vectors = {names}: {source} is named twice; take one out")
    return sources


def vector_hashes(run: Run) -> dict[str, str]:
    """A hash of each file of word vectors, by its name."""
    return {source.file_name: hash_of_source(source, run.paths.vector_cache) for source in vector_sources(run)}


def read_tables(run: Run, words: list[str]) -> list[VectorTable]:
    """The rows that a vocabulary can use of each file of word vectors."""
    wanted = wanted_words(words)
    return [read_table(source, wanted, run.paths.vector_cache) for source in vector_sources(run)]


def read_table(source: VectorFile, wanted: set[bytes], cache: Path) -> VectorTable:
    """The wanted rows of a file, from the cache if they were read before; a .safetensors file is quick as it is."""
    if source.suffix != ".safetensors":
        digest = hashlib.sha256(b"\n".join(sorted(wanted))).hexdigest()
        path = cache / f"{hash_of(FORMAT, hash_of_source(source, cache), digest)}.safetensors"
        if (table := recall(path, source.file_name)) is not None:
            say("tokens", f"{source.file_name}: {len(table.words):,} rows of use, as read before")
            return table
    table = read_rows(source, wanted, "tokens")
    if source.suffix != ".safetensors":
        remember(path, table)
    return table


def read_rows(source: VectorFile, wanted: set[bytes], stage: str) -> VectorTable:
    """The wanted rows, from the file itself."""
    start = time.perf_counter()
    with Progress(stage, size_of(source), "bytes") as shown:
        table = read_vectors(source, wanted, shown.update)
    if source.suffix != ".safetensors":
        seconds = duration(time.perf_counter() - start)
        say(stage, f"{source.file_name}: read {len(table.words):,} rows of use in {seconds}")
    return table


def remember(path: Path, table: VectorTable) -> None:
    """Write a table to the cache, first the words: a .safetensors file there is complete."""
    write_text(path.with_suffix(".txt"), "\n".join(table.words))
    arrays = {"vectors": table.vectors, "mean": table.mean, "std": table.std}
    with atomic_file(path) as temporary:
        save_file(arrays, temporary, {"malformed": str(table.malformed), "first_malformed": table.first_malformed})
    by_use = sorted(path.parent.glob("*.safetensors"), key=lambda other: other.stat().st_mtime_ns)
    for other in by_use[:-KEPT]:
        other.unlink(missing_ok=True)
        other.with_suffix(".txt").unlink(missing_ok=True)


def recall(path: Path, name: str) -> VectorTable | None:
    """A table from the cache, or None where there is no whole one."""
    try:
        text = path.with_suffix(".txt").read_text(encoding="utf-8")
        with safe_open(path, framework="np") as file:
            arrays = {key: file.get_tensor(key) for key in ("vectors", "mean", "std")}
            facts = file.metadata()
        path.touch()
    except (OSError, UnicodeDecodeError, SafetensorError):
        return None
    words = text.split("\n") if text else []
    if len(words) != len(arrays["vectors"]):
        return None
    return VectorTable(
        name, words, **arrays, malformed=int(facts["malformed"]), first_malformed=facts["first_malformed"]
    )


def hash_of_source(source: VectorFile, cache: Path) -> str:
    """Short hash of what a file contains and of how it is read."""
    paths = [source.path]
    if source.suffix == ".safetensors":
        paths.append(source.path.with_suffix(".txt"))
    return hash_of(source.member, source.suffix, *(remembered_hash(path, cache / "hashes.json") for path in paths))


def remembered_hash(path: Path, record: Path) -> str:
    """sha256 of a file, computed anew only when its size or time is not the one that `record` has beside it."""
    status = path.stat()
    key, state = str(path.resolve()), [status.st_size, status.st_mtime_ns]
    known = read_json(record) or {}
    if known.get(key, {}).get("state") != state:
        digest = hashlib.sha256()
        with Progress("tokens", status.st_size, "bytes") as shown, path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                shown.update(len(block))
        known[key] = {"state": state, "sha256": digest.hexdigest()}
        write_json(record, known)
    return str(known[key]["sha256"])
