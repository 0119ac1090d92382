"""A model of the user's own, `module:Class`: made, and tried once on a tiny batch before any training.

The class is called as `Class(vocabulary_size=V, vectors=vectors, outputs=C, **recipe.model.arguments)`, with `vectors`
a (V, E) float32 tensor of its own, row 0 for padding; its `forward` as a built-in model's (see `foldwise.models`).
"""

import copy
import inspect
from typing import Any

import torch
from torch import Tensor, nn

from foldwise.config import Model
from foldwise.errors import InputError
from foldwise.models.text import Shape
from foldwise.plugins import describe_error, load

KEY = "recipe.model.name"
CALL = "vocabulary_size=int, vectors=(V, E) float32 tensor, outputs=int"


def build_own(vectors: Tensor, shape: Shape, settings: Model) -> nn.Module:
    """The user's model, checked.

    Args:
        vectors: (V, E) float32; the model gets a copy.

    Raises:
        InputError: it cannot be imported or made, or its `forward` does not do what a model's must.
    """
    make: Any = load(settings.name, KEY)
    name = settings.name.partition(":")[2]
    call = f"{name}({', '.join([CALL, *settings.arguments])})"
    where = f"{KEY} = {settings.name!r}"
    try:
        model = make(vocabulary_size=len(vectors), vectors=vectors.clone(), outputs=shape.outputs, **settings.arguments)
    except Exception as error:
        yours = f"; yours is {name}{inspect.signature(make)}" if callable(make) else ""
        raise InputError(f"{where}: {describe_error(error)}; foldwise calls {call}{yours}") from error
    if not isinstance(model, nn.Module):
        raise InputError(f"{where}: gave {type(model).__name__}, not a torch.nn.Module; foldwise calls {call}")
    check_model(model, shape)
    check_gradients(model, shape, where)
    return model


def check_model(model: nn.Module, shape: Shape) -> None:
    """Pass a tiny batch of padded rows through a model, without a trace in it or in the random numbers.

    Rows and tokens of the batch differ in number from each other and from C, so that one cannot stand for another.

    Raises:
        InputError: `forward` cannot be called as it will be, or gives anything but (B, C) floats.
    """
    inputs = tiny_batch(shape)
    rows = len(inputs[0]) // shape.columns
    call = f"{type(model).__name__}.forward(tokens, lengths{', features' * bool(shape.features)})"
    called = f"{call} was given {', '.join(str(tuple(part.shape)) for part in inputs)}"
    expected = (rows, shape.outputs)
    trained = model.training
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            logits = model.eval()(*inputs)
    except Exception as error:
        raise InputError(f"{KEY}: {called} and failed, {describe_error(error)}; it must give {expected}") from error
    finally:
        model.train(trained)
    if not isinstance(logits, Tensor):
        raise InputError(f"{KEY}: {called} and gave {type(logits).__name__}, not a tensor {expected}")
    if logits.shape != expected or not logits.is_floating_point():
        gave = f"{tuple(logits.shape)} of {str(logits.dtype).removeprefix('torch.')}"
        raise InputError(
            f"{KEY}: {called} and gave {gave}; it must give {expected} floats, C = {shape.outputs} logits a row"
        )


def tiny_batch(shape: Shape) -> list[Tensor]:
    """Tokens, lengths and, where there are any, features of a few padded rows."""
    rows, width = [count for count in range(2, 5) if count != shape.outputs][:2]
    lengths = torch.tensor([width, *[1] * (rows - 1)] * shape.columns)
    tokens = (torch.arange(width) < lengths[:, None]).int()  # 1 in every vocabulary, 0 for padding
    return [tokens, lengths, *([torch.zeros(rows, shape.features)] if shape.features else [])]


def check_gradients(model: nn.Module, shape: Shape, where: str) -> None:
    """Whether a model can be trained; tried on a copy of it, so that it keeps no trace.

    Raises:
        InputError: it has no weights that train, its logits do not depend on them, or it has sparse gradients that are
            not those of an `nn.Embedding`, which alone has an optimizer for them.
    """
    tried = copy.deepcopy(model).train()
    trained = {name: parameter for name, parameter in tried.named_parameters() if parameter.requires_grad}
    if not trained:
        raise InputError(f"{where}: has no weights that train; give it an nn.Parameter that requires a gradient")
    tables = {id(module.weight) for module in tried.modules() if isinstance(module, nn.Embedding)}
    try:
        with torch.random.fork_rng(devices=[]):
            tried(*tiny_batch(shape)).sum().backward()
    except Exception as error:
        raise InputError(f"{where}: a step of training fails, {describe_error(error)}") from error
    gradients = {name: parameter.grad for name, parameter in trained.items() if parameter.grad is not None}
    if not gradients:
        raise InputError(f"{where}: its logits depend on none of its weights; is something detached?")
    for name, gradient in gradients.items():
        if gradient.is_sparse and id(trained[name]) not in tables:
            raise InputError(f"{where}: {name} has sparse gradients, which only an nn.Embedding(sparse=True) may have")
