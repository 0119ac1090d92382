"""The learner "network": any model of `foldwise.models`, trained by `foldwise.training`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from foldwise.config import Recipe, Task
from foldwise.data.targets import Targets
from foldwise.learners import Learner, Loaded, Trained, average
from foldwise.learners.starting import build_started
from foldwise.plugins import is_own

if TYPE_CHECKING:  # loading torch takes seconds, which a run that keeps every fold should not pay
    from foldwise.running.job import FoldJob
    from foldwise.training.checkpoint import Checkpoint
    from foldwise.training.fold import FoldResult
    from foldwise.training.fold_data import FoldData
    from foldwise.training.precision import Runtime
    from foldwise.training.trainer import BuildModel

# What of a recipe may be missing or fail: parts that are named, and the parts' arguments.
NAMED: dict[str, Any] = {
    "model": {"name", "pooling", "arguments"},
    "training": {
        *("loss", "loss_arguments", "class_weights", "optimizer", "optimizer_arguments", "schedule"),
        *("schedule_arguments", "precision"),
    },
}


def fit_network(
    recipe: Recipe, build: "BuildModel", data: "FoldData", job: "FoldJob", report: Callable[[Any], object]
) -> "FoldResult":
    """Train the network that `build` makes on a fold, or where the job says for how many epochs on all rows."""
    from foldwise.metrics import metric_for
    from foldwise.training.all_rows import train_on_all
    from foldwise.training.fold import train_fold

    state = job.open_state(report)
    if job.epochs is not None:
        return train_on_all(data, recipe, job.member, job.epochs, job.runtime, report, build, state)
    metric = metric_for(job.metric, data.targets.task)
    return train_fold(data, recipe, job.member, job.fold, metric, job.runtime, report, job.limit, build, state)


class Network(Learner):
    """A model of `foldwise.models` or of the user's own."""

    can_be_cut = uses_vectors = starts_from_weights = True

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.epochs = recipe.training.epochs
        self.is_own = is_own(recipe.model.name)
        self.small_steps = not self.is_own
        self.needs_vectors = self.is_own or not recipe.model.train_embedding

    def describe(self, task: Task) -> str:  # noqa: ARG002
        """Model and epochs; its layers say the rest."""
        training = self.recipe.training
        stops = f"stopped after {training.patience} validations without a better one"
        return f"the network {self.recipe.model.name}, up to {training.epochs} epochs, {stops}"

    def inputs(self) -> dict[str, Any]:
        """All of training, batches and model, but for what changes no fold, or counts by its content."""
        parts = {"seed", "batches", "model", "training"}
        return self.recipe.model_dump(include=parts, exclude={"training": {"validate", "start_from"}})

    def own_parts(self) -> dict[str, str]:
        """Model, loss and optimizer."""
        model, training = self.recipe.model, self.recipe.training
        return {"model.name": model.name, "training.loss": training.loss, "training.optimizer": training.optimizer}

    def prepare(self, targets: Targets, texts: int, features: int) -> None:
        """A rehearsal of the training on a few rows, unless nothing can fail: torch takes two seconds to load."""
        if self.recipe.model_dump(include=NAMED) != Recipe().model_dump(include=NAMED):
            from foldwise.training.rehearsal import rehearse

            rehearse(self.recipe, targets, texts, features)

    def trained_model(self, job: "FoldJob") -> tuple[Recipe, "BuildModel"]:  # noqa: ARG002
        """The recipe's model."""
        from foldwise.training.trainer import build_from_vectors

        return self.recipe, build_from_vectors

    def fit(self, data: "FoldData", job: "FoldJob", report: Callable[[Any], object]) -> "FoldResult":
        """Train one fold."""
        from foldwise.training.trainer import build_from_vectors

        build: BuildModel = build_from_vectors if job.start is None else partial(build_started, job.start, report)
        return fit_network(self.recipe, build, data, job, report)

    def load(self, checkpoint: "Checkpoint", trained: Trained, runtime: "Runtime") -> Loaded:
        """All weights of a fold in memory."""
        return average([self.load_one(checkpoint, path, trained, runtime) for path in checkpoint.weights])

    def load_one(self, checkpoint: "Checkpoint", path: Path, trained: Trained, runtime: "Runtime") -> Loaded:
        """One file of a fold's weights in memory."""
        import torch

        from foldwise.learners.loaded_network import LoadedNetwork, load_weights
        from foldwise.models import build_model
        from foldwise.training.fold_data import Units
        from foldwise.training.trainer import use_repeatable_algorithms

        torch.set_num_threads(runtime.threads)
        # On a CPU the built-in ones have no others, and torch loads for 3 s.
        if self.is_own or runtime.device.type == "cuda":
            use_repeatable_algorithms()
        vectors = torch.zeros(()).expand(trained.words, trained.dimension)  # no memory: the weights hold them
        if self.needs_vectors:
            vectors = torch.from_numpy(np.load(trained.vectors, mmap_mode="c"))
        model = build_model(vectors, trained.shape, self.recipe.model, 0)
        load_weights(model, path)
        units = checkpoint.read_facts(Units)
        if self.is_own:  # keeps the vocabulary it was made with
            return Loaded(LoadedNetwork(model, units, trained, runtime).predict)
        loaded = LoadedNetwork(model, units, trained, runtime, learns_words=True)
        return Loaded(loaded.predict, loaded.embed)
