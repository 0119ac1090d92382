"""From the folders of trained folds to one prediction a row: weights of members, thresholds, the submission."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.config import Recipe
from foldwise.ensembling.predictions import read_predictions
from foldwise.ensembling.probabilities import write_probabilities
from foldwise.ensembling.submission import write_submission
from foldwise.ensembling.weights import (
    Method,
    Mixture,
    assemble_oof,
    cross_fitted_scores,
    fit_mixture,
    fit_mixtures,
    to_ranks,
)
from foldwise.errors import SHOWN, InputError
from foldwise.freshness import Fit, check_tokens, fold_differences, fold_inputs, read_fold
from foldwise.metrics import best_thresholds
from foldwise.paths import ALL_ROWS, FOLD_OOF, FOLD_TEST
from foldwise.records import Summary, read_or_warn
from foldwise.run import Run

Records = dict[str, dict[int, dict[str, Any]]]  # fold.json of each member, fold by fold


def check_folds(run: Run) -> Records:
    """The folds of every member, all trained on today's folds, tokens and recipe; an `InputError` names the others.

    Under a time budget, or where only those are missing that the last one left out, as many as go together.
    """
    records, errors = finished_folds(run)
    errors = errors or unfinished_on_all_rows(run)
    if not errors:
        return records
    facts = earlier_budget(run)
    members, folds = facts.get("dropped_members", []), facts.get("dropped_folds", [])
    left_out = all(member in members or fold in folds for member, fold in errors)
    if (run.budget or left_out) and (chosen := most_models(records, run.config.recipe)):
        return chosen
    more = [f"  … and {len(errors) - SHOWN} more"] * (len(errors) > SHOWN)
    raise InputError(
        "\n".join([f"{run.paths.output}: folds that cannot be combined", *list(errors.values())[:SHOWN], *more])
        + f"\n  run `{run.hint('train')}` with the same --set options, if any, to train them; `ensemble` with those "
        "that the folds there were trained with combines these"
    )


def earlier_budget(run: Run) -> dict[str, Any]:
    """What a time budget allowed and left out, by the summary.json that is there; empty without one."""
    summary = read_or_warn(run.paths.summary, Summary, "what a time budget left out is not known") or {}
    return summary.get("budget") or {}


def finished_folds(run: Run) -> tuple[Records, dict[tuple[str, int], str]]:
    """The folds that are there and match; for each other one, by member and number, what is wrong."""
    tokens_hash = check_tokens(run)
    errors: dict[tuple[str, int], str] = {}
    records: Records = {}
    for member in run.config.recipe.ensemble_members:
        records[member] = {}
        for fold in run.config.recipe.folds_of(member):
            folder, inputs = run.paths.fold(member, fold), fold_inputs(run, Fit(member, fold), tokens_hash)
            reasons, record = fold_differences(folder, inputs), read_fold(folder)
            if reasons or record is None:
                errors[member, fold] = f"  {member}/fold{fold}: {'; '.join(reasons)}"
            else:
                records[member][fold] = record
    return records, errors


def unfinished_on_all_rows(run: Run) -> dict[tuple[str, int], str]:
    """For each model on all rows that is wanted, and not there or out of date, what is wrong."""
    errors, tokens_hash, recipe = {}, check_tokens(run), run.config.recipe
    for member in filter(recipe.on_all_rows, recipe.ensemble_members):
        folder, inputs = run.paths.fold(member, ALL_ROWS), fold_inputs(run, Fit(member, ALL_ROWS), tokens_hash)
        if reasons := fold_differences(folder, inputs):
            errors[member, ALL_ROWS] = f"  {member}/{folder.name}: {'; '.join(reasons)}"
    return errors


def predicting_folds(run: Run, member: str, folds: Iterable[int]) -> list[int]:
    """The folds of a member that predict the test rows: those there are, or the model on all rows."""
    return [ALL_ROWS] if run.config.recipe.on_all_rows(member) else list(folds)


def most_models(records: Records, recipe: Recipe) -> Records:
    """Members and their folds, so that models are as many as can be; empty where there is none.

    A fold counts if each of these members has it, or is not to train it; at least one they must have in common.
    """
    everything = range(recipe.folds.n)
    complete = {
        name: {fold for fold in everything if fold in group or fold not in recipe.folds_of(name)}
        for name, group in records.items()
    }

    def together(names: list[str]) -> Records:
        folds = set.intersection(*(complete[name] for name in names))
        chosen = {name: {fold: records[name][fold] for fold in records[name] if fold in folds} for name in names}
        return chosen if common_folds(chosen) else {}

    by_folds = sorted(records, key=lambda name: -len(complete[name]))
    groups = [together(by_folds[: count + 1]) for count in range(len(records))]
    best = max(groups, key=lambda group: sum(map(len, group.values())))
    return {name: best[name] for name in records if name in best}


def common_folds(records: Records) -> list[int]:
    """The folds that all members have, rising: by their rows members are weighed and scored."""
    return sorted(set.intersection(*(set(group) for group in records.values())))


@dataclass(frozen=True)
class Blend:
    """What the folds say together."""

    rows: np.ndarray  # (N,) bool which training rows are of a fold that all members have, n of them
    oof: np.ndarray  # (N, C) predictions of them, NaN elsewhere
    members: dict[str, np.ndarray]  # (N, C) the same of each member, NaN only outside of its own folds
    test: np.ndarray  # (M, C)
    mixture: Mixture  # of the members, in their order
    thresholds: np.ndarray  # where labels begin, as `best_thresholds` gives them
    pooled: float  # score out of fold of all rows at once
    fold_scores: list[float]


def combine(
    run: Run,
    fold_of_row: np.ndarray,
    records: Records,
    read: Callable[[Path, list[str]], np.ndarray] = read_predictions,
) -> Blend:
    """Read the folds' predictions and make them one; decide members' weights and thresholds."""
    competition, settings, metric = run.competition, run.config.recipe.ensemble, run.metric
    targets = competition.targets
    oofs: dict[str, np.ndarray] = {}
    tests: dict[str, list[np.ndarray]] = {}
    for member, group in records.items():
        parts = {}
        for fold in group:
            valid_ids = [competition.train_ids[row] for row in np.flatnonzero(fold_of_row == fold)]
            parts[fold] = read(run.paths.fold(member, fold) / FOLD_OOF, valid_ids)
        folders = [run.paths.fold(member, fold) for fold in predicting_folds(run, member, group)]
        tests[member] = [read(folder / FOLD_TEST, competition.test_ids) for folder in folders]
        oofs[member] = assemble_oof(parts, fold_of_row, settings.method)
    rows = np.isin(fold_of_row, common_folds(records))
    truth, folds, task = targets.truth[rows], fold_of_row[rows], targets.task
    members = {name: oof[rows] for name, oof in oofs.items()}
    mixture = Mixture(given_weights(settings.weights, list(members)))
    if are_fitted(settings.weights, folds):
        mixture = fit_mixture(metric, task, truth, list(members.values()), folds)
    oof = np.full_like(next(iter(oofs.values())), np.nan)
    oof[rows] = mixture.apply(task, list(members.values()))
    test = combine_test(tests, settings.method, task, mixture)
    thresholds = best_thresholds(metric, task, truth, oof[rows])
    pooled, scores = score_members(run, truth, members, folds)
    return Blend(rows, oof, oofs, test, mixture, thresholds, pooled, scores)


def are_fitted(weights: str | dict[str, float], folds: np.ndarray) -> bool:
    """True if weights are to be fitted and can be: of one fold alone no rows are left to score them on."""
    return weights == "fit" and len(np.unique(folds)) > 1


def score_members(
    run: Run, truth: np.ndarray, members: dict[str, np.ndarray], folds: np.ndarray
) -> tuple[float, list[float]]:
    """Score out of fold of these members together, one or several, on all rows at once and of each fold."""
    metric, task, parts = run.metric, run.competition.targets.task, list(members.values())
    weights = run.config.recipe.ensemble.weights
    mixtures: Iterable[Mixture] = repeat(Mixture(given_weights(weights, list(members))))
    if are_fitted(weights, folds):
        mixtures = fit_mixtures(metric, task, truth, parts, folds)
    return cross_fitted_scores(metric, task, truth, parts, folds, mixtures)


def given_weights(weights: str | dict[str, float], members: list[str]) -> np.ndarray:
    """(members,) weights that are not fitted, together 1: equal ones, or those of the table."""
    sizes = np.array([1.0 if isinstance(weights, str) else weights[member] for member in members])
    if not sizes.any():  # a time budget dropped the others
        sizes = np.ones(len(members))
    return sizes / sizes.sum()


def combine_test(predictions: dict[str, list[np.ndarray]], method: Method, task: str, mixture: Mixture) -> np.ndarray:
    """(M, C) predictions of all folds of all members as one: the mixture of the members' mean, or mean rank."""
    parts = [[to_ranks(fold) for fold in folds] if method == "rank_mean" else folds for folds in predictions.values()]
    return mixture.apply(task, [np.mean(folds, axis=0) for folds in parts])


def submit(run: Run, blend: Blend) -> None:
    """Write submission.csv and the numbers behind it; errors as of `write_submission`."""
    competition, paths = run.competition, run.paths
    targets, predictions = competition.targets, blend.test
    write_submission(paths.submission, run.config, targets, competition, predictions, blend.thresholds)
    write_probabilities(paths.probabilities, run.config, targets, competition, predictions)
