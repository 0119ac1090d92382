"""A rehearsal before any training: an evaluation and two steps on a few padded rows.

What cannot train (a model, a loss or an optimizer of the user's own, arguments that do not fit) fails here, with the
recipe's key and the user's line, and not after an hour.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from foldwise.config import Recipe, Training
from foldwise.data.dataset import Batch, make_loader
from foldwise.data.targets import Targets, weigh_by_subgroups
from foldwise.data.token_store import TokenStore
from foldwise.errors import InputError
from foldwise.plugins import as_input_error
from foldwise.tasks import Learnt
from foldwise.training.fold_data import FoldData, Units, build_dataset
from foldwise.training.losses import Objective
from foldwise.training.precision import Runtime
from foldwise.training.trainer import build_trainer

WORDS = 8  # and numbers in a vector
FORMS: dict[Learnt, str] = {
    "columns": "(B, C) float32, 0 … 1",
    "classes": "(B,) int64, numbers of classes",
    "values": "(B, C) float32, scaled",
}


def rehearse(recipe: Recipe, targets: Targets, texts: int, features: int) -> None:
    """Build what training needs and try it, without a trace in the random numbers.

    Args:
        texts: K of a row.
        features: D numbers beside them.

    Raises:
        InputError: a part that does not exist, does not fit the task, or fails.
    """
    settings = recipe.training
    with torch.random.fork_rng(devices=[]):
        data = few_rows(targets, texts, features, settings)
        rows = np.arange(len(data.folds))
        runtime = Runtime(torch.device("cpu"), "fp32", torch.get_num_threads())
        asked = runtime if settings.precision == "auto" else replace(runtime, precision=settings.precision)
        trainer = build_trainer(data, recipe, 0, settings.epochs, asked, data.targets.y)
        trainer.runtime = runtime  # this processor need not know the format
        dataset = build_dataset(data, rows, Units.fit(data, rows), runtime.device)
        (batch,) = make_loader(dataset, [rows.tolist()])
        rehearse_model(trainer.model, batch, data.shape.outputs, f"recipe.model.name = {recipe.model.name!r}")
        rehearse_loss(trainer.objective, batch, targets.spec.y, f"recipe.training.loss = {settings.loss!r}")
        where = f"recipe.training.optimizer = {settings.optimizer!r}"  # what else can fail in a step
        for tables in (settings.unfreeze_epoch == 0, True):  # tables that stand still have no gradient
            trainer.train_tables(tables)
            with as_input_error(f"{where}: a step fails: "):
                loss = trainer.step(batch)
            if not all(part.isfinite().all() for part in (loss, *trainer.model.parameters())):
                raise InputError(f"{where}: after a step the loss, its gradient or the weights are not finite")


def few_rows(targets: Targets, texts: int, features: int, settings: Training) -> FoldData:
    """B rows of T tokens, one row full and the others padded; B, T and the number of outputs all differ."""
    outputs = (targets.outputs, targets.outputs + targets.auxiliary_outputs)
    count, width = [number for number in range(2, 6) if number not in outputs][:2]
    few = targets.take(np.arange(count) % len(targets.truth))
    different = targets.outputs if targets.spec.y == "classes" else 2  # a loss may need targets that differ
    y = np.indices(few.y.shape).sum(axis=0) % different
    few = replace(few, y=y.astype(few.y.dtype))
    if (settings.pseudo_labels or settings.extra_weight) and few.weights is None:
        few = replace(few, weights=np.ones(count, dtype=np.float32))
    if settings.subgroup_weights:
        few = weigh_by_subgroups(few)
    lengths = np.repeat([width, *[1] * (count - 1)], texts)
    store = TokenStore(np.ones(lengths.sum(), np.int32), np.concatenate([[0], lengths.cumsum()]), texts)
    vectors = np.random.default_rng(0).normal(size=(WORDS, WORDS)).astype(np.float32)
    vectors[0] = 0
    return FoldData(store, vectors, few, np.zeros(count, np.int64), np.zeros((count, features)) if features else None)


def rehearse_model(model: nn.Module, batch: Batch, outputs: int, where: str) -> None:
    """A pass as in evaluation, and one forward and backward as in training."""
    given = batch.inputs
    call = f"{type(model).__name__}.forward(tokens, lengths{', features' * (len(given) == 3)})"
    called = f"{where}: {call} was given {', '.join(str(tuple(part.shape)) for part in given)}"
    expected = f"; it must give {(len(batch.rows), outputs)} floats, C = {outputs} logits a row"
    for training in (False, True):
        with as_input_error(f"{called} and failed, ", expected), torch.inference_mode(not training):
            logits = model.train(training)(*given)
        is_tensor = isinstance(logits, Tensor)
        if not is_tensor or logits.shape != (len(batch.rows), outputs) or not logits.is_floating_point():
            gave = f"{tuple(logits.shape)} of {logits.dtype}" if is_tensor else type(logits).__name__
            raise InputError(f"{called} and gave {gave}{expected}")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InputError(f"{where}: has no weights that train; give it an nn.Parameter that requires a gradient")
    with as_input_error(f"{where}: a step of training fails, "):
        logits.sum().backward()
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    for name, weight in model.named_parameters():
        if weight.grad is not None and weight.grad.is_sparse and id(weight) not in tables:
            raise InputError(f"{where}: {name} has sparse gradients, which only an nn.Embedding(sparse=True) may have")


def rehearse_loss(objective: Objective, batch: Batch, learnt: Learnt, where: str) -> None:
    """Forward and backward, of the main targets alone."""
    logits = torch.randn(len(batch.rows), objective.outputs).requires_grad_()
    expected = (
        f"; expected is (logits, targets) → a scalar or one loss a row, (B,); logits: (B, C) float32; targets: "
        f"{FORMS[learnt]}; tried with B = {len(logits)}, C = {objective.outputs}"
    )
    with as_input_error(f"{where}: the call fails: ", expected):
        loss = objective(logits, batch._replace(auxiliary=None))
        if loss.requires_grad:
            loss.backward()
    if logits.grad is None:
        raise InputError(f"{where}: no gradient reaches the logits; is something detached or rounded?{expected}")
    if not logits.grad.isfinite().all():
        raise InputError(f"{where}: the gradient of the logits is not finite{expected}")
