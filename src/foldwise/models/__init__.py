"""Models by name. A builder takes word vectors, the number of outputs C and the `[model]` settings.

A model is an `nn.Module` called with `tokens` (B, T) int and `lengths` (B,) int64, and returns logits (B, C).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from foldwise.config import Model
from foldwise.errors import InputError
from foldwise.models.bilstm import BiLSTM

BUILDERS: dict[str, Callable[[Tensor, int, Model], nn.Module]] = {"bilstm": BiLSTM}


def build_model(vectors: Tensor, outputs: int, settings: Model, seed: int) -> nn.Module:
    """The model `settings.name`, its weights drawn from `seed` alone.

    Args:
        vectors: (V, E) float32 word vectors.
        outputs: C.

    Raises:
        InputError: no model of that name.
    """
    if settings.name not in BUILDERS:
        raise InputError(f"recipe.model.name = {settings.name!r}: no such model; known are {', '.join(BUILDERS)}")
    torch.manual_seed(seed)
    return BUILDERS[settings.name](vectors, outputs, settings)
