"""The optimizers: any of torch.optim, of pytorch_optimizer where it is installed, or of one's own; tables apart.

Tables are the weights of `nn.Embedding`. Those with sparse gradients have an optimizer that moves only the rows a batch
touches (`training/rowwise.py`).
"""

import importlib
import importlib.util
import inspect
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn
from torch.optim import LBFGS, Adam, AdamW, Muon, Optimizer, SparseAdam

from foldwise import plugins
from foldwise.config import Training
from foldwise.errors import InputError, did_you_mean
from foldwise.training.rowwise import RowwiseAdam

KEY = "recipe.training.optimizer"
EXTRA = "pytorch_optimizer"
OWN_FIELDS = {"lr": "learning_rate", "weight_decay": "weight_decay"}  # of the recipe, by torch's arguments
Group = dict[str, Any]


@runtime_checkable
class HasGroups(Protocol):
    """A model with learning rates of its own for parts of it."""

    def parameter_groups(self, settings: Training) -> list[Group]:
        """Groups of all weights that train, for a class of torch.optim; the first one's learning rate is shown."""


def build_optimizers(model: nn.Module, settings: Training) -> list[Optimizer]:
    """The optimizers of all weights that train; by default AdamW (Loshchilov & Hutter 2019) and `RowwiseAdam`.

    Tables have their own learning rate and no weight decay, which would pull the vectors of words that a batch does not
    contain towards zero at every step. With `embedding_optimizer = "same"` their gradients become dense. Muon is for
    matrices; other weights and tables then have AdamW. A model that `HasGroups` says itself what its groups are.

    Raises:
        InputError: no such optimizer, one that cannot train these weights, or arguments that it does not take.
    """
    kind, embeddings = find_optimizer(settings.optimizer), trained_embeddings(model)
    if isinstance(model, HasGroups):
        return [construct(kind, model.parameter_groups(settings), settings, settings.optimizer_arguments)]
    for embedding in embeddings:
        embedding.sparse = embedding.sparse and settings.embedding_optimizer == "rowwise"
    is_sparse = {id(embedding.weight): embedding.sparse for embedding in embeddings}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rest, tables, rows = ([p for p in trained if is_sparse.get(id(p)) is wanted] for wanted in (None, False, True))
    of_tables: Group = {"params": tables, "lr": settings.embedding_learning_rate, "weight_decay": 0.0}
    parts: list[tuple[type[Optimizer], list[Group]]] = [(kind, [{"params": rest}, of_tables])]
    if issubclass(kind, Muon):
        matrices, others = ([p for p in rest if (p.ndim == 2) == wanted] for wanted in (True, False))
        parts = [(kind, [{"params": matrices}]), (AdamW, [{"params": others}, of_tables])]
    elif issubclass(kind, LBFGS):  # knows no groups
        parts = [(kind, [{"params": rest}]), (kind, [of_tables])]
    optimizers: list[Optimizer] = []
    for each, groups in parts:
        if filled := [group for group in groups if group["params"]]:
            optimizers.append(construct(each, filled, settings, settings.optimizer_arguments if each is kind else {}))
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
    fix = did_you_mean(name, known, f"known are {', '.join(known)}", n=3, cutoff=0.5)
    others = "" if is_installed else f"others: pip install {EXTRA}; "
    raise InputError(f"{KEY} = {name!r}: no such optimizer; {fix} ({others}your own: module:Class)")


def optimizers_in(module: Any) -> dict[str, type[Optimizer]]:
    """A module's optimizers by name."""
    return {
        name: kind
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, Optimizer) and kind is not Optimizer
    }


def construct(kind: type[Optimizer], groups: list[Group], settings: Training, given: dict[str, Any]) -> Optimizer:
    """The optimizer of these groups.

    Learning rate and weight decay go to a class that takes them, or that takes whatever it is given on to another.
    """
    signature = inspect.signature(kind)
    takes = [p.name for p in list(signature.parameters.values())[1:] if p.kind is not p.VAR_KEYWORD]
    if "lr" not in takes and any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        takes += [*OWN_FIELDS, *given]
    for name, value in given.items():
        key = f"recipe.training.optimizer_arguments.{name} = {value!r}"
        if name in OWN_FIELDS:
            raise InputError(f"{key}: that is recipe.training.{OWN_FIELDS[name]}")
        if name not in takes:  # some classes would take it and do nothing with it
            known = ", ".join(other for other in takes if other not in OWN_FIELDS)
            raise InputError(f"{key}: {kind.__name__} takes {known or 'no arguments'}")
    arguments = {name: getattr(settings, field) for name, field in OWN_FIELDS.items() if name in takes} | given
    # One kernel for all weights; also skips a step whose scaled gradients overflowed without asking a GPU.
    if issubclass(kind, Adam) and "fused" in takes and not {"fused", "foreach", "differentiable"} & set(given):
        arguments["fused"] = True
    shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    call = f"{kind.__name__}(groups of weights, {shown})"
    with plugins.as_input_error(f"{KEY} = {settings.optimizer!r}: {call} fails: ", f"; its signature is {signature}"):
        optimizer = kind(groups, **arguments)
        if any("lr" not in group for group in optimizer.param_groups):
            raise ValueError("its groups hold no 'lr', which the schedule of the learning rate moves")
    return optimizer


def load_optimizer(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Give it the state that its `state_dict` gave, to the bit.

    `Optimizer.load_state_dict` makes floats of whatever belongs to a weight, also where it is a mask or a count.
    """
    optimizer.load_state_dict(state)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for number, own in state["state"].items():
        optimizer.state[weights[number]] = own
