"""Trained folds where they are: `output/SLUG` as the stage ensemble left it becomes a `Source` without a copy.

What is read is what was recorded when the submission was made, never the settings of today: ensemble.json,
summary.json, the records of the folds and of the tokens. Whatever is not as they say is an `InputError` that names it.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.config import Config
from foldwise.data.features import texts_and_features
from foldwise.data.own_tokenizer import tokenizer_hash
from foldwise.data.token_store import open_array, read_vocabulary
from foldwise.errors import InputError, check
from foldwise.files import with_infinity
from foldwise.hashing import hash_of
from foldwise.inference.bundle import FORMAT, Manifest, PackedFold, PackedMember, Source
from foldwise.inputs import sample_hash
from foldwise.learners import check_new_rows, learner_for
from foldwise.learners.starting import learnt_part
from foldwise.paths import FOLD_RECORD, FOLD_TEST, TOKENS_RECORD, VECTORS, VOCABULARY, Paths, fold_folder_name, resolve
from foldwise.plugins import is_own
from foldwise.records import Ensemble, FoldRecord, Record, Summary, TokensRecord, check_files, read_checked, read_whole
from foldwise.tasks import TASKS
from foldwise.training.checkpoint import FACTS, find_checkpoint

ENSEMBLE, SUMMARY = "ensemble.json", "summary.json"


def open_trained(folder: Path, input_: Path | None = None) -> tuple[Source, Paths]:
    """The folds of an output folder, and the paths of its competition.

    Args:
        folder: such as output/SLUG.
        input_: the folder that has the competition's own, where that is not input/ of this checkout.
    """
    content, config = read_ensemble(folder)
    check_new_rows(config.recipe, [name for name, weight in content["weights"].items() if weight > 0])
    paths = resolve(config.competition.slug, input_, None, folder.absolute().parent)
    paths = replace(paths, output=folder, stems=config.files.stems)
    tokens = read_whole(paths.tokens / TOKENS_RECORD, TokensRecord)
    able = [name for name in content["folds"] if learner_for(config.recipe.of_member(name)).predicts_new_rows]
    ways = {name: partial(open_member, paths, config, name, content["folds"][name], tokens) for name in able}
    members = {name: way() for name, way in ways.items() if content["weights"][name] > 0}
    check_files(paths.tokens, {name: tokens["files"][name] for name in (VOCABULARY, VECTORS)})
    check_tokenizer(config, paths, tokens)
    outputs = 1 if TASKS[config.competition.task].ordered else len(content["names"])
    texts, features = texts_and_features(config)
    manifest = Manifest(
        format=FORMAT,
        config=config,
        names=content["names"],
        written=content["written"],
        shape={"outputs": outputs + len(config.columns.auxiliary), "columns": texts, "features": features},
        dimension=open_array(paths.tokens / VECTORS, np.float32, 2).shape[1],
        tokenizer=tokens["inputs"]["tokenizer"],
        max_length=tokens["limit"],
        whole=tokens["whole"],
        weights={name: content["weights"][name] for name in members},
        calibrations={name: value for name, value in content["calibrations"].items() if name in members},
        thresholds=content["thresholds"],
        members=members,
        parts={},
    )
    words = read_vocabulary(paths.tokens / VOCABULARY)
    ranked = {}
    if config.recipe.ensemble.method == "rank_mean":
        pairs = [(name, fold.fold) for name, member in members.items() for fold in member.folds]
        ranked = {pair: paths.fold(*pair) / FOLD_TEST for pair in pairs}
    return Source(manifest, folder, words, paths.tokens / VECTORS, paths.own_files, "", ranked, ways), paths


def read_ensemble(folder: Path) -> tuple[dict[str, Any], Config]:
    """What ensemble.json says, and the configuration that its run had."""
    content = read_checked(folder / ENSEMBLE, Ensemble)
    if content is None:
        raise InputError(
            f"{folder}: no {ENSEMBLE}, so there are no folds to predict with; run `all` for this competition, or where "
            "an earlier foldwise trained them `ensemble`"
        )
    if apart := [name for name in content["folds"] if "/" in name]:
        places = ", ".join(apart)
        raise InputError(f"{folder}: a blend, whose folds ({places}) are in the runs it is of; name one of these")
    summary = read_whole(folder / SUMMARY, Summary)
    settings = summary.get("configuration")
    if not settings or hash_of(folder / ENSEMBLE) not in summary["outputs"]:
        raise InputError(f"{folder}: {ENSEMBLE} is not of the run of {SUMMARY}; run `ensemble`, or `all`")
    return content, check(Config, with_infinity(settings["decided"]), str(folder / SUMMARY))


def open_member(
    paths: Paths, config: Config, name: str, folds: Mapping[str, str], tokens: Mapping[str, Any]
) -> PackedMember:
    """A member's folds, which are those that the ensemble was made of and learnt from the tokens that are there."""
    recipe = config.recipe.of_member(name)
    learner, model, opened, own = learner_for(recipe), recipe.model.name, [], None
    files = learner.find_files(paths)
    learnt = hash_of(learnt_part(tokens["inputs"]))
    for number, recorded in folds.items():
        folder = paths.fold(name, fold := int(number))
        record = read_whole(folder / FOLD_RECORD, FoldRecord)
        where = f"{paths.output}: {name}/{fold_folder_name(fold)}"
        if hash_of(folder / FOLD_RECORD) != recorded:
            raise InputError(f"{where} was trained again since the ensemble was made; run `ensemble`, or `all`")
        if learner.reads_texts:
            check_model(paths, name, files, record)
        elif record["inputs"]["tokens"] != learnt:
            raise InputError(f"{where} learnt from other tokens than those that are there; run `all`")
        checkpoint = find_checkpoint(folder, record["files"])
        needed = [*(path.name for path in checkpoint.weights), FACTS, FOLD_TEST]
        check_files(folder, {file: record["files"][file] for file in needed})
        own = record["inputs"]["own"].get(model)
        weights = [str(path.relative_to(paths.output)) for path in checkpoint.weights]
        opened.append(PackedFold.of(record, weights, str(checkpoint.facts.relative_to(paths.output))))
    packed = {file: str(files[file].absolute()) for file in learner.packed_files()}
    return PackedMember(own=own if is_own(model) else None, folds=opened, files=packed)


def check_model(paths: Paths, member: str, files: Mapping[str, Path], record: Mapping[str, Any]) -> None:
    """Refuse files of a member that reads texts or images by itself, where a fold was trained with others."""
    known = record.get("model") or {}
    if files and not known:  # by an earlier foldwise
        tokens = read_whole(paths.own_tokens(member) / TOKENS_RECORD, Record)["inputs"]
        known = tokens["model"] if record["inputs"]["tokens"] == hash_of(tokens) else {}
    for name, path in files.items():
        if sample_hash(path) != known.get(name):
            raise InputError(f"{path}: not the file that {member} was trained with; put that one there, or run `all`")


def check_tokenizer(config: Config, paths: Paths, tokens: Mapping[str, Any]) -> None:
    """Refuse a tokenizer.json that is not the one of the training; code is looked at beside that of models."""
    settings = config.recipe.tokens
    if is_own(settings.tokenizer) or tokenizer_hash(settings, paths.own_files) == tokens["inputs"]["tokenizer"]:
        return
    raise InputError(
        f"recipe.tokens.tokenizer = {settings.tokenizer!r}: not the file that the folds were trained with; put that "
        "one there, or run `all`"
    )
