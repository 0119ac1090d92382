"""Steps that are left out, as their loss or gradient was not finite: how many, and when a fold stops over them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from foldwise.errors import RunError
from foldwise.events import Evaluated
from foldwise.training.early_stopping import Weights

# A fold goes on with so many skipped steps, or this share of all steps so far; but not with more than half of them.
FEW, SHARE, MOST = 10, 0.05, 0.5


class StoppedError(RunError):
    """A fold went wrong on its way, at the batch of these row numbers."""

    def __init__(self, message: str, rows: np.ndarray) -> None:
        super().__init__(message)
        self.rows = rows
        self.best: Weights = {}  # the best weights until then, if any were validated
        self.history: list[Evaluated] = []


class SkippedSteps:
    """Counts them at each evaluation: to ask at every step would wait for a GPU."""

    def __init__(self) -> None:
        self.count = self.first = 0

    def mean_loss(self, losses: Sequence[tuple[Tensor, float, Tensor]], steps: int) -> float | None:
        """Mean over the rows of the last of so many steps, but for skipped ones; None where all were skipped.

        Args:
            losses: of each step, NaN where it was skipped, with its learning rate and the row numbers of its batch.

        Raises:
            StoppedError: too many steps were skipped.
        """
        found = torch.stack([loss for loss, _, _ in losses]).double().cpu().numpy()  # here a GPU is waited for
        finite, before = np.isfinite(found), steps - len(found)
        if skipped := np.flatnonzero(~finite).tolist():
            self.first = self.first or before + skipped[0] + 1
            self.count += len(skipped)
            if self.count > min(MOST * steps, max(FEW, SHARE * steps)):
                _, rate, rows = losses[skipped[-1]]
                raise StoppedError(
                    f"the training loss or its gradient became nan or infinite at step {self.first:,}, and in "
                    f"{self.count:,} of {steps:,} steps, the last at a learning rate of {rate:.2g}",
                    rows.numpy(),
                )
        sizes = np.array([len(rows) for _, _, rows in losses])[finite]
        return float(found[finite] @ sizes / sizes.sum()) if len(sizes) else None

    def state_dict(self) -> dict[str, int]:
        """How many there were, and the first."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state_dict` was taken."""
        vars(self).update(state)

    def describe(self, steps: int) -> str:
        """What to say of them after so many steps, "" where none was skipped."""
        what = f"{self.count:,} of {steps:,} steps were skipped, as their loss or gradient was not finite"
        return f"{what}; the first was step {self.first:,}" if self.count else ""
