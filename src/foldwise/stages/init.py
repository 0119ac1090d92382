"""Stage init: read a competition's three CSVs, work out what they hold, and write competition.toml.

    ./run.sh init SLUG
    ./run.sh init SLUG --text title --text body --task regression --metric rmse

Every inference is printed with what it rests on. Where two readings are equally likely the command stops (exit 2) and
names the choices; an option decides.
"""

import json
from dataclasses import dataclass, field

from foldwise.config import Kind, Metric, Quotes, Task
from foldwise.console import say
from foldwise.data.table import Table, read_table
from foldwise.data.targets import parse_number
from foldwise.errors import Errors, InputError, shorten, with_article
from foldwise.files import write_text
from foldwise.metrics import metric_for
from foldwise.paths import COMPETITIONS, CONFIG, Paths

ODD_SHARE = 0.05  # so few rows that are neither 0 nor 1 are errors rather than classes
FEW = 30  # so many whole-number values of a target may be classes
CLEARLY = 3  # times as many words make a column the text and the others side columns
PLAIN_METRIC: dict[tuple[Task, Kind], Metric] = {
    ("binary", "label"): "accuracy",
    ("binary", "probability"): "roc_auc",
    ("multiclass", "label"): "accuracy",
    ("multiclass", "probability"): "log_loss",
    ("multilabel", "label"): "micro_f1",
    ("multilabel", "probability"): "roc_auc",
    ("regression", "value"): "rmse",
    ("ordinal", "label"): "quadratic_kappa",
    ("ordinal", "value"): "rmse",
}


@dataclass
class Choices:
    """What the user decided on the command line; None or empty where it is to be inferred."""

    id: str | None = None
    text: list[str] = field(default_factory=list)
    target: list[str] = field(default_factory=list)
    group: str | None = None
    task: Task | None = None
    kind: Kind | None = None
    metric: Metric | None = None
    quotes: Quotes = "csv"


@dataclass
class Inference:
    """One inference and what it rests on."""

    value: object
    reason: str


def init(paths: Paths, choices: Choices, force: bool) -> None:
    """Write `input/<slug>/competition.toml`.

    Raises:
        InputError: it exists already, a table is missing or faulty, or a decision is needed.
    """
    config = paths.input / CONFIG
    if config.exists() and not force:
        raise InputError(f"{config}: exists already; edit it, or write it anew with --force")
    if paths.config.parent == COMPETITIONS and not force:
        raise InputError(
            f"{paths.slug} is known by name: `./run.sh all -c {paths.slug}` does without init; "
            f"--force infers a {config} of your own, which then counts instead"
        )
    if not paths.input.is_dir():
        raise InputError(f"{paths.input}: no such folder; make it and put train, test and sample_submission there")
    tables = ("train", "test", "sample_submission")
    train, test, sample = (read_table(paths.table(name), choices.quotes) for name in tables)
    check_choices(choices, train)
    found = {"id": infer_id(choices, train, test, sample)}
    id_column = str(found["id"].value)
    found["target"] = infer_target(choices, train, test, sample, id_column)
    target = as_list(found["target"].value)
    found["text"] = infer_text(choices, train, test, [id_column, *target, *([choices.group] if choices.group else [])])
    found["task"] = infer_task(choices, train, test, sample, id_column, target)
    task: Task = found["task"].value  # type: ignore[assignment]
    found["kind"] = infer_kind(choices, test, sample, id_column, task)
    kind: Kind = found["kind"].value  # type: ignore[assignment]
    found["metric"] = infer_metric(choices, task, kind)
    used = {id_column, choices.group, *as_list(found["text"].value), *target}
    ignore = [name for name in dict.fromkeys([*train.frame.columns, *test.frame.columns]) if name not in used]
    found["ignore"] = Inference(
        ignore,
        "not used; texts among them can be --text, numbers [columns] features" if ignore else "every column is used",
    )
    for name, inference in found.items():
        shown = ", ".join(map(str, inference.value)) if isinstance(inference.value, list) else inference.value
        say("init", f"{name:<6} = {shown or '(none)'}: {inference.reason}")
    write_text(config, to_toml(paths.slug, choices, {name: inference.value for name, inference in found.items()}))
    say("init", f"wrote {config}; next: ./run.sh all -c {paths.slug}")


def asked_columns(sample: Table, test: Table, id_column: str) -> list[str]:
    """What is to be predicted: the sample's columns without the id, and without those it repeats of the test set."""
    return [name for name in sample.frame.columns if name != id_column and name not in test.frame.columns]


def as_list(value: object) -> list[str]:
    """A list of names."""
    return [str(name) for name in value] if isinstance(value, list) else [str(value)]


