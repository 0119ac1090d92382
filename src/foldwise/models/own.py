"""A model of the user's own, `module:Class`: made, and tried once on a tiny batch before any training.

The class is called as `Class(vocabulary_size=V, vectors=vectors, outputs=C, **recipe.model.arguments)`, with `vectors`
a (V, E) float32 tensor of its own, row 0 for padding; its `forward` as a built-in model's (see `foldwise.models`).
"""

from typing import Any

import torch
from torch import Tensor, nn

from foldwise.config import Model
from foldwise.errors import InputError
from foldwise.models.text import Shape
from foldwise.plugins import load

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
        raise InputError(f"{where}: {type(error).__name__}: {error}; it is made by {call}") from error
    if not isinstance(model, nn.Module):
        raise InputError(f"{where}: gave {type(model).__name__}, not a torch.nn.Module; it is made by {call}")
    check_model(model, shape)
    return model


def check_model(model: nn.Module, shape: Shape) -> None:
    """Pass a tiny batch of padded rows through a model, without a trace in it or in the random numbers.

    Rows and tokens of the batch differ in number from each other and from C, so that one cannot stand for another.

    Raises:
        InputError: `forward` cannot be called as it will be, or gives anything but (B, C) floats.
    """
    rows, width = [count for count in range(2, 5) if count != shape.outputs][:2]
    lengths = torch.tensor([width, *[1] * (rows - 1)] * shape.columns)
    tokens = (torch.arange(width) < lengths[:, None]).int()  # 1 in every vocabulary, 0 for padding
    inputs = [tokens, lengths, *([torch.zeros(rows, shape.features)] if shape.features else [])]
    call = f"{type(model).__name__}.forward(tokens, lengths{', features' * bool(shape.features)})"
    called = f"{call} was given {', '.join(str(tuple(part.shape)) for part in inputs)}"
    expected = (rows, shape.outputs)
    trained = model.training
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            logits = model.eval()(*inputs)
    except Exception as error:
        raise InputError(
            f"{KEY}: {called} and failed, {type(error).__name__}: {error}; it must give {expected}"
        ) from error
    finally:
        model.train(trained)
    if not isinstance(logits, Tensor):
        raise InputError(f"{KEY}: {called} and gave {type(logits).__name__}, not a tensor {expected}")
    if logits.shape != expected or not logits.is_floating_point():
        gave = f"{tuple(logits.shape)} of {str(logits.dtype).removeprefix('torch.')}"
        raise InputError(
            f"{KEY}: {called} and gave {gave}; it must give {expected} floats, C = {shape.outputs} logits a row"
        )
