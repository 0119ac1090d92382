"""One fold as a worker process does it: open the tokens, train, write the folder.

Apart from stage train because it needs torch, which takes seconds to load and is not needed to find that all folds
are up to date.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from foldwise.config import Metric as MetricName
from foldwise.config import Recipe
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore
from foldwise.files import atomic_folder, sizes_of, write_csv, write_json, write_text
from foldwise.metrics import metric_for
from foldwise.training.fold import FoldData, FoldResult, train_fold
from foldwise.training.precision import Runtime
from foldwise.training.workers import Report


@dataclass(frozen=True)
class Job:
    """One fold to train, with all that a worker process needs to know."""

    folder: Path
    tokens: Path
    member: str
    fold: int
    recipe: Recipe
    metric: MetricName
    targets: Targets
    folds: np.ndarray
    valid_ids: list[str]  # of the fold alone: a million ids a worker would be 0.1 GB
    test_ids: list[str]
    inputs: dict[str, Any]
    runtime: Runtime

    def __str__(self) -> str:
        return f"{self.member} fold {self.fold}"


def open_data(job: Job) -> FoldData:
    """What the fold learns from. Arrays are mapped, so that processes side by side share their pages."""
    vectors = np.load(job.tokens / "vectors.npy", mmap_mode="c")
    return FoldData(TokenStore.open(job.tokens), vectors, job.targets, job.folds)


def work(job: Job, report: Report) -> None:
    """Train one fold and write its folder; runs in a worker process."""
    start = time.perf_counter()
    metric = metric_for(job.metric, job.targets.task)
    result = train_fold(open_data(job), job.recipe, job.member, job.fold, metric, job.runtime, report)
    seconds = time.perf_counter() - start
    best = [record for record in result.history if record["best"]][-1]
    last = result.history[-1]
    trained_rows = last["epoch"] * int((job.folds != job.fold).sum())
    outcome = {
        "score": best["score"],
        "best_epoch": best["epoch"],
        "epochs": last["epoch"],
        "seconds": round(seconds, 2),
        "rows_per_second": round(trained_rows / last["train_seconds"]),
        "padding": float(np.mean([record["padding"] for record in result.history])),
    }
    write_fold(job, result, outcome)
    report({"event": "done", **outcome})


def write_fold(job: Job, result: FoldResult, outcome: dict[str, Any]) -> None:
    """The fold's folder, all of it or nothing."""
    record = {
        "member": job.member,
        "fold": job.fold,
        "inputs": job.inputs,
        "outputs": job.targets.names,
        "rows": {"train": len(job.folds) - len(result.rows), "validation": len(result.rows), "test": len(result.test)},
        "runtime": {
            "device": job.runtime.device.type,
            "precision": job.runtime.precision,
            "threads": job.runtime.threads,
        },
        "torch": torch.__version__,
        **outcome,
    }
    with atomic_folder(job.folder) as temporary:
        write_text(temporary / "history.jsonl", "".join(json.dumps(entry) + "\n" for entry in result.history))
        save_file(result.weights, temporary / "weights.safetensors")
        (temporary / "weights.safetensors").chmod(0o644)  # safetensors makes it readable by its owner only
        write_predictions(temporary / "oof.csv", job.valid_ids, result.oof, job.targets.names)
        write_predictions(temporary / "test.csv", job.test_ids, result.test, job.targets.names)
        write_json(temporary / "fold.json", {**record, "files": sizes_of(temporary)})


def write_predictions(path: Path, ids: list[str], predictions: np.ndarray, names: list[str]) -> None:
    """Predictions travel with the ids of their rows. Floats are written so that reading gives the same number back."""
    header = ["row id", *names]  # with a space: a class may be called "id" (as the language is)
    write_csv(path, header, ([row_id, *row] for row_id, row in zip(ids, predictions.astype(str).tolist(), strict=True)))
