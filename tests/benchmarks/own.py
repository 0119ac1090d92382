"""How foldwise trains the same model on the same rows, and the limit of what its processes could do."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contest import BATCH, RECIPE, load

from foldwise.data.dataset import Batch
from foldwise.metrics import metric_for
from foldwise.running.engine import do_nothing, find_engine
from foldwise.running.placement import WORTH_PROCESSES, Placement, place_on_cpu, place_on_gpus, threads_per_fold
from foldwise.training.averaging import AveragedWeights
from foldwise.training.fold import train_fold
from foldwise.training.fold_data import FoldData
from foldwise.training.precision import Runtime, choose_device, choose_precision
from foldwise.training.trainer import build_from_vectors, build_trainer

WARM = 2  # steps of the limit before its clock starts
READY = 20  # batches that lie ready for the limit
Figures = dict[str, Any]
Report = Callable[[Any], object]


@dataclass(frozen=True)
class Job:
    """One process' share."""

    folder: Path
    fold: int
    runtime: Runtime
    seconds: float


def place(folder: Path) -> tuple[Placement, Runtime]:
    """Processes, threads, device and number format that stage train would choose for a contest."""
    folds = RECIPE.folds.n
    device, _ = choose_device("auto")
    runtime = Runtime(device, choose_precision("auto", device, small_steps=True), threads_per_fold(folds))
    if device.type == "cuda":
        return place_on_gpus([(load(folder), RECIPE, runtime, build_from_vectors)], WORTH_PROCESSES), runtime
    return place_on_cpu(folds, WORTH_PROCESSES), runtime


def together(folder: Path, seconds: float, work: Callable[[Job, Report], None]) -> Figures:
    """Rates of all processes added up, one fold in each, so that all are busy at the same time."""
    placement, runtime = place(folder)
    workers = min(placement.workers, RECIPE.folds.n)
    results: list[Figures] = []

    def collect(slot: int, job: Job, figures: Figures) -> None:
        results.append(figures)

    jobs = [Job(folder, fold, runtime, seconds) for fold in range(workers)]
    find_engine(2)(jobs, work, workers, collect, placement.prepare, do_nothing)
    rows, tokens = (sum(result[name] for result in results) for name in ("rows", "tokens"))
    padding = float(np.mean([result["padding"] for result in results]))
    return {"rows": rows, "tokens": tokens, "padding": padding, "how": describe(workers, runtime)}


def describe(workers: int, runtime: Runtime) -> str:
    """`2 processes of 1 thread, cpu, fp32`."""
    processes = f"{workers} process{'es' if workers > 1 else ''}"
    threads = f"{runtime.threads} thread{'s' if runtime.threads > 1 else ''}"
    return f"{processes} of {threads}, {runtime.device.type}, {runtime.precision}"


def foldwise(folder: Path, seconds: float) -> Figures:
    """(d) This project's training of its folds: an epoch, every step counted."""
    return together(folder, seconds, train_one)


def train_one(job: Job, report: Report) -> None:
    """One fold, as stage train does it; reports its figures."""
    data, metric = load(job.folder), metric_for("f1", "binary")
    (epoch,) = train_fold(data, RECIPE, "bilstm", job.fold, metric, job.runtime, lambda _: None).history
    rows, _ = data.split(job.fold)
    seconds, tokens = epoch.train_seconds, int(data.store.lengths[rows].sum())
    report({"rows": len(rows) / seconds, "tokens": tokens / seconds, "padding": epoch.padding})


def limit(folder: Path, seconds: float) -> Figures:
    """(e) Forward, backward and optimizer on batches of equal length that lie ready, in the processes of (d)."""
    return together(folder, seconds, step_one)


class NoAverages(AveragedWeights):
    """Steps and nothing else, but for their number, by which the trainer knows when to give memory back."""

    def before_step(self) -> None:
        """Nothing."""

    def update(self) -> None:
        """The number alone."""
        self.updates += 1


def step_one(job: Job, report: Report) -> None:
    """Steps for `seconds` on batches as wide as a row is long on average, of the data's own tokens; reports figures."""
    data = load(job.folder)
    width = round(float(data.store.lengths.mean()))
    batches = ready_batches(data, width, job.runtime.device)
    torch.set_num_threads(job.runtime.threads)
    trainer = build_trainer(data, RECIPE, 0, 1000, job.runtime, data.targets.y)
    trainer.averages = NoAverages(trainer.model, 0.0)
    trainer.model.train()
    trainer.rate.set(0.5)  # the same for all steps
    step, start = 0, 0.0
    while step < WARM + 2 or time.perf_counter() - start < job.seconds:
        if step == WARM:
            start = time.perf_counter()
        loss = trainer.step(batches[step % READY])
        step += 1
    loss.item()  # waits for a GPU
    rows = (step - WARM) * BATCH / (time.perf_counter() - start)
    report({"rows": rows, "tokens": rows * width, "padding": 0.0})


def ready_batches(data: FoldData, width: int, device: torch.device) -> list[Batch]:
    """Full batches cut from the flat tokens, from the beginning again where these end."""
    tokens = torch.from_numpy(np.resize(data.store.tokens, (READY, BATCH, width))).to(device)
    lengths, y = torch.full((BATCH,), width), torch.from_numpy(np.resize(data.targets.y, (BATCH, 1))).to(device)
    return [Batch(part, lengths, y, torch.arange(BATCH)) for part in tokens]
