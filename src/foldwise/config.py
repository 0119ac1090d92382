"""The configuration: every field of competition.toml, with its type, default and check.

What stands below a field of the recipe is its documentation: `./run.sh recipe` prints it, and RECIPE.md is made of it.
`foldwise.load_config` reads the file; unknown keys and wrong types are errors that name the nearest right name.
"""

import re
import warnings
from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WrapValidator,
    field_validator,
    model_validator,
)

from foldwise import metrics
from foldwise.errors import InputError, check
from foldwise.tasks import TASKS, Kind

if TYPE_CHECKING:
    Task = str
else:  # a task has one entry, in its own table
    Task = Literal[*TASKS]


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, table by table; neither is altered.

    Arguments go with the loss, optimizer, schedule or model they were given for: another one starts without them.
    """
    other = [key for key, value in changes.items() if value != base.get(key)]
    stale = {"arguments" if key == "name" else f"{key}_arguments" for key in other}
    merged = {key: value for key, value in base.items() if key not in stale}
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def explained(message: str) -> WrapValidator:
    """One message of our own, where pydantic has one for each part of a type."""

    def validate(value: Any, validate_type: Any) -> Any:
        try:
            return validate_type(value)
        except ValidationError as error:
            raise ValueError(message) from error

    return WrapValidator(validate)


def at_most(limit: int) -> AfterValidator:
    """An upper bound that no use of a number comes near, and within which nothing made of it overflows."""

    def validate(value: int) -> int:
        if value > limit:
            raise ValueError(f"too large; give at most {limit:,}")
        return value

    return AfterValidator(validate)


def check_encoding_name(name: str) -> str:
    """The name of an encoding that Python knows; ValueError for another."""
    try:
        " ".encode(name)
    except LookupError as error:
        raise ValueError(str(error)) from error
    return name


TableName = Literal["train", "test", "sample_submission", "solution", "extra", "labels", "folds"]
Quotes = Literal["csv", "literal"]
MetricName = Annotated[str, AfterValidator(metrics.check_name)]
Decimal = Literal[".", ","]
# How tables are written: one value for all, or a table of those that are not written as usual.
BY_TABLE = "or a table of them, { train = …, test = … }"
EncodingName = Annotated[str, AfterValidator(check_encoding_name)]
Encodings = Annotated[
    EncodingName | dict[TableName, EncodingName],
    explained(f'give an encoding that Python knows, such as "cp1252", "utf-16" or "gb18030", {BY_TABLE}'),
]
Separator = Annotated[str, Field(pattern=re.compile(r'^[^"\\\r\n\0]\Z'))]
Separators = Annotated[
    Separator | dict[TableName, Separator], explained(f'give one character, such as ";" or "\\t", {BY_TABLE}')
]
Decimals = Annotated[Decimal | dict[TableName, Decimal], explained(f'give "." or ",", {BY_TABLE}')]
Escape = Literal["\\"]
Escapes = Annotated[Escape | dict[TableName, Escape], explained(f"give '\\' or leave it out, {BY_TABLE}")]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Finite = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1), at_most(1_000_000_000)]
NotNegativeCount = Annotated[int, Field(ge=0), at_most(1_000_000_000)]
Width = Annotated[int, Field(ge=1), at_most(100_000)]  # of a layer, whose weights are as many as its square
Depth = Annotated[int, Field(ge=1), at_most(100)]  # layers
Longest = Annotated[int, Field(ge=0), at_most(100)]  # n-grams
Seed = Annotated[int, Field(ge=0), at_most(2**32 - 1)]  # what all generators take
Names = Annotated[list[str], Field(min_length=1), BeforeValidator(lambda x: [x] if isinstance(x, str) else x)]
FoldCount = Annotated[
    Annotated[int, Field(ge=2), at_most(10_000)],
    explained(
        "give 2 or more: scores, epochs and weights of members come from folds; training.validate = false trains a "
        "model on all rows after them (at most 10,000 folds)"
    ),
]
MaxLength = Annotated[
    Count | Annotated[str, Field(pattern=r"^(100|[1-9]\d?)%$")],
    explained('give a number of tokens from 1 on, at most a billion, or a share of the training texts such as "95%"'),
]
InverseRegularisation = Annotated[Finite | Literal["auto"], explained('give a positive number, or "auto"')]
if TYPE_CHECKING:  # `foldwise.auto` decides, by the tables, what a `Config` leaves open, before anybody uses the number
    AutoCount = Any
    AutoRate = Any
    AutoWeight = Any
else:
    AutoCount = Annotated[
        Count | Literal["auto"], explained('give a whole number from 1 on, at most a billion, or "auto"')
    ]
    AutoRate = Annotated[Finite | Literal["auto"], explained('give a positive number, or "auto"')]
    AutoWeight = Annotated[NotNegative | Literal["auto"], explained('give a number from 0 on, or "auto"')]
EncoderLayers = Annotated[
    Annotated[list[NotNegativeCount], Field(min_length=1)] | Literal["auto"],
    explained('give a list of numbers of layers, such as [4, 6], or "auto"'),
]
CharNgrams = Annotated[Longest | Literal["auto"], explained('give a whole number from 0 on, at most 100, or "auto"')]
# A member is a folder of the output, beside those of tokens and kernels.
MEMBER = re.compile(
    r"^(?!(?:tokens|kernel(?:-infer)?(?:-dataset|-output)?|experiments|tracking|search)\Z)[A-Za-z0-9_-]+\Z"
)
MemberName = Annotated[
    str,
    Field(pattern=MEMBER),
    explained("a member's name may have letters, digits, - and _, and not be 'tokens', 'experiments' or 'kernel'"),
]
MemberFolds = Annotated[
    Annotated[list[NotNegativeCount], Field(min_length=1)],
    explained("give a list of at least one number of a fold, such as [0, 1]"),
]
MemberWeights = Annotated[
    Literal["equal", "fit"] | dict[str, NotNegative],
    explained('give "equal", "fit", or a table of a weight for each member, none negative'),
]


# A method of pydantic's first version, which nothing calls here.
warnings.filterwarnings("ignore", 'Field name "validate" in "Training" shadows')


class Section(BaseModel):
    """A table of the configuration: no unknown keys, no silent conversion of types, no change after checking."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class CompetitionSection(Section):
    """What is asked: the task and the metric the leaderboard uses."""

    slug: str
    title: str = ""
    task: Task
    metric: MetricName
    metric_arguments: dict[str, Any] = {}  # of a metric that takes some, such as { beta = 2 } of fbeta
    # Of a function of your own, "module:function": what it is given, if not what is submitted; its direction.
    metric_takes: Kind | None = None
    greater_is_better: bool | None = None
    # Where targets of 0 and 1 are shares of raters in between: trained as they are, 1 for the metric from here on.
    soft_cut: Annotated[float, Field(gt=0, le=1)] | None = None


