"""The configuration: competition.toml plus `--set`, checked key by key.

A recipe is the sum of the defaults below, `[recipe]` of competition.toml and `--set key=value`, later ones winning.
Unknown keys and wrong types are errors that name the key, the value and the nearest right name: a typo in a
configuration must not cost a night of GPU time.
"""

import difflib
import re
import tomllib
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from foldwise.errors import InputError, shorten

Task = Literal["binary", "multiclass", "multilabel", "regression"]
Kind = Literal["label", "probability", "value"]
Metric = Literal["accuracy", "f1", "macro_f1", "mcc", "log_loss", "roc_auc", "rmse", "mae", "r2", "spearman"]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


def check_member_name(name: str) -> str:
    """A member's name is a folder of the output, beside `tokens`."""
    if name == "tokens" or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError("a member's name may have letters, digits, - and _, and not be 'tokens'")
    return name


MemberName = Annotated[str, AfterValidator(check_member_name)]


SectionType = typing.TypeVar("SectionType", bound="Section")


class Section(BaseModel):
    """A table of the configuration: no unknown keys, no silent conversion of types, no change after checking."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CompetitionSection(Section):
    """What is asked: the task and the metric the leaderboard uses."""

    slug: str
    title: str = ""
    task: Task
    metric: Metric


class ColumnsSection(Section):
    """Where things are in train.csv and test.csv."""

    id: str
    text: Annotated[list[str], Field(min_length=1)]
    target: Annotated[list[str], Field(min_length=1)]
    group: str | None = None  # rows of one group never part: an author, a thread, a sentence
    ignore: list[str] = []  # columns that are there and not used


class SubmissionSection(Section):
    """What sample_submission.csv wants: hard labels, probabilities, or values of a regression."""

    kind: Kind


class Folds(Section):
    """How `folds/<slug>.csv` is made. Its seed is its own: `--seed` changes the training, never the folds."""

    n: Annotated[int, Field(ge=2)] = 5
    seed: int = 0


class Tokens(Section):
    """How texts become tokens, a vocabulary and its vectors."""

    case: Literal["lower", "keep"] = "lower"
    vocabulary: Literal["train+test", "train"] = "train+test"
    min_count: Count = 1
    max_size: Count = 400_000
    max_length: Count = 256  # tokens; longer texts lose their tail
    vectors: str = "glove-6b-100d-50k"  # a file in input/embeddings/, or "none": every vector random
    dimension: Count = 100  # of random vectors, where vectors = "none"


class Batches(Section):
    """Shuffle, cut into groups of `group` batches, sort by length inside a group, cut, shuffle the batches."""

    size: Count = 32  # rows
    tokens: Annotated[int, Field(ge=0)] = 0  # if not 0, instead of `size`: tokens in a batch, padding included
    group: Count = 20


class Model(Section):
    """The network. `name` is a key of `foldwise.models.BUILDERS`."""

    name: str = "bilstm"
    hidden: Count = 128
    layers: Count = 1
    pooling: Annotated[list[Literal["max", "mean", "attention"]], Field(min_length=1)] = ["max", "mean"]
    spatial_dropout: Fraction = 0.3
    dropout: Fraction = 0.3
    train_embedding: bool = True


class Training(Section):
    """The optimisation and when to stop it."""

    epochs: Count = 6
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    embedding_learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup: Fraction = 0.1  # share of all steps with a rising learning rate; then a cosine down to zero
    clip: Annotated[float, Field(gt=0)] = 1.0  # largest norm of the gradient
    ema: Fraction = 0.99  # decay of the averaged weights that are validated and kept; 0 turns averaging off
    evaluations: Count = 2  # per epoch, on the whole validation fold
    patience: Count = 4  # evaluations without improvement before stopping
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"


class Ensemble(Section):
    """How the folds' and then the members' predictions become one."""

    method: Literal["mean", "rank_mean"] = "mean"
    members: list[str] = []  # empty: every member of the recipe


class Member(Section):
    """What one member of the ensemble does otherwise than the recipe, and its own seed."""

    seed: int | None = None
    batches: dict[str, Any] = {}
    model: dict[str, Any] = {}
    training: dict[str, Any] = {}


class Recipe(Section):
    """Everything between the CSVs and the submission that can be chosen."""

    seed: Annotated[int, Field(ge=0)] = 0
    folds: Folds = Folds()
    tokens: Tokens = Tokens()
    batches: Batches = Batches()
    model: Model = Model()
    training: Training = Training()
    ensemble: Ensemble = Ensemble()
    members: dict[MemberName, Member] = {"bilstm": Member()}

    def of_member(self, name: str) -> "Recipe":
        """The recipe as member `name` trains it: its changes merged in, the other members left out."""
        member = self.members[name]
        changes = {key: value for key, value in member.model_dump().items() if value not in (None, {})}
        merged = merge(self.model_dump(), {**changes, "members": {}})
        return check(Recipe, merged, f"recipe.members.{name}")


class Config(Section):
    """A whole competition.toml with `--set` applied."""

    competition: CompetitionSection
    columns: ColumnsSection
    submission: SubmissionSection
    recipe: Recipe = Recipe()


def load_config(path: Path, settings: list[str]) -> Config:
    """Read competition.toml and apply `--set` pairs such as `training.epochs=3` (dotted, below `[recipe]`).

    Raises:
        InputError: no such file, not TOML, an unknown key, a wrong type or a value out of range.
    """
    if not path.is_file():
        raise InputError(f"{path}: not found; `./run.sh init {path.parent.name}` writes it from the CSVs beside it")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid TOML: {error}; texts stand in double quotes") from error
    for setting in settings:
        content = merge(content, {"recipe": parse_setting(setting)})
    config = check(Config, content, f"{path} with --set {' --set '.join(settings)}" if settings else str(path))
    for name in config.recipe.members:
        config.recipe.of_member(name)
    for name in config.recipe.ensemble.members:
        if name not in config.recipe.members:
            raise InputError(f"{path}: recipe.ensemble.members: {name!r} is not among recipe.members")
    return config


def parse_setting(setting: str) -> dict[str, Any]:
    """`"training.epochs=3"` → `{"training": {"epochs": 3}}`; the value is TOML, or a plain string if it is not."""
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {setting}: write it as key=value, for example --set training.epochs=3")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    for part in reversed(key.strip().removeprefix("recipe.").split(".")):
        value = {part: value}
    return typing.cast(dict[str, Any], value)


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, table by table; neither is altered."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def check(model: type[SectionType], content: dict[str, Any], source: str) -> SectionType:
    """Validate `content`, with pydantic's findings turned into lines a user can act on."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = [describe(model, fault) for fault in error.errors()]
        raise InputError("\n".join([f"{source}: {len(lines)} fault{'s' if len(lines) > 1 else ''}", *lines])) from error


