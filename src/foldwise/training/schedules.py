"""The learning rate as a function of progress: 0 at the first step of a training, 1 at its end.

So the rate of a fold whose time runs out, which makes progress faster than by its steps, still goes the whole way.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from foldwise.arguments import ABOVE_0, EVALUATIONS, FROM_0, INSIDE, check_arguments
from foldwise.config import Training
from foldwise.errors import InputError

# The arguments of each schedule, with their defaults. Those of one_cycle are torch's, but for `pct_start`: the warm-up.
ARGUMENTS: dict[str, dict[str, float]] = {
    "cosine": {},
    "linear": {},
    "constant": {},
    "step": {"step_size": 1 / 3, "gamma": 0.1},
    "plateau": {"factor": 0.5, "patience": 1, "threshold": 0.0, "cooldown": 0},
    "one_cycle": {
        **{"pct_start": 0.0, "div_factor": 25.0, "final_div_factor": 1e4},
        **{"base_momentum": 0.85, "max_momentum": 0.95},
    },
}
# What they may be; those that do not stand here lie inside 0 … 1.
RANGES = {"patience": EVALUATIONS, "cooldown": EVALUATIONS, "threshold": FROM_0}
RANGES |= {"div_factor": ABOVE_0, "final_div_factor": ABOVE_0}


class LearningRate:
    """Sets the learning rates of all groups of all optimizers, each a factor of its own largest one.

    Args:
        steps: of the whole training.

    Raises:
        InputError: an argument or a value that the schedule does not take, or momentum to move in an optimizer without.
    """

    def __init__(self, optimizers: Sequence[Optimizer], settings: Training, steps: int) -> None:
        self.name, self.steps, given = settings.schedule, steps, settings.schedule_arguments
        takes = {name: RANGES.get(name, INSIDE) for name in ARGUMENTS[self.name]}
        check_arguments("recipe.training.schedule_arguments", self.name, given, takes)
        self.arguments = {**ARGUMENTS[self.name], **given}
        self.optimizers = optimizers
        self.largest = [float(group["lr"]) for group in self.groups]
        self.warm_steps = max(1, round(settings.warmup * steps))
        self.pct_start = self.arguments.get("pct_start") or settings.warmup
        self.plateau: ReduceLROnPlateau | None = None
        if self.name == "plateau":  # torch's, on a scale of its own: 1 at first
            scale = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
            self.plateau = ReduceLROnPlateau(scale, threshold_mode="abs", **self.arguments)  # type: ignore[arg-type]
        self.moves_momentum = bool({"base_momentum", "max_momentum"} & set(given))
        if self.moves_momentum and not all("betas" in group or "momentum" in group for group in self.groups):
            raise InputError(
                "recipe.training.schedule_arguments: OneCycleLR: optimizer must support momentum with base_momentum or "
                "max_momentum; leave them out"
            )
        self.set(0.0)

    def set(self, progress: float) -> None:
        """Set the rates of the step that begins at `progress`, 0 … 1."""
        factor = self.factor(progress)
        for group, largest in zip(self.groups, self.largest, strict=True):
            group["lr"] = largest * factor
        if self.moves_momentum:  # against the rate: down while that rises, and up again
            low, high = self.arguments["base_momentum"], self.arguments["max_momentum"]
            momentum = self.cycle(progress, high, low, high)
            for group in self.groups:
                group.update({"betas": (momentum, *group["betas"][1:])} if "betas" in group else {"momentum": momentum})

    @property
    def groups(self) -> list[dict[str, Any]]:
        """All groups of weights; those of an optimizer are other ones after its `load_state_dict`."""
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    @property
    def value(self) -> float:
        """The rate of the weights that are not word vectors."""
        return float(self.groups[0]["lr"])

    def factor(self, progress: float) -> float:
        """What the largest learning rate is multiplied by."""
        if self.name == "one_cycle":
            start = 1 / self.arguments["div_factor"]
            return self.cycle(progress, start, 1.0, start / self.arguments["final_div_factor"])
        warm = self.warm_steps / self.steps
        scale = float(self.plateau.optimizer.param_groups[0]["lr"]) if self.plateau else 1.0
        if progress < warm - 1e-12:
            return scale * min(1.0, (progress + 1 / self.steps) / warm)
        if self.name == "step":
            return self.arguments["gamma"] ** math.floor(progress / self.arguments["step_size"] + 1e-9)
        behind = min(max((progress - warm) / (1 - warm), 0.0), 1.0) if warm < 1 else 1.0
        falls = {"cosine": anneal(1.0, 0.0, behind), "linear": 1 - behind}
        return scale * falls.get(self.name, 1.0)

    def cycle(self, progress: float, start: float, top: float, end: float) -> float:
        """One cycle of cosines from `start` up to `top` and down to `end` (Smith & Topin 2019; torch's OneCycleLR)."""
        done = progress * self.steps
        rise, last = self.pct_start * self.steps - 1, self.steps - 1.0
        if done <= rise or last <= rise:
            return anneal(start, top, done / rise if rise > 0 else 0.0)
        return anneal(top, end, min((done - rise) / (last - rise), 1.0))

    def on_score(self, score: float, greater_is_better: bool) -> None:
        """Take the score of an evaluation, which only a plateau follows."""
        if self.plateau:
            self.plateau.step(-score if greater_is_better else score)

    def state_dict(self) -> dict[str, Any]:
        """What a plateau has seen; everything else follows from the progress."""
        if self.plateau is None:
            return {}
        return {"plateau": self.plateau.state_dict(), "scale": self.plateau.optimizer.param_groups[0]["lr"]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        if self.plateau:
            self.plateau.load_state_dict(state["plateau"])
            self.plateau.optimizer.param_groups[0]["lr"] = state["scale"]


def anneal(start: float, end: float, share: float) -> float:
    """From `start` to `end` along half a cosine."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
