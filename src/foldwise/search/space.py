"""What is searched: the table `[search]` of competition.toml, fields of the recipe with the values that each may take.

    [search]
    model.hidden = [64, 128, 192]                                       # choices
    training.learning_rate = { low = 5e-4, high = 8e-3, log = true }    # a range
    training.epochs = { low = 4, high = 8 }                             # whole numbers, where both ends are

Every choice, and both ends of every range, must be values that the recipe takes. Values are kept as TOML, as they stand
behind `--set FIELD=`. Without `[search]` there is a space by task, models and number of rows.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Any

from pydantic import Field, StrictFloat, StrictInt

from foldwise.auto import MOST_TWICE
from foldwise.config import Recipe, Section, explained
from foldwise.errors import InputError, check
from foldwise.load_config import load_config
from foldwise.run import Run, check_config
from foldwise.toml_text import Names, to_toml, write_key

DIGITS = 3  # that count of a number between two ends: more say nothing
NOT_SEARCHED = {
    "folds": "trials are compared on the same folds",
    "seed": "the best of several seeds is no better on new rows; members.NAME.seeds averages them",
}
NO_NETWORKS = {"linear", "external", "encoder"}
RECURRENT = {"bilstm", "bigru", "bilstm_bigru"}
LOSSES = {"multiclass": "label_smoothing", "regression": "smooth_l1", "ordinal": "smooth_l1"}  # beside the usual one
WIDE = 3.0  # times the usual learning rate, and a part of it, that the space reaches to
Number = Annotated[
    StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)], explained("give a number, such as 4 or 0.5")
]


@dataclass(frozen=True)
class Choices:
    """Values that are tried one by one."""

    values: tuple[str, ...]

    @property
    def ends(self) -> tuple[str, ...]:
        """The values that are checked."""
        return self.values

    def holds(self, value: Any) -> bool:
        """Whether a value is one of them."""
        return to_toml(value) in self.values

    def __str__(self) -> str:
        return ", ".join(self.values)


class Range(Section):
    """Numbers between two ends, both included; whole ones where both ends are written without a point."""

    low: Number
    high: Number
    log: bool = False
    step: Number | None = None

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return all(isinstance(end, int) for end in (self.low, self.high))

    @property
    def ends(self) -> tuple[str, ...]:
        """The values that are checked."""
        return (self.write(self.low), self.write(self.high))

    def holds(self, value: Any) -> bool:
        """Whether a value lies in it, and on its steps where it has some."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        steps = (value - self.low) / (self.step or 1)
        return bool(self.low <= value <= self.high and (not self.step or abs(steps - round(steps)) < 1e-9))

    def write(self, value: float) -> str:
        """A number of it in TOML."""
        if self.whole:
            return str(int(value))
        ends = (self.low, self.high)
        return to_toml(float(value if value in ends else f"{value:.{DIGITS}g}"))

    def __str__(self) -> str:
        extra = ", log" * self.log + f", in steps of {self.step}" * bool(self.step)
        return f"{self.write(self.low)} to {self.write(self.high)}{extra}"


Values = Choices | Range
Space = dict[str, Values]


def read_space(run: Run) -> tuple[Space, bool]:
    """The fields that are searched with their values, and whether `[search]` says so; all checked.

    Raises:
        InputError: a field or a value that the recipe does not have, a range that is none, or nothing to search.
    """
    written = bool(run.asked.search)
    space = parse_space(run.asked.search, str(run.paths.config)) if written else default_space(run)
    if not space:
        models = ", ".join(sorted(models_of(run.config.recipe)))
        raise InputError(f"{run.paths.config}: nothing to search by default for {models}; add a table [search]")
    for field, values in space.items():
        for value in values.ends:
            check_value(run, field, value)
    return space, written


def parse_space(table: dict[str, Any], source: str, above: Names = ()) -> Space:
    """The table as it is written, its fields not yet checked."""
    space: Space = {}

    def add(field: str, values: Values, place: str) -> None:
        if field in space:
            raise InputError(f"{place}: stands there twice, with `recipe.` and without; take one of them out")
        space[field] = values

    for name, value in table.items():
        path = (*above, name)
        field = write_key(path).removeprefix("recipe.")
        place = f"{source}: [search] {field}"
        if "." in name:
            raise InputError(f"{place}: write {name} without quotes")
        if field.partition(".")[0] in NOT_SEARCHED:
            raise InputError(f"{place}: not to be searched: {NOT_SEARCHED[field.partition('.')[0]]}; take it out")
        if isinstance(value, list):
            add(field, parse_choices(value, place), place)
        elif isinstance(value, dict) and is_range(value, len(path)):
            add(field, parse_range(value, place), place)
        elif isinstance(value, dict):
            for below, values in parse_space(value, source, path).items():
                add(below, values, f"{source}: [search] {below}")
        else:
            raise InputError(
                f"{place} = {value!r}: one value is no search; give choices, [1, 2], or a range, "
                "{ low = 1, high = 4 }; one value for all belongs into [recipe]"
            )
    return space


