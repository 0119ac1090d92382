"""A step of training on a GPU, taken apart: its time, what the host and the card do in it, waits, and memory.

    .venv/bin/python tests/benchmarks/gpu_step.py --data DIR

DIR is what `contest.prepare` wrote. Prints one line of JSON: figures of each number format, and of rows with three texts.
"""

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contest import RECIPE, load
from torch.profiler import ProfilerActivity, profile

from foldwise.config import Batches, Model, Recipe
from foldwise.data.dataset import Batch, make_loader
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore
from foldwise.running.placement import threads_per_fold
from foldwise.training.fold_data import FoldData, Units, build_dataset
from foldwise.training.precision import Precision, Runtime, choose_device, why_not
from foldwise.training.trainer import Trainer, build_trainer, make_sampler, use_repeatable_algorithms

WARM, STEPS, TOP = 10, 100, 12
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16")
# As the settings of Google QUEST Q&A Labeling have it: title, question and answer, 30 labels.
QUEST = Recipe(
    batches=Batches(size=16),
    model=Model(hidden=96),
    training=RECIPE.training.model_copy(update={"learning_rate": 2e-3}),
)
Figures = dict[str, Any]


def make_quest(data: FoldData, rows: int = 6000) -> FoldData:
    """Rows of a title (10 words), a question and an answer (each 10 to 300), whose order by length differs."""
    rng = np.random.default_rng(0)
    lengths = np.stack([rng.integers(3, 20, rows), rng.integers(10, 301, rows), rng.integers(10, 301, rows)], axis=1)
    offsets = np.concatenate([[0], np.cumsum(lengths.reshape(-1))])
    store = TokenStore(np.resize(data.store.tokens, offsets[-1]), offsets, 3)
    y = (rng.random((rows, 30)) < 0.3).astype(np.float32)
    return replace(
        data, store=store, targets=Targets("multilabel", y, y, [str(i) for i in range(30)]), folds=np.arange(rows) % 5
    )


def batches_of(data: FoldData, recipe: Recipe, device: torch.device) -> Iterator[Batch]:
    """Those of a fold, epoch after epoch."""
    rows, _ = data.split(0)
    dataset = build_dataset(data, rows, Units(targets=None, features=None), device)
    sampler = make_sampler(dataset, recipe.batches, 0)
    while True:
        yield from make_loader(dataset, sampler, device)


def take(trainer: Trainer, batches: Iterator[Batch], count: int) -> int:
    """Steps; → the rows in their batches."""
    rows = 0
    for batch in islice(batches, count):
        trainer.rate.set(0.5)
        trainer.step(batch.to(trainer.runtime.device))
        rows += len(batch.rows)
    return rows


def wait(device: torch.device) -> None:
    """Until the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def count_waits(trainer: Trainer, batches: Iterator[Batch], count: int) -> float:
    """How often a step waits for the GPU."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            take(trainer, batches, count)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in caught) / count


def measure(data: FoldData, recipe: Recipe, runtime: Runtime, steps: int = STEPS) -> Figures:
    """Of one recipe in one number format."""
    device, on_gpu = runtime.device, runtime.device.type == "cuda"
    torch.set_num_threads(runtime.threads)
    use_repeatable_algorithms()
    trainer, batches = (
        build_trainer(data, recipe, 0, 10 * steps, runtime, data.targets.y),
        batches_of(data, recipe, device),
    )
    trainer.model.train()
    take(trainer, batches, WARM)
    wait(device)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    rows = take(trainer, batches, steps)
    host = time.perf_counter() - start
    wait(device)
    seconds = time.perf_counter() - start
    found: Figures = {"ms": 1000 * seconds / steps, "host_ms": 1000 * host / steps, "rows_per_second": rows / seconds}
    if not on_gpu:
        return found
    found["waits"] = count_waits(trainer, batches, WARM)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA], acc_events=True) as profiler:
        take(trainer, batches, WARM)
        wait(device)
    events = profiler.key_averages()
    kernels = sorted(
        (e for e in events if e.device_type.name == "CUDA" and not e.is_user_annotation),
        key=lambda e: -e.self_device_time_total,
    )
    ops = sorted((e for e in events if e.device_type.name == "CPU"), key=lambda e: -e.self_cpu_time_total)
    found["gpu_ms"] = sum(e.self_device_time_total for e in kernels) / WARM / 1000
    found["kernels"] = sum(e.count for e in kernels) / WARM
    found["top_kernels"] = [[e.key[:90], e.count / WARM, e.self_device_time_total / WARM] for e in kernels[:TOP]]
    found["top_host"] = [[e.key[:60], e.count / WARM, e.self_cpu_time_total / WARM] for e in ops[:TOP]]
    found["peak_gb"] = torch.cuda.max_memory_reserved() / 1e9
    return found


def main() -> None:
    """Measure all, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    device, _ = choose_device("auto")
    data, threads, found = load(arguments.data), threads_per_fold(RECIPE.folds.n), {}
    for precision in PRECISIONS:
        if not why_not(precision, device):
            runtime = Runtime(device, precision, threads)
            found[precision] = measure(data, RECIPE, runtime, arguments.steps)
            found[f"{precision}, three texts"] = measure(make_quest(data), QUEST, runtime, arguments.steps)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
