"""What results depend on, and whether those on disk are still up to date."""

import re
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from foldwise.data.own_tokenizer import tokenizer_hash
from foldwise.errors import DamagedError, InputError
from foldwise.extensions import find_experiments, find_teaching
from foldwise.files import damaged_files
from foldwise.hashing import hash_of
from foldwise.inputs import input_hash, sample_hash
from foldwise.learners import Learner, learner_for
from foldwise.learners.starting import Start, find_folder, find_start, learnt_part
from foldwise.paths import ALL_ROWS, FOLD_RECORD, TOKENS_RECORD
from foldwise.plugins import is_own, source_hash
from foldwise.records import FoldRecord, Record, TokensRecord, read_checked
from foldwise.run import Run
from foldwise.vectors.files import content_hash, sources_for


class Fit(NamedTuple):
    """One fold of a member to train, and what `Paths.fold` takes."""

    member: str
    fold: int  # it stops early by this fold, and predicts it
    without: tuple[int, ...] = ()  # further folds that it must not learn from, rising: it teaches their models


TEST_TABLE = "test"  # of a fold's inputs, where its training does not depend on it


Wanted = list[tuple[Fit, dict[str, Any]]]  # folds to train, and what each depends on


def changes(old: Any, new: Any, prefix: str = "") -> list[str]:
    """How two records of inputs differ, one phrase a difference: `training.epochs 6 → 4`.

    Values that are hashes only say that they changed. Of another model only the name is said: all else differs with it.
    """
    if old == new:
        return []
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = dict(enumerate(old)), dict(enumerate(new))
    if isinstance(old, dict) and isinstance(new, dict):
        models = [recipe.get("model", {}).get("name") for recipe in (old, new)] if prefix == "recipe." else []
        if len(set(models)) > 1:
            return ["model {} → {}".format(*models)]
        keys = dict.fromkeys([*old, *new])
        return [phrase for key in keys for phrase in changes(old.get(key), new.get(key), f"{prefix}{key}.")]
    is_hash = any(re.fullmatch(r"[0-9a-f]{16}", str(value)) for value in (old, new))
    return [f"{prefix.rstrip('.')} changed" if is_hash else f"{prefix.rstrip('.')} {old} → {new}"]


def differences(folder: Path, name: str, inputs: dict[str, Any], model: type[Record] = Record) -> list[str]:
    """Phrases that say why a folder is out of date: its record `name` has other inputs, or a file is damaged.

    [] if it is up to date; ["missing"] if there is no record.
    """
    try:
        record = read_checked(folder / name, model)
    except DamagedError as error:
        return error.phrases
    if record is None:
        return ["missing"]
    return changes(record["inputs"], inputs) or damaged_files(folder, record["files"])


def why_make_tokens(run: Run, reasons: list[str]) -> str:
    """Why tokens must be made, of their `differences`; empty if they need not be.

    Others may be training on the tokens of a named run, which are shared: --force leaves whole ones there, as new ones
    would be the same.
    """
    if reasons == ["missing"]:
        return "there were none"
    return "; ".join(reasons) or "--force" * (run.force and not run.paths.experiment)


def fold_differences(folder: Path, inputs: dict[str, Any]) -> list[str]:
    """`differences` of a trained fold."""
    return differences(folder, FOLD_RECORD, inputs, FoldRecord)


def read_fold(folder: Path) -> dict[str, Any] | None:
    """What fold.json says; None where it is missing or damaged, of which `fold_differences` tells."""
    try:
        return read_checked(folder / FOLD_RECORD, FoldRecord)
    except DamagedError:
        return None


def token_inputs(run: Run) -> dict[str, Any]:
    """What the tokens depend on."""
    settings = run.config.recipe.tokens
    return {
        **text_inputs(run, {"id", "text", "features"}, extra=True),
        "tokens": settings.model_dump(),
        "tokenizer": tokenizer_hash(settings, run.paths.own_files),
        "vectors": {source.file_name: content_hash(source) for source in sources_for(run.config, run.paths)},
    }


def text_inputs(run: Run, columns: set[str], extra: bool) -> dict[str, Any]:
    """What the texts depend on, with these fields of [columns]; `extra`: those of extra rows are among them."""
    files, own = run.config.files, run.config.columns
    read = columns | ({"renamed"} if own.renamed else set())
    tables = {"train", "test", *["extra"] * bool(extra and files.extra), *["labels"] * bool(files.labels)}
    # Which rows there are depends on the targets, where some are left out.
    some = {} if own.missing_targets == "error" else {"rows": [own.target, label_inputs(run)]}
    return {
        **some,
        "train": input_hash(run.paths.table("train")),
        **({"labels": input_hash(run.paths.table("labels"))} if files.labels else {}),
        "test": input_hash(run.paths.table("test")),
        "extra": input_hash(run.paths.table("extra")) if "extra" in tables else None,
        "columns": run.config.columns.model_dump(include=read, exclude_none=True),
        "files": files.written(tables),
        "debug": run.debug,
    }


def own_token_inputs(run: Run, learner: Learner) -> dict[str, Any]:
    """What the tokens depend on that a learner makes of the texts."""
    return {
        **text_inputs(run, {"id", "text"}, extra=bool(learner.recipe.training.extra_weight)),
        **learner.row_inputs(run),
        "model": {name: sample_hash(path) for name, path in learner.find_files(run.paths).items()},
        "settings": learner.token_settings(),
    }


