"""A task: one fold, trained on a node by the same code as at home."""

import math
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import ray

from foldwise.clock import Clock
from foldwise.cluster.checkpoints import Checkpoints
from foldwise.cluster.node_files import Files, place_below, read_folder, read_state, unpack, work_folder
from foldwise.cluster.shipping import Shipped, moved_job
from foldwise.errors import InputError, RunError
from foldwise.events import Event, Noted
from foldwise.interrupts import ASKED, REQUEST, request_stop
from foldwise.paths import FOLD_RECORD
from foldwise.running.engine import Work
from foldwise.running.fold_folder import stopped_folder
from foldwise.running.job import FoldJob
from foldwise.running.worker import attempt
from foldwise.training.precision import name_processor
from foldwise.training.state import RECORD

FLUSH = 1.0  # seconds between two letters to the driver: each call of an actor takes some 5 ms of a core
STATE_SECONDS = 10.0  # between two states that go to the driver, at least
STATE_SHARE = 0.05  # of the time that sending them may take
LARGEST_STATE = 2 << 30  # bytes; a fold of a larger one begins again where its node is lost


@dataclass(frozen=True)
class Order:
    """What a task is given. Ray resolves neither `job` nor the pieces of files before they are asked for."""

    number: int  # of the attempt: a job whose node was lost is tried again
    job: Any
    work: Work
    files: list[Shipped]
    modules: list[Path]  # the driver's folders of the user's own modules
    mailbox: Any
    processor: str  # the driver's
    checkpoints: Checkpoints | None


@dataclass(frozen=True)
class Outcome:
    """How a job ended: an error, or none, and the folders that it wrote, as bytes."""

    error: Exception | None
    fold: Files = field(default_factory=dict)
    stopped: Files = field(default_factory=dict)
    state: Files = field(default_factory=dict)  # none once the fold is done, or would only come to the same end from it


def run_order(order: Order) -> Outcome:
    """Do the job of an order, as a Ray task."""
    REQUEST.clear()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as the command line does
    with work_folder() as root:
        unpack(order.files, root)
        sys.path[:0] = folders = [str(place_below(root, folder)) for folder in order.modules]
        try:
            job = moved_job(ray.get(order.job), partial(place_below, root))
            return do_job(order, on_this_clock(job, order.mailbox), root)
        finally:
            sys.path[:] = [folder for folder in sys.path if folder not in folders]


def on_this_clock(job: FoldJob, mailbox: Any) -> FoldJob:
    """The job with the time until which it must be written, if there is one, by this machine's clock."""
    if job.limit is None:
        return job
    ahead = ray.get(mailbox.now.remote()) - Clock.now()
    return replace(job, limit=replace(job.limit, deadline=job.limit.deadline - ahead))


def do_job(order: Order, job: FoldJob, root: Path) -> Outcome:
    """The same with all files in place."""
    before = read_record(job)
    with Courier(order, job) as courier:
        courier.fetch_state()
        processor = name_processor(job.runtime.device)
        if processor != order.processor:
            text = f"trains with {processor}, and at home with {order.processor}: its last bits may differ"
            courier.report(Noted(text))
        error = named_as_at_home(attempt(order.work, job, courier.report), root)
        courier.is_done = True
        written = {} if read_record(job) == before else read_folder(job.folder)
        state = read_state(job.state_folder)
        courier.keep_state(state)
    return Outcome(error, written, read_folder(stopped_folder(job.folder)), state)


def read_record(job: FoldJob) -> bytes:
    """The bytes of fold.json, b"" without one."""
    path = job.folder / FOLD_RECORD
    return path.read_bytes() if path.is_file() else b""


def named_as_at_home(error: Exception | None, root: Path) -> Exception | None:
    """The error with the driver's paths."""
    for kind in (InputError, RunError):
        if isinstance(error, kind):
            return kind(str(error).replace(str(root), ""))
    return error


class Courier:
    """Carries events to the driver while the job runs, states now and then, and the word to stop back."""

    def __init__(self, order: Order, job: FoldJob) -> None:
        self.order, self.folder = order, job.state_folder
        self.place = order.checkpoints and order.checkpoints.of_job(job)
        self.events: deque[Event] = deque()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.sent_at, self.took = -math.inf, 0.0
        self.last = self.saved_at()  # the state that came with the job is no news
        self.complained = False
        self.is_done = False  # the job is, and what it wrote is on its way

    def __enter__(self) -> "Courier":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        self.flush()

    @property
    def report(self) -> Callable[[Event], object]:
        """Where the job tells its events; cheap, for there may be hundreds a second."""
        return self.events.append

    def run(self) -> None:
        """Until the job has ended."""
        while not self.ended.wait(FLUSH):
            try:
                if self.flush():
                    request_stop()
                    if not ASKED.is_set() and not self.is_done:
                        os._exit(1)  # what cannot be cut has nothing to save
                self.send_state()
            except ray.exceptions.RayError:
                os._exit(1)  # the driver is gone, and nobody waits for this fold

    def flush(self) -> bool:
        """Send the events that there are; → whether to stop."""
        events = [self.events.popleft() for _ in range(len(self.events))]
        return bool(ray.get(self.order.mailbox.post.remote(self.order.number, events)))

    def saved_at(self) -> float:
        """When the state was last saved, as its file says; 0 without one."""
        with suppress(FileNotFoundError):
            return (self.folder / RECORD).stat().st_mtime
        return 0.0

    def fetch_state(self) -> None:
        """The state from shared storage, where there is one that is further than what came with the job."""
        if self.place:
            with self.complaining():
                self.place.fetch(self.folder)

    def keep_state(self, files: Files) -> None:
        """Leave the state on shared storage, where there is such; of a fold without one nothing stays."""
        if self.place:
            with self.complaining():
                self.place.keep(files)

    @contextmanager
    def complaining(self) -> Iterator[None]:
        """Shared storage that fails ends no training; it is said once."""
        try:
            yield
        except Exception as error:  # of any kind of storage
            if not self.complained:
                self.report(Noted(f"{self.order.checkpoints}: {error}; it trains on without its state there"))
            self.complained = True

    def send_state(self) -> None:
        """Send the state if there is another one, and it is time to."""
        since, saved = Clock.now() - self.sent_at, self.saved_at()
        if saved == self.last or since < max(STATE_SECONDS, self.took / STATE_SHARE):
            return
        started, files = Clock.now(), read_state(self.folder)
        if files and sum(content.nbytes for content in files.values()) <= LARGEST_STATE:
            if self.place:
                self.keep_state(files)
            else:
                ray.get(self.order.mailbox.post_state.remote(self.order.number, files))
        self.sent_at, self.last = Clock.now(), saved
        self.took = self.sent_at - started
