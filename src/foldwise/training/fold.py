"""Train one fold from its first weights to its predictions: arrays in, arrays out, and its state saved on the way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from foldwise.clock import Clock
from foldwise.config import Recipe
from foldwise.errors import RunError
from foldwise.events import Evaluated, Event, Started
from foldwise.hashing import hash_of
from foldwise.metrics import Metric, best_score
from foldwise.paths import ALL_ROWS
from foldwise.training.early_stopping import EarlyStopping, Weights
from foldwise.training.first_stage import FirstStage
from foldwise.training.fold_data import FoldData, Units, build_dataset
from foldwise.training.loop import Stage
from foldwise.training.precision import Runtime
from foldwise.training.prediction import predict_values
from foldwise.training.progress import Limit, Progress
from foldwise.training.skipping import StoppedError
from foldwise.training.state import MAIN, TrainingState
from foldwise.training.trainer import (
    BuildModel,
    build_from_vectors,
    build_trainer,
    copy_weights,
    make_sampler,
    use_repeatable_algorithms,
)


@dataclass(frozen=True)
class FoldResult:
    """What training a fold gives."""

    rows: np.ndarray  # (n,) int64 validation rows
    oof: np.ndarray  # (n, C) predictions of these rows, float32 (float64 in a regression)
    test: np.ndarray  # (M, C) predictions of the test rows
    weights: list[Weights]  # that predict together, best first, without frozen vectors
    facts: dict[str, Any]  # what a later prediction needs besides the weights, as JSON
    history: list[Evaluated]
    shortened: bool = False  # a time budget ended it, not the recipe
    hurried: bool = False  # the learning rate followed the clock, not the steps
    seconds_before: float = 0.0  # that earlier processes spent on it


class GivenUpError(Exception):
    """A fold that a time budget ended before it was worth keeping; what it had is lost."""


def train_fold(
    data: FoldData,
    recipe: Recipe,
    member: str,
    fold: int,
    metric: Metric,
    runtime: Runtime,
    report: Callable[[Event], object],
    limit: Limit | None = None,
    build: BuildModel = build_from_vectors,
    state: TrainingState | None = None,
) -> FoldResult:
    """Train on every fold but `fold`, stop early on `fold`, predict `fold` and the test rows with the best weights.

    Args:
        build: makes the model that is trained.
        state: where the training is saved now and then; what an earlier process saved there is where this one goes on.

    Raises:
        StoppedError: the loss was not finite in too many steps.
        GivenUpError: the time limit came too early.
        Interrupted: this process was asked to end; the state is saved.
        RunError: no score was finite.
    """
    settings, targets, state = recipe.training, data.targets, state or TrainingState()
    training, progress, units = set_up(data, recipe, member, fold, runtime, report, build, state, limit)
    trainer, model, dataset = training.trainer, training.trainer.model, training.dataset
    _, valid_rows = data.split(fold)
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    stopping = EarlyStopping(metric.greater_is_better, settings.patience, settings.min_delta, settings.snapshots)
    state.begin(MAIN, training, progress, stopping=stopping)

    def evaluate() -> float:
        values = predict_values(model, dataset.select(valid_rows), units, targets, runtime)
        return best_score(metric, targets.task, targets.truth[valid_rows], values)

    try:
        for loss in training.run(lambda step: progress.in_stage(training.before + step), report, state):
            # Evaluate the averaged weights on the whole validation fold; keep the best
            with trainer.averages.applied():
                score = runtime.peers.ask_first(evaluate)
                best = stopping.update(score, partial(copy_weights, model, frozen))
            trainer.rate.on_score(score, metric.greater_is_better)
            trainer.rate.set(training.done)
            progress.validations.append(Clock.now() - training.since)
            training.over |= stopping.should_stop
            report(training.log(loss, score if np.isfinite(score) else None, best))  # JSON has no NaN
    except StoppedError as error:
        error.best, error.history = (stopping.weights or [{}])[0], training.history
        raise

    # Predict with the best weights
    runtime.peers.leave_to_first()
    if not stopping.kept:
        raise RunError(
            f"fold {fold} of {member}: no evaluation gave a finite score; either its {len(valid_rows)} rows have one "
            "target value only, which leaves the metric undefined (fewer folds help), or the training diverged (lower "
            "--set training.learning_rate)"
        )
    steps = training.sampler.steps(settings.epochs)
    shortened = training.step < steps and not stopping.should_stop
    if shortened and limit and training.step < limit.least * steps:
        raise GivenUpError
    both, parts_of_both = (valid_rows, data.test_rows), []
    for weights in stopping.weights:
        model.load_state_dict(weights, strict=False)  # frozen vectors are as they were
        parts_of_both.append([predict_values(model, dataset.select(rows), units, targets, runtime) for rows in both])
    oof, test = (np.mean(values, axis=0) for values in zip(*parts_of_both, strict=True))
    facts, history = units.model_dump(), training.history
    by_clock = (shortened, progress.is_hurried)
    return FoldResult(valid_rows, oof, test, stopping.weights, facts, history, *by_clock, progress.earlier)


def set_up(
    data: FoldData,
    recipe: Recipe,
    member: str,
    fold: int,
    runtime: Runtime,
    report: Callable[[Event], object],
    build: BuildModel,
    state: TrainingState,
    limit: Limit | None = None,
    epochs: float | None = None,
) -> tuple[Stage, Progress, Units]:
    """The training of a fold, or of all rows, before its first step; of two stages the first one is done.

    Args:
        epochs: after which it ends, before those of the recipe.
    """
    settings = recipe.training
    start_torch(runtime)
    seed = fold_seed(recipe.seed, member, fold)

    # Data: rows, their batches, how many steps that makes
    rows, _ = data.split(fold)
    units = Units.fit(data, rows)
    dataset = build_dataset(data, rows, units, runtime.device, data.lesson)
    sampler = make_sampler(dataset, recipe.batches, seed)
    steps = sampler.steps(settings.epochs)
    last = steps if epochs is None else min(max(1, round(steps * epochs / settings.epochs)), steps)

    # The first stage of two, where there are extra rows
    first = FirstStage(data, data.first, recipe, units, seed, runtime, build) if data.first is not None else None
    before = first.steps if first else 0
    report(Started(before + last, state.steps))
    progress = Progress(data, fold, settings, before + last, limit)
    weights = first.train(progress, report, state) if first and not state.holds(MAIN) else None
    progress.stage = progress.share

    # Model, loss, optimizers, learning rate
    trainer = build_trainer(data, recipe, seed, steps, runtime, data.targets.y[rows], weights, build, report)
    parts = settings.evaluations_per_epoch if fold != ALL_ROWS else 1
    return Stage(trainer, dataset, sampler, settings, settings.epochs, parts, last, before), progress, units


def start_torch(runtime: Runtime) -> None:
    """What the bits of a result depend on besides the seed."""
    torch.set_num_threads(runtime.threads)
    use_repeatable_algorithms()


@contextmanager
def torch_left_alone() -> Iterator[None]:
    """After the block, torch is as before: what else this process does with it may depend on that."""
    threads, repeatable = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    fills = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    drawn = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(repeatable)
        torch.utils.deterministic.fill_uninitialized_memory = fills  # type: ignore[attr-defined]
        torch.set_rng_state(drawn)


def fold_seed(seed: int, member: str, fold: int) -> int:
    """A seed for each fold of each member that depends on nothing else, so that folds can be trained in any order."""
    return int(hash_of([seed, member, fold]), 16) % 2**31
