"""What every stage is given: the competition, its files, and how this run was asked for."""

import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from foldwise.config import Config, Recipe
from foldwise.console import warn
from foldwise.data.competition import Competition, load_competition
from foldwise.errors import InputError, with_article
from foldwise.files import read_json, write_json
from foldwise.metrics import METRICS, metric_for
from foldwise.paths import Paths
from foldwise.tasks import PLURALS, TASKS


class Budget(Protocol):
    """A time budget, as `foldwise.time_budget` makes it."""

    @property
    def seconds(self) -> float:
        """In all."""
        ...

    @property
    def used(self) -> float:
        """Seconds since the start."""
        ...

    def hand_out(self, run: Any, fold_of_row: np.ndarray, jobs: list[Any], again: set[Any], workers: int) -> Any:
        """The jobs that fit: an iterator with `on_event(job, event)`, and `after()` for when one is done.

        Args:
            jobs: of the folds to train.
            again: those of them, by member and number, that an earlier budget had ended early.
            workers: folds that train at once.
        """
        ...


@dataclass(frozen=True)
class Run:
    """One call of the command line.

    Attributes:
        config: competition.toml with `--set` applied.
        paths: where things are.
        force: redo stages that are up to date.
        debug: 200 rows, one epoch.
        device: what the user asked for.
        command: the command line, for summary.json.
        options: folders and `--debug` as given, for hints.
        settings: `--set` as given, `--seed` among them.
        budget: how long the run may take, None for as long as it needs.
    """

    config: Config
    paths: Paths
    force: bool = False
    debug: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    command: str = ""
    options: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    budget: Budget | None = None

    def hint(self, command: str, *extra: str) -> str:
        """A command line to suggest: for this competition, and with the folders that this call was given."""
        return shlex.join(["./run.sh", command, "-c", self.paths.slug, *self.options, *extra])

    @cached_property
    def competition(self) -> Competition:
        """The tables, read and checked at first use, once."""
        competition = load_competition(self.config, self.paths, self.debug)
        for name, count in competition.empty.items():
            warn_of_empty(self.paths.table(name), count)
        return competition

    def record_seconds(self, stage: str, seconds: float) -> None:
        """Remember how long a stage took when it last ran, for summary.json."""
        path = self.paths.output / "seconds.json"
        write_json(path, {**(read_json(path) or {}), stage: round(seconds, 2)})


def warn_of_empty(path: Path, count: int) -> None:
    """Say how many texts of a table are empty, if any are."""
    if count:
        texts = "1 text is empty and" if count == 1 else f"{count} texts are empty and"
        warn(f"{path}: {texts} will be predicted from no words at all")


def check_config(config: Config, slug: str) -> None:
    """Hold the parts of a configuration against each other, before anything runs.

    Raises:
        InputError: slug, metric, kind of submission, ensemble method or weights do not fit the task or one another.
    """
    if config.competition.slug != slug:
        raise InputError(
            f"competition.slug = {config.competition.slug!r} in the competition.toml of {slug!r}; make them the same"
        )
    check_shares(config)
    task, name, kind = config.competition.task, config.competition.metric, config.submission.kind
    metric, spec = metric_for(name, task), TASKS[task]
    if kind not in spec.kinds:
        fitting = " or ".join(map(repr, spec.kinds))
        raise InputError(f"submission.kind = {kind!r} is not for {with_article(task)} task; set it to {fitting}")
    if kind == "label" and metric.prediction_type != "label":
        raise InputError(
            f"submission.kind = 'label': {name} scores {metric.scored}; set the kind to {spec.kinds[-1]!r}"
        )
    by_order = metric.prediction_type == "label" or metric.order_is_enough
    if config.recipe.ensemble.method == "rank_mean" and (kind not in spec.ranks_as or not by_order):
        what = f"submitted as {PLURALS[kind]}" if by_order else f"scored by {name}"
        raise InputError(
            f"recipe.ensemble.method = 'rank_mean': ranks cannot be {what} in {with_article(task)} task; use 'mean'"
        )
    check_weights(config.recipe)


def check_weights(recipe: Recipe) -> None:
    """Weights by hand are of the ensemble's members, all of them and no others.

    Raises:
        InputError: naming those that have none, or are none.
    """
    weights, members = recipe.ensemble.weights, recipe.ensemble.members or list(recipe.members)
    if isinstance(weights, str):
        return
    errors = [f"{name!r} has none" for name in members if name not in weights]
    errors += [f"{name!r} is no member of it" for name in weights if name not in members]
    if errors:
        fix = f"give one to each of {', '.join(members)}; 0 leaves a member out"
        raise InputError(f"recipe.ensemble.weights: {', '.join(errors)}; {fix}")


def check_shares(config: Config) -> None:
    """What concerns shares of raters and the subgroups they named.

    Raises:
        InputError: asked for in a task that has none, or without the columns.
    """
    task, recipe = config.competition.task, config.recipe
    if config.competition.soft_cut is not None and TASKS[task].y != "columns":
        raise InputError(f"competition.soft_cut: {with_article(task)} task has no shares to cut; take it out")
    weighed = any(recipe.of_member(member).training.subgroup_weights for member in recipe.members)
    if weighed and TASKS[task].truth != "column":
        raise InputError(f"recipe.training.subgroup_weights is for binary tasks, not for {with_article(task)} one")
    asking = "recipe.training.subgroup_weights" if weighed else f"competition.metric = {config.competition.metric!r}"
    if (weighed or METRICS[config.competition.metric].of_subgroups) and not config.columns.subgroups:
        raise InputError(f"{asking} needs the columns that say whom a text is about; name them in [columns] subgroups")
