"""What a competition's targets are: columns, task and kind of submission, each with what it rests on."""

import shlex

from foldwise.data.inspect_labels import asks_for_two, infer_pattern, infer_separator, labels_in, values_of
from foldwise.data.inspect_tables import Inference, Tables, question
from foldwise.data.labels import is_missing
from foldwise.data.table import Table
from foldwise.data.targets import parse_number
from foldwise.errors import InputError, list_names, shorten, with_article
from foldwise.metrics import find_named, look_up
from foldwise.tasks import TASKS, Kind

ODD_SHARE = 0.05  # so few rows that are neither 0 nor 1 are errors rather than classes
HARDLY_AGAIN = 0.5  # values to rows, above which no classes are likely
FEW = 30  # so many whole-number values of a target may be classes


def infer_target(tables: Tables, asked: list[str], id_column: str) -> Inference:
    """The sample's other columns where train has them, else the column only train has."""
    train, test = tables.train.frame, tables.test.frame
    if not asked:
        raise InputError(f"{tables.sample.path}: has no column beside the id {id_column!r}; download it again")
    if all(name in train.columns for name in asked):
        return Inference(asked, "the sample's columns beside the id, all in train")
    only_train = [name for name in train.columns if name not in test.columns]
    separators = {name: infer_separator(tables.train, [name], asked) for name in only_train}
    labels = {name: labels_in(tables.train, name, of and of.value) for name, of in separators.items()}
    classes = [name for name in only_train if set(asked) == labels[name] or infer_pattern(asked, labels[name])]
    if len(classes) == 1:
        return Inference(classes, "its values are the sample's columns")
    if infer_pattern(asked, only_train):
        return Inference(only_train, f"the sample's {list_names(asked)} are called after them")
    holding = [name for name in only_train if len(asked) == 1 and asked[0] in labels[name]]
    if len(holding) == 1 and len(only_train) > 1:
        return Inference(holding, f"one of its labels is {asked[0]!r}, as the sample's column is called")
    if len(only_train) == 1 and len(asked) == 1:
        reason = f"the only column that train has and test has not; the sample calls it {asked[0]!r}"
        return Inference(only_train, reason)
    if not only_train:
        fix = "has no column that test has not, so nothing to predict; is it the right file?"
        raise InputError(f"{tables.train.path}: {fix}")
    why = f"the sample asks for {', '.join(asked)}, which train has not, and these are only in train"
    raise question("which column is the target", "--target", only_train, why)


def infer_task(
    tables: Tables, asked: list[str], target: list[str], metric: str | None, kind: Kind | None = None
) -> Inference:
    """From the target's values, and the sample's where those leave it open."""
    train, first = tables.train, target[0]
    if metric == "quadratic_kappa" and len(target) == 1:
        return Inference("ordinal", "quadratic_kappa scores classes on a scale")
    values = values_of(train, target)
    numbers = {parse_number(value) for value in values}
    if separator := infer_separator(train, target, asked):
        return Inference("multilabel", f"cells of {first} hold several labels with {separator.value!r} between")
    if len(target) > 1:
        if (
            numbers == {0, 1}
            and is_one_hot(train, target)
            and ((named := find_named(metric)) is None or "classes" in named.fits)
        ):
            return Inference("multiclass", f"each row has a 1 in one of {len(target)} target columns, and else 0")
        if numbers <= {0, 1}:
            return Inference("multilabel", f"{len(target)} target columns of 0 and 1")
        if None not in numbers:
            return Inference("regression", f"{len(target)} target columns of numbers")
        first, second = map(shlex.quote, target[:2])
        raise InputError(
            f"{train.path}: the targets {list_names(target)} hold labels\n"
            f"  A competition predicts one column of labels: give --target {first} for the first; the sample's other "
            f"columns then stay as they are.\n  Copy the folder under another name for --target {second} and so on, "
            "and put the columns of the submissions together."
        )
    if numbers and numbers <= {0, 1}:
        return Inference("binary", f"{first} is 0 or 1")
    if why := asks_for_two(tables, asked, target, metric, kind):
        return Inference("binary", why)
    check_odd(train, first)
    if None in numbers:
        check_classes(train, first)
        return Inference("multiclass", f"{first} has {len(values)} different labels")
    if len(asked) > 1:
        return Inference("multiclass", f"the sample has a column for each of the {len(asked)} values of {first}")
    if len(values) > FEW or any(map(has_fraction, values)):
        return Inference("regression", f"{first} has {len(values)} different numbers, more than {FEW} or not all whole")
    if len(values) > 2 and any(map(has_fraction, tables.sample.frame[asked[0]])):
        return Inference("regression", f"the sample's {asked[0]} is not a whole number")
    why = f"{first} has {len(values)} whole numbers: classes, classes on a scale, or values"
    raise question("the task", "--task", ["multiclass", "ordinal", "regression"], why)