def describe(model: type[Section], fault: Any) -> str:
    """One pydantic error as `  key: what is wrong (the value), and the nearest right name`."""
    *parents, last = fault["loc"]
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = list(fields_at(model, parents))
        near = difflib.get_close_matches(str(last), known, n=1, cutoff=0.5)
        inner = [name for name in known if str(last) in fields_at(model, [*parents, name])]
        near = [f"{inner[0]}.{last}"] if inner else near
        mend = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return f"  {key} = {shorten(fault['input'])}: unknown key; {mend}"
    if fault["type"] == "missing":
        return f"  {key}: missing"
    message = fault["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if fault["type"] == "list_type":
        message += f'; write ["{fault["input"]}"]'
    if fault["type"] == "bool_type":
        message += "; write true or false"
    if fault["type"] in ("dict_type", "model_type"):
        message = f"this is a table; write a key of it, {key}.… = …, or [{key}.…] in competition.toml"
    if fault["type"] == "literal_error":
        near = difflib.get_close_matches(str(fault["input"]), re.findall(r"'([^']+)'", fault["msg"]), n=1)
        message += f"; did you mean {near[0]}?" if near else ""
    return f"  {key} = {shorten(fault['input'])}: {message}"


def fields_at(model: type[Section], parents: list[Any]) -> dict[str, Any]:
    """The fields of the table that `parents` lead to."""
    fields: dict[str, Any] = model.model_fields
    for parent in parents:
        annotation = fields[parent].annotation if parent in fields else Member
        fields = annotation.model_fields if hasattr(annotation, "model_fields") else {}
    return fields
