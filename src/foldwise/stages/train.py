"""Stage train: one folder per member and fold, each complete in itself.

    ./run.sh train -c SLUG                    folds that are missing or out of date
    ./run.sh train -c SLUG --fold 3           fold 3 anew; the other folders keep every byte
    ./run.sh train -c SLUG --member wide      one member's folds

What a folder holds is written at the top of `foldwise.running.fold_folder`.
"""

import shutil
from collections.abc import Collection, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.clock import Clock
from foldwise.config import Recipe
from foldwise.console import say, warn, working
from foldwise.data.features import texts_and_features
from foldwise.errors import InputError
from foldwise.extensions import find_experiments, find_teaching
from foldwise.freshness import Fit, Wanted, check_tokens, fold_differences, fold_inputs, read_fold, shortened
from foldwise.learners import learner_for
from foldwise.metrics import try_metric
from foldwise.paths import ALL_ROWS, EXPERIMENTS
from foldwise.run import Run

SAME, UNTRAINED = "recipe, folds and tokens are the same", "not trained yet"


def train(
    run: Run,
    fold_of_row: np.ndarray,
    chosen: list[int] | None = None,
    members: list[str] | None = None,
    prepared: bool = False,
) -> None:
    """Train the folds that are missing or out of date, or just the chosen ones, whatever their state.

    Args:
        fold_of_row: (N,) fold of each training row.
        members: members to train, or names of groups of seeds; None for the members of the ensemble.
        prepared: `prepare_members` has been called for them, and for those that they learn from.
    """
    recipe, start = run.config.recipe, Clock.now()
    for fold in chosen or []:
        if fold not in range(recipe.folds.n):
            raise InputError(f"--fold {fold}: there are folds 0 to {recipe.folds.n - 1}")
    named = [name for member in members or [] for name in recipe.members_named(member)] or recipe.ensemble_members
    for fold in chosen or []:
        if not any(fold in recipe.folds_of(name) for name in named):
            have = ", ".join(f"{name} has {recipe.folds_of(name)}" for name in named)
            raise InputError(f"--fold {fold}: {have}; choose one of these, or change members.NAME.folds")
    fits = [
        Fit(member, fold)
        for member in dict.fromkeys(named)
        for fold in recipe.folds_of(member)
        if chosen is None or fold in chosen
    ]
    rounds, trained = rounds_of(recipe, fits), 0
    # After the folds, which say for how many epochs, come models on all rows.
    on_all = [Fit(name, ALL_ROWS) for name in dict.fromkeys(named) if chosen is None and recipe.on_all_rows(name)]
    if on_all:
        rounds = [*rounds, on_all]
    for index, some in enumerate(rounds):
        if wanted := find_work(run, some, [] if chosen is None else fits):
            if not prepared:
                prepare_members(run, [fit for others in rounds for fit in others])
                prepared = True
            # Here, not above: torch takes seconds to load, which a run that keeps every fold should not pay.
            with working("train", "loading torch"):
                from foldwise.running.folds import run_folds

            later = sum(map(len, rounds[index + 1 :]))
            run_folds(run, wanted, fold_of_row, redo=run.force or chosen is not None, before=trained, later=later)
            trained += len(wanted)
    whole = sum(len(recipe.folds_of(name)) for name in recipe.ensemble_members)
    if trained == sum(map(len, rounds)) and len(fits) == whole:
        run.record_seconds("train", Clock.now() - start)  # of the whole stage, not of a fold done again


