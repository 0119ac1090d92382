"""The learner "encoder": a pretrained Transformer whose states a linear head reads, or that is trained on the task.

[recipe.members.minilm]
model.name = "encoder"
encoder.path = "input/encoders/all-MiniLM-L6-v2"
encoder.train = "frozen"
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from foldwise.clock import Clock
from foldwise.config import Model, Recipe, Task
from foldwise.data.targets import Targets
from foldwise.encoders.files import CONFIG, FILES, TOKENIZER, WEIGHTS, find_encoder, import_transformers
from foldwise.encoders.head import fit_head
from foldwise.errors import InputError
from foldwise.events import Started, Stepped
from foldwise.learners import Learner, Loaded, Trained, WriteTokens, average
from foldwise.learners.linear import SAFETY, SAMPLE, result_of_fit
from foldwise.learners.network import Network, fit_network
from foldwise.tasks import TASKS

if TYPE_CHECKING:
    from foldwise.paths import Paths
    from foldwise.running.job import FoldJob
    from foldwise.training.checkpoint import Checkpoint
    from foldwise.training.fold import FoldResult
    from foldwise.training.fold_data import FoldData
    from foldwise.training.precision import Runtime
    from foldwise.training.trainer import BuildModel

# Fields of [training] that `train = "full"` has of its own or does not use.
OTHERS = {"epochs", "learning_rate", "schedule", "schedule_arguments"}
OTHERS |= {"embedding_optimizer", "embedding_learning_rate", "unfreeze_epoch"}
OTHERS |= {"validate", "start_from", "r_drop", "distill", "distill_weight", "pseudo_labels", "extra_epochs"}


class EncoderLearner(Learner):
    """Reads the texts by its own tokenizer; the numbers beside them it does not see."""

    uses_vectors, reads_texts, small_steps = False, True, False

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.settings = recipe.encoder
        self.is_frozen = recipe.encoder.train == "frozen"
        self.can_be_cut = not self.is_frozen
        self.epochs = 1 if self.is_frozen else recipe.encoder.epochs

    def describe(self, task: Task) -> str:
        """Encoder and what is trained."""
        settings, pooled = self.settings, " and ".join(self.settings.poolings)
        name = f"the pretrained encoder {Path(settings.path).name}"
        if not self.is_frozen:
            frozen = f", its first {settings.freeze_layers} layers frozen" if settings.freeze_layers else ""
            return f"{name}, trained up to {settings.epochs} epochs{frozen}: {pooled} of its last layer → linear head"
        layers = "five layers" if settings.layers == "auto" else f"layers {', '.join(map(str, settings.layers))}"
        fit = "ridge" if TASKS[task].y == "values" else "logistic"
        c = "C chosen by inner cross-validation" if settings.C == "auto" else f"C = {settings.C:g}"
        return f"{name} as it is: {pooled} of {layers} → {fit} regression ({c})"

    def inputs(self) -> dict[str, Any]:
        """All that its kind of training reads, but for what its own tokens depend on."""
        parts: dict[str, Any] = {"seed": True, "model": {"name"}}
        if self.is_frozen:
            return self.recipe.model_dump(
                include={**parts, "encoder": {"train", "C"}, "training": {"subgroup_weights", "extra_weight"}}
            )
        return self.recipe.model_dump(
            include={**parts, "batches": True, "encoder": True, "training": True},
            exclude={"encoder": {"path", "C", "layers"}, "training": OTHERS, "batches": {"size"}},
        )

    def find_files(self, paths: "Paths") -> dict[str, Path]:
        """The encoder's three files."""
        return find_encoder(self.settings, paths)

    def token_settings(self) -> dict[str, Any]:
        """Of a frozen encoder also what its states depend on."""
        names = {"train", "max_length", *(("layers", "pooling") if self.is_frozen else ())}
        precision = {"precision": self.recipe.training.precision} if self.is_frozen else {}
        return self.settings.model_dump(include=names) | precision

    def packed_files(self) -> Sequence[str]:
        """Weights of a fold hold all that was trained."""
        return FILES if self.is_frozen or self.settings.freeze_layers else (CONFIG, TOKENIZER)

    def own_parts(self) -> dict[str, str]:
        """Of one that is trained, loss and optimizer."""
        training = self.recipe.training
        return {} if self.is_frozen else {"training.loss": training.loss, "training.optimizer": training.optimizer}

    def prepare(self, targets: Targets, texts: int, features: int) -> None:  # noqa: ARG002
        """Library and settings; files and weights are tried when the tokens are made, which is before any training.

        Loss and optimizer are rehearsed with a small network.
        """
        import_transformers()
        if self.is_frozen and "attention" in self.settings.poolings:
            raise InputError(
                "recipe.encoder.pooling: 'attention' has weights to train, and encoder.train = 'frozen' trains a "
                "linear head alone; take it out, or use train = 'full'"
            )
        if not self.is_frozen:
            Network(self.trained_recipe.model_copy(update={"model": Model()})).prepare(targets, 1, 0)

    def write_tokens(
        self,
        texts: Sequence[Sequence[str]],
        counts: Sequence[int],
        files: Mapping[str, Path],
        folder: Path,
        runtime: "Runtime",
        deadline: float | None = None,
    ) -> str:
        """Tokens, and of a frozen encoder the states of all rows; what fails on the longest row shows here."""
        import torch

        from foldwise.encoders.reading import TextReader

        made = TextReader(self.settings, files, len(texts), runtime).write(texts, counts, folder, deadline)
        if runtime.device.type == "cuda":
            torch.cuda.empty_cache()  # the folds' processes want it
        return made

    def open_texts(self, files: Mapping[str, Path], columns: int, runtime: "Runtime") -> WriteTokens:
        """The tokenizer and a frozen encoder in memory; of one that was trained each fold has its own."""
        from foldwise.encoders.reading import TextReader

        needed = {name: path for name, path in files.items() if self.is_frozen or name != WEIGHTS}
        return TextReader(self.settings, needed, columns, runtime).write

    @property
    def trained_recipe(self) -> Recipe:
        """The recipe with the encoder's own settings of training in their places."""
        own = {name: getattr(self.settings, name) for name in ("epochs", "learning_rate")}
        own |= {"schedule": "linear", "schedule_arguments": {}, "unfreeze_epoch": 0, "r_drop": 0.0}
        batches = self.recipe.batches.model_copy(update={"size": self.settings.batch_size})
        training = self.recipe.training.model_copy(update=own)
        return self.recipe.model_copy(update={"batches": batches, "training": training})

    def trained_model(self, job: "FoldJob") -> tuple[Recipe, "BuildModel"] | None:
        """The pretrained encoder under a head, unless it is frozen."""
        if self.is_frozen:
            return None
        from foldwise.encoders.model import build_encoder

        return self.trained_recipe, partial(build_encoder, self.find_files(job.paths))

    def fit(self, data: "FoldData", job: "FoldJob", report: Callable[[Any], object]) -> "FoldResult":
        """Train one fold, or fit the head of one."""
        from foldwise.encoders.states import read_states
        from foldwise.training.fold import fold_seed

        if trained := self.trained_model(job):
            return fit_network(*trained, data, job, report)
        targets, started = data.targets, Clock.now()
        _, valid_rows = data.split(job.fold)
        train_rows, y, weights = data.learnt(job.fold)
        states = read_states(job.paths.own_tokens(job.member))
        report(Started(2))
        seed = fold_seed(self.recipe.seed, job.member, job.fold)
        head = fit_head(states[train_rows], y, targets.task, targets.outputs, weights, self.settings.C, seed)
        report(Stepped(1))
        oof, test = (head.predict(states[rows]) for rows in (valid_rows, data.test_rows))
        report(Stepped(1))
        arrays, facts = {"coef": head.coef, "intercept": head.intercept}, {"link": head.link, "C": head.C}
        return result_of_fit(job, targets, (valid_rows, oof, test), arrays, facts, started)

    def estimate_seconds(self, data: "FoldData", fold: int) -> float:
        """One fit on a part of the rows, scaled up; the states are there by then."""
        import sklearn.linear_model  # noqa: F401  # loading it takes seconds, which do not grow with the rows

        train_rows, _ = data.split(fold)
        sample, targets, started = train_rows[:: max(1, len(train_rows) // SAMPLE)], data.targets, Clock.now()
        width = len(self.settings.poolings) * 4096  # about as many numbers as a row has
        drawn = np.random.default_rng(0).normal(size=(len(sample), width)).astype(np.float16)
        fit_head(drawn, targets.y[sample], targets.task, targets.outputs, None, self.settings.C, 0)
        return SAFETY * (Clock.now() - started) * len(train_rows) / len(sample)

    def load(self, checkpoint: "Checkpoint", trained: Trained, runtime: "Runtime") -> Loaded:
        """A fold's head, or all weights of the trained encoder, in memory."""
        from foldwise.encoders.loading import load_encoder, load_head

        if self.is_frozen:
            return load_head(checkpoint)
        known = self.settings, trained, runtime
        return average([load_encoder(checkpoint, path, *known) for path in checkpoint.weights])
