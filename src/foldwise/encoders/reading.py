"""Texts as an encoder reads them: tokens of its own, and of a frozen one the states of all rows, on disk."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from foldwise.config import Encoder
from foldwise.encoders.files import TOKENIZER, WEIGHTS, load_body
from foldwise.encoders.model import EncoderModel, try_longest
from foldwise.encoders.states import STATES, choose_layers, write_states
from foldwise.encoders.tokens import encode_rows, load_tokenizer
from foldwise.errors import InputError
from foldwise.training.precision import Runtime
from foldwise.training.trainer import use_repeatable_algorithms


class TextReader:
    """Tokenizer and encoder in memory, for any number of tables.

    Args:
        files: without weights, where tokens are all that is wanted.
        columns: text columns of a row.
    """

    def __init__(self, settings: Encoder, files: Mapping[str, Path], columns: int, runtime: Runtime) -> None:
        self.settings, self.files, self.runtime = settings, files, runtime
        self.tokenizer = load_tokenizer(files[TOKENIZER], settings.max_length, columns == 2)
        self.body: Any = None
        self.layers: list[int] = []

    def write(
        self, texts: Sequence[Sequence[str]], counts: Sequence[int], folder: Path, deadline: float | None = None
    ) -> str:
        """As `Learner.write_tokens`; what fails on the longest row shows here."""
        store = encode_rows(texts, self.tokenizer)
        store.save(folder)
        made = f"{len(store.tokens):,} tokens of its own for {len(store):,} rows"
        if WEIGHTS not in self.files:
            return made
        threads = torch.get_num_threads()
        torch.set_num_threads(self.runtime.threads)
        use_repeatable_algorithms()
        if self.body is None:
            self.body = self.load()
            try_longest(self.body, store, self.settings.max_length, self.files[TOKENIZER])
        if self.settings.train == "frozen":
            options = (self.layers, self.settings.poolings, folder / STATES, self.runtime, deadline)
            width = write_states(self.body, store, counts, *options)
            made += f", {width:,} numbers each from layers {', '.join(map(str, self.layers))}"
        else:
            EncoderModel(self.body, 1, self.settings)  # settings that do not fit it are better found before training
        torch.set_num_threads(threads)
        return made

    def load(self) -> Any:
        """The encoder; an `InputError` where it has not the layers that are asked for."""
        body: Any = load_body(self.files).to(self.runtime.device)
        depth = body.config.num_hidden_layers
        self.layers = choose_layers(self.settings.layers, depth)
        if max(self.layers) > depth:
            raise InputError(f"recipe.encoder.layers = {self.settings.layers}: the encoder has layers 0 to {depth}")
        return body
