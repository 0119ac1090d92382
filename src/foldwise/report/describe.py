"""Stage describe: every layer of a member's model, with what goes in, what comes out, and its weights.

    ./run.sh describe -c SLUG                 the first member
    ./run.sh describe -c SLUG --member wide   another

Nothing is trained and nothing written: a new model gets two batches of random words whose rows differ in number and
length, which shows what follows the length of a text and what does not.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn

from foldwise.config import LINEAR, Linear, Task
from foldwise.data.features import texts_and_features
from foldwise.data.tokenizer import SPECIAL
from foldwise.errors import InputError
from foldwise.freshness import check_tokens
from foldwise.learners.ngrams import check_linear
from foldwise.models import Shape, build_model
from foldwise.run import Run
from foldwise.vectors.cache import vector_sources
from foldwise.vectors.files import dimension_of
from foldwise.vectors.table import random_vectors

BATCHES = ((3, 7), (5, 12))  # rows, tokens of the longest
WORDS = 1000  # where there are no tokens yet


@dataclass
class Layer:
    """A module as the batches met it.

    Attributes:
        name: where it hangs in the model, "" for the model itself.
        module: it.
        shapes: for each batch `inputs → output` of each call, as often as it was called.
    """

    name: str
    module: nn.Module
    shapes: list[list[str]] = field(default_factory=lambda: [[] for _ in BATCHES])

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Its own, without those of modules inside it; all of them for the model itself."""
        return list(self.module.parameters(recurse=not self.name))

    def lines(self) -> str:
        """A line for each batch, and for each further shape in which it was called."""
        counted = [f"{shape} ({n}×)" if n > 1 else shape for calls in self.shapes for shape, n in count(calls).items()]
        return "\n".join(counted) or "not called itself"


def describe(run: Run, member: str | None) -> None:
    """Print the layers of a member's model.

    Raises:
        InputError: no such member, or a model that cannot be built.
    """
    members = run.config.recipe.members
    if member is not None and member not in members:
        raise InputError(f"--member {member}: no such member; recipe.members has {', '.join(members)}")
    name = member or next(iter(members))
    recipe = run.config.recipe.of_member(name)
    shape = shape_of(run)
    title = f"{run.paths.slug}: member {name}, model {recipe.model.name}"
    if others := [other for other in members if other != name]:
        title += f" (others, with --member: {', '.join(others)})"
    console = Console(highlight=False)
    if recipe.model.name == LINEAR:
        check_linear(run.config.competition.task, recipe.linear)
        console.print(Text(title, style="bold"))
        console.print(Text(explain_linear(run.config.competition.task, recipe.linear, shape)))
        return
    words, dimension, source = size_of_vectors(run)
    vectors = torch.from_numpy(random_vectors(words, dimension))
    model = build_model(vectors, shape, recipe.model, recipe.seed)
    layers = trace(model, [random_batch(words, shape, *size, seed) for seed, size in enumerate(BATCHES)])
    console.print(Text(title, style="bold"))
    console.print(Text(f"{words:,} words ({source}) of {dimension} numbers; {explain_shape(shape)}"))
    console.print(table_of(layers))
    console.print(Text(totals(model)))


def shape_of(run: Run) -> Shape:
    """What the competition and the recipe put into a model and want of it."""
    columns, features = texts_and_features(run.config)
    outputs = run.competition.targets.outputs + len(run.config.columns.auxiliary)
    return Shape(outputs, columns, features)


def size_of_vectors(run: Run) -> tuple[int, int, str]:
    """V, E and where they are from: the tokens if they are up to date, else the recipe and a made-up V.

    Raises:
        InputError: no file of vectors of that name.
    """
    settings = run.config.recipe.tokens
    try:
        check_tokens(run)
    except InputError:
        if settings.vectors == ["none"]:
            return WORDS, settings.dimension, "assumed: no tokens yet"
        sizes = [dimension_of(source) for source in vector_sources(run)]
        dimension = sum(sizes) if settings.combine == "concat" else sizes[0]
        return WORDS, dimension, "assumed: no tokens yet"
    words, dimension = np.load(run.paths.tokens / "vectors.npy", mmap_mode="r").shape
    return words, dimension, "as in the tokens"


