"""What a competition's tables hold: id, target, text, task and kind of submission, each with what it rests on."""

from typing import Any, NamedTuple

from foldwise.data.table import Table
from foldwise.data.targets import parse_number
from foldwise.errors import InputError, shorten, with_article
from foldwise.metrics import look_up
from foldwise.plugins import is_own
from foldwise.tasks import TASKS

ODD_SHARE = 0.05  # so few rows that are neither 0 nor 1 are errors rather than classes
FEW = 30  # so many whole-number values of a target may be classes
CLEARLY = 3  # times as many words make a column the text and the others side columns


class Inference(NamedTuple):
    """One inference and what it rests on."""

    value: Any
    reason: str


class Tables(NamedTuple):
    """The three tables that every competition has."""

    train: Table
    test: Table
    sample: Table


def question(what: str, option: str, candidates: list[str], why: str) -> InputError:
    """The error that asks the user to decide."""
    options = " or ".join(f"{option} {candidate}" for candidate in candidates)
    return InputError(f"init cannot tell {what}: {why}; decide with {options}")


def infer_id(tables: Tables) -> Inference:
    """The column that train, test and sample share and that names each test row once."""
    train, test, sample = (table.frame for table in tables)
    shared = [name for name in sample.columns if name in test.columns and name in train.columns]
    unique = [name for name in shared if all(table.frame[name].is_unique for table in tables)]
    if len(unique) == 1:
        return Inference(unique[0], "the only column of train, test and sample without repeated values")
    if unique:
        raise question("which column is the id", "--id", unique, "each of them is unique in train, test and sample")
    raise InputError(
        f"{tables.sample.path}: shares no column with test and train whose values never repeat, so rows do not match; "
        f"it has {', '.join(map(repr, sample.columns))}, test has {', '.join(map(repr, test.columns))}"
    )


def infer_target(tables: Tables, asked: list[str], id_column: str) -> Inference:
    """The sample's other columns where train has them, else the column only train has."""
    train, test = tables.train.frame, tables.test.frame
    if not asked:
        raise InputError(f"{tables.sample.path}: has no column beside the id {id_column!r}; download it again")
    if all(name in train.columns for name in asked):
        return Inference(asked, "the sample's columns beside the id, all in train")
    only_train = [name for name in train.columns if name not in test.columns]
    classes = [name for name in only_train if set(asked) == set(train[name])]
    if len(classes) == 1:
        return Inference(classes, "its values are the sample's columns")
    if len(only_train) == 1 and len(asked) == 1:
        reason = f"the only column that train has and test has not; the sample calls it {asked[0]!r}"
        return Inference(only_train, reason)
    if not only_train:
        fix = "has no column that test has not, so nothing to predict; is it the right file?"
        raise InputError(f"{tables.train.path}: {fix}")
    why = f"the sample asks for {', '.join(asked)}, which train has not, and these are only in train"
    raise question("which column is the target", "--target", only_train, why)


def infer_text(tables: Tables, taken: list[str]) -> Inference:
    """The column of train and test with by far the most words."""
    train, test = tables.train.frame, tables.test.frame
    words = {
        name: sum(len(text.split()) for text in train[name]) / len(train)
        for name in train.columns
        if name in test.columns and name not in taken and None in map(parse_number, train[name])
    }
    if not words:
        columns = f"train has {', '.join(train.columns)}, test has {', '.join(test.columns)}"
        raise InputError(f"{tables.test.path}: no column of words that train has too; {columns}")
    most = max(words.values())
    ranked = sorted(words, key=lambda name: -words[name])
    likely = [name for name in ranked if words[name] == most or words[name] * CLEARLY > most]
    if len(likely) == 1:
        return Inference(likely, f"{most:.1f} words a row, the most of the columns in train and test")
    counts = ", ".join(f"{name} {words[name]:.1f}" for name in likely)
    why = f"words a row: {counts} (give --text twice for both)"
    raise question("which column is the text", "--text", likely, why)


def infer_task(tables: Tables, asked: list[str], target: list[str], metric: str | None) -> Inference:
    """From the target's values, and the sample's where those leave it open."""
    train, first = tables.train, target[0]
    if metric == "quadratic_kappa" and len(target) == 1:
        return Inference("ordinal", "quadratic_kappa scores classes on a scale")
    values = set().union(*(train.frame[name] for name in target))
    numbers = {parse_number(value) for value in values if value.strip()}
    if len(target) > 1:
        if numbers <= {0, 1}:
            return Inference("multilabel", f"{len(target)} target columns of 0 and 1")
        if None not in numbers:
            return Inference("regression", f"{len(target)} target columns of numbers")
        what = f"targets {', '.join(target)} hold text"
        raise InputError(f"{train.path}: {what}; several label columns are not supported")
    if numbers and numbers <= {0, 1}:
        return Inference("binary", f"{first} is 0 or 1")
    check_odd(train, first)
    if None in numbers:
        return Inference("multiclass", f"{first} has {len(values)} different labels")
    if len(asked) > 1:
        return Inference("multiclass", f"the sample has a column for each of the {len(asked)} values of {first}")
    if len(values) > FEW or any(map(has_fraction, values)):
        return Inference("regression", f"{first} has {len(values)} different numbers, more than {FEW} or not all whole")
    if any(map(has_fraction, tables.sample.frame[asked[0]])):
        return Inference("regression", f"the sample's {asked[0]} is not a whole number")
    why = f"{first} has {len(values)} whole numbers: classes, classes on a scale, or values"
    raise question("the task", "--task", ["multiclass", "ordinal", "regression"], why)


def has_fraction(value: str) -> bool:
    """Whether a value is a number and no whole one."""
    return (parse_number(value) or 0) % 1 != 0


def check_odd(train: Table, target: str) -> None:
    """A few values among many of 0 and 1 are errors."""
    odd = [value for value in train.column(target) if parse_number(value) not in (0, 1)]
    if len(odd) <= len(train) * ODD_SHARE:
        where = f"where {len(train) - len(odd)} of {len(train)} rows are 0 or 1; fix or remove the row, or give --task"
        train.refuse({target: {value: f"{shorten(value)}, {where}" for value in odd}})


def infer_kind(sample: Table, asked: list[str], task: str, metric: str | None) -> Inference:
    """Labels, probabilities or values, from the sample's columns and values."""
    spec = TASKS[task]
    if len(spec.kinds) == 1:
        return Inference(spec.kinds[0], f"{with_article(task)} task has no other")
    if spec.y == "classes":
        if len(asked) > 1:
            return Inference("probability", f"the sample has {len(asked)} columns, one a class")
        return Inference("label", f"the sample has one column, {asked[0]}")
    metric = metric if metric and not is_own(metric) else None
    if metric and (scored := look_up(metric, task)).prediction_type != "label":
        return Inference(spec.kinds[-1], f"{metric} scores {scored.scored}")
    if spec.ordered:
        return Inference("label", "classes in order")
    values = set().union(*(sample.frame[name] for name in asked))
    if values == {"0", "1"}:
        return Inference("label", "the sample holds 0 and 1, written as whole numbers")
    if not values <= {"0", "1"}:
        return Inference("probability", f"the sample holds {min(values)!r}, not only 0 and 1")
    if metric:
        return Inference("label", f"{metric} scores labels")
    why = f"the sample holds nothing but {min(values)}; see what the contest's page asks for"
    raise question("the kind of submission", "--kind", ["label", "probability"], why)
