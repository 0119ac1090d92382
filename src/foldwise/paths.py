"""Where everything lies. The only module that tells a checkout, a Kaggle kernel and an installed package apart."""

import glob
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from foldwise.errors import InputError, shorten
from foldwise.files import find_target
from foldwise.installed import IS_INSTALLED, PACKAGE

REPOSITORY = PACKAGE.parents[1]  # of a checkout, or what a kernel has unpacked
KAGGLE_INPUT = Path("/kaggle/input")
KAGGLE_WORKING = Path("/kaggle/working")
CONFIG = "competition.toml"
EXPERIMENTS = "experiments"  # folder below output/SLUG of runs that have a name
COMPETITIONS = PACKAGE / "competitions"  # contests known by name
# Files of the tokens' folder, and of a trained fold's (`foldwise.running.fold_folder` says what is in them).
TOKENS_RECORD, VOCABULARY, VECTORS, FEATURES = "tokens.json", "vocab.json", "vectors.npy", "features.npy"
FOLD_RECORD, HISTORY, FOLD_OOF, FOLD_TEST = "fold.json", "history.jsonl", "oof.safetensors", "test.safetensors"
ALL_ROWS = -3  # stands for a fold's number where a model is trained on all rows
PACKED = ("", ".gz", ".zip")
RECORDS = tuple(form + packed for packed in PACKED for form in (".jsonl", ".ndjson", ".json", ".parquet"))
# What the name of a competition's folder must not have anywhere, or be.
NO_FOLDER_NAME = re.compile(r"[/\\\x00-\x1f\x7f\ud800-\udfff]|^\.{0,2}$")
LONGEST_SLUG = 200  # bytes; a name may have 255, and files are called SLUG.csv and more
SUFFIXES = (*(form + packed for packed in PACKED for form in (".csv", ".tsv")), ".zip", *RECORDS)


@dataclass(frozen=True)
class Paths:
    """The files of one competition."""

    slug: str  # as in the competition's Kaggle address
    input: Path  # folder with its CSVs
    config: Path  # competition.toml, beside them, in the repository, or of a contest known by name
    folds: Path  # the fold file
    output: Path  # folder that the stages write to
    embeddings: tuple[Path, ...]  # folders searched for word vectors, in order
    stems: Mapping[str, str] = field(default_factory=dict)  # what files of tables are called, where not train, test, …
    mounts: tuple[Path, ...] = ()  # folders of data sets beside the competition's, searched for word vectors last
    handed_in: Path | None = None  # the submission, where it is not in `output`
    experiment: str = ""  # the run's name; "" for the one without, whose folder `output` all of a competition share

    @property
    def own_files(self) -> tuple[Path, ...]:
        """Folders where a file of the user's own that the recipe names may lie."""
        return self.config.parent, self.input

    @property
    def home(self) -> Path:
        """The competition's folder of results: `output`, or what the folder of a run with a name lies in."""
        return self.output.parents[1] if self.experiment else self.output

    @property
    def tokens(self) -> Path:
        """Folder of the token stage."""
        return self.output / "tokens"

    @property
    def vector_cache(self) -> Path:
        """Folder that all competitions share: rows once read from large files of word vectors."""
        return self.home.parent / ".vectors"

    @property
    def submission(self) -> Path:
        """The file that is handed in."""
        return self.handed_in or self.output / "submission.csv"

    @property
    def probabilities(self) -> Path:
        """The numbers behind the submission, beside it: submission_probabilities.csv."""
        return self.submission.with_name(f"{self.submission.stem}_probabilities.csv")

    @property
    def ensemble(self) -> Path:
        """How the folds become predictions, for `predict`."""
        return self.output / "ensemble.json"

    @property
    def outcome(self) -> list[Path]:
        """The files of the ensemble, whose hashes summary.json has as `outputs`."""
        return [self.submission, self.oof, self.probabilities, self.ensemble]

    @property
    def summary(self) -> Path:
        """All figures of the last run that ended."""
        return self.output / "summary.json"

    @property
    def seconds(self) -> Path:
        """How long each stage took when it last ran."""
        return self.output / "seconds.json"

    @property
    def folds_record(self) -> Path:
        """Which fold file this folder's folds were trained with."""
        return self.output / "folds.json"

    @property
    def oof(self) -> Path:
        """The out-of-fold predictions, for people."""
        return self.output / "oof.csv"

    @property
    def public_scores(self) -> Path:
        """What Kaggle said of submissions of this folder."""
        return self.output / "public-scores.json"

    @property
    def rates(self) -> Path:
        """What the learning-rate range test found."""
        return self.output / "find-lr.json"

    def own_tokens(self, member: str) -> Path:
        """Folder of the tokens of a member that makes its own."""
        return self.output / member / "tokens"

    def fold(self, member: str, fold: int, without: tuple[int, ...] = ()) -> Path:
        """Folder of one trained fold; of a fit that learnt nothing of further folds `without`, in one of their own."""
        apart = "without-" + "-".join(map(str, without)) if without else ""
        return self.output / member / apart / fold_folder_name(fold)

    def fold_state(self, member: str, fold: int, without: tuple[int, ...] = ()) -> Path:
        """Folder of the state of a fold that trains, beside where the fold will be."""
        folder = self.fold(member, fold, without)
        return folder.with_name(f"{folder.name}-state")

    def table(self, name: str) -> Path:
        """The file of table `name` (train, test, …) in its readable form; InputError for none or several."""
        found = self.tables(name)
        if len(found) > 1:
            raise InputError(f"{self.input}: {' and '.join(p.name for p in found)} are both there; keep one")
        if not found:
            stem = self.stems.get(name, name)
            near = sorted(path.name for path in self.input.glob(f"{glob.escape(stem)}.*"))
            there = f"{near[0]} cannot be read as one; " if near else ""
            raise InputError(
                f"{self.input}: no table {name!r}; {there}put {stem}.csv or .tsv there (or .json, .jsonl, .parquet), "
                f"plain or as .gz or .zip, or say in competition.toml what it is called: [files] {name} = …"
            )
        return found[0]

    def tables(self, name: str) -> list[Path]:
        """Every readable form of table `name` that exists; of a CSV and the same as JSON it is the CSV."""
        stem = self.stems.get(name, name)
        found = [path for suffix in SUFFIXES if (path := self.input / f"{stem}{suffix}").is_file()]
        return [path for path in found if not path.name.endswith(RECORDS)] or found


