"""What every stage is given: the competition, its files, and how this run was asked for."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from foldwise.auto import Choice, decide
from foldwise.config import Config, Recipe, Training
from foldwise.console import warn
from foldwise.data.competition import Competition, load_competition
from foldwise.data.features import join_texts
from foldwise.errors import InputError, with_article
from foldwise.extensions import find_teaching
from foldwise.files import without_infinity, write_checked
from foldwise.learners import learner_for
from foldwise.learners.columns import check_columns
from foldwise.metrics import Metric
from foldwise.paths import Paths
from foldwise.plugins import is_own
from foldwise.records import read_or_warn
from foldwise.tasks import PLURALS, TASKS
from foldwise.tracking import NOBODY, Tracker


@dataclass(frozen=True)
class Run:
    """One call of the command line."""

    asked: Config  # competition.toml with `--set` applied
    paths: Paths
    force: bool = False  # redo stages that are up to date
    debug: bool = False  # 200 rows, one epoch
    device: Literal["auto", "cpu", "cuda"] = "auto"  # as asked for
    command: str = ""  # the command line, for summary.json
    options: tuple[str, ...] = ()  # folders and `--debug` as given, for hints
    settings: tuple[str, ...] = ()  # `--set` as given, `--seed` among them
    tracker: Tracker = NOBODY  # who else is told
    budget: Any = None  # how long the run may take: `foldwise.time_budget.budget.TimeBudget`
    engine: Any = None  # how else folds train: jobs, device, and what gives their `Placement` at home → `Placement`

    def hint(self, command: str, *extra: str) -> str:
        """A command line to suggest: for this competition, and with the folders that this call was given."""
        return shlex.join(["./run.sh", command, "-c", self.paths.slug, *self.options, *extra])

    @property
    def config(self) -> Config:
        """`asked`, with what its recipe leaves at "auto" decided by the tables."""
        return self.decided[0]

    @cached_property
    def decided(self) -> tuple[Config, dict[str, Choice]]:
        """The configuration, and what of it was left at "auto"."""
        config, choices = decide(self.asked, lambda: len(self.competition.train_ids))
        if choices:
            check_unfreezing(config.recipe)
        return config, choices

    @cached_property
    def competition(self) -> Competition:
        """The tables, read and checked at first use, once."""
        competition = load_competition(self.asked, self.paths, self.debug)
        if rows := competition.left_out:
            warn(f"{self.paths.table('train')}: {rows:,} rows without a target are left out (columns.missing_targets)")
        warn_of_empty(self.paths.table("train"), competition.train_texts)
        warn_of_empty(self.paths.table("test"), competition.test_texts)
        return competition

    @property
    def metric(self) -> Metric:
        """What the leaderboard scores by."""
        return self.asked.metric

    @property
    def kept(self) -> dict[str, Any]:
        """What of the configuration summary.json keeps, so that a run can be compared and done again."""
        both = {"asked": self.asked, "decided": self.config}
        return {name: without_infinity(config.model_dump(mode="json")) for name, config in both.items()}

    @contextmanager
    def tracked(self) -> Iterator[None]:
        """Tell the tracker that the run begins, and after the block that it ends."""
        asked = self.asked.competition
        facts = {"competition": self.paths.slug, "experiment": self.paths.experiment, "command": self.command}
        facts |= {"task": asked.task, "metric": asked.metric, "recipe": self.kept["decided"]["recipe"]}
        self.tracker.start(facts)
        try:
            yield
        finally:
            self.tracker.close()

    def record_seconds(self, stage: str, seconds: float) -> dict[str, float]:
        """Remember how long a stage took when it last ran, for summary.json; → of all stages."""
        path = self.paths.seconds
        known = read_or_warn(path, dict[str, float], "how long stages took before is not known") or {}
        write_checked(path, together := {**known, stage: round(seconds, 2)})
        return together


def warn_of_empty(path: Path, texts_of_columns: list[list[str]]) -> None:
    """Say how many rows of a table have no text in any column, if any are so."""
    if count := sum(not text.strip() for text in join_texts(texts_of_columns)):
        texts = "1 text is empty and" if count == 1 else f"{count} texts are empty and"
        warn(f"{path}: {texts} will be predicted from no words at all")


def check_config(config: Config, slug: str) -> None:
    """Check that the parts of a configuration fit together, before anything runs."""
    asked, kind, recipe = config.competition, config.submission.kind, config.recipe
    spec, a_task = TASKS[asked.task], f"{with_article(asked.task)} task"
    if asked.slug != slug:
        raise InputError(f"competition.slug = {asked.slug!r} in the competition.toml of {slug!r}; make them the same")
    if config.columns.fold and config.files.folds:
        raise InputError("columns.fold and files.folds both say which folds there are; keep one of them")
    if asked.soft_cut is not None and spec.y != "columns":
        raise InputError(f"competition.soft_cut: {a_task} has no shares to cut; take it out")
    check_target_columns(config)
    if kind not in spec.kinds:
        fitting = " or ".join(map(repr, spec.kinds))
        raise InputError(f"submission.kind = {kind!r} is not for {a_task}; set it to {fitting}")
    check_own_metric(config)
    metric = config.metric
    if kind == "label" and metric.prediction_type != "label":
        fix = f"set the kind to {spec.kinds[-1]!r}"
        raise InputError(f"submission.kind = 'label': {asked.metric} scores {metric.scored}; {fix}")
    by_order = metric.prediction_type == "label" or metric.order_is_enough
    if recipe.ensemble.method == "rank_mean" and (kind not in spec.ranks_as or not by_order):
        what = f"submitted as {PLURALS[kind]}" if by_order else f"scored by {asked.metric}"
        raise InputError(f"recipe.ensemble.method = 'rank_mean': ranks cannot be {what} in {a_task}; use 'mean'")
    weighed = any(recipe.of_member(name).training.subgroup_weights for name in recipe.members)
    if weighed and spec.truth != "column":
        raise InputError(f"recipe.training.subgroup_weights is for binary tasks, not for {a_task}")
    if (weighed or metric.of_subgroups) and not config.columns.subgroups:
        asking = "recipe.training.subgroup_weights" if weighed else f"competition.metric = {asked.metric!r}"
        raise InputError(f"{asking} needs columns that say whom a text is about; name them in [columns] subgroups")
    check_unfreezing(recipe)
    check_folds_of_members(recipe)
    for name in recipe.members:
        check_columns(recipe.of_member(name), config.columns)
    check_weights(recipe)
    check_teaching(config)


def check_own_metric(config: Config) -> None:
    """Refuse what only a function of the user's own needs to be told."""
    asked = config.competition
    told = {"metric_takes": asked.metric_takes, "greater_is_better": asked.greater_is_better}
    for key, value in told.items():
        if value is not None and not is_own(asked.metric):
            shown = repr(value) if isinstance(value, str) else str(value).lower()
            raise InputError(f"competition.{key} = {shown}: {asked.metric} needs no word about it; take it out")


