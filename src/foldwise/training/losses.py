"""What training makes small, and what turns logits into predictions: two sides of one choice."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from foldwise import plugins
from foldwise.arguments import check_arguments
from foldwise.config import Training
from foldwise.data.dataset import Batch
from foldwise.errors import InputError, did_you_mean
from foldwise.tasks import TASKS
from foldwise.training.loss_functions import (
    ARGUMENTS,
    LOSSES,
    SOFT_CLASSES,
    LossFunction,
    bce,
    divergence,
    mse,
    weighted_mean,
)

KEY = "recipe.training.loss"

Shares = tuple[Tensor | float, Tensor | float]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": partial(torch.softmax, dim=1),
    "sigmoid": torch.sigmoid,
    "identity": lambda logits: logits,
}


class Objective(nn.Module):
    """The loss of a batch: of the task's targets (C logits), and of the auxiliary ones (A more) where there are any.

    Args:
        y: targets of the training rows alone, from which class weights come: (n,) int64 classes or (n, C) floats, NaN
            where unknown: these count nowhere.
        masks: some targets of other rows that are trained on are unknown.

    Raises:
        InputError: no such loss, one for other tasks, unfit arguments, class weights where there are no classes.
    """

    class_weights: Tensor | None  # (C,): a row weighs as much as its class, as in torch's `CrossEntropyLoss`
    pos_weight: Tensor | None  # (C,) of the ones of 0/1 columns

    def __init__(self, settings: Training, task: str, outputs: int, y: np.ndarray, masks: bool = False) -> None:
        super().__init__()
        name, learnt, balanced = settings.loss, TASKS[task].y, settings.class_weights == "balanced"
        if balanced and learnt == "values":
            raise InputError(f"recipe.training.class_weights = 'balanced': {task} tasks have no classes; use 'none'")
        if balanced and learnt == "columns" and plugins.is_own(name):
            raise InputError(
                f"recipe.training.class_weights = 'balanced': {name!r}, a loss of your own, does not know of them; "
                "use 'none' and weigh the ones in the loss"
            )
        self.register_buffer("class_weights", balance_classes(y, outputs) if balanced and learnt == "classes" else None)
        self.register_buffer("pos_weight", balance_columns(y) if balanced and learnt == "columns" else None)
        arguments = settings.loss_arguments
        self.loss = own_loss(name, arguments) if plugins.is_own(name) else named_loss(name, arguments, task)
        if settings.from_members and learnt == "classes" and name not in ("auto", *SOFT_CLASSES):
            raise InputError(
                f"{KEY} = {name!r}: it takes numbers of classes, and with training.distill or .pseudo_labels the "
                f"targets are probabilities; use one of {', '.join(SOFT_CLASSES)}"
            )
        self.outputs, self.learnt = outputs, learnt
        self.masks = learnt != "classes" and (masks or bool(np.isnan(y).any()))
        if self.masks and plugins.is_own(name):
            raise InputError(
                f"{KEY} = {name!r}: a loss of your own sees whole rows, and some targets are empty; "
                'use [columns] missing_targets = "drop", or one of the losses by name'
            )
        self.auxiliary_loss, self.auxiliary_weight = mse if learnt == "values" else bce, settings.auxiliary_weight

    def forward(self, logits: Tensor, batch: Batch, shares: Shares = (1.0, 1.0)) -> Tensor:
        """(B, C + A) float32 logits and their batch → scalar, its two terms times their shares in a larger batch."""
        assert batch.targets is not None
        targets, weights = batch.targets, self.weigh(batch)
        if self.masks:
            targets = targets.nan_to_num(nan=0.0)  # whose weights are 0
        if self.class_weights is not None and targets.ndim == 2:
            # (B, C) probabilities: a mixture of rows of each class, which weigh as their classes do
            mixed = targets * self.class_weights
            targets = mixed / mixed.sum(dim=1, keepdim=True)
        options = {} if self.pos_weight is None else {"pos_weight": self.pos_weight}
        if batch.auxiliary is None:  # there are none, or the rows have none
            main = logits if logits.shape[1] == self.outputs else logits[:, : self.outputs]
            return self.loss(main, targets, weights, **options) * shares[0]
        main = self.loss(logits[:, : self.outputs], targets, weights, **options)
        beside = self.auxiliary_loss(logits[:, self.outputs :], batch.auxiliary, batch.weights)
        return main * shares[0] + self.auxiliary_weight * beside * shares[1]

    def disagreement(self, logits: Tensor, batch: Batch) -> Tensor:
        """Of the (2B, C + A) logits of `batch.twice()`: how far its two halves are apart, for R-Drop."""
        one, two = logits[:, : self.outputs].chunk(2)
        return divergence(one, two, self.learnt, self.weigh(batch))

    def weigh(self, batch: Batch) -> Tensor | None:
        """(B,) how much each row counts, by its own weight and its class, or (B, C) each cell; None for all alike."""
        if self.masks and batch.targets is not None:
            known = batch.targets.isfinite().float()  # (B, C)
            return known if batch.weights is None else known * batch.weights[:, None]
        if self.class_weights is None:
            return batch.weights
        targets = batch.targets
        assert targets is not None
        of_class = targets @ self.class_weights if targets.ndim == 2 else self.class_weights[targets]
        return of_class if batch.weights is None else batch.weights * of_class

    def split(self, batch: Batch, count: int) -> list[tuple[Batch, Shares]]:
        """The batch in so many parts, and the shares of each in the batch's mean loss, main and auxiliary."""
        if count == 1:
            return [(batch, (1.0, 1.0))]
        parts = batch.parts(count)
        main, beside = shares_of(parts, self.weigh), shares_of(parts, lambda part: part.weights)
        return list(zip(parts, zip(main, beside, strict=True), strict=True))


