"""Training under `--time-budget`: hands out the folds that fit, and shows what was left out as a table.

How many folds and members fit is decided when a job is handed out, from what the folds before it took. A fold knows
until when it must be written (`foldwise.training.progress`), so nobody has to interrupt it.
"""

import io
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from foldwise.clock import Clock
from foldwise.console import duration
from foldwise.errors import RunError
from foldwise.events import Event, Finished, GivenUp
from foldwise.learners import Learner
from foldwise.running.job import FoldJob, open_data
from foldwise.time_budget.budget import IN_HAND, TimeBudget
from foldwise.time_budget.plan import Fold, Plan, State, choose_plan
from foldwise.training.progress import WRITING, Limit

NEARLY = 0.75  # share of the steps that is as good as whole
ENSEMBLE = 2.0  # how much longer the last ensemble may take than one made on the way: it writes more
LEAST = 1.0  # seconds kept for it in any case
START = 5.0  # seconds without which no fold begins: loading torch alone takes as long


class TimedJobs(Iterator[FoldJob]):
    """The jobs to train next, as long as they fit.

    Args:
        budget: until when everything must be done.
        jobs: those to be trained, in order.
        learners: of every member of the ensemble, in order.
        folds: K.
        records: fold.json of the folds that are there already.
        again: those of them that a budget had ended early, and that are among the jobs: their turn comes last.
        workers: folds that train at once.
        submit: makes a submission of the folds that are finished; the seconds that took.
    """

    def __init__(
        self,
        budget: TimeBudget,
        jobs: list[FoldJob],
        learners: dict[str, Learner],
        folds: int,
        records: dict[Fold, dict[str, float]],
        again: set[Fold],
        workers: int,
        submit: Callable[[], float],
    ) -> None:
        self.budget, self.learners, self.folds, self.workers, self.submit = budget, learners, folds, workers, submit
        every = {(job.member, job.fold): job for job in jobs}
        self.waiting = {fold: job for fold, job in every.items() if fold not in again}
        self.again = {fold: job for fold, job in every.items() if fold in again}
        self.done, self.cut = set(records), set(again)  # the latter are there with too few epochs
        self.began: dict[Fold, float] = {}  # those that train now, and since when
        self.guessed = {  # seconds of a whole fold of each member
            fold[0]: record["seconds"] / record["epochs"] * learners[fold[0]].epochs for fold, record in records.items()
        }
        for job in jobs:
            if not learners[job.member].can_be_cut and job.member not in self.guessed:
                self.guessed[job.member] = learners[job.member].estimate_seconds(open_data(job), job.fold)
        self.measured: dict[str, float] = {}  # the same, of folds that this run has trained
        rows = len(jobs[0].folds) + len(jobs[0].test_ids)
        self.reserve = LEAST + WRITING * rows * (1 + len(learners))  # for the ensemble
        self.shown: Plan | None = None

    @property
    def seconds(self) -> dict[str, float]:
        """That a whole fold takes, of the members of which something is known."""
        return {**self.guessed, **self.measured}

    @property
    def deadline(self) -> float:
        """When the last fold must be written."""
        return self.budget.deadline - self.reserve

    def __next__(self) -> FoldJob:
        """The next job that fits, with its limit.

        Raises:
            RunError: the time is too short for any fold.
        """
        left = self.deadline - Clock.now()
        plan = self.plan(left)
        fold = self.choose(plan, left) if left >= START else None
        if fold is None:
            self.stop(plan, left)
            raise StopIteration
        job = self.waiting.pop(fold, None) or self.again.pop(fold)
        self.began[fold] = Clock.now()
        whole = bool(self.done - self.cut)  # beside a whole fold one of half its epochs does harm
        return replace(job, limit=Limit(self.deadline, NEARLY if whole else 0.0))

    def choose(self, plan: Plan, left: float) -> Fold | None:
        """The next fold of the plan, or one to be trained again if all others are done and it fits whole."""
        first = not self.done and not self.began
        for fold in self.waiting:
            fits = self.seconds.get(fold[0], 0.0) <= left
            if plan.holds(fold) and (fits or (first and self.learners[fold[0]].can_be_cut)):
                return fold
        fitting = (fold for fold in self.again if self.seconds.get(fold[0], 0.0) <= left)
        return None if self.waiting else next(fitting, None)

    def plan(self, left: float) -> Plan:
        """What fits by what is known; everything as long as nothing is."""
        names, numbers = tuple(self.learners), tuple(range(self.folds))
        if not self.seconds:
            return Plan(names, numbers, 0.0)
        known = [seconds for name, seconds in self.seconds.items() if self.learners[name].can_be_cut]
        most = max(known or self.seconds.values())
        seconds = {name: self.seconds.get(name, most) for name in names}
        now = Clock.now()
        running = {fold: max(0.0, seconds[fold[0]] - (now - began)) for fold, began in self.began.items()}
        return choose_plan(State(names, self.folds, seconds, self.done, running, self.workers), left)

    def stop(self, plan: Plan, left: float) -> None:
        """No further fold begins; say which are left out.

        Raises:
            RunError: none has begun.
        """
        if not self.done and not self.began:
            what = "is over before a fold could begin"
            if left >= START:
                what = "is too short for a fold of the linear member, which cannot be cut"
            raise RunError(f"the time budget of {duration(self.budget.seconds)} {what}; give more")
        if self.waiting and self.shown != (plan := replace(plan, seconds=0.0)):
            self.shown = plan
            self.show(left)

    def on_event(self, job: FoldJob, event: Event) -> None:
        """Take in what a fold tells."""
        fold = (job.member, job.fold)
        if isinstance(event, Finished):
            self.began.pop(fold)
            self.done.add(fold)
            seconds = event.seconds / event.epochs * self.learners[job.member].epochs
            self.measured[job.member] = max(seconds, self.measured.get(job.member, 0.0))
            short = event.shortened
            if event.written:
                nearly = short is None or short["epochs"] >= NEARLY * short["of"]
                (self.cut.discard if nearly else self.cut.add)(fold)
        elif isinstance(event, GivenUp):
            self.began.pop(fold)
            (self.again if fold in self.done else self.waiting)[fold] = job

    def after(self) -> None:
        """A fold is written: make a submission of all that are, and keep as much time for the last one."""
        self.reserve = max(self.reserve, LEAST + ENSEMBLE * self.submit())

    def show(self, left: float) -> None:
        """Asked and planned, and why they differ."""
        title = f"time budget {duration(self.budget.seconds)}, {IN_HAND:.0%} of it kept in hand"
        table = Table(title=title, title_justify="left", title_style="bold")
        for name in ("", "asked", "planned", "why"):
            table.add_column(name)
        begun = self.done | set(self.began)
        members = list(dict.fromkeys(name for name in self.learners if any(fold[0] == name for fold in begun)))
        folds = sorted({number for _, number in begun})
        longest = max(self.seconds.get(name, 0.0) for name, _ in self.waiting)
        why = (
            f"one takes {duration(longest)}, and {duration(max(0.0, left))} are left" if longest else "no time is left"
        )
        table.add_row("folds", ", ".join(map(str, range(self.folds))), ", ".join(map(str, folds)), why)
        if len(self.learners) > 1:
            why = "folds of the first ones come first" if len(members) < len(self.learners) else ""
            table.add_row("members", ", ".join(self.learners), ", ".join(members), why)
        drawn = io.StringIO()
        width = shutil.get_terminal_size().columns
        Console(file=drawn, force_terminal=sys.stdout.isatty(), highlight=False, width=width).print(table)
        tqdm.write(drawn.getvalue().rstrip("\n"), file=sys.stdout)  # which makes room among the bars