def check_target_columns(config: Config) -> None:
    """Check that what `[columns]` says of labels is for the task."""
    task, columns = config.competition.task, config.columns
    asked = {"positive": (columns.positive, "binary"), "separator": (columns.separator, "multilabel")}
    for key, (value, fitting) in asked.items():
        if value is not None and task != fitting:
            raise InputError(f"columns.{key} = {value!r} is for {fitting} tasks, and the task is {task}; change one")
        if value is not None and len(columns.target) > 1:
            raise InputError(f"columns.{key} = {value!r} is for one target column, and there are {len(columns.target)}")
        if value is not None and config.competition.soft_cut is not None:
            raise InputError(f"columns.{key} = {value!r}: words are no shares; take competition.soft_cut out")


def check_teaching(config: Config, timed: bool = False) -> None:
    """Check what members learn from other members and from all rows, where any do; `timed`: in a time budget."""
    for name in config.recipe.members:
        check_all_rows(
            config.recipe.of_member(name).training, f"recipe.members.{name}.training.validate = false", timed
        )
    if any(config.recipe.of_member(name).training.taught for name in config.recipe.members):
        find_teaching("check")(config, timed)


def check_all_rows(training: Training, key: str, timed: bool) -> None:
    """Check that a model on all rows can follow the folds."""
    if training.validate:
        return
    others = {
        "--time-budget": timed,
        "training.distill": bool(training.distill and training.distill_weight),
        "training.pseudo_labels": bool(training.pseudo_labels),
        'training.schedule = "plateau"': training.schedule == "plateau",
    }
    if given := [name for name, there in others.items() if there]:
        raise InputError(f"{key} with {given[0]}: a model on all rows has no fold to go by; take one of the two away")


def check_unfreezing(recipe: Recipe) -> None:
    """Check that `unfreeze_epoch` takes effect on every member that has word vectors."""
    for name in recipe.members:
        member = recipe.of_member(name)
        later, epochs, trains = member.training.unfreeze_epoch, member.training.epochs, member.model.train_embedding
        never = later and (not trains or (epochs != "auto" and later >= epochs))
        if never and learner_for(member).uses_vectors:
            raise InputError(
                f"recipe.training.unfreeze_epoch = {later}: the vectors of {name} never train, with training.epochs = "
                f"{epochs} and model.train_embedding = {str(trains).lower()}; change one of them"
            )


def check_weights(recipe: Recipe) -> None:
    """Check that weights by hand name exactly the ensemble's members."""
    weights, members = recipe.ensemble.weights, recipe.ensemble_members
    if not isinstance(weights, dict):
        return
    errors = [f"{name!r} has none" for name in members if name not in weights]
    errors += [f"{name!r} is no member of it" for name in weights if name not in members]
    errors += [f"{name!r} has {weight:g}, more than 1e18" for name, weight in weights.items() if weight > 1e18]
    if errors or not any(weights.values()):
        fix = f"give one to each of {', '.join(members)}; 0 leaves a member out"
        raise InputError(f"recipe.ensemble.weights: {', '.join(errors) or 'all are 0'}; {fix}")


def check_folds_of_members(recipe: Recipe) -> None:
    """Check that each `folds` of a member names folds that there are, once each, and that one is common to all."""
    for name, member in recipe.members.items():
        chosen, key = member.folds or [], f"recipe.members.{name}.folds = {member.folds}"
        if unknown := [fold for fold in chosen if fold >= recipe.folds.n]:
            raise InputError(f"{key}: no fold {unknown[0]}; there are folds 0 to {recipe.folds.n - 1} (folds.n)")
        if len(set(chosen)) < len(chosen):
            raise InputError(f"{key}: names a fold twice; take one out")
    if not set.intersection(*(set(recipe.folds_of(name)) for name in recipe.ensemble_members)):
        shown = ", ".join(f"{name} has {recipe.folds_of(name)}" for name in recipe.ensemble_members)
        raise InputError(
            f"recipe.members: no fold is common to all members ({shown}), so nothing can weigh them; give them "
            "a fold in common, or choose among them with ensemble.members"
        )
