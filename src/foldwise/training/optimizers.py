"""The optimizer, its schedule and the averaged weights."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from foldwise.config import Training


def build_optimizer(model: nn.Module, settings: Training) -> Optimizer:
    """AdamW (Loshchilov & Hutter 2019) with word vectors apart: their own learning rate, and no weight decay, which
    would pull the vectors of words that a batch does not contain towards zero at every step.
    """
    vectors: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if parameter.requires_grad:
                (vectors if isinstance(module, nn.Embedding) else rest).append(parameter)
    groups = [
        {"params": rest, "lr": settings.learning_rate, "weight_decay": settings.weight_decay},
        {"params": vectors, "lr": settings.embedding_learning_rate, "weight_decay": 0.0},
    ]
    return AdamW([group for group in groups if group["params"]], fused=True)


def build_schedule(optimizer: Optimizer, settings: Training, steps: int) -> LambdaLR:
    """Linear warm-up over the first `warmup` share of all steps, then half a cosine down to zero."""
    warm = max(1, round(settings.warmup * steps))

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))

    return LambdaLR(optimizer, factor)


class AveragedWeights:
    """Exponential moving average of the trained weights (Polyak & Juditsky 1992), the ones to validate and keep.

    The decay grows from 0.1 to its full value, min(decay, (1 + n) / (10 + n)) after n updates, so that the average
    forgets the random start.

    Args:
        model: whose trainable parameters are averaged.
        decay: share of the old average that an update keeps; 0 makes the average the weights themselves.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.averages = [parameter.detach().clone() for parameter in self.parameters]
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights of the step just done."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for average, parameter in zip(self.averages, self.parameters, strict=True):
            average.lerp_(parameter.detach(), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside the block the model has the averaged weights; afterwards its own again."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the values of the model's weights and the averages, each in its place.

        Exchanging the tensors instead would take the LSTM's weights out of the one block that cuDNN wants them in.
        """
        for average, parameter in zip(self.averages, self.parameters, strict=True):
            own = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(own)
