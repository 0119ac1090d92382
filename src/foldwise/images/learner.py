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
from foldwise.learners import Loaded, NewRows, Trained
from foldwise.learners.network import Network, fit_network

if TYPE_CHECKING:
    from foldwise.paths import Paths
    from foldwise.running.job import FoldJob
    from foldwise.training.checkpoint import Checkpoint
    from foldwise.training.fold import FoldResult
    from foldwise.training.fold_data import FoldData
    from foldwise.training.precision import Runtime
    from foldwise.training.trainer import BuildModel


class ImageLearner(Network):
    """Reads the image column, and hashed words of the text columns; numbers beside them it does not see."""

    uses_vectors = starts_from_weights = False
    reads_texts = True

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.settings = recipe.images
        self.small_steps = self.needs_vectors = False

    def describe(self, task: Task) -> str:  # noqa: ARG002
        """Its network, its images and its epochs."""
        settings, size = self.settings, " × ".join(map(str, self.settings.size))
        net = (
            settings.backbone or f"{settings.stages} stages of {settings.blocks} residual blocks, {settings.width} wide"
        )
        changes = settings.transform or ", ".join(settings.augment) or "none"
        seen = f"images of {size}, random changes: {changes}"
        return f"a network of convolutions ({net}) on {seen}; up to {self.epochs} epochs"

    def inputs(self) -> dict[str, Any]:
        """All that training reads, but for what its own tokens depend on."""
        parts: dict[str, Any] = {
            **super().inputs(),
            "model": {name: getattr(self.recipe.model, name) for name in ("name", "dropout")},
        }
        return parts | {"images": self.settings.model_dump(exclude=set(self.token_settings()))}

    def own_parts(self) -> dict[str, str]:
        """Network, changes, loss and optimizer."""
        own = {f"images.{name}": getattr(self.settings, name) for name in ("backbone", "transform")}
        return {name: part for name, part in super().own_parts().items() if name != "model.name"} | own

    def choose_columns(self, columns: Sequence[Sequence[str]], named: ColumnsSection) -> Sequence[Sequence[str]]:  # noqa: ARG002
        """All of them: texts, and paths of images behind them."""
        return columns

    def row_inputs(self, run: Any) -> dict[str, Any]:
        """The content of all images, and the column that names them; where they are not kept, where they are."""
        columns = [run.competition.train_texts, run.competition.test_texts]
        columns += [run.competition.extra.texts] if run.competition.extra else []
        paths = [path for texts in columns for path in texts[-1]]
        places = paths if self.settings.cache == "never" else [run.config.columns.image]
        return {"images": hash_of(places, *map(Path, paths))}

    def find_files(self, paths: "Paths") -> dict[str, Path]:
        """Pretrained weights, where the recipe names some."""
        name = self.settings.weights
        if not name:
            return {}
        for folder in (*paths.own_files, *paths.mounts):
            if (folder / name).is_file():
                return {"weights": folder / name}
        raise InputError(f"recipe.images.weights = {name!r}: no such file in {paths.input}; put it there")

    def token_settings(self) -> dict[str, Any]:
        """What images are brought to, and whether they are kept."""
        return self.settings.model_dump(include={"size", "channels", "cache"})

    def count_work(self, tokens: int, rows: int) -> int:
        """By pixels: two of them take as long as a token (EXPERIMENTS.md, "Images")."""
        height, width = self.settings.size
        return tokens + rows * height * width // 2

    def build_example(self, outputs: int, columns: ColumnsSection) -> tuple[Any, Sequence[Sequence[Any]]]:
        """The network for images, and a batch of random ones."""
        import torch

        from foldwise.images.convnet import WORDS, build_convnet

        rows, length = 3, 7 if columns.text else 1
        model = build_convnet(self.recipe, None, outputs, bool(columns.text), self.recipe.seed)
        words = torch.randint(1, WORDS, (rows, length), dtype=torch.int32)
        images = torch.randint(0, 256, (rows, self.settings.channels, *self.settings.size), dtype=torch.uint8)
        return model, [(words, torch.full((rows,), length), images)]

    def prepare(self, targets: Targets, texts: int, features: int) -> None:  # noqa: ARG002
        """Network and changes on a few random images; loss and optimizer are rehearsed with a network of texts."""
        import numpy as np
        import torch

        from foldwise.training.loss_functions import SOFT_CLASSES

        settings, loss = self.settings, self.recipe.training.loss
        if self.mixes and targets.spec.y == "classes" and loss not in ("auto", *SOFT_CLASSES):
            raise InputError(
                f'recipe.training.loss = {loss!r}: it takes numbers of classes, and with "mixup" in images.augment the '
                f"targets are probabilities; use one of {', '.join(SOFT_CLASSES)}, or take it out"
            )
        if not settings.backbone and (unread := settings.weights or settings.arguments):
            raise InputError(
                f"recipe.images: {unread!r} is for images.backbone, which is not set; set it, or take this out"
            )
        # In bf16 a stride of two on an image one pixel wide has random gradients (torch 2.13, oneDNN).
        if not settings.backbone and (side := min(settings.size)) < 2 ** (settings.stages - 1):
            raise InputError(
                f"recipe.images.stages = {settings.stages}: too few of {side} pixels are left for the last; take "
                f"{side.bit_length()} at most, or a larger images.size"
            )
        with torch.random.fork_rng(devices=[]):
            _, ((*_, images),) = self.build_example(2, ColumnsSection(id="", image="", target=[""]))
            if change := self.changes(0):
                change(images, np.arange(len(images)), 0)
        Network(self.recipe.model_copy(update={"model": Model()})).prepare(targets, 1, 0)

    @property
    def mixes(self) -> bool:
        """Whether training mixes images and targets."""
        return "mixup" in self.settings.augment and not self.settings.transform

    def changes(self, seed: int) -> Any:
        """What training changes in images; None for nothing."""
        from foldwise.images.augment import OwnTransform, RandomChanges

        if self.settings.transform:
            return OwnTransform(self.settings.transform, seed)
        names = {*self.settings.augment} - {"mixup"}
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
        from foldwise.images.dataset import write_rows

        *words, paths = texts
        return write_rows(words, paths, self.settings, folder, runtime.threads, deadline)

    def open_rows(self, job: "FoldJob") -> Callable[..., Any]:
        """`ImageFiles` of the job's rows, with their random changes."""
        from foldwise.images.augment import Mixup
        from foldwise.images.dataset import ImageFiles
        from foldwise.training.fold import fold_seed

        seed, targets = fold_seed(self.recipe.seed, job.member, job.fold), job.targets
        mix = Mixup(targets.outputs if targets.spec.y == "classes" else 0, seed) if self.mixes else None
        folder = job.paths.own_tokens(job.member)
        return partial(ImageFiles, folder, self.settings, augment=self.changes(seed), mix=mix)

    def trained_model(self, job: "FoldJob") -> tuple[Recipe, "BuildModel"]:
        """The network for images, with or without texts."""
        from foldwise.files import read_json
        from foldwise.images.convnet import build_convnet
        from foldwise.images.dataset import NAMES

        texts = read_json(job.paths.own_tokens(job.member) / NAMES)["texts"]
        weights = self.find_files(job.paths).get("weights")
        return self.recipe, lambda data, recipe, seed: build_convnet(recipe, weights, data.shape.outputs, texts, seed)

    def fit(self, data: "FoldData", job: "FoldJob", report: Callable[[Any], object]) -> "FoldResult":
        """Train one fold."""
        return fit_network(*self.trained_model(job), data, job, report)

    def load_one(self, checkpoint: "Checkpoint", path: Path, trained: Trained, runtime: "Runtime") -> Loaded:
        """One file of a fold's weights, which hold all of the network."""
        import numpy as np
        from safetensors import safe_open

        from foldwise.images.convnet import build_convnet
        from foldwise.images.dataset import ImageFiles
        from foldwise.learners.loaded_network import LoadedNetwork, load_weights
        from foldwise.training.fold_data import Units
        from foldwise.training.trainer import use_repeatable_algorithms

        use_repeatable_algorithms()
        with safe_open(path, "pt") as weights:
            texts = "embedding.weight" in set(weights.keys())
        model = build_convnet(self.recipe, None, trained.shape.outputs, texts, 0)
        load_weights(model, path)

        def open_rows(data: NewRows) -> ImageFiles:
            assert data.own is not None
            return ImageFiles(data.own, self.settings, data.store, np.arange(len(data.store)))

        loaded = LoadedNetwork(model, checkpoint.read_facts(Units), trained, runtime, open_rows=open_rows)
        return Loaded(loaded.predict, loaded.embed)
