"""Stage train: one folder per member and fold, each complete in itself.

    ./run.sh train -c SLUG                    folds that are missing or out of date
    ./run.sh train -c SLUG --fold 3           fold 3 anew; the other folders keep every byte
    ./run.sh train -c SLUG --member wide      one member's folds

What a folder holds is written at the top of `foldwise.running.fold_folder`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from foldwise.console import say
from foldwise.data.features import texts_and_features
from foldwise.errors import InputError
from foldwise.freshness import Wanted, check_tokens, differences, fold_inputs, shortened
from foldwise.learners import learner_for
from foldwise.paths import FOLD_RECORD
from foldwise.run import Run


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
        prepared: `prepare_members` has been called for them.
    """
    recipe = run.config.recipe
    for fold in chosen or []:
        if fold not in range(recipe.folds.n):
            raise InputError(f"--fold {fold}: there are folds 0 to {recipe.folds.n - 1}")
    named = [name for member in members or [] for name in recipe.members_named(member)] or recipe.ensemble_members
    for fold in chosen or []:
        if not any(fold in recipe.folds_of(name) for name in named):
            have = ", ".join(f"{name} has {recipe.folds_of(name)}" for name in named)
            raise InputError(f"--fold {fold}: {have}; choose one of these, or change members.NAME.folds")
    if wanted := find_work(run, chosen, named):
        if not prepared:
            prepare_members(run, [member for member, _, _ in wanted])
        # Here, not above: torch takes seconds to load, which a run that keeps every fold should not pay.
        from foldwise.running.folds import run_folds

        run_folds(run, wanted, fold_of_row)


def find_work(run: Run, chosen: list[int] | None, members: list[str]) -> Wanted:
    """Which folds to train, also those that an earlier time budget ended; says why."""
    tokens_hash = check_tokens(run)
    wanted: Wanted = []
    for member in dict.fromkeys(members):
        inputs = fold_inputs(run, member, tokens_hash)
        reasons: dict[str, list[int]] = {}
        for fold in run.config.recipe.folds_of(member):
            if chosen is not None and fold not in chosen:
                continue
            folder = run.paths.fold(member, fold)
            reason = why_train(run, folder, inputs, chosen is not None)
            reasons.setdefault(reason, []).append(fold)
            if reason or shortened(folder):
                wanted.append((member, fold, inputs))
        for reason, group in reasons.items():
            model = run.config.recipe.of_member(member).model.name
            called = member if member == model else f"{member} ({model})"
            names = f"{called} fold{'s' if len(group) > 1 else ''} {', '.join(map(str, group))}"
            say("train", f"{names}: {reason}" if reason else f"kept {names}: recipe, folds and tokens are the same")
    return wanted


def why_train(run: Run, folder: Path, inputs: dict[str, Any], chosen: bool) -> str:
    """The reason to train a fold, "" if it is up to date."""
    reasons = differences(folder, FOLD_RECORD, inputs)
    if reasons == ["missing"]:
        return "not trained yet"
    if chosen:
        return "asked for with --fold"
    if not reasons and not run.budget and (early := shortened(folder)):
        reasons = ["a time budget had ended it at epoch {epochs:.3g} of {of}".format(**early)]
    return "; ".join(reasons) or ("--force" if run.force else "")


def prepare_members(run: Run, members: list[str]) -> None:
    """Make each member once on a few rows, so that an error in the last of them shows before hours of the first."""
    texts, features = texts_and_features(run.config)
    for member in dict.fromkeys(members):
        learner_for(run.config.recipe.of_member(member)).prepare(run.competition.targets, texts, features)
