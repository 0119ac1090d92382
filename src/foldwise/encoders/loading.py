"""Trained folds of an encoder in memory: the head over frozen states, or the encoder with its head."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from foldwise.config import Encoder
from foldwise.encoders.files import WEIGHTS, load_body
from foldwise.encoders.head import Head, HeadFacts
from foldwise.encoders.model import EncoderModel
from foldwise.encoders.states import read_states
from foldwise.learners import Loaded, NewRows, Trained
from foldwise.learners.loaded_network import LoadedNetwork, load_weights
from foldwise.training.checkpoint import Checkpoint
from foldwise.training.fold_data import Units
from foldwise.training.precision import Runtime
from foldwise.training.trainer import use_repeatable_algorithms


def load_head(checkpoint: Checkpoint) -> Loaded:
    """The head of a fold; predictions are (M, C) float64, vectors the (M, F) states themselves."""
    arrays = checkpoint.read_arrays({"coef": 2, "intercept": 1})
    head = Head(**arrays, **checkpoint.read_facts(HeadFacts).model_dump())

    def predict(data: NewRows, on_rows: Callable[[int], object]) -> np.ndarray:
        assert data.own is not None
        predictions = head.predict(read_states(data.own))
        on_rows(len(predictions))
        return predictions

    def embed(data: NewRows, on_rows: Callable[[int], object]) -> np.ndarray:
        assert data.own is not None
        states = np.array(read_states(data.own), np.float32)
        on_rows(len(states))
        return states

    return Loaded(predict, embed)


def load_encoder(checkpoint: Checkpoint, path: Path, settings: Encoder, trained: Trained, runtime: Runtime) -> Loaded:
    """One file of the weights of a trained encoder."""
    torch.set_num_threads(runtime.threads)
    use_repeatable_algorithms()
    body = load_body(trained.files, pretrained=WEIGHTS in trained.files)
    model = EncoderModel(body, trained.shape.outputs, settings)
    load_weights(model, path)
    loaded = LoadedNetwork(model, checkpoint.read_facts(Units), trained, runtime)
    return Loaded(loaded.predict, loaded.embed)
