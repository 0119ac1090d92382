"""Holds the recipe's fields of teaching against each other and against the rest, before anything runs."""

from foldwise.config import Config, Recipe
from foldwise.errors import InputError, did_you_mean, list_names
from foldwise.learners import learner_for
from foldwise.learners.linear import LinearLearner
from foldwise.learners.network import Network
from foldwise.teaching.fits import labelling_members


def check_teaching(config: Config, timed: bool = False) -> None:
    """Refuse what cannot be learnt from: no such teacher, students that are no networks, circles, too few folds.

    Args:
        timed: whether there is a time budget.

    Raises:
        InputError: names the member, the field and the fix.
    """
    recipe = config.recipe
    for name in recipe.members:
        check_student(config, name, timed)
    for name in recipe.members:
        check_chain(recipe, [name])


def check_student(config: Config, name: str, timed: bool) -> None:
    """One member's fields."""
    recipe = config.recipe
    student = recipe.of_member(name)
    training, key = student.training, f"recipe.members.{name}.training"
    for field in ("extra_epochs", "extra_weight"):
        if getattr(training, field):
            check_extra(config, name, field)
    if not training.from_members:
        return
    field = "pseudo_labels" if training.pseudo_labels else "distill"
    what = f"{key}.{field} = {getattr(training, field)!r}"
    if not isinstance(learner_for(student), Network):
        raise InputError(
            f"{what}: {name} ({student.model.name}) is no network, and only networks learn from other members; set it "
            f"for one member, as members.NAME.training.{field}, not for all"
        )
    if timed:
        raise InputError(
            f"{what} with --time-budget: the budget leaves out folds and members, and those that others learn from "
            "cannot be left out; take one of the two away"
        )
    if training.distill and training.distill_weight and training.distill not in recipe.members:
        fix = did_you_mean(training.distill, recipe.members, f"there are {', '.join(recipe.members)}")
        raise InputError(f"{key}.distill = {training.distill!r}: no such member; {fix}")
    if training.pseudo_labels and not labelling_members(recipe, name):
        raise InputError(
            f"{what}: no other member is without pseudo-labels, to learn them from; set it for one member, as "
            "members.NAME.training.pseudo_labels, not for all"
        )
    teachers = labelling_members(recipe, name) + ([training.distill] if training.distill_weight else [])
    if some := [teacher for teacher in teachers if teacher and recipe.members[teacher].folds is not None]:
        raise InputError(
            f"{what}: {name} learns from {some[0]} in every fold, and members.{some[0]}.folds = "
            f"{recipe.members[some[0]].folds} trains some only; take one of the two out"
        )
    if started := [teacher for teacher in teachers if teacher and recipe.of_member(teacher).training.start_from]:
        raise InputError(
            f"{what}: {name} learns from {started[0]}, whose earlier weights (training.start_from) may have seen what "
            "it must not; take one of the two out"
        )
    if taken := [name for name in teachers if name and not learner_for(recipe.of_member(name)).predicts_new_rows]:
        raise InputError(
            f"{what}: {name} learns from {taken[0]}, whose predictions are another model's, which has learnt from the "
            "rows that it must not; take one of the two out"
        )
    if training.pseudo_labels and config.columns.auxiliary:
        raise InputError(
            f"{what}: test rows have no values of columns.auxiliary ({', '.join(config.columns.auxiliary)}); take out "
            "one of the two"
        )


def check_extra(config: Config, name: str, field: str) -> None:
    """Extra rows of one member: they are there, and it trains on them; "linear" passes over `extra_epochs`."""
    recipe = config.recipe
    student, own = recipe.of_member(name), field in recipe.members[name].training
    what = f"recipe.{f'members.{name}.' if own else ''}training.{field} = {getattr(student.training, field)}"
    if config.files.extra is None:
        raise InputError(
            f'{what}: there are no extra rows; name their table in competition.toml, as [files] extra = "extra"'
        )
    if field == "extra_epochs" and not isinstance(learner_for(student), Network | LinearLearner):
        raise InputError(
            f"{what}: {name} ({student.model.name}) trains on no extra rows, only networks do; set it for these alone, "
            "as members.NAME.training.extra_epochs, or use training.extra_weight"
        )
    if field == "extra_weight" and config.columns.auxiliary:
        raise InputError(
            f"{what}: extra rows have no values of columns.auxiliary ({list_names(config.columns.auxiliary)}); take "
            "out one of the two, or use training.extra_epochs"
        )


def check_chain(recipe: Recipe, chain: list[str], hidden: int = 0) -> None:
    """Refuse circles of the chain's last member, and more steps of distillation than there are folds for.

    Args:
        chain: a member, one that it learns from, one that this one learns from, and so on.
        hidden: folds that the last one must not see, beside its own.
    """
    *before, last = chain
    if last in before:
        circle = " → ".join(chain[chain.index(last) :])
        raise InputError(f"recipe.members: they learn from each other in a circle, {circle}; let one of them go alone")
    if recipe.folds.n < hidden + 2:
        raise InputError(
            f"recipe.folds.n = {recipe.folds.n}: {' learns from '.join(chain)}; a teacher sees neither its student's "
            f"fold nor its own, which takes {hidden + 2} folds or more; raise it, or take training.distill out"
        )
    training = recipe.of_member(last).training
    if training.distill and training.distill_weight:
        check_chain(recipe, [*chain, training.distill], hidden + 1)
    for teacher in labelling_members(recipe, last):
        check_chain(recipe, [*chain, teacher], hidden)
