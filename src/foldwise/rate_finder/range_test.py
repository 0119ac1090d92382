"""The learning-rate range test (Smith 2017, "Cyclical Learning Rates for Training Neural Networks"), and its rule."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from foldwise.data.dataset import Batch
from foldwise.errors import RunError
from foldwise.training.trainer import Trainer

LOWEST, HIGHEST = 1e-6, 10.0
STEPS = 200  # 28 for each power of ten
WIDTH = 5  # steps: standard deviation of the smoothing
MEMORY = 0.9  # of the running mean that tells when to stop
RISE = 4.0  # times the lowest running mean: the loss has left for good
FEWEST = 40  # steps that say something


class RangeTest(NamedTuple):
    """A curve and what it says."""

    rates: np.ndarray  # (n,) rising
    losses: np.ndarray  # (n,) of one batch each
    smoothed: np.ndarray  # (n,)
    steepest: float  # the rate at which the loss falls fastest
    lowest: float  # the rate at which it is lowest

    @property
    def suggested(self) -> float:
        """The smaller one of the rate of steepest descent and a tenth of the rate of the lowest loss."""
        return min(self.steepest, self.lowest / 10)


def raise_rate(
    trainer: Trainer, batches: Iterable[Batch], base: float, on_step: Callable[[int], object] = lambda _: None
) -> RangeTest:
    """Train, and raise the rate at each step by the same factor, until all steps are done or the loss leaves for good.

    Args:
        batches: at least `STEPS` of them.
        base: the recipe's learning rate; the rates of all weights keep their proportions to it.

    Raises:
        RunError: the loss was no number, or left, after so few steps that the curve says nothing; or it never falls.
    """
    rates, losses = np.geomspace(LOWEST, HIGHEST, STEPS), []
    running, lowest = 0.0, np.inf
    trainer.model.train()
    for rate, batch in zip(rates, batches, strict=False):
        for group, largest in zip(trainer.rate.groups, trainer.rate.largest, strict=True):
            group["lr"] = largest * rate / base
        loss = float(trainer.step(batch.to(trainer.runtime.device)))
        on_step(1)
        if not np.isfinite(loss):
            break
        losses.append(loss)
        running = MEMORY * running + (1 - MEMORY) * loss
        mean = running / (1 - MEMORY ** len(losses))
        lowest = min(lowest, mean)
        if mean > RISE * lowest:
            break
    if len(losses) < FEWEST:
        raise RunError(
            f"find-lr: the loss leaves after {len(losses)} steps, at a learning rate of {rates[len(losses)]:.0e}, so "
            "there is no curve to read; look at training.loss and training.precision"
        )
    found = read_curve(rates[: len(losses)], np.array(losses))
    if found.lowest < rates[FEWEST]:
        raise RunError(
            f"find-lr: the loss never falls, at no learning rate up to {found.rates[-1]:.0e}; look at the data"
        )
    return found


def read_curve(rates: np.ndarray, losses: np.ndarray) -> RangeTest:
    """Smooth a curve over neighbouring steps, and find its lowest point and the steepest one before that."""
    offsets = np.arange(-3 * WIDTH, 3 * WIDTH + 1)
    weights = np.exp(-0.5 * (offsets / WIDTH) ** 2)
    inside = np.convolve(np.ones(len(losses)), weights, mode="same")  # fewer neighbours at the ends
    smoothed = np.convolve(losses, weights, mode="same") / inside
    bottom = int(smoothed.argmin())
    slopes = np.gradient(smoothed)[: bottom + 1]  # a step is the same factor everywhere
    return RangeTest(rates, losses, smoothed, float(rates[slopes.argmin()]), float(rates[bottom]))
