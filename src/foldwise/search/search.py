"""Stage search: recipes with other values are tried on a few folds, and the best one is trained on all.

    ./run.sh search -c SLUG --time-budget 15m [--trials N] [--search-folds 0 --search-folds 1 …]

Trial 0 is the recipe as it is, so the search is never worse than that on the folds it looks at. Each trial is an
experiment, `search-KEY-N`, whose folds, tokens and summary are those of any run with a name. A trial whose curve falls
behind is pruned; its folder goes away, for it must not look like a run that is finished. The journal of all trials is
in `output/SLUG/search/`: killed and called again the search goes on where it was, and a second process, or another
machine that shares the folder, joins in.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median
from typing import Any

from foldwise.clock import Clock
from foldwise.console import duration, say, silent, warn
from foldwise.errors import InputError, RunError
from foldwise.hashing import hash_of
from foldwise.lock import hold
from foldwise.records import Summary, read_or_warn
from foldwise.run import Run, check_teaching
from foldwise.search.figures import folder_of, write_figures
from foldwise.search.space import Space, read_space
from foldwise.search.study import Study, import_optuna
from foldwise.search.trial import STEPS, OutOfTimeError, PrunedError, Searched, SearchedJobs, make_run, train_folds
from foldwise.stages.folds import folds

USUAL_FOLDS = 2  # that are searched
MARGIN = 1.2  # on what the folds before took
ENDING = 5.0  # seconds for the last submission and what is said at the end
LEAST = 10.0  # seconds without which no trial begins
MOST_FAILURES = 3  # trials that fail one after another before the search does


@dataclass
class Search:
    """A search under way."""

    run: Run  # with the recipe that it starts from
    study: Study
    folds: list[int]  # that trials train
    budget: Any  # `foldwise.time_budget.budget.TimeBudget`, or None
    failures: int = field(default=0)  # trials that failed, since one did not

    def time_left(self, reserved: float = 0.0) -> float:
        """Seconds until the end of the budget, or until what is reserved must begin."""
        return float("inf") if self.budget is None else self.budget.deadline - reserved - Clock.now()

    @property
    def reserved(self) -> float:
        """Seconds that the final training may take: the other folds of the best trial, which may be one to come, and of
        the recipe as it was, unless an earlier command has trained them.
        """
        folds, searched = self.run.config.recipe.folds.n, len(self.folds)
        best, default = self.study.best, self.study.default
        seconds = self.seconds_of(best) * (folds - searched) if best else 0.0
        if default:
            seconds += self.seconds_of(default) * (folds - max(searched, self.count_folds(default)))
        return MARGIN * seconds / searched + ENDING

    def seconds_of(self, trial: Any) -> float:
        """What a trial took, or may have taken."""
        return float(trial.user_attrs.get("seconds", self.usual_seconds))

    def count_folds(self, trial: Any) -> int:
        """The folds that the summary of a trial is of: an earlier command may have trained all of them."""
        paths = make_run(self.run, self.study.name_of(trial.number), ()).paths
        summary = read_or_warn(paths.summary, Summary, "its folds are trained again")
        return len(summary["folds"]) if summary else 0

    @property
    def usual_seconds(self) -> float:
        """The median of the trials that one process trained from beginning to end; 0 before there is one."""
        known = [seconds for trial in self.study.finished if (seconds := trial.user_attrs.get("seconds"))]
        return median(known) if known else 0.0

    @property
    def fits_another(self) -> bool:
        """Whether there is time for one more trial before the final training."""
        return self.time_left(self.reserved) >= max(LEAST, MARGIN * self.usual_seconds)

    @contextmanager
    def hold(self, trial: Any) -> Iterator[Run | None]:
        """The run of a trial, which nobody else works on in the block; None where somebody does, or it has ended."""
        place = make_run(self.run, self.study.name_of(trial.number), ())
        with hold(place.paths.output) as ours:
            yield place if ours and self.study.is_running(trial) else None

    def try_recipes(self, most: int | None) -> None:
        """Trials, until there are so many or the time is over."""
        for trial in self.study.candidates(most):
            with self.hold(trial) as run:
                goes_on = run is None or self.try_recipe(trial, run)
            write_figures(self.study, self.run.paths, self.run.config.competition.metric, self.folds)
            if not goes_on:
                return
            if not self.fits_another:
                if most is None or len(self.study.trials()) < most:
                    self.tell_end()
                return

    def tell_end(self) -> None:
        """Say why no other trial begins."""
        left, reserved = duration(max(0.0, self.time_left())), duration(self.reserved)
        trial = duration(max(LEAST, MARGIN * self.usual_seconds))
        say("search", f"no more trials: {left} left; one more may take {trial}, and the training at the end {reserved}")

    def try_recipe(self, trial: Any, run: Run) -> bool:
        """One trial to its end; False where the time is over."""
        start, study, whole = Clock.now(), self.study, not any(run.paths.output.glob("*/fold*"))
        settings = study.settings(trial)
        trial.set_user_attr("set", settings)
        say("search", f"{run.paths.experiment}: {', '.join(settings) or 'the recipe as it is'}")
        limit = None if self.budget is None else self.budget.deadline - self.reserved
        try:
            run = make_run(self.run, run.paths.experiment, settings)
            searched = Searched(self.folds, partial(self.look, trial), limit, study.greater, start)
            with silent():
                summary = train_folds(replace(run, budget=searched))
        except PrunedError as error:
            study.study.tell(trial, state=study.states.PRUNED)
            say("search", f"{run.paths.experiment}: pruned, {error}, after {duration(Clock.now() - start)}")
        except OutOfTimeError:
            say("search", f"{run.paths.experiment}: no time is left for it; the same command goes on with it")
            return False
        except (InputError, RunError) as error:
            if trial.number == 0:
                raise
            study.study.tell(trial, state=study.states.FAIL)
            self.failures += 1
            if self.failures == MOST_FAILURES:
                raise
            warn(f"{run.paths.experiment}: failed: {error}")
        else:
            self.failures = 0
            score, seconds = summary["cv"]["mean"], Clock.now() - start
            if whole:  # of one that an earlier process began, only the rest was timed
                trial.set_user_attr("seconds", max(seconds, self.seconds_before(trial)))
            if trial.number == 0:  # whose folds may be those of the run without a name
                SearchedJobs(searched, run, []).replay(run.paths)
            study.study.tell(trial, score)
            self.tell_score(run, score, seconds)
            return True
        shutil.rmtree(run.paths.output, ignore_errors=True)
        return True

    def look(self, trial: Any, step: int, score: float) -> None:
        """Note the curve of a trial; `PrunedError` where most others were better at this point."""
        if step in self.study.trials()[trial.number].intermediate_values:
            return
        trial.report(score, step)
        # At the end nothing is saved any more, and the members together may be better than the one that is looked at.
        if trial.number and step < STEPS and trial.should_prune():
            raise PrunedError(f"{score:.4f} at {step / STEPS:.0%} of its training is behind the others")

    def seconds_before(self, trial: Any) -> float:
        """What so many folds took in the run without a name, from which trial 0 has them where they are there."""
        made = read_or_warn(self.run.paths.summary, Summary, "its time is not known") if trial.number == 0 else None
        return made["seconds"].get("train", 0.0) * len(self.folds) / len(made["folds"]) if made else 0.0

    def tell_score(self, run: Run, score: float, seconds: float) -> None:
        """Say what a trial came to."""
        best = self.study.best
        what = (
            "the best so far" if best.value == score else f"best {best.value:.4f} of {self.study.name_of(best.number)}"
        )
        left = f"; {duration(max(0.0, self.time_left()))} left" if self.budget else ""
        say("search", f"{run.paths.experiment}: {score:.4f}, {what}, in {duration(seconds)}{left}")

    def sweep(self) -> None:
        """Remove folders of trials that have ended without a score: a kill came between the two.

        One that has a summary was made by a user, who wanted such a trial all the same.
        """
        for trial in self.study.trials(self.study.states.PRUNED, self.study.states.FAIL):
            paths = make_run(self.run, self.study.name_of(trial.number), ()).paths
            if not paths.summary.exists():
                shutil.rmtree(paths.output, ignore_errors=True)


def search_recipes(run: Run, budget: Any, most: int | None, chosen: list[int] | None) -> Search:
    """All trials, or as many as the time allows.

    Raises:
        InputError: a range, a fold or an option that cannot be; no Optuna.
        RunError: no trial was finished in time.
    """
    import_optuna()
    check_teaching(run.config, timed=True)
    searched = choose_folds(run, chosen)
    space, written = read_space(run)
    tell_space(space, written)
    start = replace(run, paths=replace(run.paths, output=folder_of(run.paths) / "start"))
    folds(start)
    key = make_key(start, space, searched)
    greater = run.metric.greater_is_better
    study = Study(folder_of(run.paths), key, space, run.config.recipe, greater, run.config.recipe.seed)
    if before := len(study.trials()):
        say("search", f"goes on: {before} trials so far, {len(study.finished)} of them finished")
    search = Search(run, study, searched, budget)
    search.sweep()
    search.try_recipes(most)
    if study.best is None and study.trials(study.states.RUNNING) and search.time_left() > 0:
        raise RunError("another process works on all trials that there may be; wait for it, or give more --trials")
    if study.best is None:
        raise RunError("the time is over before a trial was finished; run the same command with more, it goes on")
    return search


def choose_folds(run: Run, chosen: list[int] | None) -> list[int]:
    """The folds that are searched, rising; InputError for one that is not there, or that a member does not train."""
    recipe = run.config.recipe
    searched = sorted(set(chosen)) if chosen else list(range(min(USUAL_FOLDS, recipe.folds.n - 1)))
    for fold in searched:
        if fold not in range(recipe.folds.n):
            raise InputError(f"--search-folds {fold}: there are folds 0 to {recipe.folds.n - 1}")
        for name in recipe.ensemble_members:
            if fold not in recipe.folds_of(name):
                raise InputError(f"--search-folds {fold}: {name} trains folds {recipe.folds_of(name)} alone")
    return searched


def make_key(run: Run, space: Space, searched: list[int]) -> str:
    """What trials that can be compared have in common."""
    values = {name: str(values) for name, values in space.items()}
    tables = [path for name in ("train", "test") for path in run.paths.tables(name)]
    return hash_of(run.kept["asked"], values, searched, run.debug, run.paths.folds, *tables)


def tell_space(space: Space, written: bool) -> None:
    """Say what is searched."""
    by = "[search] of competition.toml" if written else "by default, as there is no [search] in competition.toml"
    say("search", f"what is searched ({by}):")
    for name, values in space.items():
        say("search", f"  {name}: {values}")
