"""The seam for several processes that train one fold together; here is the process that trains it alone.

All of them run the same code on the same batches. They differ in which rows of a batch they take, and in what the first
of them does for all: it evaluates, decides by the clock, saves the state, reports and writes. `foldwise.distributed`
has the several.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor, nn

from foldwise.interrupts import stop_requested

if TYPE_CHECKING:
    from foldwise.data.dataset import Batch
    from foldwise.training.losses import Objective, Shares


class Followed(Exception):  # noqa: N818 - it is no error
    """Training is over in a process that is not the first: what is left is for that one to do."""


class Peers:
    """The processes that train a fold, this one among them; alone it has nobody to ask."""

    rank, size = 0, 1

    def begin(self, model: nn.Module) -> None:
        """Give the model the first weights that it has in the first process."""

    def before_step(self, seed: int, step: int) -> None:
        """The next one is number `step` of a training whose random numbers come from `seed`."""

    def split(self, objective: "Objective", batch: "Batch", count: int) -> "list[tuple[Batch, Shares]]":
        """The rows of a batch that are this process's, in `count` parts, with their shares in the batch's loss."""
        return objective.split(batch, count)

    def add_up(self, model: nn.Module, loss: Tensor, parts: int) -> tuple[Tensor, int]:  # noqa: ARG002
        """Give each weight the sum of its gradients in all processes.

        Returns:
            The sum of their losses, and the most parts in which one of them took its rows.
        """
        return loss, parts

    def ask_first(self, decide: Callable[[], float]) -> float:
        """The number that the first process comes to."""
        return decide()

    def stop_requested(self) -> bool:
        """True if one of them is asked to end; of several, as of the last `ask_first`."""
        return stop_requested()

    def leave_to_first(self) -> None:
        """Go on, if this is the first process.

        Raises:
            Followed: it is not.
        """


ALONE = Peers()
