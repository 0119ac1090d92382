"""A pretrained encoder as an `nn.Module` of tokens: its states, and the model that `train = "full"` trains."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from foldwise.config import Encoder, Recipe, Training
from foldwise.data.token_store import TokenStore
from foldwise.encoders.files import load_body
from foldwise.encoders.tokens import TYPE_BIT
from foldwise.errors import InputError
from foldwise.models.pooling import POOLINGS, Pooling, token_mask
from foldwise.plugins import as_input_error
from foldwise.training.fold_data import FoldData

HEAD_RATE = 10.0  # times the learning rate of the last layer: the head starts from nothing


def first_state(states: Tensor, _: Tensor | None) -> Tensor:
    """The state of the first token, which many encoders are pretrained to sum a text up in."""
    return states[:, 0]


def build_pooling(name: str, hidden: int) -> Pooling:
    """A pooling of (B, T, H) states: "cls", or one of `foldwise.models.pooling`."""
    return first_state if name == "cls" else POOLINGS[name](hidden)


def run_body(body: Any, tokens: Tensor, lengths: Tensor, **options: Any) -> tuple[Any, Tensor]:
    """What an encoder gives for padded rows of a token store, and the (B, T) bool mask of their tokens.

    Args:
        tokens: (B, T) int32, with the tokens' types in the bits from `TYPE_BIT` on.
        lengths: (B,) int64 on the CPU.
    """
    config = body.config
    mask = token_mask(tokens, lengths)
    numbers = (tokens & (1 << TYPE_BIT) - 1).long().masked_fill(~mask, getattr(config, "pad_token_id", None) or 0)
    if (types := getattr(config, "type_vocab_size", None) or 0) > 1:
        options["token_type_ids"] = (tokens >> TYPE_BIT).long().clamp(max=types - 1)
    return body(input_ids=numbers, attention_mask=mask.long(), return_dict=True, **options), mask


class EncoderModel(nn.Module):
    """Encoder → pooled states of its last layer → dropout → linear head of C logits.

    Args:
        outputs: C.

    Raises:
        InputError: layers to freeze that it does not have, or checkpointing that it cannot do.
    """

    def __init__(self, body: Any, outputs: int, settings: Encoder) -> None:
        super().__init__()
        config: Any = body.config
        self.body, self.layer_decay, self.depth = body, settings.layer_decay, config.num_hidden_layers
        poolings = [build_pooling(name, config.hidden_size) for name in settings.poolings]
        self.pool: list[Pooling] = poolings
        self.learnt_poolings = nn.ModuleList(pooling for pooling in poolings if isinstance(pooling, nn.Module))
        self.dropout = nn.Dropout(getattr(config, "hidden_dropout_prob", 0.1))
        self.head = nn.Linear(len(poolings) * config.hidden_size, outputs)
        lists = [(name, part) for name, part in body.named_modules() if isinstance(part, nn.ModuleList)]
        self.layers = next((f"body.{name}." for name, part in lists if len(part) == self.depth), None)
        if settings.freeze_layers > self.depth:
            raise InputError(
                f"recipe.encoder.freeze_layers = {settings.freeze_layers}: the encoder has {self.depth}; lower it"
            )
        if settings.freeze_layers:
            for name, parameter in self.named_parameters():
                parameter.requires_grad_(self.depth_of(name) > settings.freeze_layers)
        if settings.gradient_checkpointing:
            try:
                # Its name in transformers 5; before, and for some models still, the other one.
                enable = getattr(body, "activation_checkpointing_enable", None) or body.gradient_checkpointing_enable
                enable({"use_reentrant": False})
            except ValueError as error:
                raise InputError(f"recipe.encoder.gradient_checkpointing = true: {error}; set it to false") from error

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(B, C) logits; the arguments as of `run_body`."""
        # Of the kernels of attention only this one gives the same gradients each time on a GPU.
        alike = sdpa_kernel(SDPBackend.MATH) if self.training and tokens.is_cuda else nullcontext()
        with alike:
            output, mask = run_body(self.body, tokens, lengths)
        states = output.last_hidden_state  # (B, T, H)
        pooled = torch.cat([pooling(states, mask) for pooling in self.pool], dim=1)
        return self.head(self.dropout(pooled))

    def depth_of(self, name: str) -> int:
        """Where a weight stands: 0 in the embeddings, 1 … L in the layers, L behind them, L + 1 in the head."""
        if not name.startswith("body."):
            return self.depth + 1
        if self.layers and name.startswith(self.layers):
            return 1 + int(name.removeprefix(self.layers).partition(".")[0])
        return 0 if "embedding" in name else self.depth

    def parameter_groups(self, settings: Training) -> list[dict[str, Any]]:
        """Groups by depth, the head first: each layer has `layer_decay` times the learning rate of the one above it.

        Biases and norms have no weight decay.
        """
        groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                groups.setdefault((self.depth_of(name), parameter.ndim > 1), []).append(parameter)
        return [
            {
                "params": group,
                "lr": settings.learning_rate
                * (HEAD_RATE if depth > self.depth else self.layer_decay ** (self.depth - depth)),
                "weight_decay": settings.weight_decay if decays else 0.0,
            }
            for (depth, decays), group in sorted(groups.items(), key=lambda item: -item[0][0])
        ]


def build_encoder(files: Mapping[str, Path], data: FoldData, recipe: Recipe, seed: int) -> nn.Module:
    """The pretrained encoder with a head drawn from `seed`: a `BuildModel` once the files are given."""
    body = load_body(files)
    torch.manual_seed(seed)
    return EncoderModel(body, data.shape.outputs, recipe.encoder)


def try_longest(body: nn.Module, store: TokenStore, max_length: int, tokenizer: Path) -> None:
    """Run an encoder once on a row of `max_length` tokens; an `InputError` where it knows no such token or place."""
    words: Any = body
    known, most = words.get_input_embeddings().num_embeddings, int((store.tokens & (1 << TYPE_BIT) - 1).max())
    if most >= known:
        raise InputError(f"{tokenizer}: gives token {most}, and the encoder knows {known:,}; it is of another encoder")
    device = next(body.parameters()).device
    row = torch.from_numpy(np.resize(store.tokens, (1, max_length))).cpu()
    where = f"recipe.encoder.max_length = {max_length}: the encoder fails on a row of so many tokens: "
    with as_input_error(where, "; lower it"), torch.inference_mode():
        run_body(body.cpu(), row, torch.tensor([max_length]), output_hidden_states=True)  # where errors have words
    body.to(device)
