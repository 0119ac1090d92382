"""Two pieces of a training step alone, on the CPU: making batches, and steps with large tables of vectors.

    .venv/bin/python tests/benchmarks/pieces.py --repeats 3

`throughput.py` runs it in a process of its own. Prints one line of JSON: rows/s by way, and seconds a step by words.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from contest import BATCH, RECIPE
from questions import draw_lengths

from foldwise.data.batching import BucketBatchSampler, TokenDataset, pad_collate
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore
from foldwise.training.fold import build_trainer
from foldwise.training.fold_data import FoldData
from foldwise.training.loop import BatchSource
from foldwise.training.precision import Runtime
from foldwise.vectors.table import random_vectors

ROWS = 120_000
WIDTH = 14  # tokens in each row of the steps
SIZES = (20_000, 400_000)  # words in the table
CPU = torch.device("cpu")


def zipf_store(lengths: np.ndarray, words: int) -> TokenStore:
    """Rows of these lengths, the k-th most frequent word drawn with a probability of 1 / k."""
    rng = np.random.default_rng(0)
    shares = np.cumsum(1 / np.arange(1, words - 1))
    ranks = np.searchsorted(shares, rng.random(lengths.sum()) * shares[-1])
    return TokenStore((ranks + 2).astype(np.int32), np.append(0, np.cumsum(lengths)))


def batches_per_second(repeats: int) -> dict[str, float]:
    """Rows/s of the same bucketed batches made by a DataLoader and gathered from the flat tokens."""
    store = zipf_store(draw_lengths(np.random.default_rng(0), ROWS), SIZES[0])
    targets = torch.zeros(ROWS, 1)
    sampler = BucketBatchSampler(store.lengths, BATCH, RECIPE.batches.group, seed=0)
    loader = DataLoader(TokenDataset(store, np.arange(ROWS), targets), batch_sampler=sampler, collate_fn=pad_collate)
    source = BatchSource(store, targets, CPU)
    ways: dict[str, Callable[[], int]] = {
        "DataLoader": lambda: sum(len(batch.rows) for batch in loader),
        "foldwise": lambda: sum(len(batch.rows) for batch in source.batches(sampler.batches)),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, count in ways.items():
            start = time.perf_counter()
            rows = count()
            rates[way].append(rows / (time.perf_counter() - start))
    return {way: median(values) for way, values in rates.items()}


def seconds_per_step(steps: int) -> dict[int, float]:
    """Seconds of a whole training step (forward, backward, clip, optimizer, average), by words in the table."""
    runtime = Runtime(CPU, "fp32", 1)
    y = np.zeros((BATCH * (steps + 1), 1), dtype=np.float32)
    targets = Targets("binary", y, y, ["target"])
    trainers, batches = {}, {}
    for words in SIZES:
        store = zipf_store(np.full(len(targets.y), WIDTH), words)
        data = FoldData(store, random_vectors(words, 100), targets, np.zeros(len(store), dtype=np.int64))
        trainers[words] = build_trainer(data, RECIPE, 0, steps + 1, runtime, np.arange(len(store)))
        trainers[words].model.train()
        plan = np.split(np.arange(len(store)), steps + 1)
        batches[words] = list(BatchSource(store, torch.from_numpy(targets.y), CPU).batches(plan))
    seconds: dict[int, list[float]] = {words: [] for words in SIZES}
    for step in range(steps + 1):
        for words in SIZES:
            start = time.perf_counter()
            trainers[words].step(batches[words][step])
            seconds[words].append(time.perf_counter() - start)
    return {words: median(values[1:]) for words, values in seconds.items()}  # the first one makes the optimizer's state


def main() -> None:
    """Measure both and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    print(json.dumps({"batches": batches_per_second(repeats), "steps": seconds_per_step(3 * repeats)}))


if __name__ == "__main__":
    main()