class Format(NamedTuple):
    """How one table is written."""

    encoding: str = "utf-8"
    separator: str | None = None  # between the values of a row; None for a comma, in a .tsv a tab
    decimal: Decimal = "."  # in numbers
    escape: Escape | None = None  # before a quote, a separator or itself it says that this is text
    quotes: Quotes = "csv"  # literal: text like any other, but for one pair around a whole value


class FilesSection(Section):
    """What the files are called, without endings such as .csv or .tsv.zip, and how they are written."""

    train: str = "train"
    test: str = "test"
    sample_submission: str = "sample_submission"
    solution: str = "solution"
    extra: str | None = None  # further labelled rows, for training.extra_weight and training.extra_epochs
    folds: str | None = None  # a table of id and fold (or kfold), where the folds are there already
    labels: str | None = None  # further columns of the training rows, joined by id
    # `Format` says what these mean; what is left out is as there.
    encoding: Encodings = {}
    separator: Separators = {}
    decimal: Decimals = {}
    escape: Escapes = {}
    quotes: Quotes = "csv"
    numbered: list[TableName] = []  # tables that have no id: rows count from 1
    unscored: str | None = None  # a target of the solution that marks a row which does not count

    @property
    def stems(self) -> dict[str, str]:
        """What each table's file is called."""
        tables = {"train", "test", "sample_submission", "solution", "extra", "labels", "folds"}
        return self.model_dump(include=tables, exclude_none=True)

    def format_of(self, name: str) -> Format:
        """How the file of table `name` is written."""
        given = {key: getattr(self, key) for key in Format._fields}
        chosen = {key: value.get(name) if isinstance(value, dict) else value for key, value in given.items()}
        return Format(**{key: value for key, value in chosen.items() if value is not None})

    def written(self, tables: Collection[str]) -> dict[str, Any]:
        """What decides how these tables are read: quotes, which have no ids, and what else is not as usual."""
        usual = Format(quotes=self.quotes)._asdict()
        forms = {name: self.format_of(name)._asdict() for name in tables}
        odd = {name: {key: value for key, value in form.items() if value != usual[key]} for name, form in forms.items()}
        numbered = sorted(set(tables) & set(self.numbered))
        return {"quotes": self.quotes, "numbered": numbered, **{name: form for name, form in odd.items() if form}}


