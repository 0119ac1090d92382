"""All of competition.toml, each part from the tables and what was inferred before, unless the user says it."""

from dataclasses import dataclass, field, replace
from typing import Any

from foldwise.data.inspect_ids import add_ids, infer_id, lacking_id, match_names, number_rows
from foldwise.data.inspect_images import NO_IMAGE, infer_image, infer_images, naming_columns, of_folders, recipe_for
from foldwise.data.inspect_labels import infer_missing, infer_pattern, infer_positive, infer_separator, labels_in
from foldwise.data.inspect_tables import Inference, Question, Tables, hide_useless, infer_asked
from foldwise.data.inspect_targets import infer_kind, infer_target, infer_task
from foldwise.data.inspect_texts import infer_group, infer_text
from foldwise.data.table import rename_columns
from foldwise.data.targets import parse_number
from foldwise.errors import InputError, did_you_mean, list_names, with_article
from foldwise.metrics import MetricChoice, metric_for
from foldwise.tasks import TASKS, Kind

NO_GROUP = "none"  # --group none


@dataclass
class Choices:
    """What the user decided on the command line; None or empty where it is to be inferred."""

    id: str | None = None
    text: list[str] = field(default_factory=list)
    target: list[str] = field(default_factory=list)
    group: str | None = None
    task: str | None = None
    kind: Kind | None = None
    metric: str | None = None
    metric_arguments: list[str] = field(default_factory=list)  # KEY=VALUE
    files: dict[str, Any] = field(default_factory=dict)  # keys of [files]: as told, then as found
    numbered: bool = False  # rows count from 1 where no column names them
    positive: str | None = None
    label_separator: str | None = None
    less_is_better: bool = False  # of a metric of one's own
    image: str | None = None  # the column of images' names


def infer(choices: Choices, tables: Tables) -> dict[str, Inference]:
    """All that competition.toml says, each from the tables and what was inferred before."""
    found = {}
    renamed, why = match_names(tables)
    if renamed:
        found["renamed"] = Inference(renamed, why)
        train, test = (replace(table, frame=rename_columns(table.frame, renamed)) for table in tables[:2])
        tables = Tables(train, test, tables.sample)
    check_told(choices, tables)
    decided = [*choices.text, *choices.target, choices.group]
    named = {} if choices.image == NO_IMAGE else naming_columns(tables, decided)
    found["id"] = told(choices.id) or (number_or_infer_id if choices.numbered else infer_id)(tables, named)
    id_column = found["id"].value
    if numbered := lacking_id(tables, id_column):
        found["numbered"] = Inference(numbered, "no ids there: rows count from 1")
        tables = add_ids(tables, id_column)
    columns = [name for table in tables for name in table.frame]
    tables = hide_useless(tables, id_column, choices.target)
    asked = infer_asked(tables, id_column, choices.target)
    found["target"] = target = told(choices.target) or infer_target(tables, asked, id_column)
    taken = [id_column, *target.value]
    named = {name: there for name, there in named.items() if name not in target.value}
    if image := infer_image(tables, named, choices.image, choices.text):
        found["image"] = image
    taken += [*named, *([image.value] if image else [])]  # names are no groups: images that are alike share a fold
    group = told(choices.group) or infer_group(tables, [*taken, *choices.text])
    if group and group.value != NO_GROUP:
        found["group"] = group
    taken_too = [*taken, *([choices.group] if choices.group else [])]
    found["text"] = told(choices.text) or infer_text(tables, taken_too, optional=image is not None)
    train = tables.train.frame
    asked = [name for name in asked if name in target.value or name not in train]  # others of train stay as they are
    found["task"] = infer_task_of(choices, tables, asked, target.value)
    task = found["task"].value
    found |= infer_labels(choices, tables, asked, target.value, task)
    separator = found["separator"].value if "separator" in found else None
    found["kind"] = told(choices.kind) or infer_kind(tables, asked, target.value, task, choices.metric, separator)
    found["metric"] = infer_metric(choices, task, found["kind"].value)
    inputs = [*found["text"].value, *(found[name].value for name in ("group", "image") if name in found)]
    used = {id_column, *target.value, *asked, *inputs}
    ignore = [name for name in dict.fromkeys(columns) if name not in used]
    advice = "not used; texts among them can be --text, numbers [columns] features"
    if own := [name for name in ignore if name in ("fold", "kfold")]:
        advice += f"; {own[0]}, if it has the contest's folds, can be [columns] fold"
    found["ignore"] = Inference(ignore, advice if ignore else "every column is used")
    if image:
        found |= infer_images(tables, image.value)
        beside = "; bilstm and linear read the texts beside" if found["text"].value else ""
        suits = f"suits a small network of convolutions on {len(train):,} images; change it as you like{beside}"
        found["recipe"] = Inference(recipe_for(len(train)), suits)
    return found


