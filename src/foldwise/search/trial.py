"""One trial: a run with a name that trains the searched folds alone, and only while it is worth it."""

import shlex
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from foldwise.clock import Clock
from foldwise.events import Evaluated, Event
from foldwise.learners import learner_for
from foldwise.load_config import load_config
from foldwise.options import as_given, name_paths
from foldwise.paths import Paths
from foldwise.run import Run, check_config
from foldwise.running.fold_folder import read_history
from foldwise.running.job import FoldJob
from foldwise.stages.ensemble import ensemble
from foldwise.stages.folds import folds
from foldwise.stages.tokens import tokens
from foldwise.stages.train import train

STEPS = 10  # parts of a training in which the curves of trials are compared


class PrunedError(Exception):
    """A trial whose curve is worse than those of most others at the same point."""


class OutOfTimeError(Exception):
    """A trial that would not be done in time; the next command goes on with it."""


def make_run(run: Run, name: str, settings: Collection[str]) -> Run:
    """The run of a trial: as a command line with `--name` and `--set` would make it."""
    paths = replace(name_paths(run.paths, name), stems=run.paths.stems)
    together = (*run.settings, *settings)
    config = load_config(paths.config, list(together), run.debug)
    check_config(config, paths.slug)
    options = (*run.options, "--name", name)
    given = as_given([("--set", setting) for setting in together])
    command = shlex.join(["./run.sh", "all", "-c", paths.slug, *options, *given])
    return replace(
        run, asked=config, paths=paths, force=False, options=options, settings=together, command=command, budget=None
    )


def train_folds(run: Run) -> dict[str, Any]:
    """All stages of a run, for as many folds as its budget hands out; → the content of summary.json."""
    fold_of_row = folds(run)
    tokens(run)
    train(run, fold_of_row)
    return ensemble(run, fold_of_row)


@dataclass(frozen=True)
class Searched:
    """In the place of a time budget: hands out the searched folds alone, and ends a trial early.

    Args:
        on_share: called with parts of `STEPS` done, and the best score until then, of the first network's first fold.
        limit: when the trial must be done, on `Clock`; None where there is no time budget.
    """

    folds: Collection[int]
    on_share: Callable[[int, float], None]
    limit: float | None
    greater_is_better: bool
    started: float

    @property
    def used(self) -> float:
        """Seconds since the trial began."""
        return Clock.now() - self.started

    @property
    def deadline(self) -> float | None:
        """When it must be done, for members that make tokens of their own."""
        return self.limit

    @property
    def seconds(self) -> float:
        """Seconds that it may take, for summary.json; without a limit those that it took."""
        return self.used if self.limit is None else self.limit - self.started

    def includes(self, fold: int) -> bool:
        """Whether a fold is searched."""
        return fold in self.folds

    def hand_out(self, run: Run, fold_of_row: np.ndarray, jobs: list[FoldJob], workers: int) -> "SearchedJobs":  # noqa: ARG002
        """The jobs of the searched folds."""
        return SearchedJobs(self, run, [job for job in jobs if self.includes(job.fold)])


class SearchedJobs(Iterator[FoldJob]):
    """The jobs of a trial, whose events are looked at while they train."""

    def __init__(self, searched: Searched, run: Run, jobs: list[FoldJob]) -> None:
        self.searched, self.jobs = searched, iter(jobs)
        recipe = run.config.recipe
        learners = {name: learner_for(recipe.of_member(name)) for name in recipe.ensemble_members}
        self.network = next((name for name, learner in learners.items() if learner.can_be_cut), None)
        self.epochs = learners[self.network].epochs if self.network else 0.0
        self.best: float | None = None

    def __next__(self) -> FoldJob:
        """The next job."""
        return next(self.jobs)

    def on_event(self, job: FoldJob, event: Event) -> None:
        """Look at the clock, and at the curve of the first network on the first fold.

        Raises:
            OutOfTimeError: the time is over.
            PrunedError: as `on_share` finds.
        """
        searched = self.searched
        if searched.limit is not None and Clock.now() > searched.limit:
            raise OutOfTimeError
        if job.member == self.network and job.fold == min(searched.folds) and isinstance(event, Evaluated):
            self.look(event)

    def look(self, event: Evaluated) -> None:
        """Pass on how far the first network has come, and the best score until then."""
        if event.score is not None:
            choose = max if self.searched.greater_is_better else min
            self.best = event.score if self.best is None else choose(self.best, event.score)
            self.searched.on_share(int(STEPS * event.epoch / self.epochs + 1e-9), self.best)

    def replay(self, paths: Paths) -> None:
        """Look at the curve of a fold that was trained before, by its history."""
        for event in read_history(paths.fold(self.network, min(self.searched.folds))) if self.network else ():
            self.look(event)

    def after(self, _: FoldJob) -> None:
        """Nothing to do: the submission comes at the end."""