class ColumnsSection(Section):
    """Where things are in the tables. Those from `target` to `fold` are in the training table only."""

    id: str
    text: list[str] = []  # may be left out where there is `image`
    image: str | None = None  # names of image files, for members that see them
    features: list[str] = []  # numbers beside the text
    target: Annotated[list[str], Field(min_length=1)]
    positive: str | None = None  # of the two labels in the target of a binary task, if they are not 0 and 1
    separator: Annotated[str, Field(min_length=1)] | None = None  # between the labels in a cell of a multilabel target
    # Rows whose target is empty: an error, left out, or of several targets each kept with those that are known.
    missing_targets: Literal["error", "drop", "mask"] = "error"
    auxiliary: list[str] = []  # further targets, learnt beside and not predicted; 0 … 1, of numbers any
    subgroups: list[str] = []  # 0 … 1: whom a text is about, for jigsaw_bias_auc and training.subgroup_weights
    weight: str | None = None  # how much a row counts in the loss; with 0 it is neither trained on nor scored
    group: str | None = None  # rows of one group never part: an author, a thread, a sentence
    fold: str | None = None  # folds that are there already, from 0 or 1 on; -1: trained on in all, validated in none
    ignore: list[str] = []  # columns that are there and not used
    renamed: dict[str, str] = {}  # of all tables but the sample: the name in the file → the name it goes by here

    @model_validator(mode="after")
    def check_inputs(self) -> Self:
        """There is something to predict from."""
        if not self.text and self.image is None:
            raise ValueError("text is missing: name the columns of the text, or with image the one of image files")
        return self

    @property
    def read(self) -> list[str]:
        """Columns that members read as they stand: texts, and behind them names of image files."""
        return [*self.text, *filter(None, [self.image])]

    @property
    def of_both(self) -> list[str]:
        """Columns that the training and the test table have."""
        return [self.id, *self.read, *self.features]

    @property
    def of_train(self) -> list[str]:
        """Columns of the training table alone."""
        return [*self.target, *self.auxiliary, *self.subgroups, *filter(None, (self.weight, self.group, self.fold))]


class SubmissionSection(Section):
    """What sample_submission.csv wants: hard labels, probabilities, or values of a regression."""

    kind: Kind
    # What the sample calls the column of a class or target: "label_*" where that of cat is label_cat.
    columns: Annotated[str, Field(pattern=r"^[^*]*\*[^*]*$")] = "*"


class Folds(Section):
    """How `folds/SLUG.csv` is made. It is made once and kept; `./run.sh folds --force` makes a new one."""

    n: FoldCount = 5
    """Number of folds. More folds cost more time and give each model more rows to train on."""

    seed: Seed = 0
    """Seed of the random choices in making the folds. `--seed` changes the training only, never the folds."""

    same_text: bool = True
    """Rows with the same text (up to case and white space) share a fold, so that no text is both trained on and scored.
    Set it to false where `columns.group` already says which rows belong together."""


class Tokens(Section):
    """How texts become tokens, a vocabulary and word vectors. All members share them."""

    tokenizer: Annotated[
        str,
        Field(pattern=r"^$|^[\w.]+:\w+$|^[^:/]+\.json$"),
        explained('give code of your own as "module:function", or the name of a tokenizer.json, such as "words.json"'),
    ] = ""
    """What splits texts. If empty, foldwise does: into words, as the corpus of GloVe was split, and into characters
    where the script has no blanks between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese). Your own:
    "module:function", which takes a text and gives a list of tokens, or "module:Class", whose instance does; or a
    tokenizer.json of the library tokenizers that lies beside competition.toml. `tokens.case` is not for these."""

    case: Literal["lower", "keep"] = "lower"
    """Whether texts are turned to lower case. "keep" is for vectors that tell Apple from apple."""

    vocabulary: Literal["train+test", "train"] = "train+test"
    """Which texts words are taken from; with "train+test" also those of `files.extra`. Use "train" where looking at
    test texts is forbidden; another test table is then predicted by the folds that are there."""

    min_count: Count = 1
    """A word that occurs less often than this is unknown. Raise it for large, noisy texts."""

    max_size: Count = 400_000
    """Largest number of words; the most frequent ones are kept and the rest are unknown."""

    max_length: MaxLength = 256
    """Longest text in tokens; longer ones are cut. "95%" takes the length that this share of the training texts fits
    into. Shorter is faster. With `tokens.columns = "apart"` it counts for each column. "linear" sees whole texts
    instead, if all of them together have at most 30 million tokens."""

    cut: Literal["head", "tail", "head+tail"] = "head"
    """Which part of a text that is too long stays: its beginning, its end, or half of each."""

    columns: Literal["join", "apart"] = "join"
    """Several text columns: "join" makes one text of them with `<sep>` between; "apart" encodes each by itself. Try
    "apart" where columns play different parts, as question and answer."""

    features: list[Literal["length", "capitals", "punctuation", "unique"]] = []
    """Numbers about the text that a network sees beside it: logarithm of its number of words, share of capitals, share
    of punctuation, share of different words."""

    vectors: Names = ["glove-6b-100d-50k", "minilm-l6-100d-50k"]
    """Files of pretrained word vectors, one or several, by name, in `input/embeddings/` or beside the competition's
    CSVs (formats: input/README.md). "none" starts from random vectors."""

    combine: Literal["concat", "mean"] = "concat"
    """Vectors of several files: side by side, or their mean, for which all must be equally long."""

    dimension: Width = 100
    """Numbers in a random vector, where `tokens.vectors = "none"`."""


