"""Models by name. A builder takes word vectors, the `Shape` of what goes in and out, and the `[model]` settings.

A model is an `nn.Module` called with `tokens` (K·B, T) int and `lengths` (K·B,) int64 on the CPU, first the B rows of
column 0, then those of column 1, …; where rows have D numbers beside their text also with `features` (B, D) float32. It
returns logits (B, C). `foldwise.training.rehearsal` tries that before any training.
"""

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn

from foldwise.config import Model
from foldwise.errors import InputError, did_you_mean
from foldwise.models.recurrent import BiGRU, BiLSTM, BiLSTMBiGRU
from foldwise.models.text import Shape
from foldwise.models.textcnn import TextCNN
from foldwise.plugins import as_input_error, is_own, load

__all__ = ["BUILDERS", "Shape", "build_model"]

BUILDERS: dict[str, Callable[[Tensor, Shape, Model], nn.Module]] = {
    "bilstm": BiLSTM,
    "bigru": BiGRU,
    "bilstm_bigru": BiLSTMBiGRU,
    "textcnn": TextCNN,
}


def build_model(vectors: Tensor, shape: Shape, settings: Model, seed: int) -> nn.Module:
    """The model `settings.name` of (V, E) float32 word vectors, its weights drawn from `seed` alone.

    Raises:
        InputError: no model of that name, or a class of the user's own that cannot be imported or made.
    """
    torch.manual_seed(seed)
    if is_own(settings.name):
        return build_own(vectors, shape, settings)
    if settings.name not in BUILDERS:
        known = did_you_mean(
            settings.name, BUILDERS, f"known are {', '.join([*BUILDERS, 'linear', 'encoder', 'convnet', 'external'])},"
        )
        raise InputError(f"recipe.model.name = {settings.name!r}: no such model; {known} or module:Class of your own")
    if settings.arguments:
        raise InputError(
            f"recipe.model.arguments = {settings.arguments}: only a class of your own takes them; {settings.name} has "
            "fields such as model.hidden (`./run.sh describe` shows it)"
        )
    return BUILDERS[settings.name](vectors, shape, settings)


def build_own(vectors: Tensor, shape: Shape, settings: Model) -> nn.Module:
    """The user's `module:Class`, which gets a copy of the vectors; row 0 is padding."""
    make = load(settings.name, "recipe.model.name")
    where, name = f"recipe.model.name = {settings.name!r}", settings.name.partition(":")[2]
    takes = ["vocabulary_size=int", "vectors=(V, E) float32 tensor", "outputs=int", *settings.arguments]
    call = f"foldwise calls {name}({', '.join(takes)})"
    yours = f"; yours is {name}{inspect.signature(make)}" if callable(make) else ""
    with as_input_error(f"{where}: ", f"; {call}{yours}"):
        model = make(vocabulary_size=len(vectors), vectors=vectors.clone(), outputs=shape.outputs, **settings.arguments)
    if not isinstance(model, nn.Module):
        raise InputError(f"{where}: gave {type(model).__name__}, not a torch.nn.Module; {call}")
    return model
