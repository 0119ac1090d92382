"""Train on all rows, once the folds are done: nothing is left to stop by, so the folds' best epochs say when."""

from collections.abc import Callable

import numpy as np

from foldwise.config import Recipe
from foldwise.events import Event
from foldwise.paths import ALL_ROWS
from foldwise.training.fold import FoldResult, set_up
from foldwise.training.fold_data import FoldData
from foldwise.training.precision import Runtime
from foldwise.training.prediction import predict_values
from foldwise.training.state import MAIN, TrainingState
from foldwise.training.trainer import BuildModel, build_from_vectors, copy_weights


def train_on_all(
    data: FoldData,
    recipe: Recipe,
    member: str,
    epochs: float,
    runtime: Runtime,
    report: Callable[[Event], object],
    build: BuildModel = build_from_vectors,
    state: TrainingState | None = None,
) -> FoldResult:
    """Train on the rows of all folds, then predict the test rows with the averaged weights of the last step.

    The learning rate follows its schedule over `training.epochs`, as in a fold, and training ends where the folds were
    best, which leaves the rest of the schedule out.

    Args:
        epochs: after which it ends, also within one.
        state: as `train_fold` has it.

    Raises:
        StoppedError: the loss was not finite in too many steps.
        Interrupted: this process was asked to end; the state is saved.
    """
    state = state or TrainingState()
    start = (data, recipe, member, ALL_ROWS, runtime, report, build, state)
    training, progress, units = set_up(*start, epochs=epochs)
    model, steps = training.trainer.model, training.sampler.steps(recipe.training.epochs)
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    state.begin(MAIN, training, progress)
    for loss in training.run(lambda step: step / steps, report, state):
        report(training.log(loss, score=None, best=training.over))
    runtime.peers.leave_to_first()
    with training.trainer.averages.applied():
        test = predict_values(model, training.dataset.select(data.test_rows), units, data.targets, runtime)
        kept = copy_weights(model, frozen)
    facts, history = units.model_dump(), training.history
    return FoldResult(np.empty(0, np.int64), test[:0], test, [kept], facts, history, seconds_before=progress.earlier)
