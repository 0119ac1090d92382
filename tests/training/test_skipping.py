"""Steps whose loss or gradient is not finite change nothing, and are counted."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from foldwise.data.dataset import Batch, make_loader
from foldwise.events import Noted
from foldwise.metrics import METRICS
from foldwise.training.fold import train_fold
from foldwise.training.fold_data import Units, build_dataset
from foldwise.training.skipping import SkippedSteps, StoppedError
from foldwise.training.trainer import Trainer, build_trainer
from training.test_fold import RUNTIME, FailsAt, make_data, recipe


def make_trainer(**training) -> tuple[Trainer, list[Batch]]:
    data, rows = make_data(), np.arange(60)
    trainer = build_trainer(data, recipe(**training), 0, 30, RUNTIME, data.targets.y)
    dataset = build_dataset(data, rows, Units.fit(data, rows), RUNTIME.device)
    trainer.model.train()
    return trainer, list(make_loader(dataset, rows.reshape(-1, 10).tolist()))


def state_of(trainer: Trainer) -> list[torch.Tensor]:
    """Copies of weights, averages, and whatever the optimizers hold."""
    moments = [
        part
        for optimizer in trainer.optimizers
        for state in optimizer.state.values()
        for part in state.values()
        if isinstance(part, torch.Tensor)
    ]
    return copy.deepcopy([*(p.data for p in trainer.averages.parameters), *trainer.averages.averages, *moments])


def differ(before: list[torch.Tensor], after: list[torch.Tensor]) -> list[bool]:
    return [not torch.equal(*pair) for pair in zip(before, after, strict=True)]


def spoil(trainer: Trainer, what: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the loss of the next steps, or a gradient alone, not finite."""
    if what == "loss":
        loss = trainer.objective.loss
        monkeypatch.setattr(trainer.objective, "loss", lambda *arguments: loss(*arguments) + value)
    else:
        weight = trainer.averages.parameters[-1]
        weight.register_hook(lambda gradient: gradient + value)


@pytest.mark.parametrize("optimizer", ["AdamW", "SGD", "Adagrad", "LBFGS"])
@pytest.mark.parametrize(("what", "value"), [("loss", np.nan), ("loss", np.inf), ("gradient", np.nan)])
def test_a_step_that_is_not_finite_changes_nothing(optimizer, what, value, monkeypatch):
    trainer, batches = make_trainer(optimizer=optimizer, embedding_optimizer="rowwise")
    assert trainer.step(batches[0]).isfinite()
    before, updates = state_of(trainer), trainer.averages.updates
    with monkeypatch.context() as context:
        spoil(trainer, what, value, context)
        assert trainer.step(batches[1]).isnan()
    assert not any(differ(before, state_of(trainer)))
    assert trainer.averages.updates == updates
    if what == "loss":
        assert trainer.step(batches[2]).isfinite()
        assert any(differ(before, state_of(trainer)))


def test_optimizers_skip_a_step_that_nobody_asks_about(monkeypatch):
    """As on a GPU, where asking would wait; the average alone goes on towards the weights as they are."""
    trainer, batches = make_trainer()
    undisturbed, _ = make_trainer()
    trainer.asks = False
    for one in (trainer, undisturbed):
        torch.manual_seed(0)
        assert one.step(batches[0]).isfinite()
    assert not any(differ(state_of(undisturbed), state_of(trainer)))
    before, weights = state_of(trainer), len(trainer.averages.parameters)
    with monkeypatch.context() as context:
        spoil(trainer, "loss", np.nan, context)
        assert trainer.step(batches[1]).isnan()
    changed = differ(before, state_of(trainer))
    assert not any(changed[:weights] + changed[2 * weights :])
    assert all(part.isfinite().all() for part in state_of(trainer))


def losses_of(values: list[float]) -> list[tuple[torch.Tensor, float, torch.Tensor]]:
    """Of batches of one row more each time."""
    return [(torch.tensor(value), 0.1, torch.arange(row, 2 * row + 1)) for row, value in enumerate(values)]


def test_skipped_steps_are_left_out_of_the_mean_and_counted():
    skipped = SkippedSteps()
    assert skipped.mean_loss(losses_of([1.0, 2.0]), 2) == pytest.approx(5 / 3)
    assert not skipped.describe(2)
    assert skipped.mean_loss(losses_of([1.0, np.nan, 3.0]), 5) == pytest.approx(10 / 4)
    assert skipped.mean_loss(losses_of([np.nan]), 6) is None
    assert "2 of 6 steps were skipped" in skipped.describe(6)
    assert "the first was step 4" in skipped.describe(6)


@pytest.mark.parametrize(("steps", "most"), [(1, 0), (4, 2), (20, 10), (200, 10), (1000, 50)])
def test_too_many_skipped_steps_stop_a_fold(steps, most):
    good = steps - most
    SkippedSteps().mean_loss(losses_of([1.0] * good + [np.nan] * most), steps)
    with pytest.raises(StoppedError) as caught:
        SkippedSteps().mean_loss(losses_of([1.0] * (good - 1) + [np.nan] * (most + 1)), steps)
    assert caught.value.rows.tolist() == list(range(steps - 1, 2 * steps - 1))


def test_a_fold_goes_on_after_a_skipped_step_and_says_so():
    reached: list[Any] = []
    settings = recipe(epochs=2, loss=f"{FailsAt.__module__}:FailsAt", loss_arguments={"first": 6, "last": 6})
    result = train_fold(make_data(), settings, "m", 0, METRICS["roc_auc"], RUNTIME, reached.append)
    assert np.isfinite(result.oof).all()
    notes = [event.text for event in reached if isinstance(event, Noted)]
    assert notes == ["1 of 16 steps were skipped, as their loss or gradient was not finite; the first was step 6"]