def check_choices(choices: Choices, train: Table) -> None:
    """Columns named on the command line must be in train.csv."""
    named = [choices.id, choices.group, *choices.text, *choices.target]
    for name in named:
        if name is not None and name not in train.frame.columns:
            raise InputError(f"{train.path}: no column {name!r}; there are {', '.join(map(repr, train.frame.columns))}")


def decide(what: str, option: str, candidates: list[str], why: str) -> InputError:
    """The question to the user."""
    options = " or ".join(f"{option} {candidate}" for candidate in candidates)
    return InputError(f"init cannot tell {what}: {why}; decide with {options}")


def infer_id(choices: Choices, train: Table, test: Table, sample: Table) -> Inference:
    """The column that train, test and sample share and that names each test row once."""
    if choices.id:
        return Inference(choices.id, "as told")
    shared = [name for name in sample.frame.columns if name in test.frame.columns and name in train.frame.columns]
    unique = [name for name in shared if all(table.frame[name].is_unique for table in (train, test, sample))]
    if len(unique) == 1:
        return Inference(unique[0], "the only column of train, test and sample without repeated values")
    if not unique:
        raise InputError(
            f"{sample.path}: shares no column with test and train whose values never repeat, so rows do not match; "
            f"it has {', '.join(map(repr, sample.frame.columns))}, test has {', '.join(map(repr, test.frame.columns))}"
        )
    raise decide("which column is the id", "--id", unique, "each of them is unique in train, test and sample")


def infer_target(choices: Choices, train: Table, test: Table, sample: Table, id_column: str) -> Inference:
    """The sample's other columns where train has them, else the column only train has."""
    if choices.target:
        return Inference(choices.target, "as told")
    asked = asked_columns(sample, test, id_column)
    if not asked:
        raise InputError(f"{sample.path}: has no column beside the id {id_column!r}; download it again")
    if all(name in train.frame.columns for name in asked):
        return Inference(asked, "the sample's columns beside the id, all in train")
    only_train = [name for name in train.frame.columns if name not in test.frame.columns]
    classes = [name for name in only_train if set(asked) == set(train.frame[name])]
    if len(classes) == 1:
        return Inference(classes, "its values are the sample's columns")
    if len(only_train) == 1 and len(asked) == 1:
        return Inference(
            only_train, f"the only column that train has and test has not; the sample calls it {asked[0]!r}"
        )
    if not only_train:
        raise InputError(f"{train.path}: has no column that test has not, so nothing to predict; is it the right file?")
    raise decide(
        "which column is the target", "--target", only_train,
        f"the sample asks for {', '.join(asked)}, which train has not, and these are only in train",
    )  # fmt: skip


def infer_text(choices: Choices, train: Table, test: Table, taken: list[str]) -> Inference:
    """The column of train and test with by far the most words."""
    if choices.text:
        return Inference(choices.text, "as told")
    words = {
        name: sum(len(text.split()) for text in train.frame[name]) / len(train)
        for name in train.frame.columns
        if name in test.frame.columns
        and name not in taken
        and not all(parse_number(v) is not None for v in train.frame[name])
    }
    ranked = sorted(words, key=lambda name: -words[name])
    if not ranked:
        raise InputError(
            f"{test.path}: no column of words that train has too; "
            f"train has {', '.join(train.frame.columns)}, test has {', '.join(test.frame.columns)}"
        )
    first = ranked[0]
    rivals = [name for name in ranked[1:] if words[name] * CLEARLY > words[first]]
    if rivals:
        counts = ", ".join(f"{name} {words[name]:.1f}" for name in [first, *rivals])
        raise decide(
            "which column is the text",
            "--text",
            [first, *rivals],
            f"words a row: {counts} (give --text twice for both)",
        )
    return Inference([first], f"{words[first]:.1f} words a row, the most of the columns in train and test")


