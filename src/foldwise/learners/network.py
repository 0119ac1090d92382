"""The learner "network": any model of `foldwise.models`, trained by `foldwise.training`."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from foldwise.config import Recipe, Task
from foldwise.data.targets import Targets
from foldwise.plugins import is_own

if TYPE_CHECKING:  # loading torch takes seconds, which a run that keeps every fold should not pay
    import torch

    from foldwise.learners.new_rows import NewRows
    from foldwise.running.job import FoldJob
    from foldwise.training.checkpoint import Checkpoint
    from foldwise.training.fold import FoldResult
    from foldwise.training.fold_data import FoldData
    from foldwise.training.precision import Runtime

TABLE = "embedding.weight"  # of a built-in model
# Fields of a recipe that name parts, and the parts' arguments.
NAMED = (
    *("loss", "loss_arguments", "class_weights", "optimizer", "optimizer_arguments", "schedule", "schedule_arguments"),
    "precision",
)


class Network:
    """See `foldwise.learners.Learner`."""

    can_be_cut, reads_texts, uses_vectors = True, False, True

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    @property
    def epochs(self) -> int:
        """Of the recipe."""
        return self.recipe.training.epochs

    @property
    def phrase(self) -> str:
        """Model and epochs."""
        training = self.recipe.training
        stops = f"stopped after {training.patience} validations without a better one"
        return f"the network {self.recipe.model.name}, up to {training.epochs} epochs, {stops}"

    def inputs(self) -> dict[str, Any]:
        """All of training, batches and model."""
        return self.recipe.model_dump(include={"seed", "batches", "model", "training"})

    def own_parts(self) -> dict[str, str]:
        """Model, loss and optimizer."""
        training = self.recipe.training
        named = {"model.name": self.recipe.model.name, "training.loss": training.loss}
        return {**named, "training.optimizer": training.optimizer}

    @property
    def is_plain(self) -> bool:
        """True if nothing can be missing or fail: trying it takes torch two seconds to load."""
        default, recipe = Recipe(), self.recipe
        same = all(getattr(recipe.training, name) == getattr(default.training, name) for name in NAMED)
        model, usual = recipe.model, default.model
        return same and (model.name, model.pooling, model.arguments) == (usual.name, usual.pooling, usual.arguments)

    def prepare(self, targets: Targets, texts: int, features: int) -> None:
        """A rehearsal of the training on a few rows."""
        if not self.is_plain:
            from foldwise.training.rehearsal import rehearse

            rehearse(self.recipe, targets, texts, features)

    def fit(self, data: "FoldData", job: "FoldJob", report: Callable[[Any], object]) -> "FoldResult":
        """Train one fold."""
        from foldwise.metrics import metric_for
        from foldwise.training.fold import train_fold

        metric = metric_for(job.metric, data.targets.task)
        return train_fold(data, self.recipe, job.member, job.fold, metric, job.runtime, report, job.limit)

    def predict(
        self, checkpoint: "Checkpoint", data: "NewRows", runtime: "Runtime", on_rows: Callable[[int], object]
    ) -> np.ndarray:
        """(M, C) float32, of a regression or an ordinal task float64; the mean over the fold's weights."""
        import torch

        from foldwise.data.dataset import TokenDataset
        from foldwise.data.tokenizer import UNK
        from foldwise.models import build_model
        from foldwise.training.fold_data import Units, choose_home
        from foldwise.training.loop import predict_values, use_repeatable_algorithms

        torch.set_num_threads(runtime.threads)
        store, own, device = data.store, is_own(self.recipe.model.name), runtime.device
        if own or device.type == "cuda":  # on a CPU the built-in ones have no others, and torch loads for 3 s
            use_repeatable_algorithms()
        vectors = self.vectors(data, own)
        if own:  # keeps the vocabulary it was made with
            store = replace(store, tokens=np.where(store.tokens < len(vectors), store.tokens, UNK))
        units, features = Units.from_json(checkpoint.read_facts()), None
        if units.features is not None and data.features is not None:
            features = torch.from_numpy(units.features.apply(data.features))
        model = build_model(vectors, data.shape, self.recipe.model, 0).to(device)
        home = choose_home(store.tokens.nbytes, device)
        dataset = TokenDataset(store, np.arange(len(store)), features=features, device=home)
        parts = []
        for path in checkpoint.weights:
            load_weights(model, path, None if own else data.new_vectors)
            parts.append(predict_values(model, dataset, units, data.targets, runtime, on_rows))
        return np.mean(parts, axis=0)

    def vectors(self, data: "NewRows", own: bool) -> "torch.Tensor":
        """(V + V', E) float32 to build the model with; zeros that take no memory where its weights hold them."""
        import torch

        new = np.empty((0, data.dimension), np.float32) if own else data.new_vectors
        if self.holds_vectors:
            return torch.zeros(()).expand(len(data.words), data.dimension)
        known = np.load(data.vectors, mmap_mode="c")
        return torch.from_numpy(np.concatenate([known, new]) if len(new) else known)

    @property
    def holds_vectors(self) -> bool:
        """True if its weights hold all word vectors: those of a built-in model that trains them."""
        return not is_own(self.recipe.model.name) and self.recipe.model.train_embedding

    def estimate_seconds(self, data: "FoldData", fold: int) -> float:  # noqa: ARG002
        """0: a fold may be cut at any step."""
        return 0.0

    def describe(self, task: Task, outputs: int) -> str:  # noqa: ARG002
        """Its layers say it."""
        return ""


def load_weights(model: Any, path: Any, new: np.ndarray | None) -> None:
    """Give a model the weights of a checkpoint; frozen vectors are not among them, and stay.

    Args:
        new: (V', E) vectors of words that the checkpoint does not know, appended to its own.

    Raises:
        InputError: the weights are of another model.
    """
    import torch
    from safetensors.torch import load_file

    from foldwise.errors import InputError

    weights = load_file(path)
    if new is not None and len(new) and TABLE in weights:
        weights[TABLE] = torch.cat([weights[TABLE], torch.from_numpy(new)])
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    found = model.load_state_dict(weights, strict=False)
    if wrong := [*found.unexpected_keys, *(set(found.missing_keys) - frozen)]:
        raise InputError(f"{path}: not the weights of this model, for example {wrong[0]}; build the kernel again")