def random_batch(words: int, shape: Shape, rows: int, width: int, seed: int) -> list[Tensor]:
    """What a model is called with: tokens, lengths from 1 to `width`, and features where there are any."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, width + 1, (shape.columns * rows,), generator=generator)
    lengths[0] = width
    tokens = torch.randint(len(SPECIAL), max(words, len(SPECIAL) + 1), (len(lengths), width), generator=generator)
    tokens = tokens.int() * (torch.arange(width) < lengths[:, None])
    return [tokens, lengths] + ([torch.randn(rows, shape.features, generator=generator)] if shape.features else [])


@torch.inference_mode()
def trace(model: nn.Module, batches: list[list[Tensor]]) -> list[Layer]:
    """The modules that the batches passed through, in the order of their first call, and others that have weights.

    The model itself is the last.
    """
    layers = {module: Layer(name, module) for name, module in model.named_modules()}
    order: dict[nn.Module, None] = {}
    current = 0

    def begin(module: nn.Module, _: Any) -> None:
        order.setdefault(module)

    def end(module: nn.Module, inputs: Any, named: dict[str, Any], output: Any) -> None:
        layers[module].shapes[current].append(f"{shapes_in([*inputs, *named.values()])} → {shapes_in([output])}")

    handles = [module.register_forward_pre_hook(begin) for module in layers]
    handles += [module.register_forward_hook(end, with_kwargs=True) for module in layers]
    model.eval()
    for current, batch in enumerate(batches):  # noqa: B007 - `end` reads it
        model(*batch)
    for handle in handles:
        handle.remove()
    idle = [module for module, layer in layers.items() if layer.name and module not in order and layer.parameters]
    return [layers[module] for module in [*order, *idle] if module is not model] + [layers[model]]


def shapes_in(values: list[Any]) -> str:
    """Shapes of all tensors among `values` and inside tuples, lists and packed sequences among them.

    >>> shapes_in([torch.zeros(3, 7), None, (torch.zeros(3), 2)])
    '3×7, 3'
    """
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found.append("×".join(map(str, value.shape)) or "scalar")
        elif isinstance(value, list | tuple) and (inner := shapes_in(list(value))):
            found.append(inner)
    return ", ".join(found)


def count(items: list[str]) -> dict[str, int]:
    """How often each stands there, in the order of first appearance."""
    return {item: items.count(item) for item in dict.fromkeys(items)}


def table_of(layers: list[Layer]) -> Table:
    """A row for each layer; the last, the model itself, below a line."""
    table = Table(caption="shapes: a line for each batch; rows × tokens × numbers", caption_justify="left")
    for name in ("layer", "type", "input → output"):
        table.add_column(name, overflow="fold")
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("trained", no_wrap=True)
    for layer in layers:
        if not layer.name:
            table.add_section()
        own = layer.parameters
        trained = sum(value.requires_grad for value in own)
        mark = "" if not own else "yes" if trained == len(own) else "partly" if trained else "no"
        number = f"{sum(value.numel() for value in own):,}" if own else ""
        table.add_row(*map(Text, (layer.name or "(model)", type(layer.module).__name__, layer.lines(), number, mark)))
    return table


def totals(model: nn.Module) -> str:
    """Parameters of the whole model, and their memory."""
    trained, fixed = (
        sum(value.numel() for value in model.parameters() if value.requires_grad == wanted) for wanted in (True, False)
    )
    size = sum(value.numel() * value.element_size() for value in model.parameters())
    return (
        f"parameters: {trained + fixed:,}, of which {trained:,} are trained and {fixed:,} are not; {size / 1e6:,.2f} MB"
    )


def explain_shape(shape: Shape) -> str:
    """K, D and C in words."""
    columns = f"{shape.columns} text columns encoded apart" if shape.columns > 1 else "one text a row"
    features = f", {shape.features} numbers beside it" if shape.features else ""
    return f"{columns}{features}; {shape.outputs} output{'s' if shape.outputs > 1 else ''}"


def explain_linear(task: Task, settings: Linear, shape: Shape) -> str:
    """What the linear member is, which has no layers."""
    kinds = [(settings.word_ngrams, "words", 1), (settings.char_ngrams, "characters", min(2, settings.char_ngrams))]
    grams = " and ".join(f"{shortest} to {longest} {kind}" for longest, kind, shortest in kinds if longest)
    weighed = "TF-IDF" if settings.weighting == "tfidf" else "TF-IDF times the log-count ratio of naive Bayes"
    strength = "C chosen by inner cross-validation" if settings.C == "auto" else f"C = {settings.C:g}"
    if task in ("regression", "ordinal"):
        fit = f"ridge regression ({strength}, alpha = 1 / C), one for each of {shape.outputs} targets"
    elif task == "multiclass" and settings.weighting == "tfidf":
        fit = f"logistic regression ({strength}) over {shape.outputs} classes"
    else:
        fit = f"logistic regression ({strength}), one for each of {shape.outputs} outputs"
    return (
        f"No layers: scikit-learn, not a network. {weighed} of n-grams of {grams} that stand in {settings.min_count} "
        f"or more training texts\n→ {fit}."
    )
