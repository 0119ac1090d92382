"""Two gloo processes against one: the same loss, and after 20 steps the same weights to 1e-6."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from distributed.processes import run_ranks
from foldwise.config import Recipe
from foldwise.distributed.group import Group
from foldwise.training.fold_data import FoldData, Units, build_dataset
from foldwise.training.loop import Stage
from foldwise.training.peers import ALONE, Peers
from foldwise.training.state import TrainingState
from foldwise.training.trainer import build_trainer, make_sampler
from forked import forked_workers
from training import DECIDED
from training.test_fold import RUNTIME, make_data

STEPS = 20


def make_recipe(batches: dict[str, Any] | None = None, dropout: float = 0.0, **training: Any) -> Recipe:
    model = {"hidden": 6, "dropout": dropout, "spatial_dropout": dropout}
    settings = {**DECIDED, "epochs": 5, **training}
    return Recipe.model_validate(
        {"model": model, "batches": {"size": 8, "group": 3} | (batches or {}), "training": settings}
    )


def weighted(task: str) -> FoldData:
    """Rows that weigh more and less, and targets that are learnt beside."""
    data, rng = make_data(task), np.random.default_rng(1)
    auxiliary = rng.random((90, 2)).astype(np.float64 if task == "regression" else np.float32)
    targets = replace(data.targets, weights=rng.random(90).astype(np.float32), auxiliary=auxiliary)
    return replace(data, targets=targets)


def make_cases() -> dict[str, tuple[FoldData, Recipe]]:
    return {
        "plain": (make_data("binary"), make_recipe()),
        "odd batches": (make_data("multiclass"), make_recipe({"size": 7})),
        "batches by tokens": (make_data("binary"), make_recipe({"tokens": 40})),
        "everything weighted": (weighted("multiclass"), make_recipe(class_weights="balanced")),
        "values in parts": (weighted("regression"), make_recipe(accumulation=2)),
        "two passes": (make_data("binary"), make_recipe(r_drop=1.0)),
        "dense gradients": (make_data("binary"), make_recipe(embedding_optimizer="same")),
        "vectors stand still first": (make_data("binary"), make_recipe(unfreeze_epoch=1)),
        "other optimizer": (make_data("binary"), make_recipe(optimizer="SGD", learning_rate=0.1)),
        "fewer rows than processes": (make_data("binary"), make_recipe({"size": 1})),
    }


def train(data: FoldData, recipe: Recipe, peers: Peers) -> dict[str, np.ndarray]:
    """Losses, weights and averages after the steps."""
    runtime, rows = replace(RUNTIME, peers=peers), np.arange(90)
    dataset = build_dataset(data, rows, Units.fit(data, rows), runtime.device)
    sampler = make_sampler(dataset, recipe.batches, seed=3)
    trainer = build_trainer(data, recipe, 3, STEPS, runtime, data.targets.y)
    stage = Stage(trainer, dataset, sampler, recipe.training, epochs=99, parts=2, last=STEPS)
    losses = list(stage.run(lambda step: step / (2 * STEPS), lambda _: None, TrainingState()))
    assert stage.step == STEPS
    with trainer.averages.applied():
        averaged = [value.detach().clone().numpy() for value in trainer.averages.parameters]
    parts = {f"average {number}": value for number, value in enumerate(averaged)}
    parts |= {name: value.detach().numpy() for name, value in trainer.model.named_parameters()}
    return {"losses": np.array(losses), **parts}


def train_all(group: Group) -> dict[str, dict[str, np.ndarray]]:
    found = {name: train(*case, group) for name, case in make_cases().items()}
    return found | {name: train(make_data("binary"), make_recipe(dropout=0.3), group) for name in ("dropout", "again")}


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    with forked_workers():
        return run_ranks(train_all, 2, tmp_path_factory.mktemp("two"))


@pytest.mark.parametrize("name", make_cases())
def test_two_processes_train_as_one(name, together):
    data, recipe = make_cases()[name]
    alone = train(data, recipe, ALONE)
    assert np.abs(alone["embedding.weight"] - data.vectors).max() > 1e-3
    for part, value in alone.items():
        assert np.abs(together[0][name][part] - value).max() <= 1e-6, part
        assert np.array_equal(together[0][name][part], together[1][name][part]), part  # to the bit


def test_dropout_draws_in_each_process_and_the_same_again(together):
    alone = train(make_data("binary"), make_recipe(dropout=0.3), ALONE)
    first, *others = [found[name] for name in ("dropout", "again") for found in together]
    for part, value in first.items():
        assert all(np.array_equal(value, other[part]) for other in others), part
    assert np.abs(first["embedding.weight"] - alone["embedding.weight"]).max() > 1e-3
