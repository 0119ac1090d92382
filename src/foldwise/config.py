"""The configuration: competition.toml plus `--set`, checked key by key.

A recipe is the sum of the defaults below, `[recipe]` of competition.toml and `--set key=value`, later ones winning.
Unknown keys and wrong types are errors that name the key, the value and the nearest right name: a typo in a
configuration must not cost a night of GPU time.
"""

import difflib
import math
import re
import tomllib
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    field_validator,
    model_validator,
)

from foldwise.errors import InputError, shorten

Task = Literal["binary", "multiclass", "multilabel", "regression", "ordinal"]
Kind = Literal["label", "probability", "value"]
Quotes = Literal["csv", "literal"]
Metric = Literal[
    "accuracy", "f1", "macro_f1", "micro_f1", "mcc", "quadratic_kappa",
    "log_loss", "mean_column_log_loss", "roc_auc", "mean_column_roc_auc", "average_precision", "jigsaw_bias_auc",
    "rmse", "mcrmse", "mae", "r2", "pearson", "spearman",
]  # fmt: skip
VALUE_METRICS = ("rmse", "mcrmse", "mae", "r2", "pearson", "spearman")  # take values, not labels or probabilities
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


# Tables of arguments, and the field beside each that says whose they are.
ARGUMENTS = {
    **{"loss_arguments": "loss", "optimizer_arguments": "optimizer", "schedule_arguments": "schedule"},
    "arguments": "name",
}


def check_member_name(name: str) -> str:
    """A member's name is a folder of the output, beside `tokens`."""
    if name == "tokens" or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError("a member's name may have letters, digits, - and _, and not be 'tokens'")
    return name


def check_max_length(value: object) -> object:
    """A number of tokens, or a share of the training texts such as "95%"."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if not is_count and not (isinstance(value, str) and re.fullmatch(r"(100|[1-9]\d?)%", value)):
        raise ValueError('give a number of tokens from 1 on, or a share of the training texts such as "95%"')
    return value


def check_member_weights(value: object) -> object:
    """How members are weighed: a word, or a table of their weights."""
    if value in ("equal", "fit"):
        return value
    sizes: list[Any] = list(value.values()) if isinstance(value, dict) else []
    fits = all(isinstance(size, int | float) and not isinstance(size, bool) and 0 <= size < math.inf for size in sizes)
    if not fits or not any(sizes):
        raise ValueError('give "equal", "fit", or a table of a weight for each member, none negative and one not 0')
    return {name: float(size) for name, size in typing.cast(dict[str, float], value).items()}


MemberName = Annotated[str, AfterValidator(check_member_name)]
MaxLength = Annotated[int | str, PlainValidator(check_max_length)]
MemberWeights = Annotated[str | dict[str, float], PlainValidator(check_member_weights)]
Names = Annotated[list[str], Field(min_length=1), BeforeValidator(lambda x: [x] if isinstance(x, str) else x)]


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
    # Where targets of 0 and 1 are shares of raters in between: trained as they are, 1 for the metric from here on.
    soft_cut: Annotated[float, Field(gt=0, le=1)] | None = None


class FilesSection(Section):
    """What the files are called, without endings such as .csv or .tsv.zip, and how they are written."""

    train: str = "train"
    test: str = "test"
    sample_submission: str = "sample_submission"
    solution: str = "solution"
    quotes: Quotes = "csv"  # literal: text like any other, but for one pair around a whole value
    numbered: list[Literal["train", "test", "sample_submission", "solution"]] = []  # have no id: rows count from 1
    unscored: str | None = None  # a target of the solution that marks a row which does not count

    @property
    def stems(self) -> dict[str, str]:
        """What each table's file is called."""
        return self.model_dump(include={"train", "test", "sample_submission", "solution"})


