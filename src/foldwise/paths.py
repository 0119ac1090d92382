"""Where everything lies. The only module that knows a checkout at home from a Kaggle kernel."""

import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from foldwise.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[2]
KAGGLE_INPUT = Path("/kaggle/input")
KAGGLE_WORKING = Path("/kaggle/working")
CONFIG = "competition.toml"
COMPETITIONS = Path(__file__).resolve().parent / "competitions"  # contests known by name
SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zip", ".tsv.zip", ".zip")
VECTOR_SUFFIXES = (".txt", ".vec", ".bin")  # each also with .gz, or in a .zip
LISTED = 20  # names of vectors that a message lists


@dataclass(frozen=True)
class VectorFile:
    """A file of word vectors, or a member of a .zip that is one."""

    path: Path
    member: str = ""

    @property
    def file_name(self) -> str:
        """Without folders and without .gz."""
        return PurePosixPath(self.member).name if self.member else self.path.name.removesuffix(".gz")

    @property
    def name(self) -> str:
        """What `recipe.tokens.vectors` calls it."""
        return self.file_name.removesuffix(self.suffix)

    @property
    def suffix(self) -> str:
        """.safetensors or one of `VECTOR_SUFFIXES`."""
        return PurePosixPath(self.file_name).suffix

    def __str__(self) -> str:
        return f"{self.path}: {self.member}" if self.member else str(self.path)


@dataclass(frozen=True)
class Paths:
    """The files of one competition.

    Attributes:
        slug: name of the competition, as in its Kaggle address.
        input: folder with the competition's CSVs.
        config: competition.toml, beside them, in the repository, or of a contest known by name.
        folds: the fold file.
        output: folder that the stages write to.
        embeddings: folders searched for word vectors, in order.
        stems: what the files of the tables train, test, … are called, without ending, where it is not the same.
        mounts: folders of data sets beside the competition's, searched for word vectors last.
        handed_in: the file of the submission, where it is not in `output`.
    """

    slug: str
    input: Path
    config: Path
    folds: Path
    output: Path
    embeddings: tuple[Path, ...]
    stems: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Path, ...] = ()
    handed_in: Path | None = None

    @property
    def tokens(self) -> Path:
        """Folder of the token stage."""
        return self.output / "tokens"

    @property
    def vector_cache(self) -> Path:
        """Folder that all competitions share: rows once read from large files of word vectors, and files' hashes."""
        return self.output.parent / ".vectors"

    @property
    def submission(self) -> Path:
        """The file that is handed in."""
        return self.handed_in or self.output / "submission.csv"

    def fold(self, member: str, fold: int) -> Path:
        """Folder of one trained fold."""
        return self.output / member / f"fold{fold}"

    def table(self, name: str) -> Path:
        """The file of table `name` (train, test, …), whichever of the readable forms it has.

        Raises:
            InputError: none, or more than one.
        """
        found = self.tables(name)
        if len(found) > 1:
            raise InputError(f"{self.input}: {' and '.join(p.name for p in found)} are both there; keep one")
        if not found:
            stem = self.stems.get(name, name)
            raise InputError(
                f"{self.input}: no table {name!r}; put {stem}.csv or .tsv there, plain or as .gz or .zip, or say in "
                f"competition.toml what it is called: [files] {name} = …"
            )
        return found[0]

    def tables(self, name: str) -> list[Path]:
        """Every readable form of table `name` that exists."""
        stem = self.stems.get(name, name)
        return [path for suffix in SUFFIXES if (path := self.input / f"{stem}{suffix}").is_file()]

    def vectors(self, name: str) -> VectorFile:
        """The file of the word vectors called `name`, in any form that can be read, with or without its ending.

        Those beside the competition or in the user's own `embeddings` come before those that foldwise brings along, and
        these before those of data sets mounted beside.

        Raises:
            InputError: none, more than one, or no list of words beside a .safetensors file.
        """
        own = (self.embeddings[0], self.input, self.input / "embeddings")
        there = []
        for folders in (own, self.embeddings[1:], self.mounts):
            there += (files := vector_files(folders))
            found = [file for file in files if name in (file.name, file.file_name)]
            if len(found) > 1:
                both = " and ".join(map(str, found))
                raise InputError(
                    f"recipe.tokens.vectors = {name!r}: {both} are both there; keep one, or add its ending"
                )
            if found:
                if found[0].suffix == ".safetensors" and not found[0].path.with_suffix(".txt").is_file():
                    raise InputError(
                        f"{found[0]}: {found[0].name}.txt is not beside it; it must list the words, one a line"
                    )
                return found[0]
        known = sorted({file.name for file in there})
        listed = ", ".join(known[:LISTED]) + (f" and {len(known) - LISTED} more" if len(known) > LISTED else "")
        folders = (*own, *self.embeddings[1:])
        damaged = [str(path) for folder in folders for path in folder.glob("*.zip") if not zipfile.is_zipfile(path)]
        damage = f"; cut short or damaged: {', '.join(damaged)}" if damaged else ""
        raise InputError(
            f"recipe.tokens.vectors = {name!r}: no {name}.txt, .vec, .bin (each also .gz or in a .zip) or .safetensors "
            f'in {" or ".join(map(str, folders))}; there: {listed or "nothing"}; or set it to "none"{damage}'
        )


