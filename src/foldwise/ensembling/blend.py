"""From the folders of trained folds to one prediction a row: folds, weights of members, thresholds, the submission."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foldwise.ensembling.predictions import read_predictions
from foldwise.ensembling.submission import Format, in_sample_order, make_submission
from foldwise.ensembling.weights import Method, assemble_oof, average, cross_fitted_ensemble, fit_weights
from foldwise.errors import InputError
from foldwise.files import read_json
from foldwise.freshness import check_tokens, differences, fold_inputs
from foldwise.metrics import best_thresholds, metric_for
from foldwise.run import Run

Records = dict[str, dict[int, dict[str, Any]]]  # of each member, fold by fold


def check_folds(run: Run) -> Records:
    """The fold records of every member, all there and all trained on today's folds, tokens and recipe.

    Under a time budget as many of them as go together. After one, too, as long as just those are missing that it left
    out.

    Raises:
        InputError: naming each fold that is missing or does not match.
    """
    records, errors = finished_folds(run)
    if (run.budget or errors.keys() <= left_out(run)) and (finished := most_models(records)):
        return finished
    if errors:
        raise InputError(
            "\n".join([f"{run.paths.output}: folds that cannot be combined", *errors.values()])
            + f"\n  run `{run.hint('train')}` with the same --set options to train them"
        )
    return records


def finished_folds(run: Run) -> tuple[Records, dict[tuple[str, int], str]]:
    """The records of the folds that are there and match; for each other one, by member and number, what is wrong."""
    tokens_hash = check_tokens(run)
    errors: dict[tuple[str, int], str] = {}
    records: Records = {}
    for member in run.config.recipe.ensemble_members:
        inputs = fold_inputs(run, member, tokens_hash)
        records[member] = {}
        for fold in range(run.config.recipe.folds.n):
            reasons = differences(run.paths.fold(member, fold), "fold.json", inputs)
            if reasons:
                errors[member, fold] = f"  {member}/fold{fold}: {'; '.join(reasons)}"
            else:
                records[member][fold] = read_json(run.paths.fold(member, fold) / "fold.json")
    return records, errors


def left_out(run: Run) -> set[tuple[str, int]]:
    """Folds, by member and number, that the last run left out for its time budget."""
    facts = (read_json(run.paths.output / "summary.json") or {}).get("budget", {})
    members, folds = facts.get("dropped_members", []), facts.get("dropped_folds", [])
    every = [
        (member, fold) for member in run.config.recipe.ensemble_members for fold in range(run.config.recipe.folds.n)
    ]
    return {(member, fold) for member, fold in every if member in members or fold in folds}


def most_models(records: Records) -> Records:
    """Members with the folds that all of them have, so that there are as many models as can be; empty where none is.

    Of the members those with most folds are taken, the earlier ones first among equals.
    """
    best: Records = {}
    by_folds = sorted(records, key=lambda name: -len(records[name]))
    for count in range(1, len(records) + 1):
        chosen = [name for name in records if name in by_folds[:count]]
        common = sorted(set.intersection(*(set(records[name]) for name in chosen)))
        if count * len(common) > count_models(best):
            best = {name: {fold: records[name][fold] for fold in common} for name in chosen}
    return best


def count_models(records: Records) -> int:
    """How many models there are."""
    return sum(map(len, records.values()))


@dataclass(frozen=True)
class Blend:
    """What the folds say together.

    Attributes:
        rows: (N,) bool which training rows are of one of the folds.
        oof: (N, C) predictions of them, NaN elsewhere.
        parts: the same of each member.
        test: (M, C).
        weights: (members,).
        thresholds: where labels begin, as `best_thresholds` gives them.
        pooled, fold_scores: out of fold; of all rows at once, and of each fold.
    """

    rows: np.ndarray
    oof: np.ndarray
    parts: dict[str, np.ndarray]
    test: np.ndarray
    weights: np.ndarray
    thresholds: np.ndarray
    pooled: float
    fold_scores: list[float]


def combine(
    run: Run,
    fold_of_row: np.ndarray,
    records: Records,
    read: Callable[[Path, list[str]], np.ndarray] = read_predictions,
) -> Blend:
    """Read the folds' predictions and make them one; decide members' weights and thresholds."""
    config, competition = run.config, run.competition
    targets, settings = competition.targets, config.recipe.ensemble
    metric = metric_for(config.competition.metric, config.competition.task)
    oofs, tests = {}, {}
    for member, group in records.items():
        parts, predictions = {}, []
        for fold in group:
            folder = run.paths.fold(member, fold)
            valid_ids = [competition.train_ids[row] for row in np.flatnonzero(fold_of_row == fold)]
            parts[fold] = read(folder / "oof.safetensors", valid_ids)
            predictions.append(read(folder / "test.safetensors", competition.test_ids))
        oofs[member] = assemble_oof(parts, fold_of_row, settings.method)
        tests[member] = predictions
    # Members were averaged inside (or ranked over) their folds; between members the mean of these is taken.
    rows = np.isin(fold_of_row, list(next(iter(records.values()))))
    truth, folds, members = targets.truth[rows], fold_of_row[rows], [oof[rows] for oof in oofs.values()]
    if settings.weights == "fit":
        fold_weights = fit_weights(metric, targets.task, truth, members, folds, settings.method)
    else:
        fold_weights = given_weights(settings.weights, list(oofs))[None]
    weights = fold_weights.mean(axis=0)
    oof = average(list(oofs.values()), "mean", weights)
    test = combine_test(tests, settings.method, dict(zip(tests, weights.tolist(), strict=True)))
    thresholds = best_thresholds(metric, targets.task, truth, oof[rows])
    pooled, scores = cross_fitted_ensemble(metric, targets.task, truth, members, folds, fold_weights)
    return Blend(rows, oof, oofs, test, weights, thresholds, pooled, scores)


def combine_test(predictions: dict[str, list[np.ndarray]], method: Method, weights: dict[str, float]) -> np.ndarray:
    """(M, C) predictions of all folds and members as one, averaged inside members first.

    Args:
        predictions: of each member, fold by fold; members without weight may be left out.
        weights: of every member.
    """
    tests = {name: average(parts, method) for name, parts in predictions.items()}
    nothing = np.zeros_like(next(iter(tests.values())))
    return average([tests.get(name, nothing) for name in weights], "mean", np.array(list(weights.values())))


def submission_of(run: Run, blend: Blend) -> tuple[np.ndarray, pd.DataFrame]:
    """Predictions in the order of the sample, and the submission, checked.

    Raises:
        RunError: it does not pass its check.
    """
    config, competition = run.config, run.competition
    targets = competition.targets
    form = Format(
        sample=competition.sample,
        id_column=config.columns.id,
        columns=competition.sample_columns,
        kind=config.submission.kind,
        task=targets.task,
        names=targets.names,
        numbered="sample_submission" in config.files.numbered,
    )
    ordered = in_sample_order(form, competition.test_ids, blend.test)
    return ordered, make_submission(form, ordered, blend.thresholds)


def given_weights(weights: str | dict[str, float], members: list[str]) -> np.ndarray:
    """(M,) weights that are not fitted, together 1: equal ones, or those of the table."""
    sizes = np.array([1.0 if isinstance(weights, str) else weights[member] for member in members])
    if not sizes.any():  # a time budget dropped the others
        sizes = np.ones(len(members))
    return sizes / sizes.sum()
