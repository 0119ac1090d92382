"""The engine of a Ray cluster: hands jobs to nodes, and takes back events, states and folds.

A job whose node is lost goes on elsewhere, from the last state that it sent, or begins again: with the same bytes. This
process alone writes to `output/`.
"""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import ray

from foldwise.cluster.checkpoints import Checkpoints
from foldwise.cluster.mailbox import Mailbox
from foldwise.cluster.node import Order, Outcome, run_order
from foldwise.cluster.node_files import Files
from foldwise.cluster.nodes import DOUBT, Cluster, Node, only_on
from foldwise.cluster.resources import Resources
from foldwise.cluster.shipping import Warehouse, own_modules, portable_job
from foldwise.console import say
from foldwise.errors import RunError
from foldwise.events import Noted
from foldwise.files import atomic_file
from foldwise.interrupts import Interrupted, describe_places, one_job, request_stop, stop_requested
from foldwise.paths import FOLD_RECORD
from foldwise.running.engine import After, OnEvent, Prepare, Work
from foldwise.running.fold_folder import stopped_folder, write_files
from foldwise.running.job import FoldJob
from foldwise.running.local import SAVING_SECONDS
from foldwise.running.worker import raise_failure
from foldwise.training.precision import name_processor
from foldwise.training.state import ARRAYS, RECORD

TRIES = 3  # of a job whose process or node dies; what dies as often does so for a reason of its own
LOOK_SECONDS = 1.0  # between two looks into the mailbox, each of which takes some 5 ms of a core
LESS_OFTEN = 60.0  # seconds between two lines that say that no node is there


@dataclass(frozen=True)
class Attempt:
    """A job on a node."""

    number: int
    slot: int  # the same in all tries of a job
    job: FoldJob
    asked: Resources
    tries: int
    node: Node | None = None


def run_on_ray(
    jobs: Iterable[FoldJob],
    work: Work,
    workers: int,  # noqa: ARG001 - as many as nodes hold, which come and go
    on_event: OnEvent,
    prepare: Prepare,  # noqa: ARG001 - Ray shows each task its GPU
    after: After,
    *,
    cluster: Cluster,
    share: float,
    checkpoints: str | None,
) -> None:
    """Do every job on a node of the cluster, and leave the cluster; see `foldwise.running.engine`."""
    driver = Driver(cluster, work, on_event, share, Checkpoints(checkpoints) if checkpoints else None)
    try:
        with one_job():
            stop_requested()  # from here on a signal is for the loop below
            for job in driver.run(iter(jobs)):
                after(job)
    finally:
        cluster.close()


