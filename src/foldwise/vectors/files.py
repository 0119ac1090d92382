"""Files of word vectors: where they are looked for, and their bytes.

Those beside the competition or in the user's own `embeddings` come before those that foldwise brings along, and these
before those of data sets mounted beside.
"""

import gzip
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from foldwise.config import Config, Tokens
from foldwise.console import Progress
from foldwise.data.unpacking import DAMAGED
from foldwise.errors import InputError
from foldwise.hashing import hash_of
from foldwise.inputs import sample_hash
from foldwise.paths import Paths

VECTOR_SUFFIXES = (".txt", ".vec", ".bin")  # each also with .gz, or in a .zip
LISTED = 20  # names of files that a message lists
BLOCK = 256 << 10  # bytes read at once; 4 MiB, more than a core's cache, took twice the time


@dataclass(frozen=True)
class VectorFile:
    """A file of word vectors, or a member of a .zip that is one."""

    path: Path
    member: str = ""

    @property
    def file_name(self) -> str:
        """Without folders and .gz."""
        return PurePosixPath(self.member).name if self.member else self.path.name.removesuffix(".gz")

    @property
    def name(self) -> str:
        """What `recipe.tokens.vectors` calls it."""
        return self.file_name.removesuffix(self.suffix)

    @property
    def suffix(self) -> str:
        """.safetensors or one of `VECTOR_SUFFIXES`."""
        return PurePosixPath(self.file_name).suffix

    @property
    def paths(self) -> list[Path]:
        """The file, and of a .safetensors file its list of words."""
        return [self.path] + ([self.path.with_suffix(".txt")] if self.suffix == ".safetensors" else [])

    @property
    def size(self) -> int:
        """Bytes that reading goes through: of a .gz as it is on disk, of a member of a .zip unpacked."""
        if not self.member:
            return self.path.stat().st_size
        with zipfile.ZipFile(self.path) as archive:
            return archive.getinfo(self.member).file_size

    def __str__(self) -> str:
        return f"{self.path}: {self.member}" if self.member else str(self.path)

    def blocks(self) -> Iterator[bytes]:
        """The unpacked content in blocks of `BLOCK` bytes, with a bar; `InputError` where it cannot be unpacked."""
        try:
            with (
                zipfile.ZipFile(self.path).open(self.member) if self.member else self.path.open("rb") as counted,
                Progress(self.file_name, self.size, "bytes") as shown,
            ):
                stream = gzip.GzipFile(fileobj=counted) if self.path.suffix == ".gz" else counted
                while block := stream.read(BLOCK):
                    shown.update(counted.tell() - shown.done)
                    yield block
        except RuntimeError as error:  # a way of packing that Python does not know, or a password
            raise InputError(f"{self}: {error}; unpack it beside the .zip and move the .zip away") from error
        except DAMAGED as error:
            raise InputError(f"{self}: cut short or damaged ({error}); fetch it again") from error


def vector_sources(settings: Tokens, paths: Paths) -> list[VectorFile]:
    """The files of `recipe.tokens.vectors`, none for random vectors; `InputError` where that cannot be."""
    names = settings.vectors
    if "none" in names and len(names) > 1:
        raise InputError(f'recipe.tokens.vectors = {names}: "none" stands alone; take it out, or the others')
    sources = [find_vectors(name, paths) for name in names if name != "none"]
    if twice := [source for source in sources if sources.count(source) > 1]:
        raise InputError(f"recipe.tokens.vectors = {names}: {twice[0]} is named twice; take one out")
    return sources


def sources_for(config: Config, paths: Paths) -> list[VectorFile]:
    """As `vector_sources`; none where there are no texts."""
    return vector_sources(config.recipe.tokens, paths) if config.columns.text else []


def find_vectors(name: str, paths: Paths) -> VectorFile:
    """The file of the word vectors called `name`, in any form that can be read, with or without its ending."""
    own = (paths.embeddings[0], paths.input, paths.input / "embeddings")
    there: list[VectorFile] = []
    for folders in (own, paths.embeddings[1:], paths.mounts):
        there += (files := list_vectors(folders))
        found = [file for file in files if name in (file.name, file.file_name)]
        if len(found) > 1:
            both = " and ".join(map(str, found))
            raise InputError(f"recipe.tokens.vectors = {name!r}: {both} are both there; keep one, or add its ending")
        if found:
            if not (words := found[0].paths[-1]).is_file():
                raise InputError(f"{found[0]}: {words.name} is not beside it; it must list the words, one a line")
            return found[0]
    known, folders = sorted({file.name for file in there}), (*own, *paths.embeddings[1:])
    listed = ", ".join(known[:LISTED]) + (f" and {len(known) - LISTED} more" if len(known) > LISTED else "")
    damaged = [str(path) for folder in folders for path in folder.glob("*.zip") if not zipfile.is_zipfile(path)]
    raise InputError(
        f"recipe.tokens.vectors = {name!r}: no {name}.txt, .vec, .bin (each also .gz or in a .zip) or .safetensors "
        f'in {" or ".join(map(str, folders))}; there: {listed or "nothing"}; or set it to "none"'
        + (f"; cut short or damaged: {', '.join(damaged)}" if damaged else "")
    )


def list_vectors(folders: Iterable[Path]) -> list[VectorFile]:
    """What may be word vectors in folders, their sub-folders and the .zip files there."""
    paths = [path for folder in folders for pattern in ("*", "*/*") for path in sorted(folder.glob(pattern))]
    files: list[VectorFile] = []
    for path in dict.fromkeys(paths):
        if path.suffix == ".zip":
            with suppress(*DAMAGED), zipfile.ZipFile(path) as archive:  # it need not matter
                members = [VectorFile(path, member) for member in archive.namelist() if not member.endswith("/")]
                files += [file for file in members if file.suffix in VECTOR_SUFFIXES]
        elif path.suffix == ".safetensors" or (
            VectorFile(path).suffix in VECTOR_SUFFIXES and not path.with_suffix(".safetensors").is_file()  # its words
        ):
            files += [VectorFile(path)] if path.is_file() else []
    return [file for file in files if not file.file_name.startswith(".")]


def content_hash(source: VectorFile) -> str:
    """Short hash of what a file contains and of how it is read."""
    return hash_of(source.member, source.suffix, [sample_hash(path) for path in source.paths])
