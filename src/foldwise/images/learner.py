"""The learner "convnet": a network of convolutions over one image a row, and over the texts beside it.

[columns]
image = "file"

[recipe]
model.name = "convnet"
images.size = [64, 64]
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foldwise.config import ColumnsSection, Model, Recipe, Task
from foldwise.data.targets import Targets
from foldwise.errors import InputError
from foldwise.hashing import hash_of
from foldwise.learners import Learner, Loaded, NewRows, Trained, average
from foldwise.learners.network import Network, fit_network
from foldwise.plugins import as_input_error, load

if TYPE_CHECKING:
    from foldwise.paths import Paths
    from foldwise.running.job import FoldJob
    from foldwise.training.checkpoint import Checkpoint
    from foldwise.training.fold import FoldResult
    from foldwise.training.fold_data import FoldData
    from foldwise.training.precision import Runtime
    from foldwise.training.trainer import BuildModel

OWN = ("epochs", "learning_rate")  # fields of [training] that [images] has
UNREAD = {*OWN, "validate", "start_from", "r_drop", "distill", "distill_weight", "pseudo_labels", "extra_epochs"}


class ImageLearner(Learner):
    """Reads the image column, and hashed words of the text columns; numbers beside them it does not see."""

    can_be_cut, uses_vectors, reads_texts, small_steps = True, False, True, False

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.settings = recipe.images
        self.epochs = recipe.images.epochs

    def describe(self, task: Task) -> str:  # noqa: ARG002
        """Its network, its images and its epochs."""
        settings = self.settings
        height, width = settings.size
        net = (
            settings.backbone or f"{settings.stages} stages of {settings.blocks} residual blocks, {settings.width} wide"
        )
        changes = settings.transform or ", ".join(settings.augment) or "none"
        seen = f"images of {height} × {width}, random changes: {changes}"
        return f"a network of convolutions ({net}) on {seen}; up to {self.epochs} epochs"

    def inputs(self) -> dict[str, Any]:
        """All that training reads, but for what its own tokens depend on."""
        return self.recipe.model_dump(
            include={"seed": True, "model": {"name"}, "images": True, "training": True},
            exclude={"images": {"size", "channels", "cache"}, "training": UNREAD},
        )

    def own_parts(self) -> dict[str, str]:
        """Network, changes, loss and optimizer."""
        images, training = self.settings, self.recipe.training
        parts = {"images.backbone": images.backbone, "images.transform": images.transform}
        return parts | {"training.loss": training.loss, "training.optimizer": training.optimizer}

    def check_columns(self, columns: ColumnsSection) -> None:
        """There must be images."""
        if columns.image is None:
            raise InputError(
                "recipe.model.name = 'convnet': it reads images, and competition.toml names none; set [columns] image "
                "to the column of file names, or take another model"
            )

    def choose_columns(self, columns: Sequence[Sequence[str]], named: ColumnsSection) -> Sequence[Sequence[str]]:  # noqa: ARG002
        """All of them: texts, and paths of images behind them."""
        return columns

    def row_inputs(self, run: Any) -> dict[str, Any]:
        """The content of all images."""
        competition = run.competition
        tables = [
            competition.train_texts,
            competition.test_texts,
            *([competition.extra.texts] if competition.extra else []),
        ]
        return {"images": hash_of(*(Path(path) for texts in tables for path in texts[-1]))}

    def find_files(self, paths: "Paths") -> dict[str, Path]:
        """Pretrained weights, where the recipe names some."""
        if not self.settings.weights:
            return {}
        places = [folder / self.settings.weights for folder in paths.own_files]
        if found := next((path for path in places if path.is_file()), None):
            return {"weights": found}
        raise InputError(f"recipe.images.weights = {self.settings.weights!r}: no such file in {places[0].parent}")

    def token_settings(self) -> dict[str, Any]:
        """What images are brought to."""
        return self.settings.model_dump(include={"size", "channels"})

    def count_work(self, tokens: int, rows: int) -> int:
        """By pixels: two of them take as long as a token (EXPERIMENTS.md)."""
        height, width = self.settings.size
        return tokens + rows * height * width // 2

    def build_example(self, outputs: int, columns: ColumnsSection) -> tuple[Any, Sequence[Sequence[Any]]]:
        """The network for images, and two batches: of the size in the recipe, and where any fits of half of it."""
        import torch

        from foldwise.images.convnet import WORDS, build_convnet

        settings = self.settings.model_copy(update={"weights": ""})
        model, batches = build_convnet(settings, {}, outputs, bool(columns.text), self.recipe.seed), []
        length = 7 if columns.text else 1
        for rows, part in ((3, 1), (5, 1 if settings.backbone else 2)):
            size = [max(1, side // part) for side in settings.size]
            words = torch.randint(1, WORDS, (rows, length), dtype=torch.int32)
            images = torch.randint(0, 256, (rows, settings.channels, *size), dtype=torch.uint8)
            batches.append((words, torch.full((rows,), length), images))
        return model, batches

    def prepare(self, targets: Targets, texts: int, features: int) -> None:  # noqa: ARG002
        """The user's own code on a few random images; loss and optimizer are rehearsed with a network of texts."""
        import numpy as np
        import torch

        with torch.random.fork_rng(devices=[]):
            _, ((*_, images), _) = self.build_example(2, ColumnsSection(id="", image="", target=[""]))
            with as_input_error(f"recipe.images.transform = {self.settings.transform!r}: "):
                if change := self.changes(0):
                    change(images, np.arange(len(images)), 0)
        Network(self.trained_recipe.model_copy(update={"model": Model()})).prepare(targets, 1, 0)

    def changes(self, seed: int) -> Any:
        """What training changes in images; None for nothing."""
        from foldwise.images.augment import OwnTransform, RandomChanges

        settings, key = self.settings, "recipe.images.transform"
        if settings.transform:
            own = load(settings.transform, key)
            with as_input_error(f"{key} = {settings.transform!r}: "):
                return OwnTransform(own() if isinstance(own, type) else own, seed)
        names = [name for name in settings.augment if name != "mixup"]
        return RandomChanges(names, seed) if names else None

    def write_tokens(
        self,
        texts: Sequence[Sequence[str]],
        counts: Sequence[int],  # noqa: ARG002
        files: Mapping[str, Path],  # noqa: ARG002
        folder: Path,
        runtime: "Runtime",
        deadline: float | None = None,
    ) -> str:
        """Images at one size, and hashed words."""
        from foldwise.images.cache import write_rows

        *words, paths = texts
        return write_rows(words, paths, self.settings, folder, runtime.threads, deadline)

    @property
    def trained_recipe(self) -> Recipe:
        """The recipe with the settings of training that images have of their own in their places."""
        settings = self.settings
        own: dict[str, Any] = {name: getattr(settings, name) for name in OWN} | {"r_drop": 0.0, "unfreeze_epoch": 0}
        own["embedding_learning_rate"] = settings.learning_rate
        batches = self.recipe.batches.model_copy(update={"size": settings.batch_size, "tokens": 0})
        training = self.recipe.training.model_copy(update=own)
        return self.recipe.model_copy(update={"batches": batches, "training": training})

    def open_rows(self, job: "FoldJob") -> Callable[..., Any]:
        """`ImageFiles` of the job's rows, with their random changes."""
        from foldwise.images.augment import Mixup
        from foldwise.images.dataset import ImageFiles, Pixels
        from foldwise.training.fold import fold_seed

        seed = fold_seed(self.recipe.seed, job.member, job.fold)
        pixels = Pixels.open(job.paths.own_tokens(job.member), self.settings)
        mixes = "mixup" in self.settings.augment and not self.settings.transform
        classes = job.targets.outputs if job.targets.spec.y == "classes" else 0
        mix = Mixup(classes, seed) if mixes else None
        return partial(ImageFiles, pixels, augment=self.changes(seed), mix=mix)

    def trained_model(self, job: "FoldJob") -> tuple[Recipe, "BuildModel"]:
        """The network for images, with or without texts."""
        from foldwise.files import read_json
        from foldwise.images.convnet import build_convnet
        from foldwise.images.dataset import NAMES

        texts = read_json(job.paths.own_tokens(job.member) / NAMES)["texts"]
        files = self.find_files(job.paths)

        def build(data: "FoldData", recipe: Recipe, seed: int) -> Any:
            return build_convnet(recipe.images, files, data.shape.outputs, texts, seed)

        return self.trained_recipe, build

    def fit(self, data: "FoldData", job: "FoldJob", report: Callable[[Any], object]) -> "FoldResult":
        """Train one fold."""
        return fit_network(*self.trained_model(job), data, job, report)

    def load(self, checkpoint: "Checkpoint", trained: Trained, runtime: "Runtime") -> Loaded:
        """All weights of a fold in memory."""
        return average([self.load_one(checkpoint, path, trained, runtime) for path in checkpoint.weights])

    def load_one(self, checkpoint: "Checkpoint", path: Path, trained: Trained, runtime: "Runtime") -> Loaded:
        """One file of a fold's weights, which hold all of the network."""
        from safetensors import safe_open

        from foldwise.images.convnet import build_convnet
        from foldwise.images.dataset import open_images
        from foldwise.learners.loaded_network import LoadedNetwork, load_weights
        from foldwise.training.fold_data import Units
        from foldwise.training.trainer import use_repeatable_algorithms

        use_repeatable_algorithms()
        with safe_open(path, "pt") as weights:
            texts = "embedding.weight" in set(weights.keys())
        settings = self.settings.model_copy(update={"weights": ""})
        model = build_convnet(settings, {}, trained.shape.outputs, texts, 0)
        load_weights(model, path)
        units, open_rows = checkpoint.read_facts(Units), partial(open_images, settings)
        loaded = LoadedNetwork(model, units, trained, runtime, open_rows=open_rows)
        return Loaded(loaded.predict, loaded.embed)

    def predict(
        self, checkpoint: "Checkpoint", data: NewRows, runtime: "Runtime", on_rows: Callable[[int], object]
    ) -> Any:
        """(M, C) float32, of a regression or an ordinal task float64."""
        return self.load(checkpoint, data.trained, runtime).predict(data, on_rows)
