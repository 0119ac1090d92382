"""The learning rate over the steps: schedules by name, each with a linear warm-up first.

All are torch's schedulers, with a `step()` for every step of the optimizer. `schedule_on_score` tells the score of an
evaluation to those that follow it.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from foldwise.config import Training
from foldwise.errors import InputError

Arguments = dict[str, float]
# The arguments of each schedule and their defaults; None: torch's own.
ARGUMENTS: dict[str, dict[str, float | None]] = {
    "cosine": {},
    "linear": {},
    "constant": {},
    "step": {"step_size": 1 / 3, "gamma": 0.1},
    "plateau": {"factor": 0.5, "patience": 1, "threshold": 0.0, "cooldown": 0},
    "one_cycle": dict.fromkeys(("pct_start", "div_factor", "final_div_factor", "base_momentum", "max_momentum")),
}
WHOLE = ("patience", "cooldown")  # numbers of evaluations
FACTORS = ("div_factor", "final_div_factor")
SHARES = ("step_size", "gamma", "factor", "pct_start", "base_momentum", "max_momentum")


def build_schedules(optimizers: Sequence[Optimizer], settings: Training, steps: int) -> list[LRScheduler]:
    """A schedule for each optimizer; but for one_cycle all rise over the first `warmup` share of the steps.

    - cosine: half a cosine down to zero. linear: straight down to zero. constant: no change.
    - step: times `gamma` after each `step_size` share of all steps (torch's `StepLR`).
    - plateau: times `factor` after more than `patience` evaluations without a better score (`ReduceLROnPlateau`).
    - one_cycle: torch's `OneCycleLR` (Smith & Topin 2019) up to the learning rate and down; it rises for `pct_start`,
      which is `warmup` unless given. With `base_momentum` or `max_momentum` the first beta or momentum moves as well.

    Args:
        steps: of the whole training.

    Raises:
        InputError: an argument that the schedule does not have, or a value that it cannot take.
    """
    name, arguments = settings.schedule, check_arguments(settings.schedule, settings.schedule_arguments)
    warm = max(1, round(settings.warmup * steps))
    if name == "plateau":
        return [Plateau(optimizer, warm, arguments) for optimizer in optimizers]
    if name == "one_cycle":
        return [one_cycle(optimizer, steps, {"pct_start": settings.warmup, **arguments}) for optimizer in optimizers]

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        progress = (step - warm) / max(1, steps - warm)
        if name == "cosine":
            return 0.5 * (1 + math.cos(math.pi * progress))
        if name == "linear":
            return 1 - progress
        if name == "step":
            return arguments["gamma"] ** (step // max(1, round(arguments["step_size"] * steps)))
        return 1.0

    return [LambdaLR(optimizer, factor) for optimizer in optimizers]


def stretch(
    schedules: Sequence[LRScheduler], optimizers: Sequence[Optimizer], settings: Training, steps: int, done: int
) -> list[LRScheduler]:
    """The schedules that go their whole way in another number of steps than was meant, from step `done` on.

    The learning rate moves at once to where it would be had `steps` been known from the first step on. A plateau, which
    follows the scores, stays as it is.

    Args:
        steps: of the whole training, as it is now.
        done: steps done; at most `steps`.
    """
    if settings.schedule == "plateau":
        return list(schedules)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.pop("max_lr", group["initial_lr"])
            del group["initial_lr"]
    stretched = build_schedules(optimizers, settings, steps)
    for schedule in stretched:
        for _ in range(done):
            schedule.step()
    return stretched


def check_arguments(name: str, given: Arguments) -> Arguments:
    """The arguments of the schedule, with defaults where there are any."""
    known = ARGUMENTS[name]
    for argument, value in given.items():
        key = f"recipe.training.schedule_arguments.{argument} = {value:g}"
        if argument not in known:
            raise InputError(f"{key}: {name} takes {', '.join(known) or 'no arguments'}")
        if argument in WHOLE and (value < 0 or value != int(value)):
            raise InputError(f"{key}: give a whole number of evaluations, from 0 on")
        if argument in SHARES and not 0 < value < 1:
            raise InputError(f"{key}: give a number between 0 and 1")
        if argument in FACTORS and not 0 < value < math.inf:
            raise InputError(f"{key}: give a number above 0")
        if not 0 <= value < math.inf:
            raise InputError(f"{key}: give a number from 0 on")
    merged = {**known, **given}
    return {argument: value for argument, value in merged.items() if value is not None}


def one_cycle(optimizer: Optimizer, steps: int, arguments: Arguments) -> OneCycleLR:
    """The one-cycle schedule of torch, up to each group's own learning rate."""
    largest = [group["lr"] for group in optimizer.param_groups]
    moves_momentum = bool({"base_momentum", "max_momentum"} & set(arguments))
    if arguments["pct_start"] * steps == 1:  # a rise of no length, by which OneCycleLR divides
        arguments = {**arguments, "pct_start": arguments["pct_start"] * (1 + 1e-6)}
    try:
        return OneCycleLR(optimizer, largest, steps, cycle_momentum=moves_momentum, **arguments)  # type: ignore[arg-type]
    except ValueError as error:
        raise InputError(f"recipe.training.schedule_arguments: OneCycleLR: {error}") from error


class Plateau(LambdaLR):
    """A warm-up, and from there on the learning rate that the validation score leaves.

    torch's `ReduceLROnPlateau` decides on a scale of its own, 1 at first, as the warm-up moves the learning rates.

    Args:
        warm: steps of the warm-up.
        arguments: of `ReduceLROnPlateau`; its threshold is a difference of scores, as `min_delta` is.
    """

    def __init__(self, optimizer: Optimizer, warm: int, arguments: Arguments) -> None:
        whole = {name: int(value) for name, value in arguments.items() if name in WHOLE}
        self.scale = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        self.reduce = ReduceLROnPlateau(self.scale, threshold_mode="abs", **{**arguments, **whole})  # type: ignore[arg-type]
        super().__init__(optimizer, lambda step: min(1.0, (step + 1) / warm) * self.scale.param_groups[0]["lr"])

    def on_score(self, badness: float) -> None:
        """Take in the score of an evaluation, smaller being better, and set the learning rates of the next step."""
        self.reduce.step(badness)
        rates = [base * factor(self.last_epoch) for base, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)]
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = rates


def schedule_on_score(schedules: Sequence[LRScheduler], score: float, greater_is_better: bool) -> None:
    """Tell the score of an evaluation to the schedules that follow it."""
    for schedule in schedules:
        if isinstance(schedule, Plateau):
            schedule.on_score(-score if greater_is_better else score)
