"""From one vector per token to one per row: (B, T, H) → (B, H).

`mask` is (B, T) bool, true where there is a token, or None where there is no padding, which never takes part. A row
without tokens gives zeros.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from foldwise.errors import InputError, did_you_mean


def token_mask(tokens: Tensor, lengths: Tensor) -> Tensor:
    """(B, T) bool, true where a row of (B, T) `tokens` has a token; (B,) lengths may be on the CPU."""
    sizes = lengths.to(tokens.device, non_blocking=True)
    return torch.arange(tokens.shape[1], device=tokens.device) < sizes[:, None]


def masked_max(states: Tensor, mask: Tensor | None) -> Tensor:
    """Largest value of each feature over a row's tokens."""
    if mask is None:
        return states.amax(dim=1)
    # Added, as the gradient then needs no second pass: padding, whose states are finite, is never the largest.
    lowest = mask.new_zeros(mask.shape, dtype=states.dtype).masked_fill(~mask, torch.finfo(states.dtype).min)
    pooled = (states + lowest[:, :, None]).amax(dim=1)
    return pooled.masked_fill(~mask.any(dim=1)[:, None], 0)


def masked_mean(states: Tensor, mask: Tensor | None) -> Tensor:
    """Mean of each feature over a row's tokens."""
    if mask is None:
        return states.mean(dim=1)
    share = mask.to(states.dtype) / mask.sum(dim=1, keepdim=True).clamp(min=1).to(states.dtype)  # (B, T)
    return torch.bmm(share[:, None], states)[:, 0]  # without the masked copy of all states that a sum would take


def last_states(states: Tensor, mask: Tensor | None) -> Tensor:
    """What each direction ends with: forward (the first half of H) at a row's last token, backward at its first."""
    forward, backward = states.chunk(2, dim=2)
    if mask is None:
        return torch.cat([forward[:, -1], backward[:, 0]], dim=1)
    ends = mask & ~functional.pad(mask[:, 1:], (0, 1))  # (B, T), true at the last token
    last = torch.bmm(ends.to(states.dtype)[:, None], forward)[:, 0]  # picks exactly, and the same on every device
    return torch.cat([last, backward[:, 0].masked_fill(~mask[:, :1], 0)], dim=1)


class AttentionPooling(nn.Module):
    """Mean weighted by a learnt score of each token (Yang et al. 2016, "Hierarchical attention networks").

    score = v · tanh(W h + b), weights = softmax of the scores over the row's tokens.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.project = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, states: Tensor, mask: Tensor | None) -> Tensor:
        """(B, T, H) → (B, H)."""
        scores = self.score(torch.tanh(self.project(states))).squeeze(2)  # (B, T)
        if mask is None:
            weights = scores.softmax(dim=1)
        else:
            weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=1).masked_fill(~mask, 0)
        return torch.einsum("bt,bth->bh", weights, states)


Pooling = Callable[[Tensor, Tensor | None], Tensor]
# By name, what makes a pooling of the number of features H: one that learns is an nn.Module.
POOLINGS: dict[str, Callable[[int], Pooling]] = {
    "max": lambda _: masked_max,
    "mean": lambda _: masked_mean,
    "last": lambda _: last_states,
    "attention": AttentionPooling,
}


def build_pooling(name: str, hidden: int) -> Pooling:
    """The pooling of that name for states of `hidden` features; an InputError if there is none."""
    if name not in POOLINGS:
        fix = did_you_mean(name, POOLINGS, f"known are {', '.join(POOLINGS)}")
        raise InputError(f"recipe.model.pooling = {name!r}: no such pooling; {fix}")
    return POOLINGS[name](hidden)
