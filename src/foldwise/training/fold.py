"""Train one fold from its first weights to its predictions. Pure: arrays in, arrays out."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from foldwise.clock import Clock
from foldwise.config import Recipe
from foldwise.data.batching import padding_share
from foldwise.data.dataset import make_loader
from foldwise.errors import RunError
from foldwise.events import Evaluated, Event, Noted, Started
from foldwise.files import hash_of
from foldwise.metrics import Metric, best_score
from foldwise.training.early_stopping import EarlyStopping, Weights
from foldwise.training.first_stage import FirstStage
from foldwise.training.fold_data import FoldData, Units, build_dataset
from foldwise.training.loop import (
    BuildModel,
    StepCounter,
    build_from_vectors,
    build_trainer,
    copy_weights,
    make_sampler,
    predict_values,
    trim_heap,
    use_repeatable_algorithms,
)
from foldwise.training.precision import Runtime
from foldwise.training.progress import Limit, Progress
from foldwise.training.skipping import StoppedError


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
) -> FoldResult:
    """Train on every fold but `fold`, stop early on `fold`, predict `fold` and the test rows with the best weights.

    Args:
        build: makes the model that is trained.

    Raises:
        StoppedError: the loss was not finite in too many steps.
        GivenUpError: the time limit came too early.
        RunError: no score was finite.
    """
    settings, targets = recipe.training, data.targets
    start_torch(runtime)
    seed = fold_seed(recipe.seed, member, fold)

    # Data: rows, their batches, how many steps that makes
    train_rows, valid_rows = data.split(fold)
    units = Units.fit(data, train_rows)
    dataset = build_dataset(data, train_rows, units, runtime.device, data.lesson)
    sampler = make_sampler(dataset, recipe.batches, seed)
    loader = make_loader(dataset, sampler, runtime.device)
    steps, step = sampler.steps(settings.epochs), 0

    # The first stage of two, where there are extra rows
    first = FirstStage(data, data.first, recipe, units, seed, runtime, build) if data.first is not None else None
    before = first.steps if first else 0
    report(Started(before + steps))
    progress = Progress(data, fold, settings, before + steps, limit)
    weights = first.train(progress, report) if first else None
    begun, done = progress.share, 0.0

    # Model, loss, optimizers, learning rate
    trainer = build_trainer(data, recipe, seed, steps, runtime, targets.y[train_rows], weights, build, report)
    model = trainer.model
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    stopping = EarlyStopping(metric.greater_is_better, settings.patience, settings.min_delta, settings.snapshots)
    history: list[Evaluated] = []
    train_seconds, counter = 0.0, StepCounter(report)

    for epoch in range(settings.epochs):
        trainer.train_tables(epoch >= settings.unfreeze_epoch)
        sampler.set_epoch(epoch)
        first_step, in_epoch = step, len(sampler)
        padding = padding_share(dataset.lengths, sampler.batches)
        stream = iter(loader)
        for part in range(parts := min(settings.evaluations_per_epoch, in_epoch)):
            # Train on a part of the epoch
            started, losses = Clock.now(), []
            model.train()
            until = first_step + in_epoch * (part + 1) // parts
            for batch in itertools.islice(stream, until - step):
                trainer.rate.set(done)
                losses.append((trainer.step(batch.to(runtime.device)), trainer.rate.value, batch.rows))
                step += 1
                share = progress.after(before + step)
                done = 1.0 if share >= 1 else (share - begun) / (1 - begun)
                counter.count()
                if done >= 1:
                    break
            trim_heap()
            try:
                loss = trainer.skipped.mean_loss(losses, step)
            except StoppedError as error:
                error.best, error.history = (stopping.weights or [{}])[0], history
                raise
            trained = Clock.now()
            train_seconds += trained - started

            # Evaluate the averaged weights on the whole validation fold; keep the best
            with trainer.averages.applied():
                values = predict_values(model, dataset.select(valid_rows), units, targets, runtime)
                score = best_score(metric, targets.task, targets.truth[valid_rows], values)
                best = stopping.update(score, partial(copy_weights, model, frozen))
            trainer.rate.on_score(score, metric.greater_is_better)
            trainer.rate.set(done)
            progress.validations.append(Clock.now() - trained)

            # Log
            record = Evaluated(
                epoch=epoch + ((part + 1) / parts if step == until else (step - first_step) / in_epoch),
                step=step,
                loss=loss,
                score=score if np.isfinite(score) else None,  # JSON has no NaN
                best=best,
                learning_rate=trainer.rate.value,
                padding=padding,
                train_seconds=round(train_seconds, 3),
            )
            history.append(record)
            report(record)
            if stopping.should_stop or done >= 1:
                break
        if stopping.should_stop or done >= 1:
            break

    # Predict with the best weights
    if skipped := trainer.skipped.describe(step):
        report(Noted(skipped))
    if not stopping.kept:
        raise RunError(
            f"fold {fold} of {member}: no evaluation gave a finite score; either its {len(valid_rows)} rows have one "
            "target value only, which leaves the metric undefined (fewer folds help), or the training diverged (lower "
            "--set training.learning_rate)"
        )
    shortened = step < steps and not stopping.should_stop
    if shortened and limit and step < limit.least * steps:
        raise GivenUpError
    both, parts_of_both = (valid_rows, data.test_rows), []
    for weights in stopping.weights:
        model.load_state_dict(weights, strict=False)  # frozen vectors are as they were
        parts_of_both.append([predict_values(model, dataset.select(rows), units, targets, runtime) for rows in both])
    oof, test = (np.mean(values, axis=0) for values in zip(*parts_of_both, strict=True))
    return FoldResult(valid_rows, oof, test, stopping.weights, units.model_dump(), history, shortened)


def start_torch(runtime: Runtime) -> None:
    """What the bits of a result depend on besides the seed."""
    torch.set_num_threads(runtime.threads)
    use_repeatable_algorithms()


def fold_seed(seed: int, member: str, fold: int) -> int:
    """A seed for each fold of each member that depends on nothing else, so that folds can be trained in any order."""
    return int(hash_of([seed, member, fold]), 16) % 2**31
