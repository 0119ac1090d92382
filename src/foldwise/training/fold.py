"""Train one fold from its first weights to its predictions. Pure: arrays in, arrays out."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from foldwise.config import Recipe
from foldwise.data.batching import BucketBatchSampler, padding_share
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore
from foldwise.errors import RunError
from foldwise.files import hash_of
from foldwise.metrics import Metric, best_cuts, score
from foldwise.models import build_model
from foldwise.training.early_stopping import EarlyStopping
from foldwise.training.loop import BatchSource, Trainer, evaluate, predict, train_epoch
from foldwise.training.losses import LOSSES, to_predictions
from foldwise.training.optimizers import AveragedWeights, build_optimizers, build_schedules
from foldwise.training.precision import Runtime

Event = dict[str, Any]


@dataclass(frozen=True)
class FoldData:
    """What a fold learns from.

    Attributes:
        store: tokens of N training rows, then M test rows.
        vectors: (V, E) float32.
        targets: of the N training rows.
        folds: (N,) int64 fold of each training row.
    """

    store: TokenStore
    vectors: np.ndarray
    targets: Targets
    folds: np.ndarray


@dataclass(frozen=True)
class FoldResult:
    """What training a fold gives.

    Attributes:
        rows: (n,) int64 validation rows.
        oof: (n, C) predictions of these rows, float32 (float64 in a regression).
        test: (M, C) predictions of the test rows.
        weights: the best weights by name, without frozen vectors.
        history: one record per evaluation.
    """

    rows: np.ndarray
    oof: np.ndarray
    test: np.ndarray
    weights: dict[str, Tensor]
    history: list[Event]


def train_fold(
    data: FoldData,
    recipe: Recipe,
    member: str,
    fold: int,
    metric: Metric,
    runtime: Runtime,
    report: Callable[[Event], object],
) -> FoldResult:
    """Train on every fold but `fold`, stop early on `fold`, predict `fold` and the test rows with the best weights.

    Args:
        report: takes progress as records: `start`, `steps` now and then, `evaluation` with the history's fields.

    Raises:
        RunError: the loss or every score was not finite.
    """
    settings, targets = recipe.training, data.targets
    torch.set_num_threads(runtime.threads)
    use_repeatable_algorithms()
    seed = fold_seed(recipe.seed, member, fold)
    train_rows, valid_rows = np.flatnonzero(data.folds != fold), np.flatnonzero(data.folds == fold)
    scale = Scale.of(targets, train_rows)
    source = BatchSource(data.store, torch.from_numpy(scale.apply(targets.y)), runtime.device)
    lengths = data.store.lengths[train_rows]
    sampler = BucketBatchSampler(
        lengths, recipe.batches.size, recipe.batches.group, seed, recipe.batches.tokens or None
    )
    steps = sampler.steps(settings.epochs)
    trainer = build_trainer(data, recipe, seed, steps, runtime)
    model, averages = trainer.model, trainer.averages
    stopping = EarlyStopping(metric.greater_is_better, settings.patience, settings.min_delta)
    report({"event": "start", "steps": steps})
    train_seconds = 0.0
    history: list[Event] = []
    best: dict[str, Tensor] = {}

    def to_values(logits: Tensor) -> np.ndarray:
        return scale.undo(to_predictions(logits, targets.task).numpy())

    def score_valid(logits: Tensor) -> float:
        # Hard labels are judged at their best cuts: which ones to use is the ensemble's decision, not this fold's.
        predictions, truth = to_values(logits), targets.y[valid_rows]
        cuts = best_cuts(metric, targets.task, truth, predictions)
        return score(metric, targets.task, truth, predictions, cuts)

    for epoch in range(settings.epochs):
        sampler.set_epoch(epoch)
        plan = [train_rows[indices] for indices in sampler.plan()]
        padding = padding_share(data.store.lengths, plan)
        parts = min(settings.evaluations, len(plan))
        for part in range(parts):
            share = plan[len(plan) * part // parts : len(plan) * (part + 1) // parts]
            started = time.perf_counter()
            loss = train_epoch(trainer, source, share, lambda steps: report({"event": "steps", "steps": steps}))
            train_seconds += time.perf_counter() - started
            with averages.applied():
                valid_score = evaluate(model, source, valid_rows, runtime, score_valid)
                improved = stopping.improved(valid_score)
                if improved:
                    best = trained_weights(model)
            record = {
                "epoch": epoch + (part + 1) / parts,
                "step": trainer.steps,
                "loss": loss,
                "score": valid_score if np.isfinite(valid_score) else None,  # JSON has no NaN
                "best": improved,
                "learning_rate": trainer.learning_rate,
                "padding": padding,
                "train_seconds": round(train_seconds, 3),
            }
            history.append(record)
            report({"event": "evaluation", **record})
            if stopping.should_stop:
                break
        if stopping.should_stop:
            break
    if not best:
        raise RunError(
            f"fold {fold} of {member}: no evaluation gave a finite score; either its {len(valid_rows)} rows have one "
            "target value only, which leaves the metric undefined (fewer folds help), or the training diverged (lower "
            "--set training.learning_rate)"
        )
    model.load_state_dict(best, strict=False)  # frozen vectors are as they were
    test_rows = np.arange(len(data.folds), len(data.store))
    oof, test = (to_values(predict(model, source, rows, runtime)) for rows in (valid_rows, test_rows))
    return FoldResult(valid_rows, oof, test, best, history)


def build_trainer(data: FoldData, recipe: Recipe, seed: int, steps: int, runtime: Runtime) -> Trainer:
    """Model, loss, optimizers, schedules and average of one fold.

    Args:
        seed: of the first weights.
        steps: of the whole training, for the schedules.
    """
    settings, targets = recipe.training, data.targets
    model = build_model(torch.from_numpy(data.vectors), targets.outputs, recipe.model, seed).to(runtime.device)
    optimizers = build_optimizers(model, settings)
    schedules = build_schedules(optimizers, settings, steps)
    averages = AveragedWeights(model, settings.ema)
    return Trainer(model, LOSSES[targets.task], optimizers, schedules, averages, settings.clip, runtime)


def trained_weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights on the CPU, without frozen ones: frozen vectors are those of tokens/vectors.npy."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items() if name not in frozen}


def use_repeatable_algorithms() -> None:
    """The same bytes at every run, where torch has such an algorithm."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Would fill every new tensor with NaN first, to betray code that reads it before writing: a tenth of a step's time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def fold_seed(seed: int, member: str, fold: int) -> int:
    """A seed for each fold of each member that depends on nothing else, so that folds can be trained in any order."""
    return int(hash_of([seed, member, fold]), 16) % 2**31


@dataclass(frozen=True)
class Scale:
    """Regression targets are trained at mean 0 and spread 1 of the fold's training rows; other tasks as they are."""

    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, targets: Targets, rows: np.ndarray) -> "Scale | Identity":
        """Mean and spread of the (n, C) targets of `rows`."""
        if targets.task != "regression":
            return Identity()
        spread = targets.y[rows].std(axis=0)
        return cls(targets.y[rows].mean(axis=0), np.where(spread > 0, spread, 1))

    def apply(self, y: np.ndarray) -> np.ndarray:
        """Units of the target → units of the training."""
        return ((y - self.mean) / self.spread).astype(np.float32)

    def undo(self, y: np.ndarray) -> np.ndarray:
        """Units of the training → units of the target."""
        return y * self.spread + self.mean


class Identity:
    """No scaling."""

    def apply(self, y: np.ndarray) -> np.ndarray:
        """As they are."""
        return y

    def undo(self, y: np.ndarray) -> np.ndarray:
        """As they are."""
        return y
