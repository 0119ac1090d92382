"""Where everything lies. The only module that knows a checkout at home from a Kaggle kernel."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from foldwise.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[2]
KAGGLE_INPUT = Path("/kaggle/input")
KAGGLE_WORKING = Path("/kaggle/working")
CONFIG = "competition.toml"
COMPETITIONS = Path(__file__).resolve().parent / "competitions"  # contests known by name
SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zip", ".tsv.zip", ".zip")


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
    """

    slug: str
    input: Path
    config: Path
    folds: Path
    output: Path
    embeddings: tuple[Path, ...]
    stems: Mapping[str, str] = field(default_factory=dict)

    @property
    def tokens(self) -> Path:
        """Folder of the token stage."""
        return self.output / "tokens"

    @property
    def submission(self) -> Path:
        """The file that is handed in."""
        return self.output / "submission.csv"

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
            forms = ", ".join(self.stems.get(name, name) + suffix for suffix in SUFFIXES)
            raise InputError(f"{self.input}: no table {name!r}; put one of {forms} there")
        return found[0]

    def tables(self, name: str) -> list[Path]:
        """Every readable form of table `name` that exists."""
        stem = self.stems.get(name, name)
        return [path for suffix in SUFFIXES if (path := self.input / f"{stem}{suffix}").is_file()]

    def vectors(self, name: str) -> Path:
        """The safetensors file of the word vectors called `name`; their words are beside it as .txt.

        Raises:
            InputError: no such vectors.
        """
        for folder in self.embeddings:
            if (path := folder / f"{name}.safetensors").is_file():
                if not path.with_suffix(".txt").is_file():
                    raise InputError(f"{path}: {name}.txt is not beside it; it must list the words, one a line")
                return path
        known = sorted({path.stem for folder in self.embeddings for path in folder.glob("*.safetensors")})
        raise InputError(
            f"recipe.tokens.vectors = {name!r}: no {name}.safetensors in "
            f'{" or ".join(map(str, self.embeddings))}; there: {", ".join(known) or "nothing"}; or set it to "none"'
        )


def resolve(slug: str, input_: Path | None, folds: Path | None, output: Path | None, debug: bool = False) -> Paths:
    """Paths for `slug`. Folders the user did not name are the repository's, or Kaggle's mounts inside a kernel.

    On Kaggle the CSVs lie in a read-only mount and competition.toml and the fold file come with the code, whose folder
    may be read-only too: a fold file that is not there yet is made beside the results.

    Args:
        debug: keep folds and output apart, so that a 200-row pass never overwrites a real run.
    """
    output_root = output or (KAGGLE_WORKING if KAGGLE_WORKING.is_dir() else REPOSITORY / "output")
    output_folder = output_root / (f"{slug}-debug" if debug else slug)
    folds_file = (folds or REPOSITORY / "folds") / f"{slug}.csv"
    if debug or not (folds_file.exists() or folds or os.access(REPOSITORY, os.W_OK)):
        folds_file = output_folder / "folds.csv"
    own = input_ or REPOSITORY / "input"
    mounts = [] if input_ else [KAGGLE_INPUT / "competitions" / slug, KAGGLE_INPUT / slug]
    candidates = [own / slug, *mounts]
    found = next((folder for folder in candidates if holds_tables(folder)), own / slug)
    configs = [found / CONFIG, own / slug / CONFIG, COMPETITIONS / f"{slug}.toml"]
    config = next((path for path in configs if path.is_file()), configs[0])
    embeddings = tuple(root / "embeddings" for root in dict.fromkeys([own, REPOSITORY / "input"]))
    return Paths(slug, found, config, folds_file, output_folder, embeddings)


def holds_tables(folder: Path) -> bool:
    """True if a folder has a file that could be a table."""
    return any(path.name.endswith(SUFFIXES) for path in folder.glob("*"))
