"""A trained network in memory: it predicts or embeds any number of tables of rows that were not there at training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from foldwise.data.dataset import TokenDataset
from foldwise.data.tokenizer import UNK
from foldwise.errors import InputError
from foldwise.learners import NewRows, Trained
from foldwise.training.fold_data import Units, choose_home
from foldwise.training.precision import Runtime
from foldwise.training.prediction import predict, predict_values


class LoadedNetwork:
    """A model with its weights, on its device.

    Args:
        learns_words: words that training did not know get rows in its table of word vectors; else they are `<unk>`.
        open_rows: makes the dataset of a learner whose rows have more than tokens.
    """

    def __init__(
        self,
        model: nn.Module,
        units: Units,
        trained: Trained,
        runtime: Runtime,
        learns_words: bool = False,
        open_rows: Callable[[NewRows], TokenDataset] | None = None,
    ) -> None:
        self.model, self.units, self.trained, self.runtime = model.to(runtime.device), units, trained, runtime
        self.learns_words, self.open_rows = learns_words, open_rows

    def predict(self, data: NewRows, on_rows: Callable[[int], object]) -> np.ndarray:
        """(M, C) probabilities, or values in the target's own units."""
        return predict_values(self.model, self.take(data), self.units, self.trained.targets, self.runtime, on_rows)

    def embed(self, data: NewRows, on_rows: Callable[[int], object]) -> np.ndarray:
        """(M, F) float32: what the head reads of each row's texts, without the D numbers beside them."""
        model: Any = self.model
        dataset, head = self.take(data), model.head
        model.head = nn.Identity()
        try:
            pooled = predict(model, dataset, self.runtime, on_rows).numpy()
        finally:
            model.head = head
        beside = 0 if self.units.features is None else self.trained.shape.features  # which the head saw behind them
        return pooled[:, : pooled.shape[1] - beside]

    def take(self, data: NewRows) -> TokenDataset:
        """The rows as the model reads them, once it has the vectors of their new words."""
        torch.set_num_threads(self.runtime.threads)
        if self.open_rows:
            return self.open_rows(data)
        store, features, device = data.store, None, self.runtime.device
        if self.learns_words:
            self.add_vectors(data.new_vectors)
        elif len(data.new_vectors):
            store = replace(store, tokens=np.where(store.tokens < self.trained.words, store.tokens, UNK))
        if self.units.features is not None and data.features is not None:
            features = torch.from_numpy(self.units.features.apply(data.features))
        home = choose_home(store.tokens.nbytes, device)
        return TokenDataset(store, np.arange(len(store)), features=features, device=home)

    @torch.no_grad()
    def add_vectors(self, new: np.ndarray) -> None:
        """Put the (V', E) vectors of new words behind the V of the training, in place of those of the rows before."""
        model: Any = self.model
        table, known, rows = model.embedding.weight, self.trained.words, self.trained.words + len(new)
        if len(table) < rows:  # with room for more of the rows that follow: copying a large table takes its time
            larger = table.new_empty(rows + len(new) // 2, table.shape[1])
            larger[:known] = table[:known]
            model.embedding.weight = nn.Parameter(larger, requires_grad=False)
            table = model.embedding.weight
        table[known:rows] = torch.from_numpy(new)


def load_weights(model: nn.Module, path: Path) -> None:
    """Give a model the weights of a checkpoint; frozen vectors are not among them, and stay.

    An `InputError` says that they are of another model.
    """
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path}: damaged ({error}); make it again, by training or packing") from error
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    try:
        found = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:  # of other shapes
        raise InputError(f"{path}: not the weights of this model ({str(error).splitlines()[-1].strip()})") from error
    if wrong := [*found.unexpected_keys, *(set(found.missing_keys) - frozen)]:
        raise InputError(f"{path}: not the weights of this model, for example {wrong[0]}; build the kernel again")
