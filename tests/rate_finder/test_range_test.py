"""The learning-rate range test: what a curve says, and how a training that leaves ends."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from foldwise.data.dataset import Batch, make_loader
from foldwise.errors import RunError
from foldwise.rate_finder.range_test import HIGHEST, LOWEST, STEPS, raise_rate, read_curve
from foldwise.training.fold_data import Units, build_dataset
from foldwise.training.trainer import Trainer, build_trainer, make_sampler
from training.test_fold import RUNTIME, make_data, recipe


def trainer_and_batches(spoilt_from: int = STEPS) -> tuple[Trainer, Iterator[Batch]]:
    """A small network, and batches whose targets are no numbers from some step on."""
    data, settings, rows = make_data(), recipe(learning_rate=1e-3), np.arange(60)
    dataset = build_dataset(data, rows, Units.fit(data, rows), RUNTIME.device)
    sampler = make_sampler(dataset, settings.batches, 0)
    trainer = build_trainer(data, settings, 0, STEPS, RUNTIME, data.targets.y[rows])

    def batches() -> Iterator[Batch]:
        for step in range(STEPS):
            for batch in list(make_loader(dataset, sampler))[step % len(sampler) :][:1]:
                assert batch.targets is not None
                nan = torch.full_like(batch.targets, float("nan"))
                yield batch._replace(targets=nan) if step >= spoilt_from else batch

    return trainer, batches()


def test_the_rates_rise_by_the_same_factor_and_reach_the_optimizers():
    trainer, batches = trainer_and_batches()
    seen: list[float] = []
    found = raise_rate(trainer, batches, 1e-3, lambda _: seen.append(trainer.rate.value))
    assert np.allclose(found.rates, np.geomspace(LOWEST, HIGHEST, STEPS)[: len(found.rates)])
    assert np.allclose(seen[: len(found.rates)], found.rates)
    ratios = [group["lr"] / trainer.rate.groups[0]["lr"] for group in trainer.rate.groups]
    assert ratios == pytest.approx([largest / trainer.rate.largest[0] for largest in trainer.rate.largest])
    assert LOWEST < found.suggested < 1
    assert found.losses[:20].mean() > found.smoothed.min()


def test_a_loss_that_is_no_number_ends_the_curve_before_it():
    found = raise_rate(*trainer_and_batches(spoilt_from=100), 1e-3)
    assert len(found.losses) == 100
    assert np.isfinite([*found.losses, *found.smoothed, found.suggested]).all()
    with pytest.raises(
        RunError, match=r"find-lr: the loss leaves after 3 steps, at a learning rate of 1e-06, so there"
    ):
        raise_rate(*trainer_and_batches(spoilt_from=3), 1e-3)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_the_rule_on_a_curve_that_is_known(noise):
    rates = np.geomspace(LOWEST, HIGHEST, STEPS)
    places = np.log10(rates)
    falls = 1 / (1 + np.exp(-6 * (places + 2.5)))  # steepest at 10^-2.5, over at 10^-1.5
    losses = 1 - 0.6 * falls + 3 * np.clip(places + 1, 0, None) + np.random.default_rng(0).normal(size=STEPS) * noise
    found = read_curve(rates, losses)
    assert np.log10(found.steepest) == pytest.approx(-2.5, abs=0.35)
    assert -2 < np.log10(found.lowest) < -0.9
    assert found.suggested == min(found.steepest, found.lowest / 10)


def test_a_loss_that_never_falls_suggests_nothing():
    trainer, batches = trainer_and_batches()
    trainer.rate.largest = [-rate for rate in trainer.rate.largest]  # uphill
    with pytest.raises(RunError, match="find-lr: the loss never falls, at no learning rate up to"):
        raise_rate(trainer, [next(batches)] * STEPS, 1e-3)  # one batch, as some are harder than others
