"""Exponential moving average of the weights."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from foldwise.training.rowwise import any_order


class AveragedWeights:
    """Exponential moving average of the trained weights (Polyak & Juditsky 1992), the ones to validate and keep.

    After n updates the decay is min(decay, (1 + n) / (10 + n)), so that the average forgets the random start.

    The average of a table row that stands still moves in a known way, avg ← w + d (avg - w) at every step, so it is
    only brought up to date before a batch moves the row, and before it is used.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding) and m.sparse}
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.averages = [parameter.detach().clone() for parameter in self.parameters]
        self.decay, self.updates = decay, 0
        pairs = list(zip(self.parameters, self.averages, strict=True))
        self.dense, self.tables = ([p for p in pairs if (id(p[0]) in tables) == wanted] for wanted in (False, True))
        # Sum of the logarithms of all decays so far, and what it was when each row was last up to date.
        self.log_decay = 0.0
        self.marks = [torch.zeros(len(table), dtype=torch.float64, device=table.device) for table, _ in self.tables]

    @torch.no_grad()
    def before_step(self) -> None:
        """Bring those rows up to date which the gradients are about to move."""
        for (table, average), mark in zip(self.tables, self.marks, strict=True):
            if table.grad is None:
                continue
            rows = table.grad._indices()[0]
            still = table.index_select(0, rows)
            kept = (self.log_decay - mark[rows]).exp().to(still.dtype)[:, None]
            with any_order(table.device):
                average.index_copy_(0, rows, still.lerp_(average.index_select(0, rows), kept))
                mark.index_fill_(0, rows, self.log_decay)

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights of the step just done."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.log_decay += math.log(max(decay, 1e-30))  # 0, no averaging, has no logarithm
        # Word vectors that are yet to be trained stand still.
        pairs = [pair for pair in self.dense if pair[0].requires_grad]
        if pairs:
            torch._foreach_lerp_([own for _, own in pairs], [parameter for parameter, _ in pairs], 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside the block the model has the averaged weights; afterwards its own again."""
        with torch.no_grad():
            for (table, average), mark in zip(self.tables, self.marks, strict=True):
                kept = (self.log_decay - mark).exp().to(table.dtype)[:, None]
                average.copy_(torch.lerp(table, average, kept))
                mark.fill_(self.log_decay)
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the values of weights and averages in place, as cuDNN wants an LSTM's weights in one block."""
        for average, parameter in zip(self.averages, self.parameters, strict=True):
            own = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(own)

    def state_dict(self) -> dict[str, Any]:
        """The averages, and when rows of tables were brought up to date."""
        return {name: getattr(self, name) for name in ("averages", "marks", "log_decay", "updates")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        copy_all(self.averages, state["averages"])
        copy_all(self.marks, state["marks"])
        self.log_decay, self.updates = state["log_decay"], state["updates"]


@torch.no_grad()
def copy_all(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Give tensors other values in place: `dense` and `tables` hold the same ones, and cuDNN wants its block."""
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)