def vector_files(folders: Iterable[Path]) -> list[VectorFile]:
    """What may be word vectors in folders, their sub-folders and the .zip files there."""
    paths = [path for folder in folders for pattern in ("*", "*/*") for path in sorted(folder.glob(pattern))]
    files: list[VectorFile] = []
    for path in dict.fromkeys(paths):
        file = VectorFile(path)
        if path.suffix == ".zip":
            files += members_of(path)
        elif file.suffix == ".safetensors" or (
            file.suffix in VECTOR_SUFFIXES and not path.with_suffix(".safetensors").is_file()  # or else its words
        ):
            files += [file] if path.is_file() else []
    return files


def members_of(path: Path) -> list[VectorFile]:
    """What may be word vectors in a .zip; nothing where it cannot be opened, for it need not matter."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [VectorFile(path, member) for member in archive.namelist() if not member.endswith("/")]
    except (zipfile.BadZipFile, OSError):
        return []
    return [file for file in members if file.suffix in VECTOR_SUFFIXES and not file.file_name.startswith(".")]


def resolve(
    slug: str,
    input_: Path | None,
    folds: Path | None,
    output: Path | None,
    debug: bool = False,
    submission: Path | None = None,
) -> Paths:
    """Paths for `slug`. Folders the user did not name are the repository's, or Kaggle's mounts inside a kernel.

    On Kaggle the CSVs lie in a read-only mount and competition.toml and the fold file come with the code, whose folder
    may be read-only too: a fold file that is not there yet is made beside the results. A mount holds
    `competitions/<slug>` and `datasets/<owner>/<name>`; an older one `<slug>` and `<name>`.

    Args:
        debug: keep folds and output apart, so that a 200-row pass never overwrites a real run.
        submission: file instead of `submission.csv` in the output.
    """
    output_root = output or (KAGGLE_WORKING if KAGGLE_WORKING.is_dir() else REPOSITORY / "output")
    output_folder = output_root / (f"{slug}-debug" if debug else slug)
    folds_file = (folds or REPOSITORY / "folds") / f"{slug}.csv"
    if debug or not (folds_file.exists() or folds or os.access(REPOSITORY, os.W_OK)):
        folds_file = output_folder / "folds.csv"
    own = input_ or REPOSITORY / "input"
    roots = [own] if input_ else [own, KAGGLE_INPUT]
    candidates = [own / slug, *(root / part / slug for root in roots for part in ("competitions", ""))]
    found = next((folder for folder in candidates if holds_tables(folder)), own / slug)
    configs = [found / CONFIG, own / slug / CONFIG, REPOSITORY / "input" / slug / CONFIG, COMPETITIONS / f"{slug}.toml"]
    config = next((path for path in configs if path.is_file()), configs[0])
    embeddings = tuple(root / "embeddings" for root in dict.fromkeys([own, REPOSITORY / "input"]))
    mounted = [path for root in roots for pattern in ("datasets/*/*", "*") for path in sorted(root.glob(pattern))]
    mounts = tuple(path for path in mounted if path.is_dir() and path not in (found, *embeddings))
    return Paths(slug, found, config, folds_file, output_folder, embeddings, mounts=mounts, handed_in=submission)


def holds_tables(folder: Path) -> bool:
    """True if a folder has a file that could be a table."""
    return any(path.name.endswith(SUFFIXES) for path in folder.glob("*"))
