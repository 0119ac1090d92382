"""Trained folds of images in memory."""

from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from foldwise.config import Images
from foldwise.images.convnet import build_convnet
from foldwise.images.dataset import ImageFiles, Pixels
from foldwise.learners import Loaded, NewRows, Trained
from foldwise.learners.loaded_network import LoadedNetwork, load_weights
from foldwise.training.checkpoint import Checkpoint
from foldwise.training.fold_data import Units
from foldwise.training.precision import Runtime
from foldwise.training.trainer import use_repeatable_algorithms


class LoadedConvNet(LoadedNetwork):
    """A network of images with its weights."""

    settings: Images

    def take(self, data: NewRows) -> ImageFiles:
        """The rows with their images, at the size of the training."""
        torch.set_num_threads(self.runtime.threads)
        assert data.own is not None
        pixels = Pixels.open(data.own, self.settings)
        return ImageFiles(pixels, data.store, np.arange(len(data.store)))


def load_convnet(checkpoint: Checkpoint, path: Path, settings: Images, trained: Trained, runtime: Runtime) -> Loaded:
    """One file of a fold's weights, which hold all of the network."""
    torch.set_num_threads(runtime.threads)
    use_repeatable_algorithms()
    with safe_open(path, "pt") as weights:
        texts = "embedding.weight" in set(weights.keys())
    model = build_convnet(settings.model_copy(update={"weights": ""}), {}, trained.shape.outputs, texts, 0)
    load_weights(model, path)
    loaded = LoadedConvNet(model, checkpoint.read_facts(Units), trained, runtime)
    loaded.settings = settings
    return Loaded(loaded.predict, loaded.embed)
