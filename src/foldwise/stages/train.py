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
    """Train the folds that are missing or out of date, or just the chosen ones.

    Args:
        fold_of_row: (N,) fold of each training row.
        chosen: folds to train whatever their state; None for all that need it.
        members: members to train, or names of groups of seeds; None for the members of the ensemble.
        prepared: `prepare_members` has passed them.

    Raises:
        InputError: no such fold or member, or the tokens are missing or out of date.
        RunError: a fold failed; those that finished are kept.
    """
    recipe = run.config.recipe
    for fold in chosen or []:
        if fold not in range(recipe.folds.n):
            raise InputError(f"--fold {fold}: there are folds 0 to {recipe.folds.n - 1}")
    named = [name for member in members or [] for name in recipe.members_named(member)]
    wanted, again = find_work(run, chosen, named or recipe.ensemble_members)
    if again:
        names = ", ".join(f"{member} fold {fold}" for member, fold, _ in again)
        say("train", f"{names}: ended early by the last time budget; again if this one leaves time")
    if wanted or again:
        if not prepared:
            prepare_members(run, [member for member, _, _ in [*wanted, *again]])
        # Here, not above: torch takes seconds to load, which a run that keeps every fold should not pay.
        from foldwise.running.folds import run_folds

        run_folds(run, wanted, again, fold_of_row)


def find_work(run: Run, chosen: list[int] | None, members: list[str]) -> tuple[Wanted, Wanted]:
    """Which folds to train, and under a time budget which ones once more if there is time; says why."""
    tokens_hash = check_tokens(run)
    wanted: Wanted = []
    again: Wanted = []
    for member in dict.fromkeys(members):
        inputs = fold_inputs(run, member, tokens_hash)
        reasons: dict[str, list[int]] = {}
        for fold in range(run.config.recipe.folds.n) if chosen is None else dict.fromkeys(chosen):
            reason = why_train(run, run.paths.fold(member, fold), inputs, chosen is not None)
            reasons.setdefault(reason, []).append(fold)
            if reason:
                wanted.append((member, fold, inputs))
            elif run.budget and shortened(run.paths.fold(member, fold)):
                again.append((member, fold, inputs))
        for reason, group in reasons.items():
            model = run.config.recipe.of_member(member).model.name
            called = member if member == model else f"{member} ({model})"
            names = f"{called} fold{'s' if len(group) > 1 else ''} {', '.join(map(str, group))}"
            say("train", f"{names}: {reason}" if reason else f"kept {names}: recipe, folds and tokens are the same")
    return wanted, again


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
    """Make each member once on a few rows, so that an error in the last of them shows before hours of the first.

    Raises:
        InputError: a loss, optimizer, schedule or model that does not exist, does not fit, or fails.
    """
    texts, features = texts_and_features(run.config)
    for member in dict.fromkeys(members):
        learner_for(run.config.recipe.of_member(member)).prepare(run.competition.targets, texts, features)
