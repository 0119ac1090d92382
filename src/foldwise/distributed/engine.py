"""The engine of folds that several processes train together: each process of a fold is a job of the local engine.

That one starts them, chooses a GPU for each, passes on requests to stop, and ends all of them where one fails or dies;
so none waits for another that is gone. Jobs are handed out in order, all processes of a fold before those of the next,
and as many run as folds side by side need: the processes of a fold that has begun never lack the rest of theirs.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from foldwise.distributed.group import group_of
from foldwise.inputs import same_inputs
from foldwise.learners import learner_for
from foldwise.running.engine import After, OnEvent, Prepare, Work, do_nothing
from foldwise.running.job import FoldJob, open_data
from foldwise.running.local import run_in_processes
from foldwise.running.new_test import only_test_changed
from foldwise.training.fold import GivenUpError
from foldwise.training.peers import Followed
from foldwise.training.skipping import StoppedError


@dataclass(frozen=True)
class RankJob:
    """What one of `size` processes does of a fold."""

    job: FoldJob
    rank: int
    size: int
    store: Path  # a file by which they find each other

    @property
    def maps(self) -> Path:
        """As `FoldJob.maps`."""
        return self.job.maps

    def __str__(self) -> str:
        return f"{self.job}, process {self.rank}" if self.rank else str(self.job)


def run_together(
    size: int,
    jobs: Iterable[Any],
    work: Work,
    workers: int,
    on_event: OnEvent,
    prepare: Prepare = do_nothing,
    after: After = do_nothing,
) -> None:
    """Do every job in `size` processes, `workers` jobs at a time; see `foldwise.running.engine`."""
    places: dict[str, int] = {}  # of folds that run, by name: a number for each, as a display wants it

    def show(_: int, found: RankJob, event: Any) -> None:
        name = str(found.job)
        free = (number for number in range(len(places) + 1) if number not in places.values())
        on_event(places.setdefault(name, next(free)), found.job, event)

    def end(found: RankJob) -> None:
        if not found.rank:
            places.pop(str(found.job), None)
            after(found.job)

    with TemporaryDirectory() as folder:
        ranks = ranks_of(jobs, size, Path(folder))
        run_in_processes(ranks, partial(train_rank, work), workers * size, show, prepare, end)


def ranks_of(jobs: Iterable[FoldJob], size: int, folder: Path) -> Iterator[RankJob]:
    """Each job for each of its processes; for one alone where nothing is trained step by step."""
    for number, job in enumerate(jobs):
        ready = only_test_changed(job)
        trains = learner_for(job.recipe).trained_model(job) is not None and not ready
        for rank in range(size if trains else 1):
            yield RankJob(job, rank, size if trains else 1, folder / str(number))


def threads_of_rank(threads: int, size: int) -> int:
    """Threads of each process of a fold that is to have so many."""
    return max(1, threads // size)


def train_rank(work: Work, found: RankJob, report: Callable[[Any], object]) -> None:
    """One process's share of a fold: the first one does all `work` of the job, the others train with it."""
    job, runtime = found.job, found.job.runtime
    if found.size == 1:
        work(job, report)
        return
    with group_of(found.rank, found.size, runtime.device, found.store) as group:
        threads = threads_of_rank(runtime.threads, found.size)
        job = replace(job, runtime=replace(runtime, peers=group, threads=threads))
        if not found.rank:
            work(job, report)
            return
        # What ends the training ends it in all processes, and is told by the first one.
        with suppress(Followed, GivenUpError, StoppedError), same_inputs(job.known):
            learner_for(job.recipe).fit(open_data(job), job, do_nothing)
