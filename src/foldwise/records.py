"""The JSON files that stages leave for one another: what later stages read of them, and how they are checked.

Each holds a checksum of itself; records of a folder, `fold.json` and `tokens.json`, also those of the folder's files.
Files of extensions have their models beside the code that writes them.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from foldwise.console import warn
from foldwise.errors import DamagedError
from foldwise.files import damaged_files, is_checked, read_json


class Content(BaseModel):
    """What is read of a JSON file; more may stand in it."""

    model_config = ConfigDict(extra="allow", strict=True)


class Record(Content):
    """The record of a folder."""

    inputs: dict[str, Any]  # what its files were made from
    files: dict[str, str]  # their checksums


class TokensRecord(Record):
    """tokens.json of the tokens that members share."""

    tokens: int
    words: int
    limit: int  # tokens of a text
    whole: bool  # whether texts are also there uncut


class Runtime(Content):
    """What a fold was trained on."""

    device: str
    precision: str
    threads: int


class Shortened(Content):
    """Where a time budget ended a fold."""

    epochs: float
    of: float


class FoldRecord(Record):
    """fold.json."""

    fold: int
    rows: dict[str, int]
    runtime: Runtime
    torch: str
    best_epoch: float
    epochs: float
    seconds: float
    shortened: Shortened | None = None
    hurried: bool = False  # by a time budget
    code: str = ""  # hash of what trained it
    model: dict[str, str] | None = None  # hashes of the files that a learner reads texts or images with


class FoldFigures(Content):
    """A fold in summary.json."""

    fold: int
    score: float
    best_epoch: float
    epochs: float
    seconds: float


class MemberFigures(Content):
    """A member in summary.json."""

    name: str
    cv: float
    folds: list[int]


class Scores(Content):
    """The score out of fold in summary.json."""

    pooled: float
    mean: float
    std: float


class Mixture(Content):
    """How members were put together, in summary.json."""

    method: str
    weights: dict[str, float]
    threshold: float | list[float] | None


class Budget(Content):
    """What a time budget allowed and left out, in summary.json."""

    seconds: float
    used: float
    dropped_members: list[str]
    dropped_folds: list[int]
    shortened: list[dict[str, Any]]


class KeptRecipe(Content):
    """The recipe of a run."""

    members: dict[str, dict[str, Any]]


class Tables(Content):
    """A whole competition.toml with `--set` applied."""

    competition: dict[str, Any]
    columns: dict[str, Any]
    recipe: KeptRecipe


class Configuration(Content):
    """What a run was told, in summary.json."""

    asked: Tables
    decided: Tables  # with what is left at "auto" decided


class Baseline(Content):
    """Scores that a model must be better than, in summary.json; None of what there is not."""

    constant: float | None  # mean over the folds, to be compared with `Scores.mean`
    linear: float | None  # of the linear member, as its `MemberFigures.cv`


class Summary(Content):
    """summary.json."""

    competition: str
    task: str
    metric: str
    cv: Scores
    folds: list[FoldFigures]
    members: list[MemberFigures]
    ensemble: Mixture
    seconds: dict[str, float]
    inputs: dict[str, Any]
    outputs: list[str]  # hashes of submission.csv, oof.csv, submission_probabilities.csv and ensemble.json
    form: dict[str, Any]
    budget: Budget | None = None
    baseline: Baseline | None = None  # of one that an earlier foldwise wrote
    leaderboard: float | None = None
    greater_is_better: bool = True
    configuration: Configuration | None = None
    fold_file: str | None = None  # hash of the folds
    date: str | None = None  # when it was made
    settings: list[str] = []  # `--set` as given


class PublicScore(Content):
    """What Kaggle said of one submission."""

    date: str
    score: float
    message: str
    submission: str | None  # hash of the file; None of a kernel's, whose file is there


class PublicScores(Content):
    """public-scores.json."""

    scores: list[PublicScore]  # the newest last


class Ensemble(Content):
    """ensemble.json: what of the tables and of the ensemble predicting other rows needs, beside folds and settings."""

    names: list[str]  # the C outputs, or the classes of an ordinal task
    written: list[str]  # what stands for 0 and 1 in a binary target
    weights: dict[str, float]  # of the members, exactly as fitted
    calibrations: dict[str, list[list[float]]]  # slopes and offsets of each; empty where not fitted
    thresholds: list[float]
    folds: dict[str, dict[str, str]]  # of each member the folds that predict, and hashes of their fold.json


def read_checked(path: Path, model: Any) -> dict[str, Any] | None:
    """The dict of a JSON file of `write_checked`, without its checksum; None if there is none.

    Args:
        model: a type that pydantic checks it against.

    Raises:
        DamagedError: it is not as it was written.
    """
    if not path.exists():
        return None
    content: dict[str, Any] | None = read_json(path)
    if content is not None and "checksum" not in content:
        raise DamagedError(path.parent, [f"{path.name} has no checksum: damaged, or made by an earlier foldwise"])
    try:
        if content is None or not is_checked(content):
            raise DamagedError(path.parent, [f"{path.name} is damaged"])
        TypeAdapter(model).validate_python(content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DamagedError(path.parent, [f"{path.name} is damaged ({where}: {first['msg']})"]) from error
    return content


def read_whole(path: Path, model: Any) -> dict[str, Any]:
    """What `read_checked` gives; `DamagedError` also where there is no file."""
    content = read_checked(path, model)
    if content is None:
        raise DamagedError(path.parent, [f"{path.name} is missing"])
    return content


def read_or_warn(path: Path, model: Any, instead: str) -> dict[str, Any] | None:
    """What `read_checked` gives; of a damaged file a warning that says what is done `instead` of using it, and None."""
    try:
        return read_checked(path, model)
    except DamagedError as error:
        warn(f"{error}; {instead}")
        return None


def check_whole(path: Path, model: type[Record] = Record) -> dict[str, Any]:
    """A folder's record, whose files are all as they were written.

    Raises:
        DamagedError: they are not, or the record is not or is missing; it names them.
    """
    record = read_whole(path, model)
    check_files(path.parent, record["files"])
    return record


def check_files(folder: Path, checksums: dict[str, str]) -> None:
    """Raise a `DamagedError` that names those files of a folder which are not as they were written."""
    if phrases := damaged_files(folder, checksums):
        raise DamagedError(folder, phrases)
