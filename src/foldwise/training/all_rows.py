"""Train on all rows, once the folds are done: nothing is left to stop by, so the folds' best epochs say when."""

import itertools
from collections.abc import Callable

import numpy as np

from foldwise.clock import Clock
from foldwise.config import Recipe
from foldwise.data.batching import padding_share
from foldwise.data.dataset import make_loader
from foldwise.events import Evaluated, Event, Noted, Started
from foldwise.paths import ALL_ROWS
from foldwise.training.first_stage import FirstStage
from foldwise.training.fold import FoldResult, fold_seed, start_torch
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
)
from foldwise.training.precision import Runtime
from foldwise.training.progress import Progress


def train_on_all(
    data: FoldData,
    recipe: Recipe,
    member: str,
    epochs: float,
    runtime: Runtime,
    report: Callable[[Event], object],
    build: BuildModel = build_from_vectors,
) -> FoldResult:
    """Train on the rows of all folds, then predict the test rows with the averaged weights of the last step.

    The learning rate follows its schedule over `training.epochs`, as in a fold, and training ends where the folds were
    best, which leaves the rest of the schedule out.

    Args:
        epochs: after which it ends, also within one.

    Raises:
        StoppedError: the loss was not finite in too many steps.
    """
    settings, targets = recipe.training, data.targets
    start_torch(runtime)
    seed = fold_seed(recipe.seed, member, ALL_ROWS)
    rows, _ = data.split(ALL_ROWS)
    units = Units.fit(data, rows)
    dataset = build_dataset(data, rows, units, runtime.device, data.lesson)
    sampler = make_sampler(dataset, recipe.batches, seed)
    loader = make_loader(dataset, sampler, runtime.device)
    steps = sampler.steps(settings.epochs)
    last = min(max(1, round(steps * epochs / settings.epochs)), steps)

    first = FirstStage(data, data.first, recipe, units, seed, runtime, build) if data.first is not None else None
    before = first.steps if first else 0
    report(Started(before + last))
    weights = first.train(Progress(data, ALL_ROWS, settings, before + last, None), report) if first else None
    trainer = build_trainer(data, recipe, seed, steps, runtime, targets.y[rows], weights, build, report)
    model = trainer.model
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    history: list[Evaluated] = []
    started, step, counter = Clock.now(), 0, StepCounter(report)
    for epoch in range(settings.epochs):
        trainer.train_tables(epoch >= settings.unfreeze_epoch)
        sampler.set_epoch(epoch)
        model.train()
        losses, first_step = [], step
        for batch in itertools.islice(loader, last - step):
            trainer.rate.set(step / steps)
            losses.append((trainer.step(batch.to(runtime.device)), trainer.rate.value, batch.rows))
            step += 1
            counter.count()
        trim_heap()
        trainer.rate.set(step / steps)
        record = Evaluated(
            epoch=epoch + (step - first_step) / len(sampler),
            step=step,
            loss=trainer.skipped.mean_loss(losses, step),
            score=None,
            best=step == last,
            learning_rate=trainer.rate.value,
            padding=padding_share(dataset.lengths, sampler.batches),
            train_seconds=round(Clock.now() - started, 3),
        )
        history.append(record)
        report(record)
        if step == last:
            break
    if skipped := trainer.skipped.describe(step):
        report(Noted(skipped))
    with trainer.averages.applied():
        test = predict_values(model, dataset.select(data.test_rows), units, targets, runtime)
        kept = copy_weights(model, frozen)
    return FoldResult(np.empty(0, np.int64), test[:0], test, [kept], units.model_dump(), history)
