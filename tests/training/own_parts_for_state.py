"""An optimizer of one's own, with a state that torch's `load_state_dict` would turn into floats; and a model."""

import random

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer


class Odd(Optimizer):
    """Moves each weight in turns that a mask and a count in whole numbers say, in float64."""

    def __init__(self, params, lr=1e-3) -> None:
        super().__init__(params, {"lr": lr, "names": ("a", None), "limit": float("inf")})

    @torch.no_grad()
    def step(self, closure=None):  # noqa: ARG002
        for group in self.param_groups:
            assert group["names"] == ("a", None)
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state.update(
                        mask=torch.zeros(weight.shape, dtype=torch.bool),
                        count=torch.zeros((), dtype=torch.int64),
                        sums=torch.zeros(weight.shape, dtype=torch.float64),
                        rows=[None, weight.detach()[:1]],
                    )
                gradient = weight.grad.to_dense().double() if weight.grad.is_sparse else weight.grad.double()
                state["mask"] = ~state["mask"]
                state["count"] += 1
                state["sums"] += gradient.square()
                moved = gradient / (state["sums"].sqrt() + 1e-9) * group["lr"] / state["count"].sqrt()
                weight.sub_(torch.where(state["mask"], moved, moved / 2).float())


class Jumpy(nn.Module):
    """A model with running statistics, random numbers of Python and numpy, and a weight used twice."""

    calls: torch.Tensor

    def __init__(self, vocabulary_size, vectors, outputs):  # noqa: ARG002
        super().__init__()
        random.seed(1)
        np.random.seed(2)
        self.embedding = nn.Embedding.from_pretrained(vectors, freeze=False)
        self.norm = nn.BatchNorm1d(vectors.shape[1])
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64), persistent=False)
        self.head = nn.Linear(vectors.shape[1], outputs)
        self.again = self.head

    def forward(self, tokens, lengths):
        mean = self.embedding(tokens).sum(1) / lengths.clamp(min=1).to(tokens.device)[:, None]
        scale = 1.0
        if self.training:
            self.calls.add_(1)
            scale = (1 + random.random() + np.random.random()) * (1 + 1 / float(self.calls))
        return self.again(self.norm(mean) * scale)
