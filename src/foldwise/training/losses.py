"""The loss of each task, and what turns logits into predictions: two sides of one choice."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from foldwise.config import Task

Loss = Callable[[Tensor, Tensor], Tensor]

# (B, C) logits and (B, C) float or (B,) int64 targets → scalar mean over the batch.
LOSSES: dict[Task, Loss] = {
    "binary": functional.binary_cross_entropy_with_logits,
    "multiclass": functional.cross_entropy,
    "multilabel": functional.binary_cross_entropy_with_logits,
    "regression": functional.mse_loss,
}


def to_predictions(logits: Tensor, task: Task) -> Tensor:
    """(N, C) logits → (N, C) probabilities; for a regression the (scaled) values themselves."""
    if task == "multiclass":
        return torch.softmax(logits, dim=1)
    return logits if task == "regression" else torch.sigmoid(logits)
