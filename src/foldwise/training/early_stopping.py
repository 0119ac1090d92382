"""The best evaluations so far: when to stop, and which weights to keep."""

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

Weights = dict[str, Tensor]


class EarlyStopping:
    """Keeps the weights of a fold's best scores, and says when no better ones are to be expected.

    A score that is not finite is never an improvement. Of equal scores the earlier one stays.

    Args:
        min_delta: an improvement is one by more than this.
        keep: of how many scores the weights are kept, whose predictions are averaged (Quora Insincere Questions,
            seventh place).
    """

    def __init__(self, greater_is_better: bool, patience: int, min_delta: float = 0.0, keep: int = 1) -> None:
        self.sign, self.patience, self.min_delta, self.keep = 1 if greater_is_better else -1, patience, min_delta, keep
        self.kept: list[tuple[float, Weights]] = []  # (sign * score, weights), best first
        self.to_beat = -math.inf
        self.misses = 0

    def update(self, score: float, copy_weights: Callable[[], Weights]) -> bool:
        """Take the next score; true if it is the best so far. `copy_weights` is called if it is to be kept."""
        value = self.sign * score
        self.misses += 1
        if not math.isfinite(score):
            return False
        if value > self.to_beat + self.min_delta:
            self.to_beat, self.misses = value, 0
        place = sum(other >= value for other, _ in self.kept)
        if place < self.keep:
            self.kept.insert(place, (value, copy_weights()))
            del self.kept[self.keep :]
        return place == 0

    @property
    def should_stop(self) -> bool:
        """True after `patience` scores without improvement."""
        return self.misses >= self.patience

    @property
    def weights(self) -> list[Weights]:
        """Those of the best scores, best first."""
        return [weights for _, weights in self.kept]

    def state_dict(self) -> dict[str, Any]:
        """Scores and weights."""
        return {"kept": self.kept, "to_beat": self.to_beat, "misses": self.misses}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        vars(self).update(state)
