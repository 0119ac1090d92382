"""The weights that are kept: those of the best evaluation, or of several."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn

Event = dict[str, Any]  # what a fold reports while it trains


def copy_weights(model: nn.Module, names: set[str]) -> dict[str, Tensor]:
    """A copy of the trained weights (and buffers) on the CPU; frozen vectors are those of tokens/vectors.npy.

    Args:
        names: of the parameters that train, some of them perhaps later.
    """
    frozen = {name for name, _ in model.named_parameters()} - names
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items() if name not in frozen}


class Snapshots:
    """The weights of the best evaluations, whose predictions are averaged (Quora Insincere Questions, seventh place).

    Args:
        size: how many are kept.
        greater_is_better: direction of their scores.
    """

    def __init__(self, size: int, greater_is_better: bool) -> None:
        self.size, self.sign = size, 1 if greater_is_better else -1
        self.kept: list[tuple[float, dict[str, Tensor]]] = []  # (score, weights), best first

    def offer(self, score: float, copy: Callable[[], dict[str, Tensor]]) -> bool:
        """Take the weights that `copy` gives if their score is among the best; of equal ones the earlier stays.

        Returns:
            True if it is the best so far.
        """
        better = sum(self.sign * other >= self.sign * score for other, _ in self.kept)
        if not np.isfinite(score) or better >= self.size:
            return False
        self.kept.insert(better, (score, copy()))
        del self.kept[self.size :]
        return better == 0

    @property
    def weights(self) -> list[dict[str, Tensor]]:
        """Best first."""
        return [weights for _, weights in self.kept]

    @property
    def best(self) -> dict[str, Tensor]:
        """The best, empty if there is none."""
        return self.kept[0][1] if self.kept else {}
