"""Schedules against torch's own and the formulas; every one over the steps of a whole training."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.lr_scheduler import LinearLR, OneCycleLR, ReduceLROnPlateau, StepLR

from foldwise.errors import InputError
from foldwise.training.schedules import ARGUMENTS, LearningRate
from training import decided_training


def make_optimizer(kind=torch.optim.SGD, rates=(1.0, 0.25)):
    return kind([{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates])


def rates_of(schedule, steps):
    """(steps + 1, groups): the learning rates of each step, and those after the last."""
    if isinstance(schedule, LearningRate):
        return np.array([rates_at(schedule, step / schedule.steps) for step in range(steps + 1)])
    optimizer, rates = schedule.optimizer, []
    for _ in range(steps):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return np.array([*rates, [group["lr"] for group in optimizer.param_groups]])


def rates_at(rate, progress):
    rate.set(progress)
    return [group["lr"] for group in rate.groups]


def ours(steps, optimizer=None, **training):
    return LearningRate([optimizer or make_optimizer()], decided_training(**training), steps)


def test_cosine_warms_up_and_ends_at_zero():
    rates = rates_of(ours(100, warmup=0.1), 100)[:, 0]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10:] == pytest.approx([0.5 * (1 + math.cos(math.pi * step / 90)) for step in range(91)])


def test_linear_is_torchs():
    rates = rates_of(ours(100, schedule="linear", warmup=0.2), 100)
    rise = rates_of(LinearLR(make_optimizer(), 1 / 20, 1, 19), 19)
    fall = rates_of(LinearLR(make_optimizer(), 1, 0, 80), 80)
    assert rates[:20] == pytest.approx(rise)
    assert rates[20:] == pytest.approx(fall)


def test_step_is_torchs():
    arguments = {"step_size": 0.25, "gamma": 0.3}
    rates = rates_of(ours(40, schedule="step", warmup=0, schedule_arguments=arguments), 40)
    assert rates == pytest.approx(rates_of(StepLR(make_optimizer(), 10, 0.3), 40))
    warm = rates_of(ours(40, schedule="step", warmup=0.1, schedule_arguments=arguments), 40)
    assert warm[4:] == pytest.approx(rates[4:])
    assert warm[:4, 0] == pytest.approx([0.25, 0.5, 0.75, 1])


def test_constant_stays_after_its_warm_up():
    rates = rates_of(ours(20, schedule="constant", warmup=0.1), 20)
    assert rates[:, 1].tolist() == [0.125, *[0.25] * 20]


@pytest.mark.parametrize(
    ("steps", "warmup", "arguments"),
    [
        (50, 0.1, {}),
        (50, 0.0, {"pct_start": 0.3, "div_factor": 10, "final_div_factor": 100}),
        (1, 0.1, {}),
        (3, 0.5, {}),
    ],
)
def test_one_cycle_is_torchs(steps, warmup, arguments):
    rates = rates_of(ours(steps, schedule="one_cycle", warmup=warmup, schedule_arguments=arguments), steps)
    options = {"pct_start": warmup, "cycle_momentum": False, **arguments}
    reference = OneCycleLR(make_optimizer(), [1.0, 0.25], total_steps=steps, **options)
    assert rates[:-1] == pytest.approx(rates_of(reference, steps)[:-1])
    assert rates[-1] == pytest.approx(rates[-2] if steps > 1 else rates[-1])


def test_one_cycle_moves_momentum_only_if_asked():
    for arguments, expected in (({}, {0.9}), ({"base_momentum": 0.8, "max_momentum": 0.95}, {0.95, 0.8})):
        optimizer = make_optimizer(torch.optim.AdamW)
        schedule = ours(50, optimizer, schedule="one_cycle", schedule_arguments=arguments)
        seen = set()
        for step in range(50):
            schedule.set(step / 50)
            seen.add(round(optimizer.param_groups[0]["betas"][0], 6))
        assert expected <= seen
        assert len(seen) == 1 or arguments
    with pytest.raises(InputError, match="OneCycleLR: optimizer must support momentum"):
        ours(50, make_optimizer(torch.optim.Rprop), schedule="one_cycle", schedule_arguments={"max_momentum": 0.9})


@given(steps=st.integers(1, 60), share=st.integers(0, 59))
def test_one_cycle_takes_any_number_of_steps_and_any_warm_up(steps, share):
    """Where the rise is of one step, OneCycleLR by itself divides by zero."""
    warmup = min(share / steps, 0.99)
    rates = rates_of(ours(steps, schedule="one_cycle", warmup=warmup), steps)[:-1]
    assert np.isfinite(rates).all()
    assert (rates <= 1 + 1e-9).all()
    assert rates[0, 0] == pytest.approx(1 / 25) or warmup * steps < 1


@pytest.mark.parametrize("greater", [True, False])
def test_plateau_is_torchs_after_its_warm_up(greater):
    scores = np.random.default_rng(0).normal(size=40).cumsum() / 10
    arguments = {"factor": 0.4, "patience": 2, "threshold": 0.05, "cooldown": 1}
    schedule = ours(400, schedule="plateau", warmup=0.01, schedule_arguments=arguments)
    reference = make_optimizer()
    reduce = ReduceLROnPlateau(reference, "max" if greater else "min", 0.4, 2, 0.05, "abs", cooldown=1)
    assert rates_of(schedule, 4)[:4, 0] == pytest.approx([0.25, 0.5, 0.75, 1])
    for number, score in enumerate(scores, start=1):
        schedule.on_score(score, greater)
        reduce.step(score)
        expected = [group["lr"] for group in reference.param_groups]
        assert rates_at(schedule, number / 40) == pytest.approx(expected)
        assert schedule.value == pytest.approx(expected[0])
    assert reference.param_groups[0]["lr"] < 0.1, "the scores must make it fall several times to prove anything"


def test_other_schedules_do_not_follow_the_score():
    schedule = ours(10, warmup=0)
    before = rates_at(schedule, 0.5)
    for _ in range(9):
        schedule.on_score(0.0, True)
    assert rates_at(schedule, 0.5) == before


def test_every_group_of_every_optimizer_goes_its_own_largest_rate_s_way():
    for name in ARGUMENTS:
        first, second = make_optimizer(), make_optimizer(torch.optim.AdamW, (0.5,))
        rate = LearningRate([first, second], decided_training(schedule=name), 20)
        for step in range(20):
            rate.set(step / 20)
            factors = [group["lr"] / base for group, base in zip(rate.groups, (1.0, 0.25, 0.5), strict=True)]
            assert factors == pytest.approx([rate.factor(step / 20)] * 3)


@pytest.mark.parametrize(
    ("schedule", "arguments", "message"),
    [
        ("cosine", {"gamma": 0.1}, "gamma = 0.1: cosine takes no arguments"),
        ("step", {"gama": 0.1}, "gama = 0.1: step takes step_size, gamma"),
        ("step", {"step_size": 10.0}, "step_size = 10.0: give a number between 0 and 1"),
        ("plateau", {"patience": 1.5}, "patience = 1.5: give a whole number of evaluations"),
        ("plateau", {"threshold": -1.0}, "threshold = -1.0: give a number from 0 on"),
        ("one_cycle", {"pct_start": 1.0}, "pct_start = 1.0: give a number between 0 and 1"),
        ("one_cycle", {"div_factor": 0.0}, "div_factor = 0.0: give a number above 0"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(schedule, arguments, message):
    with pytest.raises(InputError) as caught:
        ours(10, schedule=schedule, schedule_arguments=arguments)
    assert f"recipe.training.schedule_arguments.{message}" in str(caught.value)


@given(
    name=st.sampled_from(sorted(ARGUMENTS)),
    steps=st.integers(1, 200),
    progress=st.floats(0, 1),
    warmup=st.floats(0, 0.9),
)
def test_the_rate_follows_from_progress_alone(name, steps, progress, warmup):
    """Whatever was set before: a fold whose time runs out jumps ahead, and nothing has to be replayed."""
    settings = decided_training(schedule=name, warmup=warmup)
    fresh, used = (LearningRate([make_optimizer()], settings, steps) for _ in range(2))
    for before in (0.9, 0.1, 0.5):
        used.set(before)
    assert rates_at(used, progress) == rates_at(fresh, progress)
    assert 0 <= fresh.factor(progress) <= 1 + 1e-9


@pytest.mark.parametrize("name", ["cosine", "linear"])
@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
def test_at_the_end_the_rate_is_at_its_end(name, steps):
    assert ours(steps, schedule=name).factor(1.0) == pytest.approx(0, abs=1e-12)
