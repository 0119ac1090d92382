"""Stage init: read a competition's three CSVs, work out what they hold, and write competition.toml.

    ./run.sh init SLUG
    ./run.sh init SLUG --text title --text body --task regression --metric rmse

Every inference is printed with what it rests on. Where two readings are equally likely the command stops (exit 2) and
names the choices; an option decides.
"""

import json
import shlex
import tomllib
from dataclasses import dataclass, field, replace
from typing import Any

from foldwise.config import Config
from foldwise.console import say
from foldwise.data.competition import load_competition
from foldwise.data.inspect_files import inspect_files
from foldwise.data.inspect_ids import add_ids, infer_id, lacking_id, match_names, number_rows
from foldwise.data.inspect_tables import Inference, Question, Tables, hide_useless, infer_asked
from foldwise.data.inspect_targets import infer_kind, infer_target, infer_task
from foldwise.data.inspect_texts import infer_group, infer_text
from foldwise.data.table import Table, rename_columns
from foldwise.data.targets import parse_number
from foldwise.errors import InputError, check, did_you_mean, list_names, with_article
from foldwise.files import write_text
from foldwise.metrics import metric_for
from foldwise.paths import COMPETITIONS, CONFIG, Paths
from foldwise.run import check_config
from foldwise.tasks import TASKS, Kind

NO_GROUP = "none"  # --group none
OPTIONS = " (--id, --text, --target, --group, --task, --kind)"


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
    files: dict[str, Any] = field(default_factory=dict)  # keys of [files]: as told, then as found
    numbered: bool = False  # rows count from 1 where no column names them


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
    tables, written = inspect_files(replace(paths, stems=choices.files), choices.files)
    choices = replace(choices, files={name: inference.value for name, inference in written.items()})
    paths = replace(paths, stems={name: stem for name, stem in choices.files.items() if name == "labels"})
    try:
        found = infer(choices, tables)
    except Question as asked:
        raise ask(asked, choices, tables, paths) from None
    for name, (value, reason) in (written | found).items():
        say("init", f"{name:<8} = {show(value)}: {reason}")
    text = to_toml(paths.slug, choices, {name: inference.value for name, inference in found.items()})
    check_accepted(text, paths)
    write_text(config, text)
    say("init", f"wrote {config}; next: ./run.sh all -c {paths.slug}")


def show(value: str | list[str] | dict[str, str]) -> str:
    """A value that was inferred, for people."""
    if isinstance(value, dict):
        return ", ".join(f"{old!r} is {new!r}" for old, new in value.items())
    names = [value] if isinstance(value, str) else value
    return list_names([name if name.strip() else repr(name) for name in names], quoted=False) or "(none)"


def check_accepted(text: str, paths: Paths) -> None:
    """Read the competition as `all` does with this competition.toml, so that init writes none that `all` refuses."""
    config = check(Config, tomllib.loads(text), f"what init would write into {paths.config}")
    check_config(config, paths.slug)
    try:
        load_competition(config, paths)
    except InputError as error:
        raise InputError(
            f"{error}\n  read as said above, so nothing is written; options decide otherwise{OPTIONS}"
        ) from None


def ask(question: Question, choices: Choices, tables: Tables, paths: Paths) -> InputError:
    """The question with those answers alone that lead to a competition.toml, or why there are none."""
    refusals: list[InputError] = []
    candidates = []
    for candidate in question.candidates:
        refusal = try_answer(question, candidate, choices, tables, paths)
        refusals += [refusal] if refusal else []
        candidates += [] if refusal else [candidate]
    if not candidates:
        return refusals[0]
    return Question(question.what, question.option, candidates, question.why)


def try_answer(question: Question, answer: str, choices: Choices, tables: Tables, paths: Paths) -> InputError | None:
    """What is wrong in the end if the user answers so; None if nothing is."""
    name = question.option.removeprefix("--")
    decided: Any = [answer] if name in ("text", "target") else answer
    choices = replace(choices, **{name: decided})
    try:
        found = infer(choices, tables)
        check_accepted(to_toml(paths.slug, choices, {key: value for key, (value, _) in found.items()}), paths)
    except Question as further:
        refusals = (try_answer(further, candidate, choices, tables, paths) for candidate in further.candidates)
        first = next(refusals)
        return first and next((None for refusal in refusals if refusal is None), first)
    except InputError as error:
        return error
    return None