class Batches(Section):
    """Batches of similar lengths: rows are shuffled, sorted by length in groups, cut; batches come in random order."""

    size: AutoCount = "auto"
    """Rows in a batch. Larger batches are faster, most of all on a GPU, and may want a higher learning rate. "auto" is
    32, and from 48,000 training rows on as many as make an epoch at most 1,500 batches: 64, 128, 256 or 512."""

    tokens: NotNegativeCount = 0
    """If not 0, a batch has this many tokens, padding included, instead of `batches.size` rows. For many short rows
    with a few long ones."""

    group: Count = 20
    """Batches that are sorted by length together. A larger group has less padding and less chance in its order."""


class Model(Section):
    """The model. Not every field is read by every model; "linear", "encoder", "convnet" and "external" have tables of
    their own.
    """

    name: str = "bilstm"
    """One of "bilstm", "bigru", "bilstm_bigru" (a GRU over an LSTM), "textcnn", "linear" (n-grams, no network),
    "encoder" (a pretrained Transformer), "convnet" (images) and "external" (predictions of another program), or a class
    of your own as "module:Class"."""

    hidden: Width = 128
    """Units of an LSTM or GRU in each direction. 64 is much faster; more helps with many rows."""

    layers: Depth = 1
    """Recurrent layers, one over the other."""

    pooling: Annotated[list[str], Field(min_length=1)] = ["max", "mean"]
    """How the states of a text's tokens become one vector: "max", "mean", "last" (of each direction) or "attention"
    (weighted by a learnt score); several are put side by side."""

    residual: bool = False
    """Adds a recurrent layer's input to its output where both are equally wide. For `model.layers` above 1."""

    kernel_sizes: Annotated[list[Width], Field(min_length=1)] = [3, 4, 5]
    """Of textcnn: how many tokens its filters see at once."""

    channels: Width = 100
    """Of textcnn: filters of each kernel size."""

    spatial_dropout: Fraction = 0.3
    """Share of the features of word vectors that are dropped in training, each for a whole text."""

    dropout: Fraction = 0.3
    """Dropout between layers and before the last one. Raise it where a model learns the training rows by heart."""

    train_embedding: bool = True
    """Whether word vectors train. False saves memory and time: for a million texts, or where rows are few."""

    arguments: dict[str, Any] = {}
    """Keyword arguments of a class of your own."""


class Linear(Section):
    """The model "linear": n-grams into logistic or ridge regression (scikit-learn). Quick; helps beside a network."""

    weighting: Literal["auto", "tfidf", "nb"] = "auto"
    """Of n-grams: "tfidf", or "nb", times the log-count ratio of naive Bayes (Wang & Manning 2012; for classes). "auto"
    is "nb" for columns of 0 and 1, else "tfidf"."""

    word_ngrams: Longest = 2
    """Longest n-gram of words; 0 for none."""

    char_ngrams: CharNgrams = "auto"
    """Longest n-gram of characters; 0 for none. Slow for long texts, and good with misspelt ones. "auto" is 5 where the
    training rows have at most 2 million words, or where `linear.word_ngrams` is 0; beyond, where they would take
    gigabytes, it is 0."""

    min_count: Count = 2
    """An n-gram counts if it occurs in at least so many training texts."""

    C: InverseRegularisation = "auto"
    """How closely the training rows are fitted: C of the logistic regression, 1 / alpha of the ridge. "auto" chooses it
    by inner cross-validation on the training rows, which takes twice the time; with hundreds of classes it is 64."""


