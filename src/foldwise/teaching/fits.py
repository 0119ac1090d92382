"""Who teaches whom: the fits of other members that a fold learns from, in which order, and whether they changed.

A fit is one fold of a member, `Fit(member, fold, without)`. It trains on the rows of all other folds but those in
`without`, whose labels are out of its sight. What the student of fold k learns from was fitted without fold k:

distillation    Fit(teacher, j, k) for each other fold j: its predictions of fold j are targets of the student
pseudo-labels   Fit(teacher, k) of each teacher: its predictions of the test rows are

Teachers may be students themselves. Then `without` grows: the teacher's teacher sees neither k nor j.
"""

from collections.abc import Iterator
from pathlib import Path

from foldwise.config import Recipe
from foldwise.freshness import Fit, fold_inputs
from foldwise.hashing import hash_of
from foldwise.paths import FOLD_OOF, FOLD_TEST
from foldwise.run import Run


def distilled_fits(recipe: Recipe, fit: Fit) -> list[Fit]:
    """The fits whose predictions of their fold a student learns; none where `training.distill` is off."""
    training = recipe.of_member(fit.member).training
    if not (training.distill and training.distill_weight):
        return []
    hidden = tuple(sorted((*fit.without, fit.fold)))
    return [Fit(training.distill, fold, hidden) for fold in range(recipe.folds.n) if fold not in hidden]


def labelling_members(recipe: Recipe, member: str) -> list[str]:
    """The members whose predictions are a member's pseudo-labels: all others that use none themselves."""
    if not recipe.of_member(member).training.pseudo_labels:
        return []
    others = [name for name in recipe.members if name != member]
    return [name for name in others if not recipe.of_member(name).training.pseudo_labels]


def labelling_fits(recipe: Recipe, fit: Fit) -> list[Fit]:
    """The fits whose predictions of the test rows are a student's pseudo-labels; none where they are off."""
    return [Fit(name, fit.fold, fit.without) for name in labelling_members(recipe, fit.member)]


def rounds_of(recipe: Recipe, fits: list[Fit]) -> list[list[Fit]]:
    """The fits, and those that they learn from, in rounds: what a fit learns from is in a round before its own."""
    levels: dict[Fit, int] = {}

    def level(fit: Fit) -> int:
        if fit not in levels:
            needed = [*distilled_fits(recipe, fit), *labelling_fits(recipe, fit)]
            levels[fit] = max((level(other) + 1 for other in needed), default=0)
        return levels[fit]

    for fit in fits:
        level(fit)
    others = sorted((fit for fit in levels if fit not in fits), key=lambda fit: (fit.member, fit.without, fit.fold))
    ordered = [*fits, *others]
    return [[fit for fit in ordered if levels[fit] == number] for number in range(max(levels.values(), default=0) + 1)]


def teaching_inputs(run: Run, fit: Fit, tokens_hash: str) -> dict[str, str]:
    """Of each teacher of a fold a hash of its predictions and of what they depend on, to notice a change of either."""
    hashes: dict[str, list[str]] = {}
    for needed, path in needed_files(run, fit):
        content = hash_of(path) if path.is_file() else "missing"
        hashes.setdefault(needed.member, []).append(hash_of(fold_inputs(run, needed, tokens_hash), content))
    return {member: hash_of(parts) for member, parts in hashes.items()}


def needed_files(run: Run, fit: Fit) -> Iterator[tuple[Fit, Path]]:
    """The fits that a fold learns from, and the files of their predictions."""
    for needed in distilled_fits(run.config.recipe, fit):
        yield needed, run.paths.fold(*needed) / FOLD_OOF
    for needed in labelling_fits(run.config.recipe, fit):
        yield needed, run.paths.fold(*needed) / FOLD_TEST