def is_range(table: dict[str, Any], depth: int) -> bool:
    """Whether a table is a range, maybe a misspelt one, and no table of fields."""
    values_only = not any(isinstance(value, list | dict) for value in table.values())
    return bool(table) and values_only and (depth > 1 or bool({"low", "high"} & table.keys()))


def parse_choices(values: list[Any], place: str) -> Choices:
    """Choices that differ, two or more."""
    if not all(isinstance(value, str | int | float | list) for value in values):
        raise InputError(f"{place}: a choice is a text, a number, true, false or a list; name fields one by one")
    texts = tuple(to_toml(value) for value in values)
    if len(texts) < 2 or len(set(texts)) < len(texts):
        raise InputError(f"{place} = {to_toml(values)}: give two or more choices, each once")
    return Choices(texts)


def parse_range(table: dict[str, Any], place: str) -> Range:
    """A range that has a value between its ends."""
    found = check(Range, table, place)
    shown = f"{place} = {to_toml(table)}"
    if not found.low < found.high:
        raise InputError(f"{shown}: low must be less than high")
    if found.log and (found.step is not None or found.low <= 0):
        raise InputError(f"{shown}: with log, low must be above 0, and there is no step")
    if found.step is None:
        return found
    if not 0 < found.step <= found.high - found.low or (found.whole and not isinstance(found.step, int)):
        what = "a whole number " if found.whole else ""
        raise InputError(f"{shown}: step must be {what}above 0, and at most high - low")
    last = found.low + int((found.high - found.low) / found.step + 1e-9) * found.step
    return found.model_copy(update={"high": last if found.whole else round(last, 12)})


def check_value(run: Run, field: str, value: str) -> None:
    """Check a value of a field as the recipe does; errors name `[search]`."""
    try:
        config = load_config(run.paths.config, [*run.settings, f"{field}={value}"], run.debug)
        check_config(config, run.paths.slug)
    except InputError as error:
        _, _, message = str(error).partition("\n")
        raise InputError(f"{run.paths.config}: [search] {field}: {message.strip() or error}") from error


def models_of(recipe: Recipe) -> set[str]:
    """What the members of the ensemble are."""
    return {recipe.of_member(name).model.name for name in recipe.ensemble_members}


def default_space(run: Run) -> Space:
    """What is searched where nobody says: the fields that matter most, around their values now."""
    recipe, task = run.config.recipe, run.config.competition.task
    models, many = models_of(recipe), len(run.competition.train_ids) > MOST_TWICE
    space: Space = {}
    if models - NO_NETWORKS:
        epochs = recipe.training.epochs
        space["training.learning_rate"] = around(recipe.training.learning_rate)
        space["training.epochs"] = Range(low=max(1, epochs - 2), high=epochs + 2)
        space["model.dropout"] = Range(low=0.1, high=0.6)
        if not many:
            space["training.r_drop"] = Choices(("0.0", "1.0", "2.0"))
        if recipe.training.loss == "auto" and task in LOSSES:
            space["training.loss"] = Choices(('"auto"', to_toml(LOSSES[task])))
    if models & RECURRENT:
        space["model.hidden"] = Choices(("128", "192", "256") if many else ("64", "128", "192"))
    if "encoder" in models:
        space["encoder.learning_rate"] = around(recipe.encoder.learning_rate)
    if "linear" in models:
        space["linear.word_ngrams"] = Choices(("1", "2", "3"))
        if len(models) == 1:
            space["linear.min_count"] = Choices(("1", "2", "4"))
            space["linear.C"] = Range(low=0.5, high=64.0, log=True)
    return space


def around(rate: float) -> Range:
    """Learning rates on both sides of one."""
    return Range(low=float(f"{rate / WIDE:.{DIGITS}g}"), high=float(f"{rate * WIDE:.{DIGITS}g}"), log=True)


def value_now(recipe: Recipe, field: str) -> Any:
    """The value of a field in a recipe; None where it has none, such as a change of a member that it does not make."""

    def below(table: Any, name: str) -> Any:
        return table.get(name) if isinstance(table, dict) else getattr(table, name, None)

    return reduce(below, field.split("."), recipe)
