"""What a competition's tables hold: id, target, text, task and kind of submission, each with what it rests on."""

from typing import Any, NamedTuple

from foldwise.data.table import Table
from foldwise.data.targets import parse_number
from foldwise.errors import Errors, InputError, shorten, with_article
from foldwise.metrics import metric_for
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


def decide(what: str, option: str, candidates: list[str], why: str) -> InputError:
    """The question to the user."""
    options = " or ".join(f"{option} {candidate}" for candidate in candidates)
    return InputError(f"init cannot tell {what}: {why}; decide with {options}")


def infer_id(tables: Tables) -> Inference:
    """The column that train, test and sample share and that names each test row once."""
    train, test, sample = tables
    shared = [name for name in sample.frame.columns if name in test.frame.columns and name in train.frame.columns]
    unique = [name for name in shared if all(table.frame[name].is_unique for table in tables)]
    if len(unique) == 1:
        return Inference(unique[0], "the only column of train, test and sample without repeated values")
    if unique:
        raise decide("which column is the id", "--id", unique, "each of them is unique in train, test and sample")
    raise InputError(
        f"{sample.path}: shares no column with test and train whose values never repeat, so rows do not match; "
        f"it has {', '.join(map(repr, sample.frame.columns))}, test has {', '.join(map(repr, test.frame.columns))}"
    )


def infer_target(tables: Tables, asked: list[str], id_column: str) -> Inference:
    """The sample's other columns where train has them, else the column only train has."""
    train, test, sample = tables
    if not asked:
        raise InputError(f"{sample.path}: has no column beside the id {id_column!r}; download it again")
    if all(name in train.frame.columns for name in asked):
        return Inference(asked, "the sample's columns beside the id, all in train")
    only_train = [name for name in train.frame.columns if name not in test.frame.columns]
    classes = [name for name in only_train if set(asked) == set(train.frame[name])]
    if len(classes) == 1:
        return Inference(classes, "its values are the sample's columns")
    if len(only_train) == 1 and len(asked) == 1:
        reason = f"the only column that train has and test has not; the sample calls it {asked[0]!r}"
        return Inference(only_train, reason)
    if not only_train:
        raise InputError(f"{train.path}: has no column that test has not, so nothing to predict; is it the right file?")
    why = f"the sample asks for {', '.join(asked)}, which train has not, and these are only in train"
    raise decide("which column is the target", "--target", only_train, why)


def infer_text(tables: Tables, taken: list[str]) -> Inference:
    """The column of train and test with by far the most words."""
    train, test = tables.train, tables.test
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
    likely = [name for name in ranked if name == ranked[0] or words[name] * CLEARLY > words[ranked[0]]]
    if len(likely) > 1:
        counts = ", ".join(f"{name} {words[name]:.1f}" for name in likely)
        raise decide(
            "which column is the text", "--text", likely, f"words a row: {counts} (give --text twice for both)"
        )
    return Inference(likely, f"{words[likely[0]]:.1f} words a row, the most of the columns in train and test")


def infer_task(tables: Tables, asked: list[str], target: list[str], metric: str | None) -> Inference:
    """From the target's values, and the sample's where those leave it open."""
    train, first = tables.train, target[0]
    if metric == "quadratic_kappa":
        return Inference("ordinal", "quadratic_kappa scores classes on a scale")
    values = set().union(*(set(train.frame[name]) for name in target))
    numbers = [parse_number(value) for value in values if value.strip()]
    zero_one = all(number in (0, 1) for number in numbers)
    if len(target) > 1:
        if zero_one:
            return Inference("multilabel", f"{len(target)} target columns of 0 and 1")
        if None not in numbers:
            return Inference("regression", f"{len(target)} target columns of numbers")
        what = f"targets {', '.join(target)} hold text"
        raise InputError(f"{train.path}: {what}; several label columns are not supported")
    if zero_one and numbers:
        return Inference("binary", f"{first} is 0 or 1")
    check_odd(train, first)
    if None in numbers:
        return Inference("multiclass", f"{first} has {len(values)} different labels")
    if len(asked) > 1:
        return Inference("multiclass", f"the sample has a column for each of the {len(asked)} values of {first}")
    whole = all(number == int(number) for number in numbers if number is not None)
    if not whole or len(values) > FEW:
        reason = f"{first} has {len(values)} different numbers{'' if whole else ', not all whole'}"
        return Inference("regression", reason)
    if any((number := parse_number(value)) is not None and number % 1 for value in tables.sample.frame[asked[0]]):
        return Inference("regression", f"the sample's {asked[0]} is not a whole number")
    why = f"{first} has {len(values)} whole numbers: classes, classes on a scale, or values"
    raise decide("the task", "--task", ["multiclass", "ordinal", "regression"], why)


def check_odd(train: Table, target: str) -> None:
    """A few values among many of 0 and 1 are errors.

    Raises:
        InputError: listing their rows.
    """
    values = train.column(target)
    odd = [row for row, value in enumerate(values) if parse_number(value) not in (0, 1)]
    if len(odd) > len(train) * ODD_SHARE:
        return
    errors = Errors(train.path)
    for row in odd:
        what = f"{shorten(values[row])}, where {len(train) - len(odd)} of {len(train)} rows are 0 or 1"
        errors.add(f"{what}; fix or remove the row, or give --task", int(train.lines[row]), target)
    errors.raise_if_any()


def infer_kind(sample: Table, asked: list[str], task: str, metric: str | None) -> Inference:
    """Labels, probabilities or values, from the sample's columns and values."""
    kinds = TASKS[task].kinds
    if len(kinds) == 1:
        return Inference(kinds[0], f"{with_article(task)} task has no other")
    if TASKS[task].y == "classes":
        if len(asked) > 1:
            return Inference("probability", f"the sample has {len(asked)} columns, one a class")
        return Inference("label", f"the sample has one column, {asked[0]}")
    if metric and (scored := metric_for(metric, task)).prediction_type != "label":
        return Inference(kinds[-1], f"{metric} scores {scored.scored}")
    if TASKS[task].ordered:
        return Inference("label", "classes in order")
    values = set().union(*(set(sample.frame[name]) for name in asked))
    if values == {"0", "1"}:
        return Inference("label", "the sample holds 0 and 1, written as whole numbers")
    if len(values) == 1 and values <= {"0", "1"}:
        if metric:
            return Inference("label", f"{metric} scores labels")
        why = f"the sample holds nothing but {min(values)}; see what the contest's page asks for"
        raise decide("the kind of submission", "--kind", ["label", "probability"], why)
    return Inference("probability", f"the sample holds {min(values)!r}, not only 0 and 1")
