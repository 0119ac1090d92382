"""Stage init: read a competition's three CSVs, work out what they hold, and write competition.toml.

    ./run.sh init SLUG
    ./run.sh init SLUG --text title --text body --task regression --metric rmse

Every inference is printed with what it rests on. Where two readings are equally likely the command stops (exit 2) and
names the choices; an option decides.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from foldwise.config import Quotes
from foldwise.console import say
from foldwise.data.inspect_labels import infer_missing, infer_pattern, infer_positive, infer_separator, labels_in
from foldwise.data.inspect_tables import Inference, Tables, infer_id, infer_text
from foldwise.data.inspect_targets import infer_kind, infer_target, infer_task
from foldwise.data.table import read_table
from foldwise.errors import InputError, with_article
from foldwise.files import write_text
from foldwise.metrics import metric_for
from foldwise.paths import COMPETITIONS, CONFIG, Paths
from foldwise.tasks import TASKS, Kind


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
    quotes: Quotes = "csv"
    positive: str | None = None
    separator: str | None = None


def init(paths: Paths, choices: Choices, force: bool) -> None:
    """Write `input/<slug>/competition.toml`, unless there is one or a decision is needed."""
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
    names = ("train", "test", "sample_submission")
    found = infer(choices, Tables(*(read_table(paths.table(name), choices.quotes) for name in names)))
    for name, (value, reason) in found.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        say("init", f"{name:<6} = {shown or '(none)'}: {reason}")
    write_text(config, to_toml(paths.slug, choices, {name: inference.value for name, inference in found.items()}))
    say("init", f"wrote {config}; next: ./run.sh all -c {paths.slug}")


def infer(choices: Choices, tables: Tables) -> dict[str, Inference]:
    """All that competition.toml says, each from the tables and what was inferred before."""
    present = list(tables.train.frame.columns)
    for name in [choices.id, choices.group, *choices.text, *choices.target]:
        if name is not None and name not in present:
            raise InputError(f"{tables.train.path}: no column {name!r}; there are {', '.join(map(repr, present))}")
    found = {"id": told(choices.id) or infer_id(tables)}
    id_column = found["id"].value
    # To be predicted: the sample's columns without the id, and without those it repeats of the test set.
    asked = [name for name in tables.sample.frame.columns if name not in (id_column, *tables.test.frame.columns)]
    found["target"] = told(choices.target) or infer_target(tables, asked, id_column)
    taken = [id_column, *found["target"].value, *([choices.group] if choices.group else [])]
    found["text"] = told(choices.text) or infer_text(tables, taken)
    target = found["target"].value
    asked = [name for name in asked if name in target or name not in present]  # columns of train that are left aside
    implied = "binary" if choices.positive else "multilabel" if choices.separator else None
    found["task"] = told(choices.task or implied) or infer_task(tables, asked, target, choices.metric, choices.kind)
    task = found["task"].value
    found |= infer_labels(choices, tables, asked, target, task)
    found["kind"] = told(choices.kind) or infer_kind(
        tables, asked, target, task, choices.metric, found["separator"].value if "separator" in found else None
    )
    found["metric"] = infer_metric(choices, task, found["kind"].value)
    used = {*taken, *found["text"].value}
    ignore = [name for name in dict.fromkeys([*present, *tables.test.frame.columns]) if name not in used]
    advice = "not used; texts among them can be --text, numbers [columns] features"
    found["ignore"] = Inference(ignore, advice if ignore else "every column is used")
    return found


def infer_labels(
    choices: Choices, tables: Tables, asked: list[str], target: list[str], task: str
) -> dict[str, Inference]:
    """How labels are written, as far as there is something to say."""
    found: dict[str, Inference | None] = {"missing": infer_missing(tables.train, target, task)}
    if task == "binary":
        found["positive"] = told(choices.positive) or infer_positive(tables, asked, target)
    if task == "multilabel":
        found["separator"] = told(choices.separator) or infer_separator(tables.train, target, asked)
    names = target
    if len(target) == 1 and task in ("multiclass", "multilabel"):
        separator = found.get("separator")
        names = sorted(labels_in(tables.train, target[0], separator and separator.value))
    found["columns"] = infer_pattern(asked, names)
    return {name: inference for name, inference in found.items() if inference}


def told(value: str | list[str] | None) -> Inference | None:
    """What the command line says, if it does."""
    return Inference(value, "as told") if value else None


def infer_metric(choices: Choices, task: str, kind: Kind) -> Inference:
    """No CSV says what the leaderboard counts: the usual one of the task, and a word about it."""
    spec = TASKS[task]
    if kind not in spec.kinds:
        raise InputError(f"{with_article(task)} task cannot be submitted as {kind}; change --task or --kind")
    if choices.metric:
        metric = metric_for(choices.metric, task)
        if metric.prediction_type != "label" and kind == "label":
            fix = f"give --kind {spec.kinds[-1]} with it"
            raise InputError(f"--metric {choices.metric} scores {metric.scored}; {fix}")
        return Inference(choices.metric, "as told")
    usual = f"usual where {with_article(task)} task asks for a {kind}"
    reason = f"{usual}; the CSVs do not say, so compare the contest's page (--metric)"
    return Inference(spec.usual_metrics[kind], reason)


def to_toml(slug: str, choices: Choices, found: dict[str, Any]) -> str:
    """competition.toml; JSON's strings and lists are TOML's too."""
    columns = {name: found.get(name) for name in ("id", "text", "target", "positive", "separator")}
    columns["missing_targets"] = found.get("missing")
    sections = {
        "competition": {"slug": slug, "title": slug, "task": found["task"], "metric": found["metric"]},
        "files": {"quotes": choices.quotes if choices.quotes != "csv" else None},
        "columns": {**columns, "group": choices.group, "ignore": found["ignore"]},
        "submission": {"kind": found["kind"], "columns": found.get("columns")},
    }
    tables = []
    for section, values in sections.items():
        pairs = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items() if value]
        if pairs:
            tables.append("".join([f"[{section}]\n", *pairs]))
    return "\n".join(tables)