def infer(choices: Choices, tables: Tables) -> dict[str, Inference]:
    """All that competition.toml says, each from the tables and what was inferred before."""
    found = {}
    renamed, why = match_names(tables)
    if renamed:
        found["renamed"] = Inference(renamed, why)
        train, test = (replace(table, frame=rename_columns(table.frame, renamed)) for table in tables[:2])
        tables = Tables(train, test, tables.sample)
    check_told(choices, tables)
    found["id"] = told(choices.id) or (number_or_infer_id if choices.numbered else infer_id)(tables)
    id_column = found["id"].value
    if numbered := lacking_id(tables, id_column):
        found["numbered"] = Inference(numbered, "no ids there: rows count from 1")
        tables = add_ids(tables, id_column)
    columns = [name for table in tables for name in table.frame]
    tables = hide_useless(tables, id_column, choices.target)
    asked = infer_asked(tables, id_column, choices.target)
    found["target"] = target = told(choices.target) or infer_target(tables, asked, id_column)
    check_label_columns(tables.train, target.value)
    taken = [id_column, *target.value]
    group = told(choices.group) or infer_group(tables, [*taken, *choices.text])
    if group and group.value != NO_GROUP:
        found["group"] = group
    found["text"] = told(choices.text) or infer_text(tables, [*taken, *([choices.group] if choices.group else [])])
    found["task"] = told(choices.task) or infer_task(tables, asked, target.value, choices.metric)
    task = found["task"].value
    found["kind"] = told(choices.kind) or infer_kind(tables.sample, asked, task, choices.metric)
    found["metric"] = infer_metric(choices, task, found["kind"].value)
    used = {*taken, *found["text"].value, *asked, *([found["group"].value] if "group" in found else [])}
    ignore = [name for name in dict.fromkeys(columns) if name not in used]
    advice = "not used; texts among them can be --text, numbers [columns] features"
    found["ignore"] = Inference(ignore, advice if ignore else "every column is used")
    return found


def number_or_infer_id(tables: Tables) -> Inference:
    """The column that names the rows, or a new name where none does without repeating itself."""
    try:
        return infer_id(tables)
    except Question:
        raise
    except InputError:
        return number_rows(tables)


def check_told(choices: Choices, tables: Tables) -> None:
    """Refuse columns of the command line that are not there."""
    present = list(tables.train.frame)
    anywhere = [name for table in tables for name in table.frame]
    group = None if choices.group == NO_GROUP else choices.group
    id_there = anywhere + [choices.id] * choices.numbered  # then it may be a new name
    for name, there in [(choices.id, id_there), *((name, present) for name in (group, *choices.text, *choices.target))]:
        if name is not None and name not in there:
            fix = did_you_mean(name, present, f"there are {list_names(present)}")
            raise InputError(f"{tables.train.path}: no column {name!r}; {fix}")


def check_label_columns(train: Table, target: list[str]) -> None:
    """Say how several columns of labels are predicted all the same."""
    words = [name for name in target if None in map(parse_number, train.frame[name].unique())]
    if len(target) > 1 and words:
        first, second = map(shlex.quote, target[:2])
        raise InputError(
            f"{train.path}: the targets {list_names(target)} hold labels\n"
            f"  A competition predicts one column of labels: give --target {first} for the first; the sample's other "
            f"columns then stay as they are.\n  Copy the folder under another name for --target {second} and so on, "
            "and put the columns of the submissions together."
        )


def told(value: str | list[str] | None) -> Inference | None:
    """What the command line says, if it does."""
    return Inference(value, "as told") if value is not None and value != [] else None


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
    """competition.toml, with what is not None."""
    columns = {name: found.get(name) for name in ("id", "text", "target", "group")}
    sections: dict[str, dict[str, Any]] = {
        "competition": {"slug": slug, "title": slug, "task": found["task"], "metric": found["metric"]},
        "files": {**choices.files, "numbered": found.get("numbered")},
        "columns": {**columns, "ignore": found["ignore"] or None, "renamed": found.get("renamed")},
        "submission": {"kind": found["kind"]},
    }
    tables = []
    for section, values in sections.items():
        pairs = [f"{key} = {to_value(value)}\n" for key, value in values.items() if value is not None]
        if pairs:
            tables.append("".join([f"[{section}]\n", *pairs]))
    return "\n".join(tables)


def to_value(value: str | list[str] | dict[str, str]) -> str:
    """A value in TOML; JSON's strings and lists are TOML's too, but for one control character."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{to_value(key)} = {to_value(text)}" for key, text in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
