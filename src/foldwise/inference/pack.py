"""Pack trained folds into a flat folder, from which stage infer predicts a test set that was not there at training."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.config import LINEAR
from foldwise.data.features import texts_and_features
from foldwise.data.token_store import TokenStore
from foldwise.data.tokenizer import length_limit
from foldwise.ensembling.blend import check_folds, combine
from foldwise.files import read_json, write_json, write_text
from foldwise.inference.bundle import (
    FORMAT,
    MANIFEST,
    VECTORS,
    VOCABULARY,
    Manifest,
    PackedFold,
    PackedMember,
    PackedShape,
    Units,
    describe_file,
    holds_vectors,
)
from foldwise.plugins import is_own, source_hash
from foldwise.run import Run
from foldwise.training.fold_data import FeatureScale, Scale


def pack_model(run: Run, fold_of_row: np.ndarray, folder: Path) -> Manifest:
    """Write all that predicting needs, beside the test table and the sample, into an existing folder.

    The same folds give the same bytes. Members that the ensemble gives no weight stay at home.

    Args:
        fold_of_row: (N,) fold of each training row.

    Returns:
        What the folder says of itself.

    Raises:
        InputError: a fold is missing or does not match, named.
    """
    records = check_folds(run)
    blend = combine(run, fold_of_row, records)
    weights = dict(zip(records, blend.weights.tolist(), strict=True))
    config, targets, tokens = run.config, run.competition.targets, run.paths.tokens
    store = TokenStore.open(tokens)
    members = {
        name: pack_member(run, name, records[name], fold_of_row, folder) for name in records if weights[name] > 0
    }
    write_text(folder / VOCABULARY, "\n".join(read_json(tokens / "vocab.json")))
    parts = [VOCABULARY]
    recipes = [member.recipe for member in members.values()]
    if any(recipe.model.name != LINEAR and not holds_vectors(recipe) for recipe in recipes):
        shutil.copyfile(tokens / "vectors.npy", folder / VECTORS)
        parts.append(VECTORS)
    for fold in [fold for member in members.values() for fold in member.folds]:
        parts += [*fold.weights, *([fold.ngrams] if fold.ngrams else [])]
    columns, features = texts_and_features(run.config)
    manifest = Manifest(
        format=FORMAT,
        competition=config.competition,
        files=config.files,
        columns=config.columns,
        submission=config.submission,
        names=targets.names,
        shape=PackedShape(outputs=targets.outputs + len(config.columns.auxiliary), columns=columns, features=features),
        dimension=np.load(tokens / "vectors.npy", mmap_mode="r").shape[1],
        max_length=length_limit(config.recipe.tokens, store, columns * len(fold_of_row)),
        method=config.recipe.ensemble.method,
        weights=weights,
        thresholds=blend.thresholds.tolist(),
        members=members,
        parts={name: describe_file(folder / name) for name in parts},
    )
    write_json(folder / MANIFEST, manifest.model_dump())
    return manifest


def pack_member(
    run: Run, name: str, records: dict[int, dict[str, Any]], fold_of_row: np.ndarray, folder: Path
) -> PackedMember:
    """Copy the files of a member's folds and describe them."""
    recipe, targets = run.config.recipe.of_member(name), run.competition.targets
    features = np.load(run.paths.tokens / "features.npy", mmap_mode="r")
    network = recipe.model.name != LINEAR  # others see no features, and learn targets as they are
    folds = []
    for fold, record in records.items():
        weights, ngrams = copy_fold(run.paths.fold(name, fold), f"{name}-fold{fold}", folder)
        rows, runtime = np.flatnonzero(fold_of_row != fold), record["runtime"]
        scale = Scale.of(targets.task, targets.y, rows)
        folds.append(
            PackedFold(
                fold=fold,
                weights=weights,
                ngrams=ngrams,
                targets=units_of(scale) if network and isinstance(scale, Scale) else None,
                features=units_of(FeatureScale.of(features, rows)) if network and features.shape[1] else None,
                device=runtime["device"],
                precision=runtime["precision"],
                threads=runtime["threads"],
            )
        )
    own = source_hash(recipe.model.name) if is_own(recipe.model.name) else None
    return PackedMember(recipe=recipe, own=own, folds=folds)


def copy_fold(source: Path, stem: str, folder: Path) -> tuple[list[str], str | None]:
    """Copy the files of one fold.

    Args:
        stem: what their names begin with.

    Returns:
        Names of the copies: the weights, best snapshot first, and the n-grams of a linear member.
    """
    snapshots = sorted(source.glob("weights*.safetensors"), key=lambda path: (len(path.name), path.name))  # 2 before 10
    copies = {path.name: f"{stem}{path.name.removeprefix('weights')}" for path in snapshots}
    weights, ngrams = list(copies.values()), None
    if (source / "ngrams.json").is_file():
        ngrams = copies["ngrams.json"] = f"{stem}-ngrams.json"
    for name, copy in copies.items():
        shutil.copyfile(source / name, folder / copy)
    return weights, ngrams


def units_of(scale: Scale | FeatureScale) -> Units:
    """Mean and std, which JSON keeps to the last bit."""
    return Units(mean=scale.mean.tolist(), std=scale.std.tolist())
