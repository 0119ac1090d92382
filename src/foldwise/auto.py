"""Fields of the recipe that are left at "auto": each has a rule, by the number of training rows, and says why.

The figures behind every rule are in EXPERIMENTS.md, under "Rules of auto".
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from foldwise.config import Config, Recipe

SMALL_BATCH, LARGE_BATCH = 32, 512  # rows
LONG_EPOCH = 1_500  # batches
RATE = 2e-3  # of batches of `SMALL_BATCH` rows
RATES = ("learning_rate", "embedding_learning_rate")
EPOCHS = ((100_000, 6), (400_000, 4), (math.inf, 3))  # up to so many rows

MOST_TWICE = 100_000  # rows that R-Drop sees twice


class Choice(NamedTuple):
    """What a rule decides, and why."""

    value: Any
    reason: str


def choose_batch_size(rows: int) -> Choice:
    """The smallest power of two, from 32 on, that makes an epoch at most 1,500 batches; 512 at most."""
    size = SMALL_BATCH
    while size < LARGE_BATCH and rows / size > LONG_EPOCH:
        size *= 2
    return Choice(size, f"{rows:,} rows")


def choose_rate(rows: int) -> Choice:
    """By the square root of the batch, as suits Adam (Malladi et al., "On the SDEs and Scaling Rules …", 2022)."""
    size = choose_batch_size(rows).value
    return Choice(float(f"{RATE * math.sqrt(size / SMALL_BATCH):.2g}"), f"batches of {size}")


def choose_epochs(rows: int) -> Choice:
    """Fewer where an epoch is long: the validation score peaks earlier."""
    return Choice(next(epochs for most, epochs in EPOCHS if rows <= most), f"{rows:,} rows")


def choose_r_drop(rows: int) -> Choice:
    """On, as far as twice the time is no matter."""
    return Choice(1.0 if rows <= MOST_TWICE else 0.0, f"{rows:,} rows")


RULES: dict[str, Callable[[int], Choice]] = {  # by the number of training rows
    "batches.size": choose_batch_size,
    "training.epochs": choose_epochs,
    "training.r_drop": choose_r_drop,
    **dict.fromkeys((f"training.{name}" for name in RATES), choose_rate),
}


def decide(config: Config, count_rows: Callable[[], int]) -> tuple[Config, dict[str, Choice]]:
    """A configuration without any "auto" of `RULES`, and what was decided, by field.

    Args:
        count_rows: asked only where something is left to decide, for it reads the training table.
    """
    recipe, made = keep_rates(config.recipe), {}
    for field, rule in RULES.items():
        table, name = field.split(".")
        section, members = getattr(recipe, table), recipe.members
        changes = {key: getattr(member, table, {}) for key, member in members.items()}
        open_members = [key for key, changed in changes.items() if changed.get(name) == "auto"]
        if getattr(section, name) != "auto" and not open_members:
            continue
        choice = made[field] = rule(count_rows())
        decided = {name: choice.value}
        if getattr(section, name) == "auto":
            section = section.model_copy(update=decided)
        told = {key: members[key].model_copy(update={table: changes[key] | decided}) for key in open_members}
        recipe = recipe.model_copy(update={table: section, "members": members | told})
    return config.model_copy(update={"recipe": recipe}), made


def keep_rates(recipe: Recipe) -> Recipe:
    """The recipe with the usual rates wherever batches are not chosen by the rows: they go with those that are."""

    def usual_rates(batches: dict[str, Any], training: dict[str, Any]) -> dict[str, float]:
        by_rows = batches["size"] == "auto" and not batches["tokens"]
        return {} if by_rows else {name: RATE for name in RATES if training[name] == "auto"}

    batches, training = recipe.batches.model_dump(), recipe.training.model_dump(include=set(RATES))
    members = {}
    for key, member in recipe.members.items():
        rates = usual_rates(batches | member.batches, training | member.training)
        members[key] = member.model_copy(update={"training": member.training | rates})
    kept = recipe.training.model_copy(update=usual_rates(batches, training))
    return recipe.model_copy(update={"training": kept, "members": members})


def tell(choices: dict[str, Choice]) -> str:
    """What was decided, in one line: `auto: batches.size = 32 (8,469 rows), …`; fields of one reason stand together."""
    by_reason: dict[str, list[str]] = {}
    for field, choice in choices.items():
        by_reason.setdefault(choice.reason, []).append(f"{field} = {choice.value}")
    return "auto: " + "; ".join(f"{', '.join(fields)} ({reason})" for reason, fields in by_reason.items())