def infer_task(
    choices: Choices, train: Table, test: Table, sample: Table, id_column: str, target: list[str]
) -> Inference:
    """From the target's values, and the sample's where those leave it open."""
    if choices.task:
        return Inference(choices.task, "as told")
    if choices.metric == "quadratic_kappa":
        return Inference("ordinal", "quadratic_kappa scores classes on a scale")
    values = set().union(*(set(train.frame[name]) for name in target))
    numbers = [parse_number(value) for value in values if value.strip()]
    zero_one = all(number in (0, 1) for number in numbers)
    if len(target) > 1:
        if zero_one:
            return Inference("multilabel", f"{len(target)} target columns of 0 and 1")
        if None not in numbers:
            return Inference("regression", f"{len(target)} target columns of numbers")
        raise InputError(
            f"{train.path}: targets {', '.join(target)} hold text; several label columns are not supported"
        )
    if zero_one and numbers:
        return Inference("binary", f"{target[0]} is 0 or 1")
    odd = [row for row, value in enumerate(train.frame[target[0]]) if parse_number(value) not in (0, 1)]
    if len(odd) <= len(train) * ODD_SHARE:
        errors = Errors(train.path)
        for row in odd:
            value = shorten(train.frame[target[0]].iloc[row])
            errors.add(
                f"{value}, where {len(train) - len(odd)} of {len(train)} rows are 0 or 1; fix or remove the row, "
                "or give --task",
                int(train.lines[row]),
                target[0],
            )
        errors.raise_if_any()
    if None in numbers:
        return Inference("multiclass", f"{target[0]} has {len(values)} different labels")
    asked = asked_columns(sample, test, id_column)
    if len(asked) > 1:
        return Inference("multiclass", f"the sample has a column for each of the {len(asked)} values of {target[0]}")
    whole = all(number == int(number) for number in numbers if number is not None)
    if not whole or len(values) > FEW:
        return Inference(
            "regression", f"{target[0]} has {len(values)} different numbers{'' if whole else ', not all whole'}"
        )
    if any((number := parse_number(value)) is not None and number != int(number) for value in sample.frame[asked[0]]):
        return Inference("regression", f"the sample's {asked[0]} is not a whole number")
    raise decide(
        "the task",
        "--task",
        ["multiclass", "ordinal", "regression"],
        f"{target[0]} has {len(values)} whole numbers: classes, classes on a scale, or values",
    )


def infer_kind(choices: Choices, test: Table, sample: Table, id_column: str, task: Task) -> Inference:
    """Labels, probabilities or values, from the sample's columns and values."""
    if choices.kind:
        return Inference(choices.kind, "as told")
    asked = asked_columns(sample, test, id_column)
    if task == "regression":
        return Inference("value", "a regression")
    if task == "multiclass":
        if len(asked) > 1:
            return Inference("probability", f"the sample has {len(asked)} columns, one a class")
        return Inference("label", f"the sample has one column, {asked[0]}")
    metric = metric_for(choices.metric, task) if choices.metric else None
    if metric and metric.prediction_type != "label":
        return Inference("value" if task == "ordinal" else "probability", f"{choices.metric} scores {metric.scored}")
    if task == "ordinal":
        return Inference("label", "classes in order")
    values = set().union(*(set(sample.frame[name]) for name in asked))
    if values == {"0", "1"}:
        return Inference("label", "the sample holds 0 and 1, written as whole numbers")
    if len(values) == 1 and values <= {"0", "1"}:
        if choices.metric:
            return Inference("label", f"{choices.metric} scores labels")
        raise decide(
            "the kind of submission",
            "--kind",
            ["label", "probability"],
            f"the sample holds nothing but {min(values)}; see what the contest's page asks for",
        )
    return Inference("probability", f"the sample holds {min(values)!r}, not only 0 and 1")


def infer_metric(choices: Choices, task: Task, kind: Kind) -> Inference:
    """No CSV says what the leaderboard counts: the usual one of the task, and a word about it."""
    if (task, kind) not in PLAIN_METRIC:
        raise InputError(f"{with_article(task)} task cannot be submitted as {kind}; change --task or --kind")
    if choices.metric:
        metric = metric_for(choices.metric, task)
        if metric.prediction_type != "label" and kind == "label":
            other = "value" if task == "ordinal" else "probability"
            raise InputError(f"--metric {choices.metric} scores {metric.scored}; give --kind {other} with it")
        return Inference(choices.metric, "as told")
    usual = f"usual where {with_article(task)} task asks for a {kind}"
    reason = f"{usual}; the CSVs do not say, so compare the contest's page (--metric)"
    return Inference(PLAIN_METRIC[task, kind], reason)


def to_toml(slug: str, choices: Choices, found: dict[str, object]) -> str:
    """competition.toml; JSON's strings and lists are TOML's too."""

    def line(key: str, value: object) -> str:
        return f"{key} = {json.dumps(value, ensure_ascii=False)}"

    columns = [line(key, found[key]) for key in ("id", "text", "target")]
    columns += [line("group", choices.group)] if choices.group else []
    columns += [line("ignore", found["ignore"])] if found["ignore"] else []
    return "\n".join(
        [
            *(
                "[competition]",
                line("slug", slug),
                line("title", slug),
                line("task", found["task"]),
                line("metric", found["metric"]),
                "",
            ),
            *(("[files]", line("quotes", choices.quotes), "") if choices.quotes != "csv" else ()),
            *("[columns]", *columns, ""),
            *("[submission]", line("kind", found["kind"]), ""),
        ]
    )
