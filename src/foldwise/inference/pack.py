"""Pack trained folds into a flat folder, from which the command infer predicts a test set that came later."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from foldwise import paths
from foldwise.data.features import texts_and_features
from foldwise.data.own_tokenizer import find_file, tokenizer_hash
from foldwise.data.token_store import open_array, read_vocabulary
from foldwise.ensembling.blend import check_folds, combine, predicting_folds
from foldwise.files import without_infinity, write_checked, write_text
from foldwise.inference.bundle import (
    FORMAT,
    MANIFEST,
    TOKENIZER,
    VECTORS,
    VOCABULARY,
    Manifest,
    PackedFold,
    PackedMember,
    describe_file,
)
from foldwise.inputs import check_input, read_input
from foldwise.learners import check_new_rows, learner_for
from foldwise.plugins import is_own, source_hash
from foldwise.records import FoldRecord, TokensRecord, read_whole
from foldwise.run import Run
from foldwise.training.checkpoint import find_checkpoint


def pack_model(run: Run, fold_of_row: np.ndarray, folder: Path) -> Manifest:
    """Write all that predicting needs, beside the test table and the sample, into an existing folder.

    The same folds give the same bytes. Members that the ensemble gives no weight stay at home.
    """
    records = check_folds(run)
    blend = combine(run, fold_of_row, records)
    config, targets, tokens = run.config, run.competition.targets, run.paths.tokens
    weights = {name: weight for name, weight in zip(records, blend.mixture.weights.tolist(), strict=True) if weight > 0}
    check_new_rows(config.recipe, weights)
    calibrations = dict(zip(records, blend.mixture.calibrations, strict=bool(blend.mixture.calibrations)))
    members = {name: pack_member(run, name, records[name], folder) for name in weights}
    write_text(folder / VOCABULARY, "\n".join(read_vocabulary(tokens / paths.VOCABULARY)))
    parts = [VOCABULARY]
    splits = config.recipe.tokens.tokenizer
    if splits and not is_own(splits):
        (folder / f"{TOKENIZER}{splits}").write_bytes(read_input(find_file(splits, run.paths.own_files)))
        parts.append(f"{TOKENIZER}{splits}")
    if any(learner_for(config.recipe.of_member(name)).needs_vectors for name in members):
        shutil.copyfile(tokens / paths.VECTORS, folder / VECTORS)
        parts.append(VECTORS)
    for member in members.values():
        parts += [*member.files.values(), *(name for fold in member.folds for name in (*fold.weights, fold.facts))]
    texts, features = texts_and_features(config)
    record = read_whole(tokens / paths.TOKENS_RECORD, TokensRecord)
    manifest = Manifest(
        format=FORMAT,
        config=config,
        names=targets.names,
        written=list(targets.written),
        shape={"outputs": targets.outputs + targets.auxiliary_outputs, "columns": texts, "features": features},
        dimension=open_array(tokens / paths.VECTORS, np.float32, 2).shape[1],
        tokenizer=tokenizer_hash(config.recipe.tokens, run.paths.own_files),
        max_length=record["limit"],
        whole=record["whole"],
        weights=weights,
        calibrations={name: calibration.tolist() for name, calibration in calibrations.items() if name in weights},
        thresholds=blend.thresholds.tolist(),
        members=members,
        parts={name: describe_file(folder / name) for name in parts},
    )
    content = manifest.model_dump()
    write_checked(folder / MANIFEST, {**content, "config": without_infinity(content["config"])})
    return manifest


def pack_member(run: Run, name: str, records: dict[int, dict[str, Any]], folder: Path) -> PackedMember:
    """Copy the files of a member and of its folds, and describe them."""
    recipe = run.config.recipe.of_member(name)
    model, learner, folds = recipe.model.name, learner_for(recipe), []
    files = {file: f"{name}-{file}" for file in learner.packed_files()}
    for file, copy in files.items():
        shutil.copyfile(source := learner.find_files(run.paths)[file], folder / copy)
        check_input(source)
    for fold in predicting_folds(run, name, records):
        source_folder = run.paths.fold(name, fold)
        record = read_whole(source_folder / paths.FOLD_RECORD, FoldRecord)
        checkpoint, stem = find_checkpoint(source_folder, record["files"]), f"{name}-{source_folder.name}"
        copies = {path: f"{stem}{path.name.removeprefix('weights')}" for path in checkpoint.weights}
        for source, copy in [*copies.items(), (checkpoint.facts, facts := f"{stem}.json")]:
            shutil.copyfile(source, folder / copy)
        folds.append(PackedFold.of(record, list(copies.values()), facts))
    return PackedMember(own=source_hash(model) if is_own(model) else None, folds=folds, files=files)