@working("train", "comparing the folds that are there")
def find_work(run: Run, fits: Sequence[Fit], chosen: Collection[Fit]) -> Wanted:
    """Which folds to train, also those that an earlier time budget ended; says why."""
    tokens_hash, recipe = check_tokens(run), run.config.recipe
    wanted: Wanted = []
    for (member, without), group in groupby(fits, lambda fit: (fit.member, fit.without)):
        outcomes: dict[tuple[str, str], list[int]] = {}
        for fit in group:
            folder, inputs = run.paths.fold(*fit), fold_inputs(run, fit, tokens_hash)
            reason = why_train(run, folder, inputs, fit in chosen)
            outcome = ("", f": {reason}") if reason else ("kept ", f": {SAME}")
            lacking = reason or shortened(folder)
            if lacking and not (run.force or fit in chosen) and (source := take_over(run, fit, inputs)):
                why = f" ({reason})" if reason not in ("", UNTRAINED) else ""
                outcome, lacking = ("took ", f" over from {source}: inputs, code and torch are the same{why}"), ""
            outcomes.setdefault(outcome, []).append(fit.fold)
            if lacking:
                wanted.append((fit, inputs))
            else:
                shutil.rmtree(run.paths.fold_state(*fit), ignore_errors=True)  # of one that was not needed after all
        model = recipe.of_member(member).model.name
        called = member if member == model else f"{member} ({model})"
        apart = f" without {', '.join(map(str, without))}" if without else ""
        for (verb, rest), numbers in outcomes.items():
            names = f"{called} fold{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}{apart}"
            if numbers == [ALL_ROWS]:
                names = f"{called} on all rows"
            say("train", f"{verb}{names}{rest}")
    return wanted


def take_over(run: Run, fit: Fit, inputs: dict[str, Any]) -> str:
    """Copy a fold that another run of this competition has trained from the same inputs; → that run, "" for none."""
    if not (run.paths.home / EXPERIMENTS).is_dir() or (run.budget and not run.budget.includes(fit.fold)):
        return ""
    try:
        take_fold = find_experiments("take fold")
    except InputError:  # experiments are not part of this checkout
        return ""
    return str(take_fold(run.paths, run.paths.fold(*fit), inputs, run.device))


def why_train(run: Run, folder: Path, inputs: dict[str, Any], chosen: bool) -> str:
    """The reason to train a fold, "" if it is up to date."""
    reasons = fold_differences(folder, inputs)
    if reasons == ["missing"]:
        return UNTRAINED
    if chosen:
        return "asked for with --fold"
    if not reasons and not run.budget:
        record = read_fold(folder) or {}
        if early := record.get("shortened"):
            reasons = ["a time budget had ended it at epoch {epochs:.3g} of {of}".format(**early)]
        elif record.get("hurried"):
            reasons = ["a time budget had hurried its learning rate"]
    return "; ".join(reasons) or ("--force" if run.force else "")


def rounds_of(recipe: Recipe, fits: Sequence[Fit]) -> Sequence[Sequence[Fit]]:
    """The fits, and before them those of members that they learn from: each round once the one before it is done."""
    students = any(recipe.of_member(member).training.from_members for member in recipe.members)
    rounds: Sequence[Sequence[Fit]] = find_teaching("rounds")(recipe, fits) if students else [fits]
    return rounds


def ensemble_fits(recipe: Recipe) -> list[Fit]:
    """All folds to train for the ensemble: a teacher of its members may be out of it."""
    fits = [Fit(member, fold) for member in recipe.ensemble_members for fold in recipe.folds_of(member)]
    return [fit for some in rounds_of(recipe, fits) for fit in some]


def check_files(run: Run, fits: Sequence[Fit]) -> None:
    """Check that what members read beside the tables, such as an encoder, is there, before time is spent on others."""
    for member in dict.fromkeys(fit.member for fit in fits):
        learner_for(run.config.recipe.of_member(member)).find_files(run.paths)


def prepare_members(run: Run, fits: Sequence[Fit]) -> None:
    """Make each member once on a few rows, so that an error in the last of them shows before hours of the first."""
    targets, name = run.competition.targets, run.config.competition.metric
    if warning := try_metric(run.metric, name, targets.task, targets.truth, targets.outputs):
        warn(warning)
    texts, features = texts_and_features(run.config)
    for member in dict.fromkeys(fit.member for fit in fits):
        with working("train", f"trying {member} on a few rows"):
            learner_for(run.config.recipe.of_member(member)).prepare(targets, texts, features)
