"""What training makes small, and what turns logits into predictions: two sides of one choice."""

import difflib
import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from foldwise import plugins
from foldwise.config import Training
from foldwise.data.dataset import Batch
from foldwise.errors import InputError
from foldwise.tasks import TASKS
from foldwise.training.loss_functions import LOSSES, RANGES, LossFunction, bce, mse
from foldwise.training.own_loss import build_own_loss

__all__ = ["LOSSES", "Objective", "build_loss", "to_predictions"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": partial(torch.softmax, dim=1),
    "sigmoid": torch.sigmoid,
    "identity": lambda logits: logits,
}


class Objective(nn.Module):
    """The loss of a batch: of the task's targets, and of the auxiliary ones where there are any.

    Args:
        loss: (logits, targets, row weights) → scalar.
        outputs: C, logits of the task; A more are those of the auxiliary targets.
        auxiliary: the loss of these, and how much it counts.
        class_weights: (C,) of the classes: a row weighs as much as its class, as in torch's `CrossEntropyLoss`.
        pos_weight: (C,) of the ones of 0/1 columns, or None.
    """

    class_weights: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        loss: LossFunction,
        outputs: int,
        auxiliary: tuple[LossFunction, float],
        class_weights: Tensor | None = None,
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.loss, self.outputs = loss, outputs
        self.auxiliary_loss, self.auxiliary_weight = auxiliary
        self.register_buffer("class_weights", class_weights)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, logits: Tensor, batch: Batch) -> Tensor:
        """(B, C + A) float32 logits and their batch → scalar."""
        if batch.targets is None:
            raise ValueError("a batch without targets has no loss")
        weights = batch.weights
        if self.class_weights is not None:
            of_class = self.class_weights[batch.targets]
            weights = of_class if weights is None else weights * of_class
        options = {} if self.pos_weight is None else {"pos_weight": self.pos_weight}
        if batch.auxiliary is None:
            return self.loss(logits, batch.targets, weights, **options)
        main = self.loss(logits[:, : self.outputs], batch.targets, weights, **options)
        beside = self.auxiliary_loss(logits[:, self.outputs :], batch.auxiliary, batch.weights)
        return main + self.auxiliary_weight * beside


def build_loss(settings: Training, task: str, outputs: int, y: np.ndarray, weighed: bool = False) -> Objective:
    """The loss that `settings` ask for.

    Args:
        outputs: C.
        y: targets of the training rows alone, from which class weights come: (n,) int64 classes or (n, C) floats.
        weighed: rows have weights.

    Raises:
        InputError: no such loss, one for other tasks, unknown or unfit arguments, class weights where there are no
            classes, or a loss of one's own that does not do what training needs.
    """
    balanced, learnt = settings.class_weights == "balanced", TASKS[task].y
    if balanced and learnt == "values":
        raise InputError(f"recipe.training.class_weights = 'balanced': {task} tasks have no classes; use 'none'")
    class_weights = balance_classes(y, outputs) if balanced and learnt == "classes" else None
    pos_weight = balance_columns(y) if balanced and learnt == "columns" else None
    loss: LossFunction
    if plugins.is_own(settings.loss):
        if pos_weight is not None:
            raise InputError(
                f"recipe.training.class_weights = 'balanced': {settings.loss!r}, a loss of your own, does not know of "
                "them; use 'none' and weigh the ones in the loss"
            )
        weighed = weighed or class_weights is not None
        loss = build_own_loss(settings.loss, settings.loss_arguments, task, outputs, weighed)
    else:
        loss = named_loss(settings.loss, settings.loss_arguments, task)
    auxiliary = mse if learnt == "values" else bce
    return Objective(loss, outputs, (auxiliary, settings.auxiliary_weight), class_weights, pos_weight)


def named_loss(name: str, arguments: dict[str, Any], task: str) -> LossFunction:
    """A loss of `LOSSES` with its arguments, all of them checked."""
    known, learnt = TASKS[task].loss if name == "auto" else name, TASKS[task].y
    fitting = ", ".join(name for name, functions in LOSSES.items() if learnt in functions)
    if known not in LOSSES:
        near = difflib.get_close_matches(known, LOSSES, n=1, cutoff=0.5)
        fix = f"did you mean {near[0]}?" if near else f"for {task} tasks there are {fitting}"
        raise InputError(
            f"recipe.training.loss = {name!r}: no such loss; {fix} (your own: module:function or module:Class)"
        )
    if learnt not in LOSSES[known]:
        raise InputError(f"recipe.training.loss = {name!r} is not for {task} tasks; for these there are {fitting}")
    loss = LOSSES[known][learnt]
    takes = [p.name for p in inspect.signature(loss).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for argument, value in arguments.items():
        key = f"recipe.training.loss_arguments.{argument} = {value!r}"
        if argument not in takes:
            raise InputError(f"{key}: {known} takes {', '.join(takes) or 'no arguments'}")
        low, high = RANGES[argument]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high or not math.isfinite(value):
            raise InputError(f"{key}: give a number from {low:g} {'on' if math.isinf(high) else f'to {high:g}'}")
    return partial(loss, **arguments)


def balance_classes(y: np.ndarray, classes: int) -> Tensor:
    """(C,) n / (C · rows of the class), so that each class weighs the same as a whole (scikit-learn's "balanced")."""
    counts = np.bincount(y, minlength=classes)
    return torch.from_numpy(len(y) / (classes * counts.clip(min=1))).float()


def balance_columns(y: np.ndarray) -> Tensor:
    """(C,) zeros / ones of each column; 1 where it holds only one of the two, which no weight would balance."""
    ones = y.sum(axis=0, dtype=np.float64)
    zeros = len(y) - ones
    both = (ones > 0) & (zeros > 0)
    return torch.from_numpy(np.where(both, zeros / np.where(both, ones, 1), 1)).float()


def to_predictions(logits: Tensor, task: str) -> Tensor:
    """(N, C) logits → (N, C) probabilities, or the (scaled) values themselves."""
    return ACTIVATIONS[TASKS[task].activation](logits)