class Encoder(Section):
    """The model "encoder": a pretrained Transformer, of the kind of BERT, RoBERTa, DeBERTa or ModernBERT, with its own
    tokenizer. It needs `pip install -r requirements-encoders.txt`. Two text columns are encoded as a pair, more are
    joined by the separator; numbers beside the text are not seen.
    """

    path: str = ""
    """Folder with the encoder's config.json, model.safetensors and tokenizer.json: a path from the repository on, a
    name in `input/encoders/`, or the name of a Kaggle dataset that holds the three files or a folder of that name."""

    train: Literal["frozen", "full"] = "frozen"
    """What is trained: "frozen" fits a linear head on states of the encoder, which are computed once; "full" trains the
    encoder too, which is stronger and takes very much longer without a GPU."""

    max_length: Count = 256
    """Longest row in tokens of the encoder's own tokenizer, special ones included; longer ones are cut at their end."""

    pooling: list[Literal["mean", "max", "cls", "attention"]] = []
    """How the states of a text's tokens become one vector: "mean", "max", "cls" (the first token's) or "attention" (for
    "full": weighted by a learnt score); several are put side by side. If empty, mean and max for "frozen", mean for
    "full"."""

    layers: EncoderLayers = "auto"
    """Of "frozen": numbers of the layers whose states the head sees, 0 being the embeddings. "auto" takes five, evenly
    from a third of the way up to the last one."""

    C: InverseRegularisation = "auto"
    """Of "frozen": how closely the head fits the training rows, on the scale of `linear.C`. "auto" chooses it by inner
    cross-validation on the training rows."""

    learning_rate: Finite = 5e-5
    """Of "full": the largest learning rate of the last layer; ten times that for the head. It rises during
    `training.warmup` and then falls linearly."""

    layer_decay: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Of "full": the learning rate of each layer is that of the layer above it times this."""

    batch_size: Count = 32
    """Of "full": rows in a batch, instead of `batches.size`; `batches.tokens` and `batches.group` hold too."""

    epochs: Count = 3
    """Of "full": how many times each training row is seen, unless training stops before."""

    freeze_layers: NotNegativeCount = 0
    """Of "full": so many first layers, and the embeddings, stay as they are, to save time and memory; 0 trains all."""

    gradient_checkpointing: bool = False
    """Of "full": computes the layers twice instead of keeping what they gave, which takes less memory and more time."""

    @property
    def poolings(self) -> list[str]:
        """`pooling`, or what it is if empty."""
        return [*self.pooling] or (["mean", "max"] if self.train == "frozen" else ["mean"])


class Images(Section):
    """The model "convnet": a residual network of convolutions over the images that `columns.image` names, and over the
    words of text columns beside them. Numbers beside the text are not seen. It needs `pip install -r
    requirements-images.txt`. `training`, `batches` and `model.dropout` hold for it; `init` writes what suits it.
    """

    size: Annotated[list[Annotated[int, Field(ge=1), at_most(4_096)]], Field(min_length=2, max_length=2)] = [64, 64]
    """Height and width that images are brought to, in pixels. `init` proposes the usual size of the images there, 64
    at most. Larger ones show more and take longer: time grows with their product."""

    channels: Literal[1, 3] = 3
    """Numbers a pixel: 1 for grey images, 3 for colours."""

    cache: Literal["auto", "always", "never"] = "auto"
    """Whether images are kept as they are after reading and resizing, in `output/SLUG/MEMBER/tokens/`, so that only the
    first reading takes long. "auto" is "always" where that takes at most half of the free disk; with "never" every
    epoch reads the files again."""

    width: Width = 32
    """Channels of the first layer; each stage has twice as many as the one before."""

    stages: Annotated[int, Field(ge=1, le=6)] = 3
    """Stages of residual blocks. From the second on, each begins with half the height and width."""

    blocks: Depth = 1
    """Residual blocks of each stage, of two convolutions each."""

    augment: list[Literal["flip", "shift", "crop", "rotate", "colour", "cutout", "mixup"]] = ["shift"]
    """What training changes at random in each image, each time it is seen: "flip" left to right, "shift" by up to an
    eighth, "crop" to a part of 60% to 100% of the area, "rotate" by up to 15 degrees, "colour" (brightness, contrast,
    saturation), "cutout" (a grey square), "mixup" (two images and their targets mixed)."""

    backbone: str = ""
    """Instead of the network of our own: code that makes another, as "module:Class" or "module:function", such as
    "timm:create_model". It gives a torch.nn.Module that is called with (B, channels, H, W) float32 images of mean 0 and
    gives (B, F) numbers of each."""

    arguments: dict[str, Any] = {}
    """Keyword arguments of `images.backbone`, such as { model_name = "resnet18", num_classes = 0 }."""

    weights: str = ""
    """File of pretrained weights for `images.backbone` (.safetensors), beside competition.toml or the tables."""

    transform: str = ""
    """Code of your own that changes training images instead of `images.augment`, as "module:Class" or
    "module:function", such as a torchvision transform. It is called with one (channels, H, W) uint8 tensor and gives
    another of the same size; torch's random numbers are seeded for each image."""


class External(Section):
    """The model "external": another program's predictions, which nothing here trains. They are weighed, scored and
    averaged as any member's. Each table has the id of each row and its predictions, in columns called as in our own
    oof.csv (`prediction`, or `prediction_NAME` of each class or target), or as the targets, the classes or the sample's
    columns: probabilities, or values in the target's own units.
    """

    oof: str = ""
    """Table beside the competition's own (CSV, TSV, JSON or parquet), such as "deberta_oof.csv": of each training row
    the prediction of a model that has not learnt from it. A column `fold` says in which fold that was, and must be as
    in the fold file; without one nobody can tell a leak. A member with `folds` needs the rows of those alone."""

    test: str = ""
    """Table of the predictions of the test rows."""


