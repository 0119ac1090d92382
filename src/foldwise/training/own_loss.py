"""A loss of the user's own: built, and tried on a batch of the task's shapes before any training."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from foldwise import plugins
from foldwise.errors import InputError
from foldwise.tasks import TASKS, Learnt
from foldwise.training.loss_functions import LossFunction, weighted_mean

KEY = "recipe.training.loss"
TARGETS: dict[Learnt, str] = {
    "columns": "(B, C) float32, 0 … 1",
    "classes": "(B,) int64, numbers of classes",
    "values": "(B, C) float32, scaled",
}


class OwnLoss(nn.Module):
    """Gives a user's loss the row weights it does not know of.

    Args:
        spec: its name, for messages.
        loss: (logits, targets) → (B,) or a scalar.
        arguments: keyword arguments of each call.
    """

    def __init__(self, spec: str, loss: LossFunction, arguments: dict[str, Any]) -> None:
        super().__init__()
        self.spec, self.loss, self.arguments = spec, loss, arguments

    def forward(self, logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """The batch's mean, weighed where there are weights."""
        result = self.loss(logits, targets, **self.arguments)
        if weights is not None and result.ndim == 0:
            raise InputError(
                f"{KEY} = {self.spec!r}: it returns one number for the batch, and rows have weights here "
                "(columns.weight, training.class_weights or .subgroup_weights); return one loss a row, (B,)"
            )
        return weighted_mean(result, weights)


def build_own_loss(spec: str, arguments: dict[str, Any], task: str, outputs: int, weighed: bool) -> OwnLoss:
    """The function or the `nn.Module` class that `spec` names, tried out once.

    Args:
        arguments: of the class's constructor, or of each call of the function.
        outputs: C.
        weighed: try it with row weights.

    Raises:
        InputError: it cannot be loaded or built, or its signature, result or gradient is not what training needs.
    """
    loss = plugins.load(spec, KEY)
    if isinstance(loss, type):
        loss, arguments = construct(spec, loss, arguments), {}
    if not callable(loss):
        raise InputError(f"{KEY} = {spec!r}: {type(loss).__name__} is neither a function nor a class")
    own = OwnLoss(spec, loss, arguments)
    if any(parameter.requires_grad for parameter in own.parameters()):
        raise InputError(f"{KEY} = {spec!r}: it has weights, which no optimizer would train; register them as buffers")
    with torch.random.fork_rng(devices=[]):  # a try must not move the random numbers that training draws
        try_out(own, task, outputs, weighed)
    return own


def construct(spec: str, kind: type, arguments: dict[str, Any]) -> nn.Module:
    """The `nn.Module` of a user's class."""
    if not issubclass(kind, nn.Module):
        raise InputError(f"{KEY} = {spec!r}: a class must be a torch.nn.Module; {kind.__name__} is none")
    try:
        return kind(**arguments)
    except Exception as error:  # whatever stands in a user's class
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise InputError(
            f"{KEY} = {spec!r}: {kind.__name__}({given}) fails: {plugins.describe_error(error)}; "
            f"its signature is {inspect.signature(kind)}, and training.loss_arguments are its arguments"
        ) from error


def try_out(own: OwnLoss, task: str, outputs: int, weighed: bool) -> None:
    """One pass forward and backward; B differs from C, so that shapes cannot be mistaken for each other."""
    rows, learnt = outputs + 1, TASKS[task].y
    logits = torch.randn(rows, outputs).requires_grad_()
    if learnt == "classes":
        targets = torch.arange(rows) % outputs
    elif learnt == "columns":
        targets = (torch.arange(rows * outputs) % 2).float().reshape(rows, outputs)
    else:
        targets = torch.linspace(-1, 1, rows * outputs).reshape(rows, outputs)
    expected = (
        f"expected is (logits, targets) → a scalar or one loss a row, (B,); logits: (B, C) float32; targets: "
        f"{TARGETS[learnt]}; tried with B = {rows}, C = {outputs}"
    )
    try:
        found = own.loss(logits, targets, **own.arguments)
    except Exception as error:  # whatever stands in a user's loss
        raise InputError(
            f"{KEY} = {own.spec!r}: the call fails: {plugins.describe_error(error)}; {expected}"
        ) from error
    if not isinstance(found, Tensor):
        raise InputError(f"{KEY} = {own.spec!r}: it returns {type(found).__name__}, not a tensor; {expected}")
    if tuple(found.shape) not in ((), (rows,)):
        raise InputError(f"{KEY} = {own.spec!r}: it returns shape {tuple(found.shape)}; {expected}")
    try:
        own(logits, targets, torch.ones(rows) if weighed else None).backward()
    except RuntimeError as error:
        raise InputError(
            f"{KEY} = {own.spec!r}: no gradient reaches the logits: {plugins.describe_error(error)}"
        ) from error
    if logits.grad is None or not bool(torch.isfinite(logits.grad).all()):
        what = "none" if logits.grad is None else "not finite"
        raise InputError(f"{KEY} = {own.spec!r}: the gradient of the logits is {what}; {expected}")
