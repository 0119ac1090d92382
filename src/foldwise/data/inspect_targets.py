"""What a competition's targets are: columns, task and kind of submission, each with what it rests on."""

from foldwise.data.inspect_tables import Inference, Tables, question
from foldwise.data.table import Table
from foldwise.data.targets import parse_number
from foldwise.errors import InputError, shorten, with_article
from foldwise.metrics import metric_for
from foldwise.tasks import TASKS

ODD_SHARE = 0.05  # so few rows that are neither 0 nor 1 are errors rather than classes
FEW = 30  # so many whole-number values of a target may be classes


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


def infer_task(tables: Tables, asked: list[str], target: list[str], metric: str | None) -> Inference:
    """From the target's values, and the sample's where those leave it open."""
    train, first = tables.train, target[0]
    if metric == "quadratic_kappa":
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
    if metric and (scored := metric_for(metric, task)).prediction_type != "label":
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
