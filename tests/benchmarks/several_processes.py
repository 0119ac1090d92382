"""One fold trained by one process, and by two gloo processes together; beside it two folds side by side, one in each.

    .venv/bin/python tests/benchmarks/several_processes.py [--rows 20000] [--repeats 3]

Each has one thread. Prints rows a second, the median of the repeats, as rows of a table.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contest import RECIPE, load, prepare

from foldwise.distributed.group import group_of
from foldwise.metrics import metric_for
from foldwise.running.local import run_in_processes
from foldwise.training.fold import train_fold
from foldwise.training.peers import Followed
from foldwise.training.precision import Runtime


@dataclass(frozen=True)
class Share:
    """What one process does."""

    folder: Path
    fold: int
    rank: int = 0
    size: int = 1
    store: Path = Path()

    @property
    def maps(self) -> Path:
        """As a job of stage train has it."""
        return self.folder


def train(share: Share, report: Callable[[float], object]) -> None:
    """An epoch of a fold; reports the rows of all its processes a second."""
    data, runtime = load(share.folder), Runtime(torch.device("cpu"), "fp32", threads=1)
    known = (data, RECIPE, "bilstm", share.fold, metric_for("f1", "binary"))
    rows, _ = data.split(share.fold)
    if share.size == 1:
        (epoch,) = train_fold(*known, runtime, lambda _: None).history
        report(len(rows) / epoch.train_seconds)
        return
    with group_of(share.rank, share.size, runtime.device, share.store) as group:
        try:
            (epoch,) = train_fold(*known, replace(runtime, peers=group), lambda _: None).history
            report(len(rows) / epoch.train_seconds)
        except Followed:
            pass


def measure(shares: list[Share]) -> float:
    """Rows a second of all shares at once."""
    rates: list[float] = []

    def collect(_: int, __: Any, rate: float) -> None:
        rates.append(rate)

    run_in_processes(shares, train, len(shares), collect)
    return sum(rates)


def main() -> None:
    """All ways, in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, arguments.rows)
        share = partial(Share, folder, 0)

        def pair(repeat: int) -> list[Share]:
            return [share(rank, 2, folder / f"store{repeat}") for rank in range(2)]

        ways: dict[str, Callable[[int], list[Share]]] = {
            "one process": lambda _: [share()],
            "two processes, one fold together": pair,
            "two processes, a fold each": lambda _: [Share(folder, fold) for fold in range(2)],
        }
        rates: dict[str, list[float]] = {way: [] for way in ways}
        for repeat in range(arguments.repeats):
            for way, shares in ways.items():
                rates[way].append(measure(shares(repeat)))
        for way, found in rates.items():
            print(f"| {way} | {np.median(found):,.0f} | {min(found):,.0f} to {max(found):,.0f} |")


if __name__ == "__main__":
    from several_processes import main as main_of_module  # what workers do must lie in a module

    main_of_module()
