"""One packed fold predicts, in a worker process or in this one."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from foldwise.config import LINEAR, Recipe, Task
from foldwise.data.token_store import TokenStore
from foldwise.data.tokenizer import UNK
from foldwise.errors import InputError
from foldwise.files import read_json
from foldwise.inference.bundle import VECTORS, PackedFold, PackedShape, Units, holds_vectors, read_words
from foldwise.models import Shape, build_model
from foldwise.plugins import is_own
from foldwise.running.local import Report
from foldwise.training.fold import use_repeatable_algorithms
from foldwise.training.fold_data import FeatureScale, Identity, Scale
from foldwise.training.loop import BatchSource, predict
from foldwise.training.losses import to_predictions
from foldwise.training.precision import Runtime

WORDS, NEW_VECTORS = "words.txt", "new_vectors.npy"  # beside the tokens; words in id order, the new ones last
TABLE = "embedding.weight"  # of a built-in model


@dataclass(frozen=True)
class Job:
    """One fold to predict with, and where its files are.

    Attributes:
        weights: the packed folder.
        data: the folder of the test set's tokens.
        recipe: of the member.
        packed: what the folder says of this fold.
        shape: of the model.
        dimension: E, numbers of a word's vector.
    """

    weights: Path
    data: Path
    member: str
    fold: int
    recipe: Recipe
    packed: PackedFold
    shape: PackedShape
    dimension: int
    task: Task
    outputs: int
    runtime: Runtime

    def __str__(self) -> str:
        return f"{self.member} fold {self.fold}"


def work(job: Job, report: Report) -> None:
    """Report rows as they are done, at the end with the (M, C) predictions and the seconds."""
    start = time.perf_counter()
    linear = job.recipe.model.name == LINEAR
    predictions = predict_linear(job, report) if linear else predict_network(job, report)
    report({"rows": 0, "predictions": as_written(predictions), "seconds": time.perf_counter() - start})


def as_written(predictions: np.ndarray) -> np.ndarray:
    """(M, C) float64 as a fold's test.csv holds them: the shortest decimal form of a float32 is another float64."""
    return predictions.astype(str).astype(np.float64)


def predict_linear(job: Job, report: Report) -> np.ndarray:
    """(M, C) float64."""
    from safetensors.numpy import load_file as load_arrays

    from foldwise.learners.linear import texts_of
    from foldwise.learners.ngrams import LinearModel

    (weights,), ngrams = job.packed.weights, job.packed.ngrams
    assert ngrams is not None
    model = LinearModel.from_arrays(load_arrays(job.weights / weights), read_json(job.weights / ngrams))
    store, words = TokenStore.open(job.data), (job.data / WORDS).read_text(encoding="utf-8").split("\n")
    predictions = model.predict(texts_of(store, words, np.arange(len(store))))
    report({"rows": len(store)})
    return predictions


def predict_network(job: Job, report: Report) -> np.ndarray:
    """(M, C) float32, of a regression or an ordinal task float64; the mean over the fold's snapshots."""
    torch.set_num_threads(job.runtime.threads)
    store, own = TokenStore.open(job.data), is_own(job.recipe.model.name)
    if own or job.runtime.device.type == "cuda":  # on a CPU the built-in ones have no others, and torch loads for 3 s
        use_repeatable_algorithms()
    new = None if own else np.load(job.data / NEW_VECTORS)
    vectors = vectors_of(job, new)
    if own:
        store = replace(store, tokens=np.where(store.tokens < len(vectors), store.tokens, UNK))
    features, scale = None, scale_of(job.packed.targets)
    if job.packed.features is not None:
        units = FeatureScale(*arrays_of(job.packed.features))
        features = torch.from_numpy(units.apply(np.load(job.data / "features.npy")))
    shape = Shape(job.shape.outputs, job.shape.columns, job.shape.features)
    model = build_model(vectors, shape, job.recipe.model, 0).to(job.runtime.device)
    source = BatchSource(store, None, job.runtime.device, features=features)
    parts = []
    for name in job.packed.weights:
        load_weights(model, job.weights / name, new)
        logits = predict(model, source, np.arange(len(store)), job.runtime, lambda rows: report({"rows": rows}))
        parts.append(scale.undo(to_predictions(logits[:, : job.outputs], job.task).numpy()))
    return np.mean(parts, axis=0)


def vectors_of(job: Job, new: np.ndarray | None) -> torch.Tensor:
    """(V + V', E) float32 vectors to build the model with; zeros that take no memory where its weights hold them.

    Args:
        new: (V', E) vectors of words that the packed vocabulary does not have.
    """
    number = 0 if new is None else len(new)
    if holds_vectors(job.recipe):
        return torch.zeros(()).expand(len(read_words(job.weights)) + number, job.dimension)
    vectors = np.load(job.weights / VECTORS, mmap_mode="c")
    return torch.from_numpy(vectors if new is None or not number else np.concatenate([vectors, new]))


def load_weights(model: nn.Module, path: Path, new: np.ndarray | None) -> None:
    """Give a model the weights of a snapshot; frozen vectors are not among them, and stay.

    Args:
        new: (V', E) vectors of words that the snapshot does not know, appended to its own.

    Raises:
        InputError: the weights are of another model.
    """
    weights = load_file(path)
    if new is not None and len(new) and TABLE in weights:
        weights[TABLE] = torch.cat([weights[TABLE], torch.from_numpy(new)])
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    found = model.load_state_dict(weights, strict=False)
    if wrong := [*found.unexpected_keys, *(set(found.missing_keys) - frozen)]:
        raise InputError(f"{path}: not the weights of this model, for example {wrong[0]}; build the kernel again")


def scale_of(units: Units | None) -> Scale | Identity:
    """What leads from a model's values to those of the target."""
    return Identity() if units is None else Scale(*arrays_of(units))


def arrays_of(units: Units) -> tuple[np.ndarray, np.ndarray]:
    """Mean and std, float64."""
    return np.array(units.mean), np.array(units.std)
