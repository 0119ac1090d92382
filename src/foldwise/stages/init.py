"""Stage init: read a competition's three CSVs, work out what they hold, and write competition.toml.

Where images lie in a folder a class, it writes the CSVs first.

    ./run.sh init SLUG
    ./run.sh init SLUG --text title --text body --task regression --metric rmse

Every inference is printed with what it rests on. Where two readings are equally likely the command stops (exit 2) and
names the choices; an option decides.
"""

import tomllib
from dataclasses import replace
from typing import Any

from foldwise.config import Config
from foldwise.console import say, warn
from foldwise.data.competition import load_competition
from foldwise.data.inspect_competition import Choices, arguments_of, infer
from foldwise.data.inspect_files import inspect_files
from foldwise.data.inspect_images import find_images
from foldwise.data.inspect_tables import Question, Tables
from foldwise.data.table import read_table
from foldwise.errors import InputError, check, cut_lines, did_you_mean, list_names
from foldwise.extensions import load_extension
from foldwise.files import write_text
from foldwise.metrics import check_name, try_metric
from foldwise.paths import COMPETITIONS, CONFIG, Paths
from foldwise.run import check_config
from foldwise.toml_text import to_toml

OPTIONS = " (--id, --text, --image, --target, --group, --task, --kind, --metric, --less-is-better)"
TRIED = 10  # answers to a question, the likeliest first, of which it is found out whether they lead anywhere


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
        there = [path.name for path in paths.input.parent.glob("*/")]
        fix = did_you_mean(paths.slug, there, "make it and put train, test and sample_submission there")
        raise InputError(f"{paths.input}: no such folder; {fix}")
    if choices.metric:
        try:
            check_name(choices.metric)
        except ValueError as error:
            raise InputError(f"--metric {choices.metric}: {error}") from error
    write_tables(paths, force)
    choices, in_sample = name_test(paths, choices)
    tables, written = inspect_files(replace(paths, stems=choices.files), choices.files)
    if in_sample:
        tables = tables._replace(test=replace(tables.test, frame=tables.test.frame[[in_sample]]))
    choices = replace(choices, files={name: inference.value for name, inference in written.items()})
    paths = replace(paths, stems={name: stem for name, stem in choices.files.items() if name in ("labels", "test")})
    try:
        found = infer(choices, tables)
    except Question as asked:
        raise ask(asked, choices, tables, paths) from None
    for name, (value, reason) in [*written.items(), *found.items()]:
        fields = [f"{key} = {to_toml(part)}" for key, part in value.items()] if name == "recipe" else []
        shown = ", ".join(fields) or show(value)
        say("init", cut_lines(f"{name:<6} = {shown}: {reason}"))
    text = write_config(paths.slug, choices, {name: inference.value for name, inference in found.items()})
    check_accepted(text, paths)
    write_text(config, text)
    say("init", f"wrote {config}; next: ./run.sh all -c {paths.slug}")


def write_tables(paths: Paths, force: bool) -> None:
    """Write the tables of images in a folder a class, where there are none, or anew those that init wrote."""
    classes = [*paths.input.glob("train/[!.]*/")]
    if not paths.tables("train") and len(classes) < 2 and any(paths.input.glob("*/")):
        raise InputError(
            f"{paths.input}: no table 'train'; put train.csv there (or .tsv, .json, .jsonl, .parquet), or images in a "
            "folder for each class into train/CLASS/, and those to predict into test/"
        )
    if len(classes) > 1 and (force or not paths.tables("train")):
        load_extension("foldwise.images.class_folders:write_tables", f"{paths.input}/train/CLASS/")(paths)


def name_test(paths: Paths, choices: Choices) -> tuple[Choices, str]:
    """Without a table test, but with images by the names in a column of the sample, that is it; → the column, or ""."""
    if "test" in choices.files or paths.tables("test") or not paths.tables("sample_submission"):
        return choices, ""
    sample = read_table(paths.table("sample_submission"))
    if not (column := find_images(sample)):
        return choices, ""
    return replace(
        choices, files={**choices.files, "test": paths.stems.get("sample_submission", "sample_submission")}
    ), column


def show(value: Any) -> str:
    """A value that was inferred, for people."""
    if isinstance(value, dict):
        return ", ".join(f"{old!r} is {new!r}" for old, new in value.items())
    names = [str(name) for name in (value if isinstance(value, list) else [value])]
    return list_names([name if name.strip() else repr(name) for name in names], quoted=False) or "(none)"


def check_accepted(text: str, paths: Paths) -> None:
    """Read the competition as `all` does with this competition.toml, so that init writes none that `all` refuses."""
    config = check(Config, tomllib.loads(text), f"what init would write into {paths.config}")
    check_config(config, paths.slug)
    try:
        targets = load_competition(config, paths).targets
        if warning := try_metric(
            config.metric, config.competition.metric, targets.task, targets.truth, targets.outputs
        ):
            warn(warning)
    except InputError as error:
        raise InputError(
            f"{error}\n  read as said above, so nothing is written; options decide otherwise{OPTIONS}"
        ) from None


def ask(question: Question, choices: Choices, tables: Tables, paths: Paths) -> InputError:
    """The question with those answers alone that lead to a competition.toml, or why there are none."""
    refusals: list[InputError] = []
    candidates = []
    for candidate in question.candidates[:TRIED]:
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
        check_accepted(write_config(paths.slug, choices, {key: value for key, (value, _) in found.items()}), paths)
    except Question as further:
        refusals = (try_answer(further, candidate, choices, tables, paths) for candidate in further.candidates)
        first = next(refusals)
        return first and next((None for refusal in refusals if refusal is None), first)
    except InputError as error:
        return error
    return None


def write_config(slug: str, choices: Choices, found: dict[str, Any]) -> str:
    """competition.toml, with what is not None."""
    names = ("id", "text", "image", "target", "positive", "separator", "missing_targets", "group", "ignore", "renamed")
    sections: dict[str, dict[str, Any]] = {
        "competition": {"slug": slug, "title": slug, "task": found["task"], "metric": found["metric"]}
        | {"greater_is_better": False if choices.less_is_better else None}
        | {f"metric_arguments.{key}": value for key, value in arguments_of(choices).items()},
        "files": {**choices.files, "numbered": found.get("numbered")},
        "columns": {name: None if found.get(name) == [] else found.get(name) for name in names},
        "submission": {"kind": found["kind"], "columns": found.get("columns")},
    }
    if "image" in found:
        members = {"convnet": found["recipe"], "bilstm": {}, "linear": {"model.name": "linear"}}
        beside = {f"recipe.members.{name}": values for name, values in members.items()}
        sections |= beside if found["text"] else {"recipe": found["recipe"]}
        sections["recipe.images"] = {name: found.get(name) for name in ("size", "channels")}
    tables = []
    for section, values in sections.items():
        pairs = [f"{key} = {to_toml(value)}\n" for key, value in values.items() if value is not None]
        if pairs or not values:
            tables.append("".join([f"[{section}]\n", *pairs]))
    return "\n".join(tables)