def find_project() -> Path:
    """The folder of input/, folds/ and output/: the repository, or for an installed package the current folder."""
    return Path.cwd() if IS_INSTALLED else REPOSITORY


def fold_folder_name(fold: int) -> str:
    """What the folder of a trained fold is called."""
    return "all-rows" if fold == ALL_ROWS else f"fold{fold}"


def resolve(
    slug: str,
    input_: Path | None,
    folds: Path | None,
    output: Path | None,
    debug: bool = False,
    submission: Path | None = None,
) -> Paths:
    """Paths for `slug`. Folders the user did not name are the project's, or Kaggle's mounts inside a kernel.

    On Kaggle the CSVs lie in a read-only mount and competition.toml and the fold file come with the code, whose folder
    may be read-only too: a fold file that is not there yet is made beside the results. A mount holds
    `competitions/<slug>` and `datasets/<owner>/<name>`; an older one `<slug>` and `<name>`.
    With `debug`, folds and output are apart: a 200-row pass never overwrites a real run.
    """
    check_slug(slug)
    project = find_project()
    output_root = output or (KAGGLE_WORKING if KAGGLE_WORKING.is_dir() else project / "output")
    output_folder = output_root / (f"{slug}-debug" if debug else slug)
    folds_file = (folds or project / "folds") / f"{slug}.csv"
    check_folder(output_folder, "--output DIR")
    check_folder(folds_file.parent, "--folds DIR")
    if submission:
        check_folder(submission.parent, "--submission FILE")
    if debug or not (folds_file.exists() or folds or os.access(project, os.W_OK)):
        folds_file = output_folder / "folds.csv"
    own = input_ or project / "input"
    roots = [own] if input_ else [own, KAGGLE_INPUT]
    candidates = [own / slug, *(root / part / slug for root in roots for part in ("competitions", ""))]
    found = next((f for f in candidates if any(path.name.endswith(SUFFIXES) for path in f.glob("*"))), own / slug)
    configs = [found / CONFIG, own / slug / CONFIG, project / "input" / slug / CONFIG, COMPETITIONS / f"{slug}.toml"]
    config = next((path for path in configs if path.is_file()), configs[0])
    # A package that is installed has brought along in itself the vectors that the repository has in input/.
    places = dict.fromkeys([own, project / "input", *[PACKAGE] * IS_INSTALLED])
    embeddings = tuple(place / "embeddings" for place in places)
    mounted = [path for root in roots for pattern in ("datasets/*/*", "*") for path in sorted(root.glob(pattern))]
    mounts = tuple(path for path in mounted if path.is_dir() and path not in (found, *embeddings))
    paths = Paths(slug, found, config, folds_file, output_folder, embeddings, mounts=mounts, handed_in=submission)
    check_places(paths)
    return paths


def check_places(paths: Paths) -> None:
    """Refuse what cannot be written: that should show before hours of training."""
    for written in (paths.folds, *paths.outcome, paths.summary, paths.seconds, paths.rates):
        find_target(written)
    check_submission(paths)


def check_submission(paths: Paths) -> None:
    """Refuse `--submission` where it, or what stands beside it, would replace what is read, or other results."""
    if paths.handed_in:
        check_place(paths.handed_in, "--submission", paths)
        check_place(paths.probabilities, "--submission", paths)


def check_place(path: Path, option: str, paths: Paths, read: Sequence[Path] = ()) -> None:
    """Refuse a file that an option names to be written where inputs, settings, folds, or other results lie.

    Args:
        read: further files that are read.
    """
    check_folder(path.parent, f"{option} FILE")
    given, output, input_ = (Path(os.path.realpath(place)) for place in (path, paths.output, paths.input))
    others = [Path(os.path.realpath(other)) for other in (paths.folds, paths.config, paths.oof, *read)]
    ours = given.is_relative_to(output) and (given.parent != output or given.suffix == ".json" or given.name[0] == ".")
    if ours or given.is_relative_to(input_) or given in others:
        raise InputError(f"{option} {path}: inputs or other results lie there; name another file")


def check_slug(slug: str) -> None:
    """Refuse what is no name of a folder below input/ and output/."""
    if NO_FOLDER_NAME.search(slug) or len(os.fsencode(slug)) > LONGEST_SLUG:
        raise InputError(
            f"-c {shorten(slug)}: give the name of a folder below input/, such as movie-reviews; --input DIR says "
            "where else that folder lies"
        )


def check_folder(folder: Path, option: str) -> None:
    """Refuse a folder to write to that cannot be made, because it or one above it is a file."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise InputError(f"{nearest}: a file, where a folder must be; move it, or name another place with {option}")
