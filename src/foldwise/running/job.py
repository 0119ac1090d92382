"""One fold as a worker process does it: open the tokens, train, write the folder.

Apart from stage train because it needs torch, which takes seconds to load and is not needed to find that all folds
are up to date.
"""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from foldwise.config import LINEAR, Recipe
from foldwise.config import Metric as MetricName
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore
from foldwise.errors import RunError
from foldwise.files import atomic_folder, read_json, sizes_of, write_csv, write_json, write_text
from foldwise.freshness import differences
from foldwise.metrics import metric_for
from foldwise.running.local import Report
from foldwise.training.fold import FoldResult, GivenUpError, StoppedError, build_trainer, train_fold
from foldwise.training.fold_data import FoldData
from foldwise.training.pace import Limit
from foldwise.training.precision import Runtime
from foldwise.training.snapshots import Event
from foldwise.vectors.table import random_vectors

TRIED = 8  # rows, words and numbers in a vector of a member that is only tried


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
    limit: Limit | None = None

    def __str__(self) -> str:
        return f"{self.member} fold {self.fold}"


def open_data(job: Job) -> FoldData:
    """What the fold learns from. Arrays are mapped, so that processes side by side share their pages."""
    vectors, features = (np.load(job.tokens / f"{name}.npy", mmap_mode="c") for name in ("vectors", "features"))
    beside = features if features.shape[1] else None
    return FoldData(TokenStore.open(job.tokens), vectors, job.targets, job.folds, beside)


def try_member(recipe: Recipe, targets: Targets, shape: tuple[int, int]) -> None:
    """Make what a member is trained with, for a few rows and words.

    Args:
        shape: K texts of a row, D numbers beside them.

    Raises:
        InputError: a part of the recipe that does not exist, does not fit the task, or fails.
    """
    if recipe.model.name == LINEAR:
        from foldwise.learners.ngrams import check_linear

        check_linear(targets.task, recipe.linear)
        return
    columns, features = shape
    rows = np.arange(min(TRIED, len(targets.truth)))
    store = TokenStore(np.ones(columns * len(rows), np.int32), np.arange(columns * len(rows) + 1), columns)
    beside = np.zeros((len(rows), features)) if features else None
    data = FoldData(store, random_vectors(TRIED, TRIED), targets.take(rows), np.zeros(len(rows), np.int64), beside)
    precision = "fp32" if recipe.training.precision == "auto" else recipe.training.precision
    runtime = Runtime(torch.device("cpu"), precision, torch.get_num_threads())
    build_trainer(data, recipe, 0, recipe.training.epochs, runtime, rows)


def work(job: Job, report: Report) -> None:
    """Train one fold and write its folder; runs in a worker process."""
    start = time.perf_counter()
    metric = metric_for(job.metric, job.targets.task)
    data, recipe = open_data(job), job.recipe
    try:
        if recipe.model.name == LINEAR:
            # Here, as scipy is not needed otherwise: it would cost every worker half a second and 40 MB.
            from foldwise.learners.linear import train_linear_fold

            words = list(read_json(job.tokens / "vocab.json"))
            result = train_linear_fold(data, words, recipe, job.member, job.fold, metric, report)
        else:
            result = train_fold(data, recipe, job.member, job.fold, metric, job.runtime, report, job.limit)
    except StoppedError as error:
        raise RunError(stopped(job, error, report)) from error
    except GivenUpError:
        report({"event": "given up"})
        return
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
    if result.shortened:
        outcome["shortened"] = {"epochs": last["epoch"], "of": recipe.training.epochs}
    replaces = not (result.shortened and trained_longer(job, last["epoch"]))
    if replaces:
        write_fold(job, result, outcome)
    report({"event": "done", **outcome, "written": replaces})


def trained_longer(job: Job, epochs: float) -> bool:
    """True if the fold that is there is the same one, and a time budget gave it no fewer epochs."""
    record = read_json(job.folder / "fold.json")
    same = not differences(job.folder, "fold.json", job.inputs)
    return same and ("shortened" not in record or record["epochs"] >= epochs)


def linear_seconds(job: Job) -> float:
    """About how many seconds a fold of the linear member takes, from one on a part of its rows.

    Its fit cannot be cut short, so a time budget must know before.
    """
    from foldwise.learners.linear import time_linear

    data, words = open_data(job), list(read_json(job.tokens / "vocab.json"))
    return time_linear(data, words, job.recipe, job.fold)


def stopped(job: Job, error: StoppedError, report: Report) -> str:
    """Keep what a fold had reached before it went wrong; what to say of it.

    The rows of the batch are reported by number, as only the main process has their ids.
    """
    report({"event": "stopped", "rows": error.rows.tolist()})
    fix = "lower --set training.learning_rate=…, or use training.precision=fp32; look at the rows named above"
    if not error.best:
        return f"{job}: {error}; {fix}"
    folder = stopped_folder(job)
    with atomic_folder(folder) as temporary:
        write_history(temporary, error.history)
        write_weights(temporary, [error.best])
    return f"{job}: {error}; the best weights until then are in {folder}; {fix}"


def stopped_folder(job: Job) -> Path:
    """Where a fold that went wrong leaves its best weights."""
    return job.folder.with_name(f"{job.folder.name}-stopped")


def write_history(folder: Path, history: Sequence[Event]) -> None:
    """One line of JSON an evaluation."""
    write_text(folder / "history.jsonl", "".join(json.dumps(entry) + "\n" for entry in history))


def write_weights(folder: Path, snapshots: Sequence[dict[str, torch.Tensor]]) -> None:
    """weights.safetensors, and weights-2.safetensors … where several snapshots predict together."""
    for number, weights in enumerate(snapshots, start=1):
        path = folder / ("weights.safetensors" if number == 1 else f"weights-{number}.safetensors")
        save_file(weights, path)
        path.chmod(0o644)  # safetensors makes it readable by its owner only


def write_fold(job: Job, result: FoldResult, outcome: dict[str, Any]) -> None:
    """The fold's folder, all of it or nothing."""
    record = {
        "member": job.member,
        "fold": job.fold,
        "inputs": job.inputs,
        "outputs": job.targets.columns,
        "rows": {"train": len(job.folds) - len(result.rows), "validation": len(result.rows), "test": len(result.test)},
        "runtime": {
            "device": job.runtime.device.type,
            "precision": job.runtime.precision,
            "threads": job.runtime.threads,
        },
        "torch": torch.__version__,
        **outcome,
    }
    shutil.rmtree(stopped_folder(job), ignore_errors=True)  # of an earlier try
    with atomic_folder(job.folder) as temporary:
        write_history(temporary, result.history)
        write_weights(temporary, result.snapshots)
        if result.ngrams is not None:
            write_json(temporary / "ngrams.json", result.ngrams)
        write_predictions(temporary / "oof.csv", job.valid_ids, result.oof, job.targets.columns)
        write_predictions(temporary / "test.csv", job.test_ids, result.test, job.targets.columns)
        write_json(temporary / "fold.json", {**record, "files": sizes_of(temporary)})


def write_predictions(path: Path, ids: list[str], predictions: np.ndarray, names: list[str]) -> None:
    """Predictions travel with the ids of their rows. Floats are written so that reading gives the same number back."""
    header = ["row id", *names]  # with a space: a class may be called "id" (as the language is)
    write_csv(path, header, ([row_id, *row] for row_id, row in zip(ids, predictions.astype(str).tolist(), strict=True)))
