"""Training under `--time-budget`: hands out the folds that fit, and makes submissions of those that are done.

How many folds and members fit is decided when a job is handed out, from what the folds before it took. A fold knows
until when it must be written (`foldwise.training.progress`), so nobody has to interrupt it.
"""

from collections import ChainMap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.clock import Clock
from foldwise.console import duration, say
from foldwise.ensembling.blend import combine, finished_folds, most_models, submit
from foldwise.ensembling.predictions import read_predictions
from foldwise.errors import RunError
from foldwise.events import Event, Finished, GivenUp
from foldwise.files import write_checked
from foldwise.freshness import submission_form
from foldwise.hashing import hash_of
from foldwise.learners import learner_for
from foldwise.records import Content, Summary, read_or_warn
from foldwise.run import Run
from foldwise.running.job import FoldJob, open_data
from foldwise.time_budget.budget import RESERVED, TimeBudget
from foldwise.time_budget.plan import Fold, Plan, State, choose_plan
from foldwise.training.progress import Limit

SUBMISSION_RECORD = "submission.json"
NEARLY = 0.75  # share of the steps that is as good as whole
COMBINING = 1e-5  # seconds for each row and member, until one was timed: some five times what it takes
LEAST = 2.0  # seconds kept for it, and for workers to end, in any case
MARGIN = 1.2  # on what the folds before took: one that is cut short does harm
MEASURED = 0.25  # epochs from which on a fold tells how long others take: in fewer it was loading and predicting
START = 5.0  # seconds without which no fold begins: loading torch alone takes as long


class SubmissionRecord(Content):
    """submission.json."""

    submission: str  # its hash
    models: int
    form: dict[str, Any]


class TimedJobs(Iterator[FoldJob]):
    """The jobs to train next, as long as they fit; `workers` train at once.

    Those of folds that are there, ended early by a budget before, have their turn last.
    """

    def __init__(
        self, budget: TimeBudget, run: Run, fold_of_row: np.ndarray, jobs: list[FoldJob], workers: int
    ) -> None:
        recipe = run.config.recipe
        self.budget, self.count, self.workers = budget, recipe.folds.n, workers
        self.asked = {name: recipe.folds_of(name) for name in recipe.ensemble_members}
        self.learners = {name: learner_for(recipe.of_member(name)) for name in recipe.ensemble_members}
        self.submissions = Submissions(run, fold_of_row)
        self.waiting = {(job.member, job.fold): job for job in jobs}
        records = {} if run.force else finished_folds(run)[0]
        self.done = {
            (member, number)
            for member, group in records.items()
            for number, record in group.items()
            if record["epochs"] >= MEASURED or "shortened" not in record  # with less it is as good as none
        }
        self.cut = self.done & self.waiting.keys()  # those done with too few epochs
        if self.cut:
            names = ", ".join(str(self.waiting[fold]) for fold in sorted(self.cut))
            say("train", f"{names}: ended early by the last time budget; again if this one leaves time")
        self.began: dict[Fold, float] = {}  # those that train now, and since when
        self.guessed: dict[str, float] = {}  # seconds that a whole fold of a member may take
        self.measured: dict[str, float] = {}  # the same, of folds that this run has trained
        self.seconds = ChainMap(self.measured, self.guessed)
        for member, group in records.items():
            for record in group.values():
                if record["epochs"] >= MEASURED:
                    self.guessed[member] = self.whole(member, record["seconds"], record["epochs"])
        for job in jobs:
            learner = self.learners[job.member]
            if not learner.can_be_cut and job.member not in self.guessed:
                self.guessed[job.member] = MARGIN * learner.estimate_seconds(open_data(job), job.fold)
        rows = len(fold_of_row) + len(jobs[0].test_ids)
        self.reserve = LEAST + COMBINING * rows * (1 + len(self.learners))  # for the ensemble
        self.told = False

    def whole(self, member: str, seconds: float, epochs: float) -> float:
        """Seconds that a fold of all epochs may take, if one of so many took so long."""
        return MARGIN * seconds / epochs * self.learners[member].epochs

    def networks(self, folds: Iterable[Fold]) -> list[Fold]:
        """Those of members that a budget can cut: others, which take seconds, say nothing of them."""
        return [fold for fold in folds if self.learners[fold[0]].can_be_cut]

    @property
    def missing(self) -> list[Fold]:
        """Folds to train that are not there yet; the others that wait are to be trained again."""
        return [fold for fold in self.waiting if fold not in self.done]

    def __next__(self) -> FoldJob:
        """The next job that fits, with its limit."""
        deadline = self.budget.deadline - self.reserve  # when the last fold must be written
        left = deadline - Clock.now()
        plan = self.plan(left)
        fold = self.choose(plan, left) if left >= START else None
        if fold is None:
            self.say_why(plan, left)
            raise StopIteration
        job = self.waiting.pop(fold)
        self.began[fold] = Clock.now()
        whole = bool(self.networks(self.done - self.cut))  # beside a whole fold one of half its epochs does harm
        return replace(job, limit=Limit(deadline, NEARLY if whole else 0.0))

    def choose(self, plan: Plan, left: float) -> Fold | None:
        """The next fold of the plan, or one to be trained again if all others are done and it fits whole."""
        missing = self.missing
        for fold in missing or self.waiting:
            fits = self.seconds.get(fold[0], 0.0) <= left
            first = not self.networks(self.done | self.began.keys()) and self.learners[fold[0]].can_be_cut
            if (fits or first) and (plan.holds(fold) or not missing):
                return fold
        return None

    def plan(self, left: float) -> Plan:
        """What fits by what is known; everything as long as nothing is."""
        names = tuple(self.learners)
        known = [seconds for name, seconds in self.seconds.items() if self.learners[name].can_be_cut]
        most = max(known or self.seconds.values(), default=0.0)
        seconds = {name: self.seconds.get(name, most) for name in names}
        now = Clock.now()
        running = {fold: max(0.0, seconds[fold[0]] - (now - began)) for fold, began in self.began.items()}
        return choose_plan(State(names, self.count, seconds, self.done, running, self.workers, self.asked), left)

    def say_why(self, plan: Plan, left: float) -> None:
        """Why no further fold begins, once, if some are left out; a `RunError` if none has begun at all."""
        if not self.done and not self.began:
            what = "is over before a fold could begin"
            if left >= START:
                what = f"is too short for a fold of {', '.join(plan.members)}, which cannot be cut"
            raise RunError(f"the time budget of {duration(self.budget.seconds)} {what}; give more")
        if self.missing and not self.told:
            self.told = True
            longest = max(self.seconds.get(name, 0.0) for name, _ in self.missing)
            why = f"one takes {duration(longest)}, and {duration(max(0.0, left))} are left"
            given = f"time budget {duration(self.budget.seconds)}, {RESERVED:.0%} of it reserved"
            say("train", f"{given}: no further fold begins; {why if longest else 'no time is left'}")

    def on_event(self, job: FoldJob, event: Event) -> None:
        """Take in what a fold tells."""
        fold = (job.member, job.fold)
        if isinstance(event, Finished):
            del self.began[fold]
            self.done.add(fold)
            if event.epochs >= MEASURED:
                seconds = self.whole(job.member, event.seconds, event.epochs)
                self.measured[job.member] = max(seconds, self.measured.get(job.member, 0.0))
            short = event.shortened
            if event.written:
                nearly = short is None or short["epochs"] >= NEARLY * short["of"]
                (self.cut.discard if nearly else self.cut.add)(fold)
        elif isinstance(event, GivenUp):
            del self.began[fold]
            self.waiting[fold] = job

    def after(self, _: FoldJob) -> None:
        """A fold is written: make a submission of all that are, and keep as much time for the last one."""
        # The last ensemble also scores what each member adds, and writes more.
        self.reserve = max(self.reserve, LEAST + (1 + len(self.learners)) * self.submissions.update())


