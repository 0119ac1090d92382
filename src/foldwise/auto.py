"""Fields of the recipe that are left at "auto": each has a rule, by what the tables hold, and says why.

The figures behind every rule are in EXPERIMENTS.md, under "Rules of auto".
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from foldwise.config import Config, Recipe

SMALL_BATCH, LARGE_BATCH = 32, 512  # rows
LONG_EPOCH = 1_500  # batches
RATE = 2e-3  # of batches of `SMALL_BATCH` rows
RATES = ("learning_rate", "embedding_learning_rate")
EPOCHS = ((100_000, 6), (400_000, 4), (math.inf, 3))  # up to so many rows


@dataclass(frozen=True)
class Facts:
    """What the rules look at."""

    rows: int  # of the training table


class Choice(NamedTuple):
    """What a rule decides, and why."""

    value: Any
    reason: str


def choose_batch_size(facts: Facts) -> Choice:
    """The smallest power of two, from 32 on, that makes an epoch at most 1,500 batches; 512 at most."""
    size = SMALL_BATCH
    while size < LARGE_BATCH and facts.rows / size > LONG_EPOCH:
        size *= 2
    return Choice(size, f"{facts.rows:,} rows")


def choose_rate(facts: Facts) -> Choice:
    """By the square root of the batch, as suits Adam (Malladi et al., "On the SDEs and Scaling Rules …", 2022)."""
    size = choose_batch_size(facts).value
    return Choice(float(f"{RATE * math.sqrt(size / SMALL_BATCH):.2g}"), f"batches of {size}")


def choose_epochs(facts: Facts) -> Choice:
    """Fewer where an epoch is long: the validation score peaks earlier."""
    return Choice(next(epochs for rows, epochs in EPOCHS if facts.rows <= rows), f"{facts.rows:,} rows")


RULES: dict[str, Callable[[Facts], Choice]] = {
    "batches.size": choose_batch_size,
    "training.epochs": choose_epochs,
    **dict.fromkeys((f"training.{name}" for name in RATES), choose_rate),
}


def decide(config: Config, facts: Callable[[], Facts]) -> tuple[Config, dict[str, Choice]]:
    """A configuration without any "auto" of `RULES`, and what was decided, by field.

    Args:
        facts: asked only where something is left to decide, for it reads the tables.
    """
    recipe, made = keep_rates(config.recipe), {}
    for field, rule in RULES.items():
        table, name = field.split(".")
        section, members = getattr(recipe, table), recipe.members
        changes = {key: getattr(member, table, {}) for key, member in members.items()}
        open_members = [key for key, changed in changes.items() if changed.get(name) == "auto"]
        if getattr(section, name) != "auto" and not open_members:
            continue
        choice = made[field] = rule(facts())
        decided = {name: choice.value}
        if getattr(section, name) == "auto":
            section = section.model_copy(update=decided)
        told = {key: members[key].model_copy(update={table: changes[key] | decided}) for key in open_members}
        recipe = recipe.model_copy(update={table: section, "members": members | told})
    return config.model_copy(update={"recipe": recipe}), made


def keep_rates(recipe: Recipe) -> Recipe:
    """The recipe with the usual rates wherever batches are not chosen by the rows: they go with those that are."""
    changes: dict[str, Any] = {}
    open_rates = [name for name in RATES if getattr(recipe.training, name) == "auto"]
    by_rows = recipe.batches.size == "auto" and not recipe.batches.tokens
    if open_rates and not by_rows:
        changes["training"] = recipe.training.model_copy(update=dict.fromkeys(open_rates, RATE))
    members = {}
    for key, member in recipe.members.items():
        batches = recipe.batches.model_dump() | member.batches
        own = [name for name in RATES if member.training.get(name, getattr(recipe.training, name)) == "auto"]
        if own and not (batches["size"] == "auto" and not batches["tokens"]):
            members[key] = member.model_copy(update={"training": member.training | dict.fromkeys(own, RATE)})
    return recipe.model_copy(update={**changes, "members": recipe.members | members})


def tell(choices: dict[str, Choice]) -> str:
    """What was decided, in one line: `auto: batches.size = 32 (8,469 rows), …`; fields of one reason stand together."""
    by_reason: dict[str, list[str]] = {}
    for field, choice in choices.items():
        by_reason.setdefault(choice.reason, []).append(f"{field} = {choice.value}")
    return "auto: " + "; ".join(f"{', '.join(fields)} ({reason})" for reason, fields in by_reason.items())
