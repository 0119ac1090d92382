"""Data that the tests share: ragged texts, one or three to a row, whose words decide the label."""

import numpy as np
import torch

from foldwise.config import Recipe
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore
from foldwise.training.fold_data import FoldData
from foldwise.training.precision import Precision, Runtime
from training import DECIDED

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def on_gpu(precision: Precision = "fp32") -> Runtime:
    return Runtime(GPU, precision, 1)


def make_contest(columns: int = 1, rows: int = 600, test_rows: int = 100, words: int = 400) -> FoldData:
    """Of several columns the lengths differ within a row, so that a batch is sorted by none of them; some are empty."""
    rng = np.random.default_rng(columns)
    lengths = rng.integers(0, 40, (rows + test_rows) * columns)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    positive = rng.random(rows + test_rows) < 0.5
    # Three quarters of a positive row's words are of the upper half of all words, of others one quarter.
    upper = rng.random(offsets[-1]) < np.repeat(np.where(positive, 0.75, 0.25).repeat(columns), lengths)
    tokens = rng.integers(1, words // 2, offsets[-1], dtype=np.int32) + np.int32(words // 2) * upper
    store = TokenStore(tokens.astype(np.int32), offsets, columns)
    y = positive[:rows].astype(np.float32)[:, None]
    vectors = rng.normal(size=(words, 100)).astype(np.float32)
    vectors[0] = 0
    return FoldData(store, vectors, Targets("binary", y, y, ["target"]), np.arange(rows) % 3)


def make_recipe(name: str = "bilstm", tokens: int = 0, **training: object) -> Recipe:
    settings = {**DECIDED, "epochs": 3, "evaluations_per_epoch": 2, "learning_rate": 0.01}
    content = {
        "batches": {"size": 32, "group": 4, "tokens": tokens},
        "model": {"name": name, "hidden": 32},
        "training": {**settings, **training},
    }
    return Recipe.model_validate(content)


def without_dropout(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"dropout": 0.0, "spatial_dropout": 0.0})})