class Driver:
    """Attempts that run on nodes, and jobs that wait for one."""

    def __init__(
        self, cluster: Cluster, work: Work, on_event: OnEvent, share: float, checkpoints: Checkpoints | None
    ) -> None:
        self.cluster, self.work, self.on_event, self.share, self.checkpoints = (
            *(cluster, work, on_event, share),
            checkpoints,
        )
        here = only_on(ray.get_runtime_context().get_node_id())
        self.mailbox = ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()
        self.task, self.warehouse, self.numbers = ray.remote(run_order), Warehouse(), count()
        self.running: dict[Any, Attempt] = {}  # by the task's reference
        self.waiting: list[Attempt] = []  # that have no node yet, those that have lost one first
        self.places: dict[str, str] = {}  # where jobs go on that ended early
        self.told = 0.0

    def run(self, jobs: Iterator[FoldJob]) -> Iterator[FoldJob]:
        """Do all; yields each job that is done, once another one has its place; `Interrupted` as an engine."""
        deadline = 0.0  # once a request is passed on
        self.fill(jobs)
        while (self.running or self.waiting) and not (deadline and time.monotonic() > deadline):
            if stop_requested() and not deadline:
                deadline = time.monotonic() + SAVING_SECONDS
                self.waiting = []
                ray.get(self.mailbox.stop.remote())
                continue
            ended = self.wait()
            self.take_messages()
            done = [attempt.job for task in ended if (attempt := self.end(task))]
            if not stop_requested():
                self.cluster.update()
                self.fill(jobs)
                yield from done
        if stop_requested():
            raise Interrupted(describe_places(self.places))

    def wait(self) -> list[Any]:
        """The task that has ended first, as soon as it has; none after a moment without."""
        if not self.running:
            if time.monotonic() - self.told > LESS_OFTEN:
                self.told = time.monotonic()
                say("train", "no node has room for a fold; waits for one to join")
            time.sleep(LOOK_SECONDS)
            return []
        ended: list[Any] = ray.wait(list(self.running), timeout=LOOK_SECONDS)[0]
        return ended

    def fill(self, jobs: Iterator[FoldJob]) -> None:
        """Give nodes with room the jobs that wait, and then the next ones."""
        self.waiting = [attempt for attempt in self.waiting if not self.submit(attempt)]
        while not self.waiting and any(node.free.cpus >= 1 for node in self.cluster.nodes.values()):
            if (job := next(jobs, None)) is None:
                return
            taken = {attempt.slot for attempt in self.running.values()}
            slot = next(slot for slot in count() if slot not in taken)
            attempt = Attempt(-1, slot, job, Resources.of_job(job, self.share), 0)
            if not self.submit(attempt):
                self.waiting.append(attempt)

    def submit(self, attempt: Attempt) -> bool:
        """Give a job to a node; false if none has room now."""
        job, asked = attempt.job, attempt.asked
        node = self.cluster.find(asked)
        if node is None:
            return False
        node.free -= asked
        order = Order(
            number=next(self.numbers),
            job=ray.put(portable_job(job)),
            work=self.work,
            files=self.warehouse.ship(job),
            modules=list(dict.fromkeys(folder for _, folder in own_modules(job))),
            mailbox=self.mailbox,
            processor=name_processor(job.runtime.device),
            checkpoints=self.checkpoints,
        )
        needs = {"num_cpus": asked.cpus, "num_gpus": asked.gpus, "memory": asked.memory}
        task = self.task.options(**needs, max_retries=0, scheduling_strategy=only_on(node.id)).remote(order)
        if len(self.cluster.nodes) > 1:
            say("train", f"{job}: on node {node.name}")
        self.running[task] = Attempt(order.number, attempt.slot, job, asked, attempt.tries + 1, node)
        return True

    def take_messages(self) -> None:
        """Pass on events, and keep states; those of attempts that were given up for lost count no more."""
        attempts = {attempt.number: attempt for attempt in self.running.values()}
        events, states = ray.get(self.mailbox.take.remote())
        for number, event in events:
            if attempt := attempts.get(number):
                self.on_event(attempt.slot, attempt.job, event)
        for number, files in states.items():
            if attempt := attempts.get(number):
                keep_state(attempt.job, files)

    def end(self, task: Any) -> Attempt | None:
        """Take in how a task ended; → the attempt if its job is done."""
        attempt = self.running.pop(task)
        assert attempt.node is not None
        attempt.node.free += attempt.asked
        try:
            outcome: Outcome = ray.get(task)
        except ray.exceptions.RayTaskError as error:
            raise RunError(
                f"{attempt.job}: on node {attempt.node.name}: {error.cause}; finished folds are kept, the same command "
                "goes on"
            ) from error
        except ray.exceptions.RayError as error:
            self.lose(attempt, error)
            return None
        write_outcome(attempt.job, outcome)
        if isinstance(outcome.error, Interrupted):
            request_stop()
            self.places[str(attempt.job)] = str(outcome.error)
            return None
        raise_failure(attempt.job, outcome.error)
        return attempt

    def lose(self, attempt: Attempt, error: Exception) -> None:
        """The process of an attempt, or its node, is gone: the job waits for another one."""
        assert attempt.node is not None
        if stop_requested():
            return  # it cannot be cut, and was ended
        attempt.node.doubted = time.monotonic() + DOUBT
        if attempt.tries == TRIES:
            first = str(error).strip().splitlines()[0]
            raise RunError(
                f"{attempt.job}: its process died {TRIES} times, at last on node {attempt.node.name} ({first}); often "
                "that is lack of memory; finished folds are kept, the same command goes on"
            ) from error
        kept = self.checkpoints or (attempt.job.state_folder / RECORD).is_file()
        how = "goes on elsewhere from its last state" if kept else "begins again elsewhere"
        self.on_event(attempt.slot, attempt.job, Noted(f"node {attempt.node.name} is lost; {how}"))
        self.waiting.append(attempt)


def write_outcome(job: FoldJob, outcome: Outcome) -> None:
    """Write what a job has written on its node, to where it would have at home."""
    if outcome.fold:
        write_files(job.folder, views(outcome.fold), FOLD_RECORD)
    if outcome.stopped:
        write_files(stopped_folder(job.folder), views(outcome.stopped))
    if outcome.state:
        keep_state(job, outcome.state)
    else:
        job.forget_state()


def keep_state(job: FoldJob, files: Files) -> None:
    """Put a state where a fold at home has its own: the same command goes on from it, with or without a cluster."""
    folder = job.state_folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in sorted(views(files).items()):  # state.json, which names the arrays, last
        with atomic_file(folder / name, durable=False) as temporary:
            temporary.write_bytes(content)
    turn = json.loads(bytes(files[RECORD]))["turn"]
    (folder / ARRAYS.format(1 - turn)).unlink(missing_ok=True)


def views(files: Files) -> dict[str, memoryview]:
    """The bytes of arrays."""
    return {name: content.data for name, content in files.items()}
