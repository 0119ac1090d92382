"""Pieces of a training step alone, on the CPU: making batches, training with them, and large tables of vectors.

    .venv/bin/python tests/benchmarks/pieces.py --repeats 3

`throughput.py` runs it in a process of its own. Prints one line of JSON: rows/s by size of a batch and way, and seconds
a step by words.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from contest import BATCH, RECIPE
from questions import draw_lengths

from foldwise.data.batching import BucketBatchSampler
from foldwise.data.dataset import Batch, Item, TokenDataset, make_loader, pad_collate
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore
from foldwise.training.fold_data import FoldData, Units, build_dataset
from foldwise.training.precision import Runtime
from foldwise.training.trainer import Trainer, build_trainer, use_repeatable_algorithms
from foldwise.vectors.table import random_vectors

ROWS = 120_000
STEPS = {512: 10, 32: 100}  # steps of training that are timed, by rows in a batch
WIDTH = 14  # tokens in each row of the steps with large tables
SIZES = (20_000, 400_000)  # words in the table
DIMENSION = 100
CPU = torch.device("cpu")
RUNTIME = Runtime(CPU, "fp32", 1)
Rates = dict[str, float]


class ItemByItem(Dataset[Item]):
    """The same rows with `__getitem__` alone, as a PyTorch Dataset usually is."""

    def __init__(self, dataset: TokenDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Item:
        return self.dataset[index]


def make_data(lengths: np.ndarray, words: int) -> FoldData:
    """Rows of these lengths, the k-th most frequent word drawn with a probability of 1 / k; a tenth has the target 1."""
    rng = np.random.default_rng(0)
    shares = np.cumsum(1 / np.arange(1, words - 1))
    ranks = np.searchsorted(shares, rng.random(lengths.sum()) * shares[-1])
    store = TokenStore((ranks + 2).astype(np.int32), np.append(0, np.cumsum(lengths)))
    y = (rng.random((len(lengths), 1)) < 0.1).astype(np.float32)
    folds = np.zeros(len(lengths), dtype=np.int64)
    return FoldData(store, random_vectors(words, DIMENSION), Targets("binary", y, y, ["target"]), folds)


def make_trainer(data: FoldData, steps: int) -> Trainer:
    """BiLSTM, optimizers and average, ready for the first step."""
    trainer = build_trainer(data, RECIPE, 0, steps, RUNTIME, data.targets.y)
    trainer.model.train()
    return trainer


def open_dataset(data: FoldData) -> TokenDataset:
    """All rows."""
    rows = np.arange(len(data.folds))
    return build_dataset(data, rows, Units.fit(data, rows), CPU)


def loaders(dataset: TokenDataset, size: int) -> dict[str, Any]:
    """The same bucketed batches of `size` rows by a DataLoader of items and by foldwise's."""
    sampler = BucketBatchSampler(dataset.lengths, size, RECIPE.batches.group, seed=0)
    items = DataLoader(ItemByItem(dataset), batch_sampler=sampler, collate_fn=pad_collate)
    return {"item by item": items, "foldwise": make_loader(dataset, sampler)}


def rates_by_batch_size(repeats: int, rows: int = ROWS, steps: dict[int, int] = STEPS) -> dict[int, dict[str, Rates]]:
    """Rows/s by size of a batch: of the batches alone, and of training with them; question-like lengths.

    Args:
        repeats: in turn; medians count.
        steps: of training that are timed, by size of a batch.
    """
    data = make_data(draw_lengths(np.random.default_rng(0), rows), SIZES[0])
    dataset = open_dataset(data)
    found: dict[int, dict[str, Rates]] = {}
    for size, count in steps.items():
        trainer = make_trainer(data, 2 * repeats * (count + 1))
        loading: dict[str, list[float]] = {}
        training: dict[str, list[float]] = {}
        for way, loader in list(loaders(dataset, size).items()) * repeats:
            loading.setdefault(way, []).append(loading_rate(loader))
            training.setdefault(way, []).append(training_rate(trainer, itertools.islice(loader, count + 1)))
        found[size] = {
            "batches": {way: median(values) for way, values in loading.items()},
            "training": {way: median(values) for way, values in training.items()},
        }
    return found


def loading_rate(loader: Any) -> float:
    """Rows/s of an epoch of batches."""
    start = time.perf_counter()
    rows = sum(len(batch.rows) for batch in loader)
    return rows / (time.perf_counter() - start)


def training_rate(trainer: Trainer, batches: Any) -> float:
    """Rows/s of steps, the first one left out, with the time that making their batches takes."""
    trainer.step(next(batches))
    start, rows = time.perf_counter(), 0
    for batch in batches:
        trainer.step(batch)
        rows += len(batch.rows)
    return rows / (time.perf_counter() - start)


def seconds_per_step(steps: int, sizes: Sequence[int] = SIZES) -> dict[int, float]:
    """Seconds of a whole training step (forward, backward, clip, optimizer, average), by words in the table."""
    trainers: dict[int, Trainer] = {}
    batches: dict[int, list[Batch]] = {}
    for words in sizes:
        data = make_data(np.full(BATCH * (steps + 1), WIDTH), words)
        trainers[words] = make_trainer(data, steps + 1)
        plan = [rows.tolist() for rows in np.split(np.arange(len(data.folds)), steps + 1)]
        batches[words] = list(make_loader(open_dataset(data), plan))
    seconds: dict[int, list[float]] = {words: [] for words in sizes}
    for step in range(steps + 1):
        for words in sizes:
            start = time.perf_counter()
            trainers[words].step(batches[words][step])
            seconds[words].append(time.perf_counter() - start)
    return {words: median(values[1:]) for words, values in seconds.items()}  # the first one makes the optimizer's state


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    use_repeatable_algorithms()
    print(json.dumps({"sizes": rates_by_batch_size(repeats), "steps": seconds_per_step(3 * repeats)}))


if __name__ == "__main__":
    main()