class Training(Section):
    """How a network is trained, and when to stop. Of these "linear" and a frozen "encoder" read `subgroup_weights` and
    `extra_weight` only, the latter also `precision`. "encoder" with `encoder.train = "full"` has epochs, learning rate
    and schedule of its own and no R-Drop, and reads the other fields and `batches`. "external" reads none.
    """

    epochs: AutoCount = "auto"
    """How many times each training row is seen, unless training stops before. "auto" is 6, above 100,000 training rows
    4, above 400,000 3."""

    loss: str = "auto"
    """What training makes small. "auto" is "bce" for binary and multilabel tasks, "cross_entropy" for multiclass, "mse"
    for regression and ordinal. Others: "nll", "kl_div", "focal" (argument gamma), "label_smoothing" (epsilon),
    "soft_f1_bce" (share), "smooth_l1" (beta), or your own as "module:function" or "module:Class"."""

    loss_arguments: dict[str, Any] = {}
    """Arguments of the loss, such as { gamma = 2 }."""

    class_weights: Literal["none", "balanced"] = "none"
    """With "balanced", rare classes (or the ones of 0/1 columns) count more, so that all classes weigh the same."""

    subgroup_weights: bool = False
    """Rows weigh by `columns.subgroups`, as was usual in Jigsaw's contest of 2019. For binary tasks."""

    auxiliary_weight: NotNegative = 1.0
    """How much the loss of `columns.auxiliary` counts beside that of the targets."""

    optimizer: str = "AdamW"
    """A class of torch.optim, of pytorch_optimizer where that is installed, or your own as "module:Class"."""

    optimizer_arguments: dict[str, Any] = {}
    """Arguments of the optimizer other than learning rate and weight decay, such as { betas = [0.9, 0.98] }."""

    embedding_optimizer: Literal["rowwise", "same"] = "rowwise"
    """Of the word vectors: "rowwise" is Adam on the words of a batch only, which stays fast with any vocabulary; "same"
    gives them to `training.optimizer`, with dense gradients."""

    learning_rate: AutoRate = "auto"
    """The largest learning rate, of everything but the word vectors. The first thing to try when scores are poor.
    "auto" is 2e-3; where `batches.size` is left at "auto" and becomes more than 32, it grows by the square root of
    that: 4e-3 for 128."""

    embedding_learning_rate: AutoRate = "auto"
    """The largest learning rate of the word vectors. "auto" as for `training.learning_rate`."""

    unfreeze_epoch: NotNegativeCount = 0
    """Word vectors do not train before this epoch (counted from 0), so that the rest adapts to them first."""

    r_drop: AutoWeight = "auto"
    """Weight of R-Drop (Liang et al. 2021): a batch goes through the network twice, with other dropout each time, and
    how far the two predictions are apart is added to the loss. It takes up to twice the time and scores better; 0 turns
    it off. "auto" is 1, above 100,000 training rows 0."""

    schedule: Literal["cosine", "one_cycle", "linear", "step", "plateau", "constant"] = "cosine"
    """How the learning rate falls after the warm-up: "cosine" and "linear" to 0 at the last step, "step" by a factor at
    intervals, "plateau" when the score stops improving, "constant" not at all. "one_cycle" also rises slowly."""

    schedule_arguments: dict[str, float] = {}
    """Arguments of the schedule. step: step_size (a share of all steps), gamma. plateau: factor, patience, threshold,
    cooldown (in evaluations). one_cycle: pct_start, div_factor, final_div_factor, base_momentum, max_momentum."""

    weight_decay: NotNegative = 0.01
    """Weight decay of everything but the word vectors, which have none."""

    warmup: Fraction = 0.1
    """Share of all steps in which the learning rate rises from 0."""

    accumulation: Count = 1
    """Gradient accumulation: parts in which a batch goes through a network, one after the other, their gradients added
    up. What elsewhere is gradient_accumulation_steps = 4 with batches of 32 is `batches.size = 128` with 4 parts here.
    More parts need less memory and change nothing but dropout, and losses that compare rows, such as "soft_f1_bce"."""

    max_grad_norm: Positive = 1.0
    """Gradients with a larger norm are scaled down to it."""

    ema: Fraction = 0.99
    """Decay of the exponential moving average of the weights, which is what is scored and kept. 0 turns it off."""

    evaluations_per_epoch: Count = 2
    """How often in an epoch the validation fold is scored. 1 saves time on large data."""

    patience: Count = 4
    """Training stops after this many evaluations without a better score; the best one's weights are kept."""

    min_delta: NotNegative = 0.0
    """A score must be better than the best by more than this to count as better."""

    snapshots: Count = 1
    """Predictions of this many best evaluations of a fold are averaged, instead of the best one's alone."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Number format. "auto" is bf16 on a CPU that has it, fp16 on a V100 or T4, else fp32; encoders and models of your
    own have bf16 on a GPU from the A100 on. An LSTM or GRU stays in fp32 where a GPU has bf16. "fp16" needs a GPU."""

    start_from: str = ""
    """Folder of earlier weights that a network starts from: a member's (`output/SLUG/bilstm`, also of another output or
    competition), one fold's, or what `kernel build --infer` packed. Arrays go by their names, word vectors by their
    words; of the same training table each fold starts from the fold of its number. What the optimizer knew is not
    carried over."""

    validate: bool = True  # type: ignore[assignment]
    """With false, a model on all rows follows the folds, with the epochs that these found best (their median), and
    predicts the test rows in their place; scores, thresholds and weights of members stay those of the folds. For a
    network the learning rate follows its schedule up to there. Not with `--time-budget`, `training.distill`,
    `.pseudo_labels` or the schedule "plateau"."""

    distill: str = ""
    """Another member, the teacher, whose predictions a network learns beside the labels (distillation, Hinton et al.
    2015). Set it for one member, as `members.bilstm.training.distill = "linear"`. What the model of a fold learns comes
    from fits of the teacher that saw neither this fold nor the one they predict, so the score stays honest. Each fold
    of the student takes a fit of the teacher for every other fold, 20 for 5 folds, kept in `output/SLUG/TEACHER/`. Not
    with `--time-budget`."""

    distill_weight: Share = 0.5
    """Weight w of the teacher: the targets are (1 - w) * label + w * prediction. 0 turns it off."""

    pseudo_labels: Share = 0.0
    """Weight of a test row, where a training row has 1: a network also trains on the test rows (pseudo-labels, Lee
    2013). Set it for one member. Their targets are the mean prediction of all members without pseudo-labels, which
    train before it. The model of a fold learns from their models of the same fold, which were not trained on it; a
    network among them was stopped by its score there. 0 turns it off. Not with `--time-budget`."""

    extra_weight: NotNegative = 0.0
    """Weight of a row of a further table, `files.extra` (an earlier contest's, or labels of your own making), where a
    training row has 1: these rows join the training of every fold and are never validated. Those with the text of a row
    of the validation fold are left out. Where that table has `columns.weight`, it multiplies this. 0 turns it off."""

    extra_epochs: NotNegativeCount = 0
    """A network first trains for so many epochs on the rows of a further table, `files.extra` (last year's contest,
    say), then as ever on the training rows. Extra rows with the text of a row of the validation fold are left out.
    "linear" does without; an "encoder" cannot have it, so beside one set it for members one by one. 0 turns it off."""

    @property
    def from_members(self) -> bool:
        """Whether the predictions of other members are among the targets."""
        return bool((self.distill and self.distill_weight) or self.pseudo_labels)

    @property
    def taught(self) -> bool:
        """Whether there is more to learn from than training rows and their labels."""
        return self.from_members or bool(self.extra_epochs or self.extra_weight)


