"""Train many folds: jobs, where and how many at once, and what they report."""

from typing import Any

import numpy as np
import torch

from foldwise.clock import Clock
from foldwise.config import Recipe
from foldwise.console import duration, say, warn
from foldwise.data.targets import weigh_by_subgroups
from foldwise.events import Event, Stopped
from foldwise.files import read_json
from foldwise.freshness import Wanted
from foldwise.learners import learner_for
from foldwise.paths import FOLD_RECORD, TOKENS_RECORD
from foldwise.run import Run
from foldwise.running.display import FoldDisplay
from foldwise.running.engine import find_engine
from foldwise.running.job import FoldJob, open_data, train_job
from foldwise.running.placement import Placement, place_on_cpu, place_on_gpus, threads_per_fold
from foldwise.tasks import TASKS
from foldwise.training.precision import Precision, Runtime, choose_device, choose_precision, why_not


def run_folds(run: Run, wanted: Wanted, again: Wanted, fold_of_row: np.ndarray) -> None:
    """Train the wanted folds, side by side where that is faster; under a time budget those that fit.

    Args:
        again: under a time budget, folds to train once more if there is time.
    """
    start = Clock.now()
    device, warning = choose_device(run.device)
    if warning:
        warn(warning)
    jobs = make_jobs(run, [*wanted, *again], fold_of_row, device)
    placement = place(run, jobs, device)
    at_once, threads = min(placement.workers, len(jobs)), jobs[0].runtime.threads
    precisions = "/".join(dict.fromkeys(job.runtime.precision for job in jobs))
    say("train", f"on {device.type} in {precisions}, folds side by side: {at_once}, threads each: {threads}")
    say_how_scored(run)
    source: Any = jobs
    if run.budget:
        source = run.budget.hand_out(run, fold_of_row, jobs, {work[:2] for work in again}, at_once)
    display, trained = FoldDisplay(), []

    def on_event(slot: int, job: FoldJob, event: Event) -> None:
        if isinstance(event, Stopped):
            ids = ", ".join(run.competition.train_ids[row] for row in event.rows)
            warn(f"{job} stops at a batch whose loss is no number; its rows: {ids}")
        display.update(slot, str(job), event)
        if run.budget:
            source.on_event(job, event)

    def after(job: FoldJob) -> None:
        trained.append(job)
        if run.budget:
            source.after()

    try:
        engine = find_engine(at_once)
        engine(source, train_job, at_once, on_event, placement.prepare, after)
    finally:
        display.close()
    seconds = Clock.now() - start
    if len(wanted) == len(run.config.recipe.ensemble_members) * run.config.recipe.folds.n:
        run.record_seconds("train", seconds)  # of the whole stage, not of a fold done again
    say("train", f"{len(trained)} fold{'s' if len(trained) > 1 else ''} in {duration(seconds)}")


def make_jobs(run: Run, wanted: Wanted, fold_of_row: np.ndarray, device: torch.device) -> list[FoldJob]:
    """A job for each fold, with all that a worker needs to know."""
    competition, targets = run.competition, run.competition.targets
    recipes = {member: run.config.recipe.of_member(member) for member, _, _ in wanted}
    precisions = choose_precisions(run, list(recipes.values()), device)
    threads = threads_per_fold(run.config.recipe.folds.n)
    return [
        FoldJob(
            folder=run.paths.fold(member, fold),
            tokens=run.paths.tokens,
            member=member,
            fold=fold,
            recipe=(recipe := recipes[member]),
            metric=run.config.competition.metric,
            targets=weigh_by_subgroups(targets) if recipe.training.subgroup_weights else targets,
            folds=fold_of_row,
            valid_ids=[competition.train_ids[row] for row in np.flatnonzero(fold_of_row == fold)],
            test_ids=competition.test_ids,
            inputs=inputs,
            runtime=Runtime(device, precisions[recipe.training.precision], threads),
        )
        for member, fold, inputs in wanted
    ]


def choose_precisions(run: Run, recipes: list[Recipe], device: torch.device) -> dict[str, Precision]:
    """The number format of each setting of `training.precision` among the recipes."""
    asked = dict.fromkeys(recipe.training.precision for recipe in recipes)
    found = recorded_precision(run, device.type) if "auto" in asked else None
    if found and (error := why_not(found, device)):
        warn(f"folds trained before are in {found}; {error}: their bytes cannot be had again here")
        found = None
    return {name: found if found and name == "auto" else choose_precision(name, device) for name in asked}


def recorded_precision(run: Run, device: str) -> Any:
    """The number format that `auto` gave folds trained here before, None if there are none.

    A fold trained again must get the one it had, and a run that goes on after a kill the one it began with, also on a
    machine where the formats are so close that another measurement could choose the other.
    """
    for path in sorted(run.paths.output.glob(f"*/fold*/{FOLD_RECORD}")):
        record = read_json(path) or {}
        asked = record.get("inputs", {}).get("recipe", {}).get("training", {}).get("precision")
        if asked == "auto" and record.get("runtime", {}).get("device") == device:
            return record["runtime"]["precision"]
    return None


def place(run: Run, jobs: list[FoldJob], device: torch.device) -> Placement:
    """How many folds train at once, and where."""
    learners = {job.member: learner_for(job.recipe) for job in jobs}
    tokens = read_json(run.paths.tokens / TOKENS_RECORD)["tokens"] * sum(learners[job.member].epochs for job in jobs)
    on_gpu = [job for job in jobs if learners[job.member].uses_vectors]
    if device.type == "cuda" and len(jobs) > 1 and on_gpu:
        alike = {(str(job.recipe.model), str(job.recipe.batches), job.runtime): job for job in on_gpu}
        probes = [(open_data(job), job.recipe, job.runtime) for job in alike.values()]
        return place_on_gpus(probes, tokens)
    return place_on_cpu(run.config.recipe.folds.n, tokens)


def say_how_scored(run: Run) -> None:
    """Scores on the way are at each fold's own best thresholds, where there are any to choose."""
    if run.metric.prediction_type == "label" and TASKS[run.config.competition.task].thresholds != "none":
        say("train", "scores so far: each fold at its own best threshold; the table is stricter")