class Submissions:
    """The submission on the way: there is a valid one from the first finished fold on, and never a poorer one.

    Beside it lies a record of how many models it was made of and for which sample, so that neither a later run nor one
    after a kill replaces it by a poorer one, or takes one for valid that was made for another test set.
    """

    def __init__(self, run: Run, fold_of_row: np.ndarray) -> None:
        self.run, self.fold_of_row = run, fold_of_row
        self.read: dict[Path, np.ndarray] = {}
        self.models = count_models(run)

    def update(self) -> float:
        """Replace the submission if the finished folds make one of more models; seconds that this took."""
        start, run = Clock.now(), self.run
        records = most_models(finished_folds(run)[0], run.config.recipe)
        if (models := sum(map(len, records.values()))) > self.models:
            submit(run, combine(run, self.fold_of_row, records, self.predictions))
            content = {"submission": hash_of(run.paths.submission), "models": models, "form": submission_form(run)}
            write_checked(run.paths.output / SUBMISSION_RECORD, content)
            self.models = models
            say("ensemble", f"{run.paths.submission.name} is there, of {models} model{'s' * (models > 1)} so far")
        return Clock.now() - start

    def predictions(self, path: Path, ids: list[str]) -> np.ndarray:
        """`read_predictions`, each file once."""
        if path not in self.read:
            self.read[path] = read_predictions(path, ids)
        return self.read[path]


def count_models(run: Run) -> int:
    """How many models the submission that is there was made of; 0 if there is no valid one of this competition."""
    if not run.paths.submission.is_file():
        return 0
    made, form = hash_of(run.paths.submission), submission_form(run)
    paths, instead = run.paths, "the submission there counts for none"
    record = read_or_warn(paths.output / SUBMISSION_RECORD, SubmissionRecord, instead)
    summary = read_or_warn(paths.summary, Summary, instead)
    if record and record["submission"] == made and record["form"] == form:
        return int(record["models"])
    if summary and made in summary["outputs"] and summary["form"] == form:  # of a run that ended
        return sum(len(member["folds"]) for member in summary["members"])
    return 0
