"""Training under `--time-budget`: hands out the folds that fit, lowers what does not, and shows the plan as a table.

The first plan is everything. Once folds have been validated for the first time, how long an epoch takes is known; from
then on every validation and every finished fold is a new look at the time, and folds that train hear at once how long
they shall go on. See `foldwise.time_budget.plan` for the order in which things are given up.
"""

import io
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from foldwise.config import LINEAR, Recipe
from foldwise.console import duration, say, warn
from foldwise.errors import RunError
from foldwise.running.job import Job, linear_seconds
from foldwise.time_budget.budget import IN_HAND, Budget, Clock
from foldwise.time_budget.plan import NEARLY, Cost, Fold, Length, Plan, Running, State, choose_plan, seconds_of
from foldwise.training.pace import FORWARD, WRITING, Limit

EARLY = 0.1  # share of the time after which the plan does not wait for a first validation any longer
ENSEMBLE = 2.0  # how much longer the last ensemble may take than one made on the way: it writes more
LEAST = 1.0  # seconds kept for it in any case
START = 5.0  # seconds without which no fold begins: loading torch alone takes as long
SHOWN = 0.1  # by how much the share of epochs must differ from what was shown last to be shown again


@dataclass
class Trained:
    """A fold that trains or has trained: what its events told.

    Attributes:
        planned: epochs.
        dispatched, started, validated: on `Clock`: when its job was given out, its first step, its newest validation.
        epochs: done at the newest validation.
        now: done by the newest step.
        validation: seconds of one.
    """

    fold: Fold
    planned: float
    dispatched: float
    started: float = 0.0
    epochs_a_step: float = 0.0
    now: float = 0.0
    epochs: float = 0.0
    validated: float = 0.0
    validation: float = 0.0
    end: float = 0.0