def infer_task_of(choices: Choices, tables: Tables, asked: list[str], target: list[str]) -> Inference:
    """The task as told, or as other options imply it, or of what the target holds; folders' names are classes."""
    implied = "binary" if choices.positive else "multilabel" if choices.label_separator else None
    if task := told(choices.task or implied):
        return task
    folders = tables.train.frame["label"].nunique() if target == ["label"] and of_folders(tables.train.frame) else 0
    # Some metrics are of one class of two, or of classes on a scale.
    if (folders and not choices.metric) or (folders > 2 and choices.metric != "quadratic_kappa"):
        return Inference("multiclass", "the folders below train/ are classes")
    return infer_task(tables, asked, target, choices.metric, choices.kind)


def number_or_infer_id(tables: Tables, named: dict[str, bool]) -> Inference:
    """The column that names the rows, or a new name where none does without repeating itself."""
    try:
        return infer_id(tables, named)
    except Question:
        raise
    except InputError:
        return number_rows(tables)


def check_told(choices: Choices, tables: Tables) -> None:
    """Refuse columns of the command line that are not there."""
    present = list(tables.train.frame)
    anywhere = [name for table in tables for name in table.frame]
    group = None if choices.group == NO_GROUP else choices.group
    image = None if choices.image == NO_IMAGE else choices.image
    id_there = anywhere + [choices.id] * choices.numbered  # then it may be a new name
    for name, there in [
        (choices.id, id_there),
        *((name, present) for name in (group, image, *choices.text, *choices.target)),
    ]:
        if name is not None and name not in there:
            fix = did_you_mean(name, present, f"there are {list_names(present)}")
            raise InputError(f"{tables.train.path}: no column {name!r}; {fix}")


def infer_labels(
    choices: Choices, tables: Tables, asked: list[str], target: list[str], task: str
) -> dict[str, Inference]:
    """How labels are written, as far as there is something to say."""
    found: dict[str, Inference | None] = {"missing_targets": infer_missing(tables.train, target, task)}
    if task == "binary":
        found["positive"] = told(choices.positive) or infer_positive(tables, asked, target)
    if task == "multilabel":
        found["separator"] = told(choices.label_separator) or infer_separator(tables.train, target, asked)
    names = target
    if len(target) == 1 and task in ("multiclass", "multilabel"):
        separator = found.get("separator")
        names = sorted(labels_in(tables.train, target[0], separator and separator.value))
    found["columns"] = infer_pattern(asked, names)
    return {name: inference for name, inference in found.items() if inference}


def told(value: str | list[str] | None) -> Inference | None:
    """What the command line says, if it does."""
    return Inference(value, "as told") if value is not None and value != [] else None


def infer_metric(choices: Choices, task: str, kind: Kind) -> Inference:
    """No CSV says what the leaderboard counts: the usual one of the task, and a word about it."""
    spec = TASKS[task]
    if kind not in spec.kinds:
        raise InputError(f"{with_article(task)} task cannot be submitted as {kind}; change --task or --kind")
    if choices.metric:
        metric = metric_for(MetricChoice(choices.metric, arguments_of(choices), kind), task)
        if metric.prediction_type != "label" and kind == "label":
            fix = f"give --kind {spec.kinds[-1]} with it"
            raise InputError(f"--metric {choices.metric} scores {metric.scored}; {fix}")
        return Inference(choices.metric, "as told")
    if choices.metric_arguments:
        raise InputError(f"--metric-argument {choices.metric_arguments[0]}: give --metric with it")
    usual = f"usual where {with_article(task)} task asks for a {kind}"
    reason = f"{usual}; the CSVs do not say, so compare the contest's page (--metric)"
    return Inference(spec.usual_metrics[kind], reason)


def arguments_of(choices: Choices) -> dict[str, Any]:
    """What `--metric-argument` gives, each as competition.toml would hold it: numbers, or texts."""
    arguments: dict[str, Any] = {}
    for given in choices.metric_arguments:
        key, _, value = given.partition("=")
        if not key.isidentifier() or not value:
            raise InputError(f"--metric-argument {given}: write it as KEY=VALUE, such as beta=2")
        number = parse_number(value)
        arguments[key] = value if number is None else int(value) if value.isdecimal() else number
    return arguments