class ColumnsSection(Section):
    """Where things are in the tables. Those from `target` to `group` are in the training table only."""

    id: str
    text: Annotated[list[str], Field(min_length=1)]
    features: list[str] = []  # numbers beside the text
    target: Annotated[list[str], Field(min_length=1)]
    auxiliary: list[str] = []  # further targets, 0 … 1 (of a regression: any), learnt beside and not predicted
    subgroups: list[str] = []  # 0 … 1: whom a text is about, for jigsaw_bias_auc and training.subgroup_weights
    weight: str | None = None  # how much a row counts in the loss
    group: str | None = None  # rows of one group never part: an author, a thread, a sentence
    ignore: list[str] = []  # columns that are there and not used

    @property
    def of_both(self) -> list[str]:
        """Columns that the training and the test table have."""
        return [self.id, *self.text, *self.features]

    @property
    def of_train(self) -> list[str]:
        """Columns of the training table alone."""
        single = [name for name in (self.weight, self.group) if name]
        return [*self.target, *self.auxiliary, *self.subgroups, *single]


class SubmissionSection(Section):
    """What sample_submission.csv wants: hard labels, probabilities, or values of a regression."""

    kind: Kind


class Folds(Section):
    """How `folds/<slug>.csv` is made. Its seed is its own: `--seed` changes the training, never the folds."""

    n: Annotated[int, Field(ge=2)] = 5
    seed: int = 0
    same_text: bool = True  # rows of one text share a fold; false where `group` says all that must stay together


class Tokens(Section):
    """How texts become tokens, a vocabulary and its vectors."""

    case: Literal["lower", "keep"] = "lower"
    vocabulary: Literal["train+test", "train"] = "train+test"
    min_count: Count = 1
    max_size: Count = 400_000
    # Tokens of a text column, or of the columns joined; "95%": as many as that share of the training texts has.
    max_length: MaxLength = 256
    cut: Literal["head", "tail", "head+tail"] = "head"  # which part of a longer text stays
    columns: Literal["join", "apart"] = "join"  # several text columns: one text with <sep> between, or encoded apart
    features: list[Literal["length", "capitals", "punctuation", "unique"]] = []  # of the text, given to the model
    # A file in input/embeddings/ or of the competition, or several; "none": every vector random.
    vectors: Names = ["glove-6b-100d-50k"]
    combine: Literal["concat", "mean"] = "concat"  # the vectors of several files
    dimension: Count = 100  # of random vectors, where vectors = "none"


class Batches(Section):
    """Shuffle, cut into groups of `group` batches, sort by length inside a group, cut, shuffle the batches."""

    size: Count = 32  # rows
    tokens: Annotated[int, Field(ge=0)] = 0  # if not 0, instead of `size`: tokens in a batch, padding included
    group: Count = 20


class Model(Section):
    """The network. `name` is a key of `foldwise.models.BUILDERS`, "linear", or `module:Class` of your own."""

    name: str = "bilstm"
    hidden: Count = 128  # of each direction
    layers: Count = 1
    pooling: Annotated[list[Literal["max", "mean", "attention", "last"]], Field(min_length=1)] = ["max", "mean"]
    residual: bool = False  # add a layer's input to its output, where both are equally wide
    kernel_sizes: Annotated[list[Count], Field(min_length=1)] = [3, 4, 5]  # tokens that a filter of textcnn sees
    channels: Count = 100  # filters of textcnn of each width
    spatial_dropout: Fraction = 0.3
    dropout: Fraction = 0.3
    train_embedding: bool = True
    arguments: dict[str, Any] = {}  # keyword arguments of a class of your own


LINEAR = "linear"  # the model that is not a network


class Linear(Section):
    """The model "linear": n-grams into logistic or ridge regression (scikit-learn)."""

    weighting: Literal["tfidf", "nb"] = "tfidf"  # nb: times the log-count ratio (Wang & Manning 2012)
    word_ngrams: Annotated[int, Field(ge=0)] = 2  # longest; 0 for none
    char_ngrams: Annotated[int, Field(ge=0)] = 5  # longest; 0 for none
    min_count: Count = 2  # texts that an n-gram stands in
    # C of the logistic regression, 1 / alpha of the ridge; "auto": by inner cross-validation on the training rows.
    C: float | Literal["auto"] = "auto"

    @field_validator("C", mode="plain")
    @classmethod
    def check_c(cls, value: object) -> float | Literal["auto"]:
        """A positive number, or "auto"."""
        if value == "auto":
            return "auto"
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ValueError('give a positive number, or "auto"')
        return float(value)