class TimedJobs(Iterator[Job]):
    """The jobs to train next, as long as they fit.

    Args:
        budget: until when everything must be done.
        jobs: those to be trained, in order.
        recipes: of every member of the ensemble, in order.
        folds: K.
        done: folds that are there already, with the seconds and epochs that they took.
        again: those of them that a budget had ended early, and that are among the jobs: their turn comes last.
        workers: folds that train at once.
    """

    def __init__(
        self,
        budget: Budget,
        jobs: list[Job],
        recipes: dict[str, Recipe],
        folds: int,
        done: dict[Fold, tuple[float, float]],
        again: set[Fold],
        workers: int,
    ) -> None:
        self.budget, self.workers, self.folds = budget, workers, folds
        every = {(job.member, job.fold): job for job in jobs}
        self.waiting = {fold: job for fold, job in every.items() if fold not in again}
        self.again = {fold: job for fold, job in every.items() if fold in again}
        linear = {job.member: job for job in jobs if job.recipe.model.name == LINEAR}
        self.guessed = {name: Cost(0.0, seconds / epochs, 0.0) for (name, _), (seconds, epochs) in done.items()}
        self.guessed |= {name: Cost(0.0, linear_seconds(job), 0.0) for name, job in linear.items()}
        self.cut = set(again)  # folds that are there with too few epochs
        self.lengths = {name: length_of(recipe) for name, recipe in recipes.items()}
        self.done = set(done)
        self.running: dict[int, Trained] = {}
        self.trained: list[Trained] = []  # in order of their start
        first = jobs[0]
        rows, test = len(first.folds), len(first.test_ids)
        self.valid_share = 1 / max(1, folds - 1)  # validation rows for each training row
        self.predictions = 1 + test * folds / rows  # rows predicted at the end for each validation row
        self.written = WRITING * (rows / folds + test)
        self.reserve = LEAST + WRITING * (rows + test) * (1 + len(self.lengths))
        self.plan = Plan(1.0, tuple(self.lengths), tuple(range(folds)), 0.0)
        self.asked = self.shown = self.plan
        self.looked = False
        if self.guessed.keys() == self.lengths.keys():
            self.look()

    @property
    def deadline(self) -> float:
        """When the last fold must be written."""
        return self.budget.deadline - self.reserve

    def __next__(self) -> Job:
        """The next job that the plan holds, with its limits.

        Raises:
            RunError: the time was over before the first fold began.
        """
        left = self.deadline - Clock.now()
        if not self.done and not self.trained and left < START:
            raise RunError(self.too_short("is over before a fold could begin"))
        fold = self.following(left) if left >= START else None
        if fold is None:
            if not self.done and not self.trained:
                raise RunError(self.too_short("is too short for a fold of the linear member, which cannot be cut"))
            raise StopIteration
        job = self.waiting.pop(fold, None) or self.again.pop(fold)
        limit = Limit(self.lengths[job.member].at(self.plan.share), self.deadline)
        self.trained.append(Trained(fold, limit.epochs, Clock.now()))
        return replace(job, limit=limit)

    def too_short(self, what: str) -> str:
        """What to say of a budget that leaves nothing."""
        return f"the time budget of {duration(self.budget.seconds)} {what}; give more"

    def following(self, left: float) -> Fold | None:
        """The next fold to train: of the plan, then those to be trained again, if they fit whole.

        Args:
            left: seconds.
        """
        costs = self.costs()
        for fold in self.waiting:
            whole = costs[fold[0]].epoch if fold[0] in costs else 0.0
            if self.plan.holds(fold) and (self.lengths[fold[0]].divisible or whole <= left):
                return fold
        if self.plan.share < 1 or any(self.plan.holds(fold) for fold in self.waiting):
            return None
        for name, number in self.again:
            cost = costs.get(name)
            if cost is None or cost.start + self.lengths[name].epochs * cost.epoch + cost.end <= left:
                return name, number
        return None

    def on_event(self, slot: int, job: Job, event: dict[str, Any]) -> dict[int, float]:
        """Take in what a fold reports.

        Returns:
            By worker number, how many epochs its fold shall train in all, where that has changed.
        """
        now = event["at"]
        if event["event"] == "start":
            trained = next(trained for trained in reversed(self.trained) if trained.fold == (job.member, job.fold))
            self.running[slot] = trained
            trained.started, trained.epochs_a_step = now, trained.planned / event["steps"]
            return {}
        trained = self.running[slot]
        if event["event"] == "steps":
            trained.now += event["steps"] * trained.epochs_a_step
            late = now - trained.started > EARLY * (self.deadline - trained.started)
            return {} if self.looked or not late else self.look()
        if event["event"] == "evaluation":
            trained.epochs = trained.now = event["epoch"]
            trained.validated, trained.validation = now, event["seconds"]
            return {slot: trained.planned, **self.look()}  # it waits for an answer
        if event["event"] == "done":
            trained.end = now - (trained.validated or trained.started)
            del self.running[slot]
            self.done.add(trained.fold)
            if event["written"]:
                short = event.get("shortened")
                nearly = short is None or short["epochs"] >= NEARLY * short["of"]
                (self.cut.discard if nearly else self.cut.add)(trained.fold)
            return self.look()
        if event["event"] == "given up":
            del self.running[slot]
            (self.again if trained.fold in self.done else self.waiting)[trained.fold] = job  # should there be time
            return self.look()
        return {}

    def note_ensemble(self, seconds: float) -> None:
        """Take in how long a submission from the folds so far took to make."""
        self.reserve = max(self.reserve, LEAST + ENSEMBLE * seconds)

    def look(self) -> dict[int, float]:
        """Plan anew; orders for the folds that train."""
        self.looked = True
        state = self.state()
        left = self.deadline - Clock.now()
        self.plan = plan = choose_plan(state, left)
        same = (plan.members, plan.folds) == (self.shown.members, self.shown.folds)
        if self.running or any(map(plan.holds, self.waiting)):
            if not same:
                self.show(state, left)
            elif abs(plan.share - self.shown.share) >= SHOWN:
                self.shown = plan
                say("train", f"time budget: {plan.share:.0%} of the epochs are planned now")
        orders = {}
        for slot, trained in self.running.items():
            epochs = self.lengths[trained.fold[0]].at(plan.share) if plan.holds(trained.fold) else 0.0
            if epochs != trained.planned:
                orders[slot] = trained.planned = epochs
        return orders

    def state(self) -> State:
        """What is there to do, and how long it takes as far as is known."""
        running = [Running(trained.fold, trained.now) for trained in self.running.values()]
        known = self.costs()
        networks = [cost for name, cost in known.items() if self.lengths[name].divisible] or list(known.values())
        most = Cost(*(max(getattr(cost, part) for cost in networks) for part in ("start", "epoch", "end")))
        costs = {name: known.get(name, most) for name in self.lengths}
        whole = bool(self.done - self.cut)
        return State(self.lengths, self.folds, costs, self.done, running, self.workers, whole)

    def costs(self) -> dict[str, Cost]:
        """Seconds of the folds of those members of which something is known; the newest validation counts."""
        told = sorted((t for t in self.trained if t.now or t.end), key=lambda t: t.validated or t.end > 0)
        return {**self.guessed, **{trained.fold[0]: self.cost(trained) for trained in told}}

    def cost(self, trained: Trained) -> Cost:
        """Seconds of a member's folds, by what one of them has shown."""
        start = trained.started - trained.dispatched
        if not self.lengths[trained.fold[0]].divisible:  # a linear member
            return Cost(start, trained.end, 0.0) if trained.end else self.guessed[trained.fold[0]]
        if trained.epochs:
            epoch = (trained.validated - trained.started) / trained.epochs
            validation = trained.validation
        else:
            epoch = (Clock.now() - trained.started) / trained.now
            validation = epoch * self.valid_share / FORWARD
            epoch += validation
        return Cost(start, epoch, trained.end or validation * self.predictions + self.written)

    def show(self, state: State, left: float) -> None:
        """The plan, what was lowered and why."""
        asked, plan = self.asked, self.plan
        self.shown = plan
        title = f"time budget {duration(self.budget.seconds)}, {IN_HAND:.0%} of it kept in hand"
        table = Table(title=title, title_justify="left", title_style="bold")
        for name in ("", "asked", "planned", "why"):
            table.add_column(name)
        whole = seconds_of(state, 1.0, asked.members, asked.folds)
        reason = f"all would take {duration(whole)} from now on; {duration(max(0.0, left))} are left"
        folds = [", ".join(map(str, numbers)) for numbers in (asked.folds, plan.folds)]
        table.add_row("folds", *folds, reason if plan.folds != asked.folds else "")
        if len(asked.members) > 1:
            reason = "still too long with two folds" if plan.members != asked.members else ""
            table.add_row("members", ", ".join(asked.members), ", ".join(plan.members), reason)
        lengths = [length for name, length in self.lengths.items() if name in plan.members]
        epochs = [
            ", ".join(dict.fromkeys(f"{length.at(share):.3g}" for length in lengths)) for share in (1, plan.share)
        ]
        table.add_row("epochs", *epochs, "still too long with the folds that train" if plan.share < 1 else "")
        drawn = io.StringIO()
        width = shutil.get_terminal_size().columns
        Console(file=drawn, force_terminal=sys.stdout.isatty(), highlight=False, width=width).print(table)
        tqdm.write(drawn.getvalue().rstrip("\n"), file=sys.stdout)  # which makes room among the bars
        if plan.seconds > left:
            warn("no plan fits any more; each fold ends in time for its predictions")


def length_of(recipe: Recipe) -> Length:
    """How long a member trains by its recipe."""
    linear = recipe.model.name == LINEAR
    return Length(1, divisible=False) if linear else Length(recipe.training.epochs)
