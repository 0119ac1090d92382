"""Train many folds: jobs, where and how many at once, and what they report."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from foldwise.clock import Clock
from foldwise.console import direction, duration, say, warn, working
from foldwise.data.targets import weigh_by_subgroups
from foldwise.data.token_store import open_array
from foldwise.errors import list_names
from foldwise.events import Event, Finished, Stopped
from foldwise.extensions import find_teaching
from foldwise.freshness import Wanted, start_of
from foldwise.inputs import known_inputs
from foldwise.learners import learner_for
from foldwise.machine import check_room
from foldwise.paths import TOKENS_RECORD, VECTORS
from foldwise.records import TokensRecord, read_whole
from foldwise.run import Run
from foldwise.running.display import FoldDisplay
from foldwise.running.engine import do_nothing, find_engine
from foldwise.running.job import FoldJob, open_data, train_job
from foldwise.running.own_tokens import make_own_tokens
from foldwise.running.placement import Placement, add_others, kind_of, place_on_cpu, place_on_gpus, threads_per_fold
from foldwise.tasks import TASKS
from foldwise.training.fold import torch_left_alone
from foldwise.training.precision import Runtime, choose_device, choose_precision


@working("train", "training")
def run_folds(
    run: Run, wanted: Wanted, fold_of_row: np.ndarray, redo: bool = False, before: int = 0, later: int = 0
) -> None:
    """Train the wanted folds, side by side where that is faster; under a time budget those that fit.

    Args:
        redo: train them also where they need only predict another test table.
        before: folds that this command has trained already.
        later: folds that it may train after these.
    """
    start = Clock.now()
    device, warning = choose_device(run.device)
    if warning:
        warn(warning)
    if not (wanted := make_own_tokens(run, wanted, device)):
        return
    jobs = [replace(job, redo=redo) for job in make_jobs(run, wanted, fold_of_row, device)]
    check_room(run.paths.output, sum(map(least_bytes, jobs)), f"{len(jobs)} fold{'s' * (len(jobs) > 1)}")
    at_home = partial(place, run, jobs, device)
    placement: Placement = run.engine(jobs, device, at_home) if run.engine else at_home()
    at_once, threads = min(placement.workers, len(jobs)), jobs[0].runtime.threads
    precisions = "/".join(dict.fromkeys(job.runtime.precision for job in jobs))
    say("train", f"on {device.type} in {precisions}, folds side by side: {at_once}, threads each: {threads}")
    if placement.note:
        say("train", placement.note)
    scores = f"scores are {run.config.competition.metric} {direction(run.metric.greater_is_better)}"
    if run.metric.prediction_type == "label" and TASKS[run.config.competition.task].thresholds != "none":
        scores += ", so far each fold's at its own best threshold; the table is stricter"
    say("train", scores)
    source: Any = run.budget.hand_out(run, fold_of_row, jobs, at_once) if run.budget else jobs
    names = [(str(job), job.member, learner_for(job.recipe).epochs) for job in jobs]
    display, trained = FoldDisplay(names, at_once, before, later, run.budget), []

    def on_event(slot: int, job: FoldJob, event: Event) -> None:
        if isinstance(event, Stopped):
            row_ids = run.competition.row_ids
            ids = list_names((row_ids[row] for row in event.rows), quoted=False)
            warn(f"{job} stops at a batch whose loss is no number; its rows: {ids}")
        elif isinstance(event, Finished):
            trained.append(job)
        display.update(slot, str(job), event)
        run.tracker.on_event(job.folder.relative_to(run.paths.output).as_posix(), event)
        if run.budget:
            source.on_event(job, event)

    try:
        after = source.after if run.budget else do_nothing
        taught = with_lessons(run, source, fold_of_row)
        with torch_left_alone():
            engine = placement.engine or find_engine(at_once)
            engine(taught, train_job, at_once, on_event, placement.prepare, after)
    finally:
        display.close()
    seconds = Clock.now() - start
    say("train", f"{len(trained)} fold{'s' if len(trained) != 1 else ''} in {duration(seconds)}")


def make_jobs(run: Run, wanted: Wanted, fold_of_row: np.ndarray, device: torch.device) -> list[FoldJob]:
    """A job for each fold."""
    competition, targets = run.competition, run.competition.targets
    recipes = {fit.member: run.config.recipe.of_member(fit.member) for fit, _ in wanted}
    learners = {name: learner_for(recipe) for name, recipe in recipes.items()}
    precisions = {
        name: choose_precision(recipe.training.precision, device, learners[name].small_steps)
        for name, recipe in recipes.items()
    }
    threads = {name: threads_per_fold(len(run.config.recipe.folds_of(name))) for name in recipes}
    taken = {name: learner.take_predictions(run, name, fold_of_row) for name, learner in learners.items()}
    return [
        FoldJob(
            paths=run.paths,
            member=fit.member,
            fold=fit.fold,
            recipe=(recipe := recipes[fit.member]),
            metric=run.config.metric_choice,
            targets=weigh_by_subgroups(targets) if recipe.training.subgroup_weights else targets,
            folds=fold_of_row,
            valid_ids=[competition.train_ids[row] for row in np.flatnonzero(fold_of_row == fit.fold)],
            test_ids=competition.test_ids,
            inputs=inputs,
            runtime=Runtime(device, precisions[fit.member], threads[fit.member]),
            without=fit.without,
            epochs=inputs.get("epochs"),
            start=start_of(run, fit, inputs),
            known=known_inputs(),
            taken=of_rows(taken[fit.member], fold_of_row == fit.fold),
        )
        for fit, inputs in wanted
    ]


def of_rows(taken: tuple[np.ndarray, np.ndarray] | None, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """What one fold needs of the predictions that a member takes: its rows' of all (N, C), and those of the test."""
    return None if taken is None else (taken[0][rows], taken[1])


