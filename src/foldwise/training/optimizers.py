"""The optimizers: any of torch.optim, of pytorch_optimizer where it is installed, or of one's own; tables apart.

Tables are the weights of `nn.Embedding`. Those with sparse gradients have an optimizer that moves only the rows a batch
touches (`training/rowwise.py`).
"""

import difflib
import importlib
import importlib.util
import inspect
from collections.abc import Iterator
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
Parameters = list[nn.Parameter]
Group = dict[str, Any]


def build_optimizers(model: nn.Module, settings: Training) -> list[Optimizer]:
    """The optimizers of all weights that train; by default AdamW (Loshchilov & Hutter 2019) and `RowwiseAdam`.

    Tables have their own learning rate and no weight decay, which would pull the vectors of words that a batch does not
    contain towards zero at every step. With `embedding_optimizer = "same"` their gradients become dense. Muon is for
    matrices; other weights and tables then have AdamW.

    Raises:
        InputError: no such optimizer, one that cannot train these weights, or arguments that it does not take.
    """
    kind = find_optimizer(settings.optimizer)
    if settings.embedding_optimizer == "same":
        for embedding in trained_embeddings(model):
            embedding.sparse = False
    rest, tables, sparse = part_parameters(model)
    of_tables: list[Group] = [{"params": tables, "lr": settings.embedding_learning_rate, "weight_decay": 0.0}]
    optimizers: list[Optimizer] = []
    if issubclass(kind, Muon):
        matrices, others = ([p for p in rest if (p.ndim == 2) == wanted] for wanted in (True, False))
        optimizers = construct(kind, [{"params": matrices}], settings)
        optimizers += construct(AdamW, [{"params": others}, *of_tables], settings, own_arguments=False)
    elif issubclass(kind, LBFGS):  # knows no groups
        optimizers = construct(kind, [{"params": rest}], settings) + construct(kind, of_tables, settings)
    else:
        optimizers = construct(kind, [{"params": rest}, *of_tables], settings)
    return optimizers + ([RowwiseAdam(sparse, settings.embedding_learning_rate)] if sparse else [])


def trained_embeddings(model: nn.Module) -> Iterator[nn.Embedding]:
    """The modules whose tables train."""
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module.weight.requires_grad:
            yield module


def part_parameters(model: nn.Module) -> tuple[Parameters, Parameters, Parameters]:
    """Weights that train: those of no table, of tables with dense and of tables with sparse gradients."""
    is_sparse = {id(module.weight): module.sparse for module in trained_embeddings(model)}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rest, tables, sparse = (
        [parameter for parameter in trained if is_sparse.get(id(parameter)) is wanted] for wanted in (None, False, True)
    )
    return rest, tables, sparse


def set_embeddings_trained(model: nn.Module, on: bool) -> None:
    """Let the tables stand still, without gradients, moments or average, or train again; after `build_optimizers`.

    Tables that are frozen for good stay so.
    """
    for module in model.modules():
        if isinstance(module, nn.Embedding) and (module.weight.requires_grad or hasattr(module, "stands_still")):
            module.stands_still = not on  # type: ignore[assignment]
            module.weight.requires_grad_(on)


def find_optimizer(name: str) -> type[Optimizer]:
    """The class that `name` means."""
    if plugins.is_own(name):
        own = plugins.load(name, KEY)
        if not (isinstance(own, type) and issubclass(own, Optimizer)):
            raise InputError(f"{KEY} = {name!r}: not a class of torch.optim.Optimizer; derive it from that")
        return own
    known = optimizers_in(torch.optim)
    if name == SparseAdam.__name__:
        raise InputError(
            f"{KEY} = {name!r}: it takes sparse gradients only, which just the word vectors have; these have its like "
            "by embedding_optimizer = 'rowwise', with 'AdamW' or another for the rest"
        )
    if name in known:
        return known[name]
    is_installed = importlib.util.find_spec(EXTRA) is not None
    if is_installed:
        extra = optimizers_in(importlib.import_module(EXTRA))
        if name in extra:
            return extra[name]
        known = {**extra, **known}
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


def construct(
    kind: type[Optimizer], groups: list[Group], settings: Training, own_arguments: bool = True
) -> list[Optimizer]:
    """The optimizer of these groups with the settings' learning rate, weight decay and arguments; none for no weights.

    Args:
        own_arguments: false of a class that the settings do not name.
    """
    groups = [group for group in groups if group["params"]]
    if not groups:
        return []
    arguments = arguments_of(kind, settings, settings.optimizer_arguments if own_arguments else {})
    try:
        if not kind.__module__.startswith("torch.optim"):
            try_out(kind, arguments)
        return [kind(groups, **arguments)]
    except Exception as error:  # whatever stands in a user's class
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise InputError(
            f"{KEY} = {settings.optimizer!r}: {kind.__name__}(groups of weights, {given}) fails: "
            f"{plugins.describe_error(error)}; its signature is {inspect.signature(kind)}"
        ) from error


def arguments_of(kind: type[Optimizer], settings: Training, given: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of the class; learning rate and weight decay where it takes them."""
    parameters = list(inspect.signature(kind).parameters.values())[1:]  # the first takes the weights
    takes = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if "lr" not in takes and any(p.kind is p.VAR_KEYWORD for p in parameters):  # all goes on to another class
        takes += ["lr", "weight_decay", *given]
    own_fields = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    for name, value in given.items():
        key = f"recipe.training.optimizer_arguments.{name} = {value!r}"
        if name in own_fields:
            field = "learning_rate" if name == "lr" else name
            raise InputError(f"{key}: that is recipe.training.{field}")
        if name not in takes:
            known = ", ".join(other for other in takes if other not in own_fields)
            raise InputError(f"{key}: {kind.__name__} takes {known or 'no arguments'}")
    arguments = {name: value for name, value in own_fields.items() if name in takes} | given
    # One kernel for all weights; also skips a step whose scaled gradients overflowed without asking a GPU.
    if issubclass(kind, Adam) and "fused" in takes and not {"fused", "foreach", "differentiable"} & set(given):
        arguments["fused"] = True
    return arguments


def try_out(kind: type[Optimizer], arguments: dict[str, Any]) -> None:
    """One step as training does it, which tells an error before the training does."""
    matrix, vector = nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(3))
    groups: list[Group] = [{"params": [matrix]}, {"params": [vector], "weight_decay": 0.0}]
    optimizer = kind(groups, **arguments)
    if any("lr" not in group for group in optimizer.param_groups):
        raise ValueError("its groups hold no 'lr', which the schedule of the learning rate moves")
    matrix.grad, vector.grad = torch.ones(3, 2), None  # a table that stands still has no gradient
    optimizer.step()
    vector.grad = torch.ones(3)
    optimizer.step()
    if not all(bool(torch.isfinite(weight).all()) for weight in (matrix, vector)):
        raise ValueError("after a step with gradients of 1 the weights are not finite")