class Ensemble(Section):
    """How the predictions of folds, and then of members, become one."""

    method: Literal["mean", "rank_mean"] = "mean"
    """What is averaged: predictions, or their ranks. "rank_mean" is for metrics that see only the order, such as
    roc_auc, and for labels that are decided by thresholds."""

    weights: MemberWeights = "fit"
    """Weights of the members. "fit" calibrates their probabilities on out-of-fold rows, weighs them by the same rows,
    and scores the result on folds that it was not fitted on. Or a table of your own, such as
    { bilstm = 2, linear = 1 }; 0 leaves one out."""

    members: list[str] = []
    """Names of the members to train and average; all if empty."""


class Member(Section):
    """What a member does differently from the recipe, for an average of several models.

        [recipe.members.bilstm]       # the recipe as it is
        [recipe.members.deep]         # three members: deep-s1, deep-s2, deep-s3
        seeds = [1, 2, 3]
        model.layers = 2
        [recipe.members.linear]
        model.name = "linear"

    Once members are listed, only those listed are trained.
    """

    seed: Seed | None = None
    """A seed of its own, instead of `seed`."""

    seeds: Annotated[list[Seed], Field(max_length=100)] = []
    """A member for each of these seeds, NAME-s1 for seed 1; `train --member NAME` means all of them."""

    folds: MemberFolds | None = None
    """Numbers of the folds that it trains, for a member that takes long; all if left out. Weights, thresholds and
    scores of the ensemble then come from the rows of the folds that all members have; the test rows are predicted with
    every fold of every member. With one such fold only, members weigh the same."""

    batches: dict[str, Any] = {}
    """Fields of `batches` that differ."""

    model: dict[str, Any] = {}
    """Fields of `model` that differ."""

    linear: dict[str, Any] = {}
    """Fields of `linear` that differ."""

    encoder: dict[str, Any] = {}
    """Fields of `encoder` that differ."""

    images: dict[str, Any] = {}
    """Fields of `images` that differ."""

    external: dict[str, Any] = {}
    """Fields of `external` that differ."""

    training: dict[str, Any] = {}
    """Fields of `training` that differ."""


