"""How many folds train side by side, with how many threads, and on which GPU each.

The number of threads follows from the machine and the recipe, never from how many folds a call asks for: the last bits
of a result depend on it, and fold 3 alone must give the bytes that it gives among the others.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from foldwise.config import Recipe
from foldwise.data.dataset import make_loader
from foldwise.running.engine import Engine, Prepare, do_nothing
from foldwise.training.fold_data import FoldData, Units, build_dataset
from foldwise.training.precision import Runtime
from foldwise.training.prediction import PREDICT_TOKENS, predict
from foldwise.training.trainer import BuildModel, build_trainer, use_repeatable_algorithms

# Below so many tokens, over all epochs and folds, starting processes takes longer than it saves.
WORTH_PROCESSES = 500_000
CONTEXT = 700 << 20  # bytes of GPU memory that a process needs before its first tensor
USABLE = 0.9  # of the GPU's free memory
STEPS = 20  # of the probe
SPREAD = "the folds are spread over them, each on one; GPUs that shared a fold would wait for each other at each step"
# The same for tokens that are only predicted, which goes several times as fast as training, and on a GPU by far.
WORTH_PREDICTING = {"cpu": 1_000_000, "cuda": 20_000_000}


@dataclass(frozen=True)
class Placement:
    """Worker processes, and what each does before its first job."""

    workers: int
    prepare: Prepare = do_nothing
    engine: Engine | None = None  # instead of the usual one for so many workers
    note: str = ""  # to be said


def count_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_per_fold(folds: int) -> int:
    """Threads of one fold: all cores shared out among the folds that a member trains."""
    return max(1, count_cores() // folds)


def place_on_cpu(folds: int, tokens: int) -> Placement:
    """As many folds at once as the cores have threads for; `tokens` count over all epochs and folds."""
    threads = threads_per_fold(folds)
    return Placement(1 if tokens < WORTH_PROCESSES else max(1, count_cores() // threads))


def place_on_gpus(asked: Sequence[tuple[FoldData, Recipe, Runtime, BuildModel]], tokens: int) -> Placement:
    """As many of the asked folds at once as memory and time of the GPUs, all taken as alike, allow; dealt in turn.

    The kernels of a small LSTM leave gaps in which the host prepares the next ones; other folds fill them. How much the
    largest fold takes is measured by training it a few steps on the longest rows.
    """
    gpus = torch.cuda.device_count()
    prepare = partial(choose_gpu, gpus=gpus)
    if tokens < WORTH_PROCESSES:
        return Placement(1, prepare)
    note = f"{gpus} GPUs: {SPREAD}" if gpus > 1 else ""
    sizes, shares = zip(*(probe(*fold) for fold in asked), strict=True)
    torch.cuda.empty_cache()  # what the probes took is the workers' now
    workers = gpus * folds_at_once(torch.cuda.mem_get_info()[0], max(sizes), max(shares))
    return Placement(min(workers, max(gpus, count_cores())), prepare, note=note)


def add_others(placed: Placement, on_gpus: int, others: int, threads: int) -> Placement:
    """The placement of `on_gpus` folds, with room on idle cores for others that need no GPU, of so many threads each.

    Only where all of the former fit at once: a worker that is free takes whichever fold comes next.
    """
    if on_gpus > placed.workers:
        return placed
    beside = min(others, max(0, count_cores() - on_gpus) // threads)
    return replace(placed, workers=max(placed.workers, on_gpus + beside))


def place_prediction(device: torch.device, threads: int, tokens: int) -> Placement:
    """Trained folds that predict side by side: one on each GPU, or as many as the cores have `threads` for."""
    worth = tokens >= WORTH_PREDICTING[device.type]
    if device.type == "cpu":
        return Placement(max(1, count_cores() // threads) if worth else 1)
    gpus = torch.cuda.device_count()
    return Placement(gpus if worth else 1, partial(choose_gpu, gpus=gpus))


def folds_at_once(free: int, needed: int, busy: float) -> int:
    """Folds that a GPU with `free` bytes trains at once, where one needs so many, and keeps it `busy` that share."""
    return max(1, min(int(USABLE * free // needed), int(1 / max(busy, 0.01))))


def choose_gpu(slot: int, gpus: int) -> None:
    """Make the GPU of worker `slot` its process's own."""
    torch.cuda.set_device(slot % gpus)


def kind_of(recipe: Recipe, runtime: Runtime) -> str:
    """What the memory of a fold hangs on, so that one of each kind is measured: all of its recipe but the seed."""
    return f"{runtime} {recipe.model_copy(update={'seed': 0})}"


def probe(data: FoldData, recipe: Recipe, runtime: Runtime, build: BuildModel) -> tuple[int, float]:
    """Bytes of GPU memory that a fold takes, and the share of the time in which it keeps the GPU busy."""
    use_repeatable_algorithms()
    rows = np.arange(len(data.folds))
    trainer = build_trainer(data, recipe, 0, 3 * STEPS, runtime, data.targets.y, build=build)
    trainer.model.train()
    dataset = build_dataset(data, rows, Units.fit(data, rows), runtime.device)
    longest = (-dataset.lengths).argsort()
    size = recipe.batches.size
    if recipe.batches.tokens:
        size = max(1, recipe.batches.tokens // max(int(dataset.lengths[longest[0]]), 1))
    batches = [longest[:size].tolist()] * STEPS

    def train() -> float:
        torch.cuda.synchronize()
        start = time.perf_counter()
        for batch in make_loader(dataset, batches, runtime.device):
            trainer.step(batch.to(runtime.device))
        torch.cuda.synchronize()
        return time.perf_counter() - start

    train()
    seconds = train()
    # Without `acc_events` it warns of later cycles, of which there are none.
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiler:
        train()
    with trainer.averages.applied():
        predict(trainer.model, dataset.select(longest[: PREDICT_TOKENS // 8]), runtime)
    # Annotations, such as that of an optimizer's step, span kernels that are counted themselves.
    kernels = sum(e.self_device_time_total for e in profiler.events() if not e.is_user_annotation) / 1e6
    needed = torch.cuda.max_memory_reserved() + CONTEXT
    return needed, kernels / seconds if kernels else 1.0  # no kernel seen: the profiler does not work here