def shared(run: Run, folder: Path, inputs: dict[str, Any]) -> AbstractContextManager[None]:
    """In the block `folder` is where tokens of these inputs are, or are to be made; runs with a name share them."""
    found: AbstractContextManager[None] = nullcontext()
    return find_experiments("share")(run.paths, folder, inputs) if run.paths.experiment else found


def are_current(run: Run) -> bool:
    """True if the tokens there were made from the same input and settings."""
    return not token_differences(run, token_inputs(run))


def token_differences(run: Run, inputs: dict[str, Any]) -> list[str]:
    """Why the tokens that members share are out of date, as `differences`."""
    return differences(run.paths.tokens, TOKENS_RECORD, inputs, TokensRecord)


def check_tokens(run: Run) -> str:
    """The hash of up-to-date tokens as folds learn from them, which these record; an `InputError` if there are none."""
    inputs = token_inputs(run)
    if reasons := token_differences(run, inputs):
        why = "no tokens yet" if reasons == ["missing"] else f"out of date ({'; '.join(reasons)})"
        raise InputError(f"{run.paths.tokens}: {why}; run `{run.hint('tokens')}`, or `all` for every stage")
    return hash_of(learnt_part(inputs))


def fold_inputs(run: Run, fit: Fit, tokens_hash: str) -> dict[str, Any]:
    """What a trained fold depends on besides its number."""
    recipe, asked = run.config.recipe.of_member(fit.member), run.config.competition
    learner = learner_for(recipe)
    scored = asked.model_dump(include={"metric_arguments", "metric_takes", "greater_is_better"}, exclude_defaults=True)
    if is_own(asked.metric):
        scored["metric_takes"] = run.config.metric_choice.takes
    teachers = find_teaching("inputs")(run, fit, tokens_hash) if recipe.training.from_members else {}
    of_all: dict[str, Any] = {"epochs": best_epochs(run, fit.member)} if fit.fold == ALL_ROWS else {}
    inputs = {
        "folds": input_hash(run.paths.folds),
        "tokens": hash_of(own_token_inputs(run, learner)) if learner.reads_texts else tokens_hash,
        "targets": input_hash(*map(run.paths.table, ["train", *["labels"] * bool(run.config.files.labels)])),
        "columns": run.config.columns.model_dump(include={"target", "auxiliary", "subgroups", "weight"})
        | label_inputs(run),
        "competition": asked.model_dump(include={"task", "metric", "soft_cut"}) | scored,
        "recipe": learner.inputs(),
        "own": {name: source_hash(name) for name in (*learner.own_parts().values(), asked.metric) if is_own(name)},
        **{f"teacher {name}": content for name, content in teachers.items()},
        **of_all,
    }
    if not learner.reads_texts and (files := learner.find_files(run.paths)):
        inputs["files"] = {name: input_hash(path) for name, path in files.items()}
    if run.config.recipe.tokens.vocabulary == "train" and not learner.reads_texts:
        inputs[TEST_TABLE] = input_hash(run.paths.table("test"))
    if start := start_of(run, fit, inputs):
        inputs["start_from"] = start.content
    return inputs


def start_of(run: Run, fit: Fit, inputs: dict[str, Any]) -> Start | None:
    """The earlier weights that a fold of a network starts from, None without any; `InputError` as `find_start`."""
    recipe = run.config.recipe.of_member(fit.member)
    given = recipe.training.start_from
    if not given or not learner_for(recipe).starts_from_weights:
        return None
    own = run.paths.output / fit.member
    if find_folder(given).resolve().is_relative_to(own.resolve()):
        raise InputError(
            f"recipe.training.start_from = {given!r}: this run writes there; give it another --output, or copy the "
            "folder, with the tokens beside it"
        )
    return find_start(given, fit.member, fit.fold, inputs)


def best_epochs(run: Run, member: str) -> float | None:
    """Epochs that the folds of a member found best, their median; None where not all are there."""
    records = [read_fold(run.paths.fold(member, fold)) for fold in run.config.recipe.folds_of(member)]
    found = [record["best_epoch"] for record in records if record]
    return float(np.median(found)) if len(found) == len(records) else None


def submission_form(run: Run) -> dict[str, Any]:
    """What a submission must fit to be valid: the sample's file, task and columns."""
    config = run.config
    return {
        "sample": input_hash(run.paths.table("sample_submission")),
        "files": config.files.written(["sample_submission"]),
        "competition": config.competition.model_dump(include={"task", "metric"}),
        "kind": config.submission.kind,
        "columns": config.columns.model_dump(include={"id", "target"}) | label_inputs(run),
    }


def label_inputs(run: Run) -> dict[str, Any]:
    """How the labels of the training table are written, where that is said."""
    return run.config.columns.model_dump(include={"positive", "separator", "missing_targets"}, exclude_defaults=True)


def shortened(folder: Path) -> dict[str, Any]:
    """Where a time budget ended a fold that is up to date; empty where none did."""
    return dict((read_fold(folder) or {}).get("shortened", {}))