class Training(Section):
    """The optimisation and when to stop it."""

    epochs: Count = 6
    loss: str = "auto"  # a key of `foldwise.training.losses.LOSSES`, or `module:function` or `module:Class` of your own
    loss_arguments: dict[str, Any] = {}
    class_weights: Literal["none", "balanced"] = "none"  # classes, or the ones of 0/1 columns, by their rarity
    subgroup_weights: bool = False  # rows weigh by columns.subgroups as in Jigsaw's contest of 2019
    auxiliary_weight: NotNegative = 1.0  # of the loss of columns.auxiliary
    optimizer: str = "AdamW"  # a class of torch.optim, of pytorch_optimizer if installed, or `module:Class`
    optimizer_arguments: dict[str, Any] = {}
    embedding_optimizer: Literal["rowwise", "same"] = "rowwise"  # rowwise: Adam on the rows a batch touches
    learning_rate: Positive = 2e-3
    embedding_learning_rate: Positive = 2e-3
    unfreeze_epoch: Annotated[int, Field(ge=0)] = 0  # word vectors stand still before it
    schedule: Literal["cosine", "one_cycle", "linear", "step", "plateau", "constant"] = "cosine"
    schedule_arguments: dict[str, float] = {}
    weight_decay: NotNegative = 0.01
    warmup: Fraction = 0.1  # share of all steps with a rising learning rate
    max_grad_norm: Positive = 1.0  # largest norm of the gradient
    ema: Fraction = 0.99  # decay of the averaged weights that are validated and kept; 0 turns averaging off
    evaluations_per_epoch: Count = 2  # per epoch, on the whole validation fold
    patience: Count = 4  # evaluations without improvement before stopping
    min_delta: NotNegative = 0.0
    snapshots: Count = 1  # best evaluations whose predictions are averaged
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"


class Ensemble(Section):
    """How the folds' and then the members' predictions become one."""

    method: Literal["mean", "rank_mean"] = "mean"
    weights: MemberWeights = "equal"  # of the members; "fit": on out-of-fold rows; or {name = 2.0, …}
    members: list[str] = []  # empty: every member of the recipe


class Member(Section):
    """What one member of the ensemble does otherwise than the recipe, and its own seed, or several."""

    seed: Annotated[int, Field(ge=0)] | None = None
    seeds: list[Annotated[int, Field(ge=0)]] = []  # a member each, NAME-s1 for seed 1
    batches: dict[str, Any] = {}
    model: dict[str, Any] = {}
    linear: dict[str, Any] = {}
    training: dict[str, Any] = {}


class Recipe(Section):
    """Everything between the CSVs and the submission that can be chosen."""

    seed: Annotated[int, Field(ge=0)] = 0
    folds: Folds = Folds()
    tokens: Tokens = Tokens()
    batches: Batches = Batches()
    model: Model = Model()
    linear: Linear = Linear()
    training: Training = Training()
    ensemble: Ensemble = Ensemble()
    members: dict[MemberName, Member] = {"bilstm": Member()}

    @model_validator(mode="before")
    @classmethod
    def expand_seeds(cls, content: Any) -> Any:
        """A member with `seeds` becomes one member for each of them."""
        members = content.get("members") if isinstance(content, dict) else None
        if not isinstance(members, dict):
            return content
        expanded: dict[str, Any] = {}
        for name, member in members.items():
            seeds = member.get("seeds") if isinstance(member, dict) else None
            several = {name: member}
            if isinstance(seeds, list) and seeds and all(isinstance(seed, int) for seed in seeds):
                if member.get("seed") is not None:
                    raise ValueError(f"members.{name} has seed and seeds; keep one of them")
                alone = {key: value for key, value in member.items() if key != "seeds"}
                several = {f"{name}-s{seed}": {**alone, "seed": seed} for seed in seeds}
            if twice := expanded.keys() & several.keys():
                raise ValueError(f"members.{min(twice)} is there twice, once by the seeds of another; rename one")
            expanded |= several
        return {**content, "members": expanded}

    @model_validator(mode="after")
    def check_unfreezing(self) -> "Recipe":
        """Vectors that are to train later must train at all."""
        later, epochs, trains = self.training.unfreeze_epoch, self.training.epochs, self.model.train_embedding
        if later and (later >= epochs or not trains):
            raise ValueError(
                f"training.unfreeze_epoch = {later}: the vectors never train, with training.epochs = {epochs} and "
                f"model.train_embedding = {str(trains).lower()}; change one of them"
            )
        return self

    @property
    def ensemble_members(self) -> list[str]:
        """The members that the ensemble is made of."""
        return self.ensemble.members or list(self.members)

    def of_member(self, name: str) -> "Recipe":
        """The recipe as member `name` trains it: its changes merged in, the other members left out."""
        member = self.members[name]
        changes = {key: value for key, value in member.model_dump().items() if value not in (None, {}, [])}
        merged = merge({**self.model_dump(), "members": {}}, changes)
        return check(Recipe, merged, f"recipe.members.{name}")


