"""When to stop, and which weights were best."""

import math
from dataclasses import dataclass, field


@dataclass
class EarlyStopping:
    """Watches a score and says whether it improved and whether to go on.

    A NaN is never an improvement, whatever the direction, also as the first score.

    >>> stopping = EarlyStopping(greater_is_better=True, patience=2)
    >>> [stopping.improved(score) for score in (0.7, 0.8, 0.75, float("nan"))]
    [True, True, False, False]
    >>> stopping.should_stop, stopping.best
    (True, 0.8)

    Attributes:
        greater_is_better: direction of the score.
        patience: scores in a row without improvement until `should_stop`.
        min_delta: a score must be better than the best by more than this.
    """

    greater_is_better: bool
    patience: int
    min_delta: float = 0.0
    best: float = field(default=math.nan, init=False)
    misses: int = field(default=0, init=False)

    def improved(self, score: float) -> bool:
        """Take the next score; true if it is the best so far."""
        gain = score - self.best if self.greater_is_better else self.best - score
        better = not math.isnan(score) and (math.isnan(self.best) or (gain > self.min_delta))
        if better:
            self.best, self.misses = score, 0
        else:
            self.misses += 1
        return better

    @property
    def should_stop(self) -> bool:
        """True after `patience` scores without improvement."""
        return self.misses >= self.patience