def check_classes(train: Table, target: str) -> None:
    """Words that hardly come again are no classes: numbers written in some other way, or with a mistake among them."""
    values = [value for value in train.column(target) if not is_missing(value)]
    different = set(values)
    if len(values) < FEW or len(different) <= len(values) * HARDLY_AGAIN:
        return
    odd = next(value for value in values if parse_number(value) is None)
    line = int(train.lines[train.column(target).index(odd)])
    raise InputError(
        f"{train.path}: {len(different):,} different values in {len(values):,} rows of {target} are too many for "
        f"classes, and {shorten(odd)} on {train.unit} {line} is no number; write numbers as 1234.5, or give --task "
        "multiclass"
    )


def has_fraction(value: str) -> bool:
    """Whether a value is a number and no whole one."""
    return (parse_number(value) or 0) % 1 != 0


def check_odd(train: Table, target: str) -> None:
    """A few values among many of 0 and 1 are errors."""
    values = train.column(target)
    usual = sum(parse_number(value) in (0, 1) for value in values)
    odd = [value for value in values if parse_number(value) not in (0, 1) and not is_missing(value)]
    if len(odd) <= len(train) * ODD_SHARE:
        where = f"where {usual} of {len(train)} rows are 0 or 1; fix or remove the row, or give --task"
        train.refuse({target: {value: f"{shorten(value)}, {where}" for value in odd}})


def is_one_hot(train: Table, columns: list[str]) -> bool:
    """Whether every row has one 1 among columns of 0 and 1; rows with empty cells do not tell."""
    numbers = [[parse_number(value) for value in train.column(name)] for name in columns]
    return {sum(filter(None, row)) for row in zip(*numbers, strict=True) if None not in row} == {1}


def infer_kind(
    tables: Tables, asked: list[str], target: list[str], task: str, metric: str | None, separator: str | None = None
) -> Inference:
    """Labels, probabilities or values, from the sample's columns and values."""
    sample, spec = tables.sample, TASKS[task]
    scored = look_up(metric, task) if metric and find_named(metric) else None
    if len(spec.kinds) == 1:
        return Inference(spec.kinds[0], f"{with_article(task)} task has no other")
    if spec.y == "classes":
        if len(asked) > 1 and scored and scored.prediction_type == "label":
            return Inference("label", f"{metric} scores labels")
        if len(asked) > 1:
            return Inference("probability", f"the sample has {len(asked)} columns, one a class")
        return Inference("label", f"the sample has one column, {asked[0]}")
    if scored and scored.prediction_type != "label":
        return Inference(spec.kinds[-1], f"{metric} scores {scored.scored}")
    if spec.ordered:
        return Inference("label", "classes in order")
    values, own = values_of(sample, asked), values_of(tables.train, target)
    if separator is not None and len(asked) == 1:
        return Inference("label", f"the sample's {asked[0]} is one column, with {separator!r} between labels")
    if values and values <= own and (len(values) > 1 or any(parse_number(value) is None for value in values)):
        return Inference("label", f"the sample holds {list_names(sorted(values))}, as train writes its labels")
    if values == {"0", "1"}:
        return Inference("label", "the sample holds 0 and 1, written as whole numbers")
    if not values <= {"0", "1"} | own:
        return Inference("probability", f"the sample holds {min(values)!r}, not only 0 and 1")
    if scored:
        return Inference("label", f"{metric} scores labels")
    why = f"the sample holds nothing{f' but {min(values)}' if values else ''}; see what the contest's page asks for"
    raise question("the kind of submission", "--kind", ["label", "probability"], why)
