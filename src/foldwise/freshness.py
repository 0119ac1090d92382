"""What results depend on, and whether those on disk are still up to date."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from foldwise.data.own_tokenizer import tokenizer_hash
from foldwise.errors import InputError
from foldwise.extensions import find_teaching
from foldwise.files import content_digest, hash_of, read_json, sizes_of
from foldwise.learners import Learner, learner_for
from foldwise.paths import FOLD_RECORD, TOKENS_RECORD
from foldwise.plugins import is_own, source_hash
from foldwise.run import Run
from foldwise.vectors.files import content_hash, vector_sources


class Fit(NamedTuple):
    """One fold of a member to train, and what `Paths.fold` takes."""

    member: str
    fold: int  # it stops early by this fold, and predicts it
    without: tuple[int, ...] = ()  # further folds that it must not learn from, rising: it teaches their models


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


def differences(folder: Path, name: str, inputs: dict[str, Any]) -> list[str]:
    """Phrases that say why a folder is out of date: its record `name` has other inputs, or its files other sizes.

    None if it is up to date; ["missing"] if there is no record.
    """
    record = read_json(folder / name)
    if record is None:
        return ["missing"]
    sizes = {file: size for file, size in sizes_of(folder).items() if file != name}
    return changes(record.get("inputs"), inputs) or changes(record.get("files"), sizes, "file sizes.")


def token_inputs(run: Run) -> dict[str, Any]:
    """What the tokens depend on."""
    settings = run.config.recipe.tokens
    return {
        **text_inputs(run, {"id", "text", "features"}, extra=True),
        "tokens": settings.model_dump(),
        "tokenizer": tokenizer_hash(settings, run.paths.own_files),
        "vectors": {source.file_name: content_hash(source) for source in vector_sources(settings, run.paths)},
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
        "train": hash_of(run.paths.table("train")),
        **({"labels": hash_of(run.paths.table("labels"))} if files.labels else {}),
        "test": hash_of(run.paths.table("test")),
        "extra": hash_of(run.paths.table("extra")) if "extra" in tables else None,
        "columns": run.config.columns.model_dump(include=read),
        "files": files.written(tables),
        "debug": run.debug,
    }


def own_token_inputs(run: Run, learner: Learner) -> dict[str, Any]:
    """What the tokens depend on that a learner makes of the texts."""
    return {
        **text_inputs(run, {"id", "text"}, extra=False),
        "model": {name: content_digest(path) for name, path in learner.find_files(run.paths).items()},
        "settings": learner.token_settings(),
    }


def are_current(run: Run) -> bool:
    """True if the tokens there were made from the same input and settings."""
    return not differences(run.paths.tokens, TOKENS_RECORD, token_inputs(run))


def check_tokens(run: Run) -> str:
    """The hash of up-to-date tokens, which trained folds record; an `InputError` if there are none."""
    inputs = token_inputs(run)
    if reasons := differences(run.paths.tokens, TOKENS_RECORD, inputs):
        why = "no tokens yet" if reasons == ["missing"] else f"out of date ({'; '.join(reasons)})"
        raise InputError(f"{run.paths.tokens}: {why}; run `{run.hint('tokens')}`, or `all` for every stage")
    return hash_of(inputs)


def fold_inputs(run: Run, fit: Fit, tokens_hash: str) -> dict[str, Any]:
    """What a trained fold depends on besides its number."""
    recipe = run.config.recipe.of_member(fit.member)
    learner = learner_for(recipe)
    teachers = find_teaching("inputs")(run, fit, tokens_hash) if recipe.training.from_members else {}
    return {
        "folds": hash_of(run.paths.folds),
        "tokens": hash_of(own_token_inputs(run, learner)) if learner.reads_texts else tokens_hash,
        "targets": hash_of(*(run.paths.table(name) for name in ("train", *["labels"] * bool(run.config.files.labels)))),
        "columns": run.config.columns.model_dump(include={"target", "auxiliary", "subgroups", "weight"})
        | label_inputs(run),
        "competition": run.config.competition.model_dump(include={"task", "metric", "soft_cut"}),
        "recipe": learner.inputs(),
        "own": {name: source_hash(name) for name in learner.own_parts().values() if is_own(name)},
        **{f"teacher {name}": content for name, content in teachers.items()},
    }


def submission_form(run: Run) -> dict[str, Any]:
    """What a submission must fit to be valid: the sample's file, task and columns."""
    config = run.config
    return {
        "sample": hash_of(run.paths.table("sample_submission")),
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
    return dict(read_json(folder / FOLD_RECORD).get("shortened", {}))