def member_name(model: Model) -> str:
    """What a member is called, and its folder, where the user gave no name: as its model, or its class if it is own."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", model.name.rpartition(":")[2])
    return name if MEMBER.match(name) else f"{name}_model"


def default_members(model: Model) -> dict[str, Member]:
    """The recipe's own model, and the linear learner beside it: words that say the topic are its strength."""
    members = {member_name(model): Member()}
    if model.name == "convnet":
        return members
    members.setdefault("linear", Member(model={"name": "linear"}))
    return members


class Recipe(Section):
    """Everything between the CSVs and the submission that can be chosen."""

    seed: Seed = 0
    """Seed of the training: weights at the start, order of the batches, dropout. `--seed` sets it."""

    folds: Folds = Folds()
    tokens: Tokens = Tokens()
    batches: Batches = Batches()
    model: Model = Model()
    linear: Linear = Linear()
    encoder: Encoder = Encoder()
    images: Images = Images()
    external: External = External()
    training: Training = Training()
    ensemble: Ensemble = Ensemble()
    members: dict[MemberName, Member] = Field(default_factory=lambda recipe: default_members(recipe["model"]))
    """The models to train and average, each in a folder `output/SLUG/NAME/`. By default `model.name`, and "linear"
    beside it, but beside "convnet" nothing."""

    @field_validator("members")
    @classmethod
    def expand_seeds(cls, members: dict[str, Member]) -> dict[str, Member]:
        """A member with `seeds` becomes one member for each of them."""
        expanded: dict[str, Member] = {}
        for name, member in members.items():
            if member.seeds and member.seed is not None:
                raise ValueError(f"members.{name} has seed and seeds; keep one of them")
            seeds: list[int | None] = [*member.seeds] or [member.seed]
            for seed in seeds:
                full = f"{name}-s{seed}" if member.seeds else name
                if full in expanded:
                    raise ValueError(f"members.{full} is there twice, counting the seeds of {name}; rename one")
                expanded[full] = member.model_copy(update={"seed": seed, "seeds": []})
        return expanded

    @property
    def ensemble_members(self) -> list[str]:
        """The members that the ensemble is made of."""
        return self.ensemble.members or list(self.members)

    def members_named(self, name: str) -> list[str]:
        """The members that `--member NAME` means: one, or all that the seeds of NAME gave; InputError for none."""
        if name in self.members:
            return [name]
        of_seeds = [full for full, member in self.members.items() if full == f"{name}-s{member.seed}"]
        if not of_seeds:
            raise InputError(f"--member {name}: no such member; recipe.members has {', '.join(self.members)}")
        return of_seeds

    def folds_of(self, name: str) -> list[int]:
        """The folds that member `name` trains, rising."""
        chosen = self.members[name].folds
        return list(range(self.folds.n)) if chosen is None else sorted(chosen)

    def on_all_rows(self, name: str) -> bool:
        """Whether a model on all rows, instead of those of its folds, predicts the test rows for a member."""
        return not self.of_member(name).training.validate

    def of_member(self, name: str) -> "Recipe":
        """The recipe as member `name` trains it: its changes merged in, the other members left out."""
        changes = self.members[name].model_dump(exclude_defaults=True, exclude={"folds"})
        return check(
            Recipe, merge({**self.model_dump(exclude={"members"}), "members": {}}, changes), f"recipe.members.{name}"
        )


class Config(Section):
    """A whole competition.toml with `--set` applied."""

    competition: CompetitionSection
    files: FilesSection = FilesSection()
    columns: ColumnsSection
    submission: SubmissionSection
    recipe: Recipe = Recipe()
    # Of the extension `search`, which checks it; no run depends on it.
    search: Annotated[dict[str, Any], Field(exclude=True)] = {}

    @property
    def metric_choice(self) -> metrics.MetricChoice:
        """What the leaderboard scores by, as competition.toml says it."""
        asked = self.competition
        takes, greater = asked.metric_takes or self.submission.kind, asked.greater_is_better
        return metrics.MetricChoice(asked.metric, asked.metric_arguments, takes, greater is not False)

    @property
    def metric(self) -> metrics.Metric:
        """What the leaderboard scores by; InputError as of `metric_for`."""
        return metrics.metric_for(self.metric_choice, self.competition.task)
