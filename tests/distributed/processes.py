"""Real processes that train together, each a job of the local engine; what each reports comes back."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from foldwise.distributed.group import Group, group_of
from foldwise.running.local import run_in_processes


@dataclass(frozen=True)
class Rank:
    """One of `size` processes."""

    rank: int
    size: int
    maps: Path  # where they find each other


def call(work: Callable[[Group], Any], job: Rank, report: Callable[[Any], object]) -> None:
    """Report what `work` gives in one of them."""
    torch.set_num_threads(1)
    with group_of(job.rank, job.size, torch.device("cpu"), job.maps / "store") as group:
        report(work(group))


def run_ranks(work: Callable[[Group], Any], size: int, folder: Path) -> list[Any]:
    """What `work`, a function of a module, gives in each of so many processes."""
    found: dict[int, Any] = {}
    jobs = [Rank(rank, size, folder) for rank in range(size)]
    run_in_processes(jobs, partial(call, work), size, lambda _, job, event: found.update({job.rank: event}))
    return [found[rank] for rank in range(size)]