def shares_of(parts: list[Batch], weigh: Callable[[Batch], Tensor | None]) -> list[Tensor | float]:
    """The share of each part in the weight of all rows."""
    weights = [weigh(part) for part in parts]
    sums = [part.sum() for part in weights if part is not None]
    if not sums:
        return [len(part.rows) / sum(len(part.rows) for part in parts) for part in parts]
    sizes = torch.stack(sums)
    return list(sizes / sizes.sum().clamp(min=torch.finfo(sizes.dtype).tiny))


def named_loss(name: str, arguments: dict[str, Any], task: str) -> LossFunction:
    """A loss of `LOSSES` with its arguments, all of them checked."""
    known, learnt = TASKS[task].loss if name == "auto" else name, TASKS[task].y
    fitting = ", ".join(name for name, functions in LOSSES.items() if learnt in functions)
    if known not in LOSSES:
        fix = did_you_mean(known, LOSSES, f"for {task} tasks there are {fitting}", cutoff=0.5)
        raise InputError(f"{KEY} = {name!r}: no such loss; {fix} (your own: module:function or module:Class)")
    if learnt not in LOSSES[known]:
        raise InputError(f"{KEY} = {name!r} is not for {task} tasks; for these there are {fitting}")
    loss = LOSSES[known][learnt]
    takes = [p.name for p in inspect.signature(loss).parameters.values() if p.kind is p.KEYWORD_ONLY]
    check_arguments("recipe.training.loss_arguments", known, arguments, {name: ARGUMENTS[name] for name in takes})
    return partial(loss, **arguments)


class OwnLoss(nn.Module):
    """Gives a loss of the user's own, (logits, targets) → (B,) or a scalar, the row weights it does not know of."""

    def __init__(self, loss: LossFunction, arguments: dict[str, Any]) -> None:
        super().__init__()
        self.loss, self.arguments = loss, arguments

    def forward(self, logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """The batch's mean; a ValueError, which the rehearsal before training shows, where the loss gives none."""
        result = self.loss(logits, targets, **self.arguments)
        if not isinstance(result, Tensor):
            raise ValueError(f"it returns {type(result).__name__}, not a tensor")
        if result.shape not in ((), (len(logits),)):
            raise ValueError(f"it returns shape {tuple(result.shape)}")
        if weights is not None and result.ndim == 0:
            raise ValueError(
                "it returns one number for the batch, and rows have weights here (columns.weight, training."
                "class_weights, .subgroup_weights, .pseudo_labels or .extra_weight); return one loss a row, (B,)"
            )
        return weighted_mean(result, weights)


def own_loss(spec: str, arguments: dict[str, Any]) -> OwnLoss:
    """The function that `spec` names, or a module of the class, which takes the arguments when it is made."""
    loss, where = plugins.load(spec, KEY), f"{KEY} = {spec!r}"
    if isinstance(loss, type):
        if not issubclass(loss, nn.Module):
            raise InputError(f"{where}: a class must be a torch.nn.Module; {loss.__name__} is none")
        call = f"{loss.__name__}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"
        hint = f"; its signature is {inspect.signature(loss)}, and training.loss_arguments are its arguments"
        with plugins.as_input_error(f"{where}: {call} fails: ", hint):
            loss, arguments = loss(**arguments), {}
    if not callable(loss):
        raise InputError(f"{where}: {type(loss).__name__} is neither a function nor a class")
    own = OwnLoss(loss, arguments)
    if any(parameter.requires_grad for parameter in own.parameters()):
        raise InputError(f"{where}: it has weights, which no optimizer would train; register them as buffers")
    return own


def balance_classes(y: np.ndarray, classes: int) -> Tensor:
    """(C,) n / (C · rows of the class), so that each class weighs the same as a whole (scikit-learn's "balanced")."""
    counts = np.bincount(y, minlength=classes)
    return torch.from_numpy(len(y) / (classes * counts.clip(min=1))).float()


def balance_columns(y: np.ndarray) -> Tensor:
    """(C,) zeros / ones of each column; 1 where it holds only one of the two, which no weight would balance."""
    ones = np.nansum(y, axis=0, dtype=np.float64)
    zeros = np.isfinite(y).sum(axis=0) - ones
    both = (ones > 0) & (zeros > 0)
    return torch.from_numpy(np.where(both, zeros / np.where(both, ones, 1), 1)).float()


def to_predictions(logits: Tensor, task: str) -> Tensor:
    """(N, C) logits → (N, C) probabilities, or the (scaled) values themselves."""
    return ACTIVATIONS[TASKS[task].activation](logits)
