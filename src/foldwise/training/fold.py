"""Train one fold from its first weights to its predictions. Pure: arrays in, arrays out."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from foldwise.config import Recipe
from foldwise.data.batching import BucketBatchSampler, padding_share
from foldwise.errors import RunError
from foldwise.files import hash_of
from foldwise.metrics import Metric, best_score
from foldwise.models import build_model
from foldwise.time_budget.budget import Clock
from foldwise.training.averaging import AveragedWeights
from foldwise.training.early_stopping import EarlyStopping
from foldwise.training.fold_data import FoldData, Scale, build_source
from foldwise.training.loop import DivergedError, Trainer, evaluate, predict, train_epoch
from foldwise.training.losses import build_loss, to_predictions
from foldwise.training.optimizers import build_optimizers, set_embeddings_trained
from foldwise.training.pace import Limit, Pace, Sizes
from foldwise.training.precision import Runtime
from foldwise.training.schedules import build_schedules, schedule_on_score, stretch
from foldwise.training.snapshots import Event, Snapshots, copy_weights

REPORT_SECONDS = 0.25  # between two reports of steps


@dataclass(frozen=True)
class FoldResult:
    """What training a fold gives.

    Attributes:
        rows: (n,) int64 validation rows.
        oof: (n, C) predictions of these rows, float32 (float64 in a regression).
        test: (M, C) predictions of the test rows.
        snapshots: the weights that predict together, best first, by name and without frozen vectors.
        history: one record per evaluation.
        ngrams: what the arrays of a linear member stand for; None of a network.
        shortened: a time budget ended it, not the recipe.
    """

    rows: np.ndarray
    oof: np.ndarray
    test: np.ndarray
    snapshots: list[dict[str, Tensor]]
    history: list[Event]
    ngrams: dict[str, Any] | None = None
    shortened: bool = False


class StoppedError(RunError):
    """A fold that went wrong on its way, with what it had reached by then.

    Attributes:
        rows: row numbers of the batch it went wrong at.
        best: the best weights so far; empty if none were validated.
        history: the evaluations so far.
    """

    def __init__(self, error: DivergedError, best: dict[str, Tensor], history: list[Event]) -> None:
        super().__init__(str(error))
        self.rows, self.best, self.history = error.rows, best, history


class GivenUpError(Exception):
    """A fold that the plan of a time budget does not hold any more; what it had is lost."""


def train_fold(
    data: FoldData,
    recipe: Recipe,
    member: str,
    fold: int,
    metric: Metric,
    runtime: Runtime,
    report: Callable[[Event], Any],
    limit: Limit | None = None,
) -> FoldResult:
    """Train on every fold but `fold`, stop early on `fold`, predict `fold` and the test rows with the best weights.

    Args:
        report: takes progress as records: `start`, `steps` now and then, `evaluation` with the history's fields;
            answers, with a time budget, how many epochs are planned by now, or None.
        limit: what a time budget leaves.

    Raises:
        StoppedError: the loss was not finite.
        GivenUpError: by order of a time budget's plan.
        RunError: no score was finite.
    """
    settings, targets = recipe.training, data.targets
    torch.set_num_threads(runtime.threads)
    use_repeatable_algorithms()
    seed = fold_seed(recipe.seed, member, fold)
    train_rows, valid_rows = np.flatnonzero(data.folds != fold), np.flatnonzero(data.folds == fold)
    scale = Scale.of(targets.task, targets.y, train_rows)
    source = build_source(data, train_rows, scale, runtime)
    lengths = data.store.lengths[train_rows]
    sampler = BucketBatchSampler(
        lengths, recipe.batches.size, recipe.batches.group, seed, recipe.batches.tokens or None
    )
    pace = Pace(limit, sampler, settings.epochs, sizes_of(data, train_rows, valid_rows, settings.snapshots))
    trainer = build_trainer(data, recipe, seed, pace.steps, runtime, train_rows)
    model, averages = trainer.model, trainer.averages
    kept = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    stopping = EarlyStopping(metric.greater_is_better, settings.patience, settings.min_delta)
    snapshots = Snapshots(settings.snapshots, metric.greater_is_better)
    train_seconds = 0.0
    history: list[Event] = []

    def to_values(logits: Tensor) -> np.ndarray:
        return scale.undo(to_predictions(logits[:, : targets.outputs], targets.task).numpy())

    def score_valid(logits: Tensor) -> float:
        return best_score(metric, targets.task, targets.truth[valid_rows], to_values(logits))

    told = Clock.now()

    def tell(event: Event) -> None:
        """Report; the answer may be another number of epochs, and so may be the answer to telling what that means."""
        nonlocal told
        told = Clock.now()
        epochs = report(event)
        while pace.hear(epochs):
            if pace.given_up:
                raise GivenUpError
            if trainer.steps < pace.steps:
                stretched = stretch(trainer.schedules, trainer.optimizers, settings, pace.steps, trainer.steps)
                trainer.schedules = stretched
            epochs = report({"event": "planned", "steps": max(pace.steps, trainer.steps)})

    unreported = 0

    def on_steps(steps: int) -> bool:
        nonlocal unreported
        unreported += steps
        if Clock.now() - told >= REPORT_SECONDS:  # more often would fill the pipe of a worker whose reader is busy
            tell({"event": "steps", "steps": unreported})
            unreported = 0
        return pace.is_over(trainer.steps)

    pace.begin()
    tell({"event": "start", "steps": pace.steps})
    for epoch in range(settings.epochs):
        set_embeddings_trained(model, epoch >= settings.unfreeze_epoch)
        sampler.set_epoch(epoch)
        plan = [train_rows[indices] for indices in sampler.plan()]
        padding = padding_share(data.store.lengths, plan)
        parts, before = min(settings.evaluations_per_epoch, len(plan)), trainer.steps
        for part in range(parts):
            share = plan[len(plan) * part // parts : len(plan) * (part + 1) // parts]
            started = time.perf_counter()
            try:
                loss = train_epoch(trainer, source, share[: pace.steps - trainer.steps], on_steps)
            except DivergedError as error:
                raise StoppedError(error, snapshots.best, history) from error
            trained = time.perf_counter()
            train_seconds += trained - started
            with averages.applied():
                valid_score = evaluate(model, source, valid_rows, runtime, score_valid)
                best = snapshots.offer(valid_score, lambda: copy_weights(model, kept))
            stopping.improved(valid_score)
            schedule_on_score(trainer.schedules, valid_score, metric.greater_is_better)
            done = trainer.steps - before
            whole = done == len(plan) * (part + 1) // parts
            record = {
                "epoch": epoch + ((part + 1) / parts if whole else done / len(plan)),
                "step": trainer.steps,
                "loss": loss,
                "score": valid_score if np.isfinite(valid_score) else None,  # JSON has no NaN
                "best": best,
                "learning_rate": trainer.learning_rate,
                "padding": padding,
                "train_seconds": round(train_seconds, 3),
            }
            history.append(record)
            validated = time.perf_counter() - trained
            pace.note_validation(validated)
            if unreported:
                tell({"event": "steps", "steps": unreported})
                unreported = 0
            # Whether this was the last evaluation is for the plan to say, which may have grown: wait for the answer.
            tell({"event": "evaluation", **record, "seconds": validated, "asks": limit is not None})
            if stopping.should_stop or pace.is_over(trainer.steps):
                break
        if stopping.should_stop or pace.is_over(trainer.steps):
            break
    if not snapshots.kept:
        raise RunError(
            f"fold {fold} of {member}: no evaluation gave a finite score; either its {len(valid_rows)} rows have one "
            "target value only, which leaves the metric undefined (fewer folds help), or the training diverged (lower "
            "--set training.learning_rate)"
        )
    test_rows = np.arange(len(data.folds), len(data.store))
    predictions = []
    for weights in snapshots.weights:
        model.load_state_dict(weights, strict=False)  # frozen vectors are as they were
        predictions.append([to_values(predict(model, source, rows, runtime)) for rows in (valid_rows, test_rows)])
    oof, test = (np.mean(parts, axis=0) for parts in zip(*predictions, strict=True))
    shortened = trainer.steps < pace.whole and not stopping.should_stop
    return FoldResult(valid_rows, oof, test, snapshots.weights, history, shortened=shortened)


def sizes_of(data: FoldData, train_rows: np.ndarray, valid_rows: np.ndarray, snapshots: int) -> Sizes:
    """How much the fold has to train on and to predict."""
    lengths, test = data.store.lengths, len(data.store) - len(data.folds)
    return Sizes(
        train=int(lengths[train_rows].sum()),
        valid=int(lengths[valid_rows].sum()),
        test=int(lengths[len(data.folds) :].sum()),
        predicted=len(valid_rows) + test,
        snapshots=snapshots,
    )


def build_trainer(
    data: FoldData, recipe: Recipe, seed: int, steps: int, runtime: Runtime, train_rows: np.ndarray
) -> Trainer:
    """Model, loss, optimizers, schedules and average of one fold.

    Args:
        seed: of the first weights.
        steps: of the whole training, for the schedules.
        train_rows: whose targets may tell how rare classes are.
    """
    settings, targets = recipe.training, data.targets
    y, weighed = targets.y[train_rows], targets.weights is not None
    objective = build_loss(settings, targets.task, targets.outputs, y, weighed).to(runtime.device)
    model = build_model(torch.from_numpy(data.vectors), data.shape, recipe.model, seed).to(runtime.device)
    optimizers = build_optimizers(model, settings)
    schedules = build_schedules(optimizers, settings, steps)
    averages = AveragedWeights(model, settings.ema)
    return Trainer(model, objective, optimizers, schedules, averages, settings.max_grad_norm, runtime)


def use_repeatable_algorithms() -> None:
    """The same bytes at every run, where torch has such an algorithm."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Would fill every new tensor with NaN first, to betray code that reads it before writing: a tenth of a step's time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def fold_seed(seed: int, member: str, fold: int) -> int:
    """A seed for each fold of each member that depends on nothing else, so that folds can be trained in any order."""
    return int(hash_of([seed, member, fold]), 16) % 2**31