def least_bytes(job: FoldJob) -> int:
    """Bytes that the folder of a fold takes at least: its predictions, and word vectors where its weights hold them."""
    learner = learner_for(job.recipe)
    holds = learner.uses_vectors and not learner.needs_vectors and not job.without
    numbers = (len(job.valid_ids) + len(job.test_ids)) * job.targets.outputs * 4  # float32, or more
    return numbers + (open_array(job.paths.tokens / VECTORS, np.float32, 2).nbytes if holds else 0)


def with_lessons(run: Run, jobs: Iterable[FoldJob], fold_of_row: np.ndarray) -> Iterator[FoldJob]:
    """The jobs, each when its turn comes, with what there is to learn beside labels: it may be many numbers a row."""
    for job in jobs:
        teaches = job.without or job.recipe.training.taught
        yield find_teaching("lessons")(run, fold_of_row, job) if teaches else job


def place(run: Run, jobs: list[FoldJob], device: torch.device) -> Placement:
    """How many folds train at once, and where."""
    learners = {job.member: learner_for(job.recipe) for job in jobs}
    made = read_whole(run.paths.tokens / TOKENS_RECORD, TokensRecord)
    used = [learners[job.member] for job in jobs]
    tokens = sum(learner.epochs * learner.count_work(made["tokens"], made["rows"]) for learner in used)
    trained = [(job, *found) for job in jobs if (found := learners[job.member].trained_model(job))]
    if device.type == "cuda" and len(jobs) > 1 and trained:
        kinds = {kind_of(recipe, job.runtime): (job, recipe, build) for job, recipe, build in trained}
        asked = [(open_data(job), recipe, job.runtime, build) for job, recipe, build in kinds.values()]
        others = len(jobs) - len(trained)
        return add_others(place_on_gpus(asked, tokens), len(trained), others, jobs[0].runtime.threads)
    return place_on_cpu(run.config.recipe.folds.n, tokens)
