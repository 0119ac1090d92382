"""The optimizers: any of torch.optim, of pytorch_optimizer where it is installed, or of one's own; tables apart.

Tables are the weights of `nn.Embedding`. Those with sparse gradients have an optimizer that moves only the rows a batch
touches (`training/rowwise.py`).
"""

import difflib
import importlib
import importlib.util
import inspect
from typing import Any

import torch
from torch import nn
from torch.optim import LBFGS, Adam, AdamW, Muon, Optimizer, SparseAdam

from foldwise import plugins
from foldwise.config import Training
from foldwise.errors import InputError
from foldwise.training.rowwise import RowwiseAdam

KEY = "recipe.training.optimizer"
EXTRA = "pytorch_optimizer"
Group = dict[str, Any]


def build_optimizers(model: nn.Module, settings: Training) -> list[Optimizer]:
    """The optimizers of all weights that train; by default AdamW (Loshchilov & Hutter 2019) and `RowwiseAdam`.

    Tables have their own learning rate and no weight decay, which would pull the vectors of words that a batch does not
    contain towards zero at every step. With `embedding_optimizer = "same"` their gradients become dense. Muon is for
    matrices; other weights and tables then have AdamW.

    Raises:
        InputError: no such optimizer, one that cannot train these weights, or arguments that it does not take.
    """
    kind, embeddings = find_optimizer(settings.optimizer), trained_embeddings(model)
    if settings.embedding_optimizer == "same":
        for embedding in embeddings:
            embedding.sparse = False
    is_sparse = {id(embedding.weight): embedding.sparse for embedding in embeddings}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rest = [parameter for parameter in trained if id(parameter) not in is_sparse]
    tables = [parameter for parameter in trained if is_sparse.get(id(parameter)) is False]
    rows = [parameter for parameter in trained if is_sparse.get(id(parameter))]
    of_tables: Group = {"params": tables, "lr": settings.embedding_learning_rate, "weight_decay": 0.0}
    given = settings.optimizer_arguments
    optimizers: list[Optimizer] = []
    if issubclass(kind, Muon):
        matrices, others = ([p for p in rest if (p.ndim == 2) == wanted] for wanted in (True, False))
        optimizers += construct(kind, [{"params": matrices}], settings, given)
        optimizers += construct(AdamW, [{"params": others}, of_tables], settings, {})
    elif issubclass(kind, LBFGS):  # knows no groups
        optimizers += construct(kind, [{"params": rest}], settings, given)
        optimizers += construct(kind, [of_tables], settings, given)
    else:
        optimizers += construct(kind, [{"params": rest}, of_tables], settings, given)
    return optimizers + ([RowwiseAdam(rows, settings.embedding_learning_rate)] if rows else [])


def trained_embeddings(model: nn.Module) -> list[nn.Embedding]:
    """The modules whose tables train."""
    return [module for module in model.modules() if isinstance(module, nn.Embedding) and module.weight.requires_grad]


def find_optimizer(name: str) -> type[Optimizer]:
    """The class that `name` means."""
    if plugins.is_own(name):
        own = plugins.load(name, KEY)
        if not (isinstance(own, type) and issubclass(own, Optimizer)):
            raise InputError(f"{KEY} = {name!r}: not a class of torch.optim.Optimizer; derive it from that")
        return own
    if name == SparseAdam.__name__:
        raise InputError(
            f"{KEY} = {name!r}: it takes sparse gradients only, which just the word vectors have; these have its like "
            "by embedding_optimizer = 'rowwise', with 'AdamW' or another for the rest"
        )
    known, is_installed = optimizers_in(torch.optim), importlib.util.find_spec(EXTRA) is not None
    if name not in known and is_installed:
        known = {**optimizers_in(importlib.import_module(EXTRA)), **known}
    if name in known:
        return known[name]
    by_lower = {other.lower(): other for other in known}
    near = [by_lower[other] for other in difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)]
    fix = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"
    others = "" if is_installed else f"others: pip install {EXTRA}; "
    raise InputError(f"{KEY} = {name!r}: no such optimizer; {fix} ({others}your own: module:Class)")


def optimizers_in(module: Any) -> dict[str, type[Optimizer]]:
    """A module's optimizers by name."""
    return {
        name: kind
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, Optimizer) and kind is not Optimizer
    }


def construct(kind: type[Optimizer], groups: list[Group], settings: Training, given: dict[str, Any]) -> list[Optimizer]:
    """The optimizer of these groups; none for no weights.

    Learning rate and weight decay go to a class that takes them, or that takes whatever it is given on to another.
    """
    groups = [group for group in groups if group["params"]]
    if not groups:
        return []
    own_fields = {"lr": "learning_rate", "weight_decay": "weight_decay"}
    signature = inspect.signature(kind)
    takes = [p.name for p in list(signature.parameters.values())[1:] if p.kind is not p.VAR_KEYWORD]
    if "lr" not in takes and any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        takes += [*own_fields, *given]
    for name, value in given.items():
        key = f"recipe.training.optimizer_arguments.{name} = {value!r}"
        if name in own_fields:
            raise InputError(f"{key}: that is recipe.training.{own_fields[name]}")
        if name not in takes:  # some classes would take it and do nothing with it
            known = ", ".join(other for other in takes if other not in own_fields)
            raise InputError(f"{key}: {kind.__name__} takes {known or 'no arguments'}")
    arguments = {name: getattr(settings, field) for name, field in own_fields.items() if name in takes} | given
    # One kernel for all weights; also skips a step whose scaled gradients overflowed without asking a GPU.
    if issubclass(kind, Adam) and "fused" in takes and not {"fused", "foreach", "differentiable"} & set(given):
        arguments["fused"] = True
    try:
        optimizer = kind(groups, **arguments)
        if any("lr" not in group for group in optimizer.param_groups):
            raise ValueError("its groups hold no 'lr', which the schedule of the learning rate moves")
    except Exception as error:  # whatever stands in a user's class
        shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise InputError(
            f"{KEY} = {settings.optimizer!r}: {kind.__name__}(groups of weights, {shown}) fails: "
            f"{plugins.describe_error(error)}; its signature is {signature}"
        ) from error
    return [optimizer]
