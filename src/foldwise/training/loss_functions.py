"""The losses that have a name, each for the form of targets it is for (`y` in `foldwise.tasks`).

All take logits (B, C), targets and weights w of rows, or (B, C) of cells where some targets are unknown, and give the
mean over the batch, Σ w · loss / Σ w. Targets are (B,)
int64 class numbers, or (B, C) float32: columns of 0 … 1, values, or probabilities of classes (`SOFT_CLASSES`). Losses
of columns also take `pos_weight` (C,), by which the ones of a column count more than its zeros, as in torch's
`BCEWithLogitsLoss`.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from foldwise.arguments import FROM_0, SHARE, Range
from foldwise.tasks import Learnt

LossFunction = Callable[..., Tensor]


def weighted_mean(elements: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of (B,) or (B, C) losses, the rows weighed by (B,) or the cells by (B, C) weights; 0 where all are 0."""
    if weights is None:
        return elements.mean()
    rows = elements if elements.ndim == weights.ndim else elements.mean(dim=1)
    return (weights * rows).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)


def divergence(one: Tensor, two: Tensor, learnt: Learnt, weights: Tensor | None) -> Tensor:
    """How far two predictions, (B, C) logits, of the same rows are apart, as R-Drop counts it (Liang et al. 2021).

    Half the sum of the Kullback-Leibler divergences both ways; of values their squared difference.
    """
    if learnt == "values":
        return weighted_mean((one - two).square(), weights)
    if learnt == "columns":
        return weighted_mean((one.sigmoid() - two.sigmoid()) * (one - two) / 2, weights)
    first, second = one.log_softmax(dim=1), two.log_softmax(dim=1)
    return weighted_mean(((first.exp() - second.exp()) * (first - second)).sum(dim=1) / 2, weights)


def of_torch(loss: LossFunction, logits: Tensor, targets: Tensor, weights: Tensor | None, **options: Any) -> Tensor:
    """A loss of `torch.nn.functional`; without weights its own mean, equal to the last bit."""
    if weights is None:
        return loss(logits, targets, **options)
    return weighted_mean(loss(logits, targets, reduction="none", **options), weights)


def cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    """-log of the true class's probability: the negative log-likelihood of log-softmax."""
    return of_torch(functional.cross_entropy, logits, targets, weights)


def smoothed_classes(logits: Tensor, targets: Tensor, weights: Tensor | None, *, epsilon: float = 0.1) -> Tensor:
    """Cross entropy with (1 - ε) · one-hot + ε / C as the target (Szegedy et al. 2016)."""
    return of_torch(functional.cross_entropy, logits, targets, weights, label_smoothing=epsilon)


def focal_of_classes(logits: Tensor, targets: Tensor, weights: Tensor | None, *, gamma: float = 2.0) -> Tensor:
    """-(1 - p)^γ · log p of the true class (Lin et al. 2017, "Focal loss for dense object detection")."""
    logs = functional.log_softmax(logits, dim=1).gather(1, targets[:, None])[:, 0]
    # Not quite 0 where p rounds to 1: there a power below 1 has no finite slope.
    missed = (1 - logs.exp()).clamp(min=torch.finfo(logs.dtype).tiny)
    return weighted_mean(-(missed**gamma) * logs, weights)


def bce(logits: Tensor, targets: Tensor, weights: Tensor | None, pos_weight: Tensor | None = None) -> Tensor:
    """Binary cross entropy of sigmoid(logits)."""
    return of_torch(functional.binary_cross_entropy_with_logits, logits, targets, weights, pos_weight=pos_weight)


def smoothed_columns(
    logits: Tensor, targets: Tensor, weights: Tensor | None, pos_weight: Tensor | None = None, *, epsilon: float = 0.1
) -> Tensor:
    """Binary cross entropy with (1 - ε) · target + ε / 2 as the target."""
    return bce(logits, targets * (1 - epsilon) + epsilon / 2, weights, pos_weight)


def divergence_of_columns(
    logits: Tensor, targets: Tensor, weights: Tensor | None, pos_weight: Tensor | None = None
) -> Tensor:
    """KL(target ‖ sigmoid) of each column, whose target is the probability of a 1: cross entropy minus entropy."""
    ones = torch.xlogy(targets, targets) * (1 if pos_weight is None else pos_weight)
    entropy = ones + torch.xlogy(1 - targets, 1 - targets)
    return bce(logits, targets, weights, pos_weight) + weighted_mean(entropy, weights)


def focal_of_columns(
    logits: Tensor, targets: Tensor, weights: Tensor | None, pos_weight: Tensor | None = None, *, gamma: float = 2.0
) -> Tensor:
    """-(1 - p)^γ · log p of the true side of each column (Lin et al. 2017); their α is `pos_weight` here."""
    on, off = functional.logsigmoid(logits), functional.logsigmoid(-logits)  # log p of 1 and of 0
    ones = targets * (gamma * off).exp() * on * (1 if pos_weight is None else pos_weight)
    return weighted_mean(-(ones + (1 - targets) * (gamma * on).exp() * off), weights)


def soft_f1_bce(
    logits: Tensor, targets: Tensor, weights: Tensor | None, pos_weight: Tensor | None = None, *, share: float = 0.5
) -> Tensor:
    """Mix of share · (1 - soft F1) and (1 - share) · BCE; soft F1 counts probabilities as shares of a 1.

    F1 = 2 Σ p y / (Σ p + Σ y) over the batch, then the mean over columns: a loss of the batch, not of its rows, whose
    weights weigh what is counted. In a batch without ones of a column F1 is 0 and only BCE teaches.
    """
    likely = torch.sigmoid(logits)
    counts = 1 if weights is None else weights.reshape(len(weights), -1)
    hits, both = (counts * likely * targets).sum(dim=0), (counts * (likely + targets)).sum(dim=0)
    f1 = 2 * hits / both.clamp(min=torch.finfo(both.dtype).tiny)
    return share * (1 - f1).mean() + (1 - share) * bce(logits, targets, weights, pos_weight)


def mse(logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    """Squared difference."""
    return of_torch(functional.mse_loss, logits, targets, weights)


def smooth_l1(logits: Tensor, targets: Tensor, weights: Tensor | None, *, beta: float = 1.0) -> Tensor:
    """Squared below a difference of β (the target's std is 1), absolute beyond (Girshick 2015, "Fast R-CNN")."""
    return of_torch(functional.smooth_l1_loss, logits, targets, weights, beta=beta)


# By name, then by the form of what is learnt; keyword-only arguments of the functions are `training.loss_arguments`.
# Of class numbers, the divergence is the cross entropy, as a one-hot target has no entropy of its own; of probabilities
# it has another value, by the targets' entropy, and the same gradient.
LOSSES: dict[str, dict[Learnt, LossFunction]] = {
    "cross_entropy": {"classes": cross_entropy},
    "nll": {"classes": cross_entropy},
    "bce": {"columns": bce},
    "kl_div": {"classes": cross_entropy, "columns": divergence_of_columns},
    "mse": {"values": mse},
    "smooth_l1": {"values": smooth_l1},
    "focal": {"classes": focal_of_classes, "columns": focal_of_columns},
    "label_smoothing": {"classes": smoothed_classes, "columns": smoothed_columns},
    "soft_f1_bce": {"columns": soft_f1_bce},
}
SOFT_CLASSES = ("cross_entropy", "nll", "kl_div", "label_smoothing")  # take probabilities of classes, too
ARGUMENTS: dict[str, Range] = {"epsilon": SHARE, "gamma": FROM_0, "beta": FROM_0, "share": SHARE}
