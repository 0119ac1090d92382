"""Stage describe: every layer of a member's model, with what goes in, what comes out, and its weights.

    ./run.sh describe -c SLUG                 the first member
    ./run.sh describe -c SLUG --member wide   another

Nothing is trained and nothing written: a new model gets two batches of random words whose rows differ in number and
length, which shows what follows the length of a text and what does not.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.table import Column, Table
from rich.text import Text
from torch import Tensor, nn

from foldwise.console import open_page
from foldwise.data.features import texts_and_features
from foldwise.data.token_store import open_array
from foldwise.data.tokenizer import SPECIAL
from foldwise.errors import InputError
from foldwise.freshness import check_tokens
from foldwise.learners import learner_for
from foldwise.models import Shape, build_model
from foldwise.paths import VECTORS
from foldwise.run import Run
from foldwise.vectors.files import vector_sources
from foldwise.vectors.reading import read_dimension
from foldwise.vectors.table import random_vectors

BATCHES = ((3, 7), (5, 12))  # rows, tokens of the longest
WORDS = 1000  # where there are no tokens yet


def describe(run: Run, member: str | None) -> None:
    """Print the layers of a member's model; InputError where there is no such member, or it cannot be built."""
    members = run.config.recipe.members
    name = run.config.recipe.members_named(member)[0] if member is not None else next(iter(members))
    recipe = run.config.recipe.of_member(name)
    title = f"{run.paths.slug}: member {name}, model {recipe.model.name}"
    if others := [other for other in members if other != name]:
        title += f" (others, with --member: {', '.join(others)})"
    texts, features = texts_and_features(run.config)
    targets = run.competition.targets
    shape = Shape(targets.outputs + targets.auxiliary_outputs, texts, features)
    learner = learner_for(recipe)
    learner.prepare(targets, texts, features)
    outputs = f"{shape.outputs} output{'s' if shape.outputs > 1 else ''}"
    if example := learner.build_example(shape.outputs, run.config.columns):
        said = f"{learner.describe(run.config.competition.task)}; {outputs}"
        parts: list[str | Table] = [said, *list_layers(*example, "channels × height × width")]
    elif not learner.uses_vectors:
        parts = [learner.describe(run.config.competition.task)]
    else:
        words, dimension, source = size_of_vectors(run)
        model = build_model(torch.from_numpy(random_vectors(words, dimension)), shape, recipe.model, recipe.seed)
        columns = f"{texts} text columns encoded apart" if texts > 1 else "one text a row"
        beside = f", {features} numbers beside it" if features else ""
        inputs = f"{words:,} words ({source}) of {dimension} numbers; {columns}{beside}; {outputs}"
        parts = [inputs, *list_layers(model, random_texts(words, shape), "tokens × numbers")]
    open_page().print(Text(title, style="bold"), *parts, sep="\n", markup=False)


def list_layers(model: nn.Module, batches: Iterable[Sequence[Tensor]], sides: str) -> Sequence[str | Table]:
    """The table of layers, and a line on all parameters together."""
    table = layer_table(model, trace(model, batches), sides)
    total = sum(value.numel() for value in model.parameters())
    trained = sum(value.numel() for value in model.parameters() if value.requires_grad)
    size = sum(value.nbytes for value in model.parameters()) / 1e6
    ending = f"of which {trained:,} are trained and {total - trained:,} are not; {size:,.2f} MB"
    return table, f"parameters: {total:,}, {ending}"


def size_of_vectors(run: Run) -> tuple[int, int, str]:
    """V, E and where they are from: the tokens if they are up to date, else the recipe and a made-up V."""
    try:
        check_tokens(run)
    except InputError:
        settings = run.config.recipe.tokens
        sizes = [read_dimension(source) for source in vector_sources(settings, run.paths)] or [settings.dimension]
        return WORDS, sum(sizes) if settings.combine == "concat" else sizes[0], "assumed: no tokens yet"
    words, dimension = open_array(run.paths.tokens / VECTORS, np.float32, 2).shape
    return words, dimension, "as in the tokens"


@torch.inference_mode()
def trace(model: nn.Module, batches: Iterable[Sequence[Tensor]]) -> dict[str, Counter[str]]:
    """How often each module was called with which shapes, "" for the model itself, in the order of the first call."""
    calls: dict[str, Counter[str]] = {}

    def begin(name: str, *_: Any) -> None:
        calls.setdefault(name, Counter())

    def end(name: str, _: nn.Module, inputs: Any, named: dict[str, Any], output: Any) -> None:
        calls[name][f"{shapes_in((*inputs, *named.values()))} → {shapes_in(output)}"] += 1

    for name, module in model.named_modules():
        module.register_forward_pre_hook(partial(begin, name))
        module.register_forward_hook(partial(end, name), with_kwargs=True)
    model.eval()
    for batch in batches:
        model(*batch)
    return calls


def random_texts(words: int, shape: Shape) -> Iterator[Sequence[Tensor]]:
    """Batches for a model of texts."""
    for rows, width in BATCHES:
        lengths = torch.randint(1, width + 1, (shape.columns * rows,))
        lengths[0] = width
        tokens = torch.randint(len(SPECIAL), max(words, len(SPECIAL) + 1), (len(lengths), width), dtype=torch.int32)
        features = [torch.randn(rows, shape.features)] if shape.features else []
        yield tokens * (torch.arange(width) < lengths[:, None]), lengths, *features


def shapes_in(value: Any) -> str:
    """The shape of a tensor, or of all tensors inside a tuple, a list or a packed sequence: `3×7×10, 3`."""
    if isinstance(value, Tensor):
        return "×".join(map(str, value.shape)) or "scalar"
    return ", ".join(filter(None, map(shapes_in, value))) if isinstance(value, list | tuple) else ""


def layer_table(model: nn.Module, calls: dict[str, Counter[str]], sides: str) -> Table:
    """A row for each module that was called, then for others with weights; below a line the model itself."""
    columns = [Column(title, overflow="fold") for title in ("layer", "type", "input → output")]
    columns += [Column("parameters", justify="right", no_wrap=True), Column("trained", no_wrap=True)]
    table = Table(*columns, caption=f"shapes: a line for each batch; rows × {sides}", caption_justify="left")
    modules = dict(model.named_modules())
    idle = [name for name in modules if name not in calls and list(modules[name].parameters(recurse=False))]
    for name in [*filter(None, calls), *idle, ""]:
        own = list(modules[name].parameters(recurse=not name))
        lines = [f"{shapes} ({n}×)" if n > 1 else shapes for shapes, n in calls.get(name, {}).items()]
        trained = {value.requires_grad for value in own}
        mark = "partly" if len(trained) == 2 else "yes" if True in trained else "no"
        if not name:
            table.add_section()
        cells = (name or "(model)", type(modules[name]).__name__, "\n".join(lines) or "not called itself")
        numbers = (f"{sum(value.numel() for value in own):,}", mark) if own else ("", "")
        table.add_row(*map(Text, cells + numbers))
    return table
