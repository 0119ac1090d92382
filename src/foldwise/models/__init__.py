"""Models by name. A builder takes word vectors, the `Shape` of what goes in and out, and the `[model]` settings.

A model is an `nn.Module` called with `tokens` (K·B, T) int and `lengths` (K·B,) int64 on the CPU, first the B rows of
column 0, then those of column 1, …; where rows have D numbers beside their text also with `features` (B, D) float32. It
returns logits (B, C).
"""

import difflib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from foldwise.config import Model
from foldwise.errors import InputError
from foldwise.models.own import build_own, check_model
from foldwise.models.recurrent import BiGRU, BiLSTM, BiLSTMBiGRU
from foldwise.models.text import Shape
from foldwise.models.textcnn import TextCNN
from foldwise.plugins import is_own

__all__ = ["BUILDERS", "Shape", "build_model", "check_model"]

BUILDERS: dict[str, Callable[[Tensor, Shape, Model], nn.Module]] = {
    "bilstm": BiLSTM,
    "bigru": BiGRU,
    "bilstm_bigru": BiLSTMBiGRU,
    "textcnn": TextCNN,
}


def build_model(vectors: Tensor, shape: Shape, settings: Model, seed: int) -> nn.Module:
    """The model `settings.name`, its weights drawn from `seed` alone.

    Args:
        vectors: (V, E) float32 word vectors.
        shape: what goes in and out.

    Raises:
        InputError: no model of that name, or a class of the user's own that does not do what a model must.
    """
    torch.manual_seed(seed)
    if is_own(settings.name):
        return build_own(vectors, shape, settings)
    if settings.name not in BUILDERS:
        near = difflib.get_close_matches(settings.name, BUILDERS, n=1)
        known = f"did you mean {near[0]}?" if near else f"known are {', '.join([*BUILDERS, 'linear'])},"
        raise InputError(f"recipe.model.name = {settings.name!r}: no such model; {known} or module:Class of your own")
    if settings.arguments:
        raise InputError(
            f"recipe.model.arguments = {settings.arguments}: only a class of your own takes them; {settings.name} has "
            "fields such as model.hidden (`./run.sh describe` shows it)"
        )
    return BUILDERS[settings.name](vectors, shape, settings)