class Config(Section):
    """A whole competition.toml with `--set` applied."""

    competition: CompetitionSection
    files: FilesSection = FilesSection()
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
    chosen: dict[str, Any] = {}
    for setting in settings:
        chosen = merge(chosen, parse_setting(setting))
    content = merge(content, {"recipe": chosen} if chosen else {})
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
    if key.strip().split(".")[0] in ("competition", "files", "columns", "submission"):
        raise InputError(
            f"--set {setting}: --set changes the recipe; [{key.strip().split('.')[0]}] is edited in competition.toml"
        )
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
    """`base` with `changes` laid over it, table by table; neither is altered.

    Arguments go with the loss, optimizer, schedule or model they were given for: another one starts without them.
    """
    other = {name for name, owner in ARGUMENTS.items() if owner in changes and changes[owner] != base.get(owner)}
    merged = {key: value for key, value in base.items() if key not in other}
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def check(model: type[SectionType], content: dict[str, Any], source: str) -> SectionType:
    """Validate `content`, with pydantic's findings turned into lines a user can act on."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = [describe(model, found) for found in error.errors()]
        raise InputError("\n".join([f"{source}: {len(lines)} error{'s' if len(lines) > 1 else ''}", *lines])) from error


def describe(model: type[Section], found: Any) -> str:
    """One pydantic error as `  key: what is wrong (the value), and the nearest right name`."""
    *parents, last = found["loc"] or ("",)
    key = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        known = list(fields_at(model, parents))
        near = difflib.get_close_matches(str(last), known, n=1, cutoff=0.5)
        inner = [name for name in known if str(last) in fields_at(model, [*parents, name])]
        near = [f"{inner[0]}.{last}"] if inner else near
        fix = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return f"  {key} = {shorten(found['input'])}: unknown key; {fix}"
    if found["type"] == "missing":
        return f"  {key}: missing"
    message = found["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if found["type"] == "value_error" and isinstance(found["input"], dict):  # of a whole table: the message names keys
        return f"  {key or 'recipe'}: {message}"
    if found["type"] == "list_type":
        message += f'; write ["{found["input"]}"]'
    if found["type"] == "bool_type":
        message += "; write true or false"
    if found["type"] in ("dict_type", "model_type"):
        message = f"this is a table; write a key of it, {key}.… = …, or [{key}.…] in competition.toml"
    if found["type"] == "literal_error":
        near = difflib.get_close_matches(str(found["input"]), re.findall(r"'([^']+)'", found["msg"]), n=1)
        message += f"; did you mean {near[0]}?" if near else ""
    return f"  {key} = {shorten(found['input'])}: {message}"


def fields_at(model: type[Section], parents: list[Any]) -> dict[str, Any]:
    """The fields of the table that `parents` lead to."""
    fields: dict[str, Any] = model.model_fields
    for parent in parents:
        annotation = fields[parent].annotation if parent in fields else Member
        fields = annotation.model_fields if hasattr(annotation, "model_fields") else {}
    return fields
