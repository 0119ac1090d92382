"""Training on a GPU: as on the CPU, the same bytes each time, also after an interruption, and without waiting for it."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foldwise import interrupts
from foldwise.config import Recipe
from foldwise.data.dataset import make_loader
from foldwise.metrics import METRICS
from foldwise.models import BUILDERS
from foldwise.training.fold import FoldResult, train_fold
from foldwise.training.fold_data import FoldData, Units, build_dataset
from foldwise.training.precision import Precision, Runtime
from foldwise.training.state import TrainingState
from foldwise.training.trainer import Trainer, build_trainer, make_sampler, use_repeatable_algorithms
from gpu.contests import CPU, GPU, make_contest, make_recipe, on_gpu, without_dropout
from training.test_state import digest, in_pieces

PRECISIONS: list[Precision] = ["fp32", "bf16", "fp16"]
RECIPES: dict[str, Recipe] = {
    **{name: make_recipe(name) for name in BUILDERS},
    "by tokens": make_recipe(tokens=600),
    "dense vectors": make_recipe(embedding_optimizer="same"),
    "r_drop": make_recipe(r_drop=1.0),
    "accumulation": make_recipe(accumulation=3),
    "vectors unfrozen later": make_recipe(unfreeze_epoch=1),
}


@pytest.fixture(autouse=True)
def forget_requests() -> Iterator[None]:
    yield
    interrupts.REQUEST.clear()


def train(data: FoldData, recipe: Recipe, runtime: Runtime, state: TrainingState | None = None) -> FoldResult:
    return train_fold(data, recipe, "m", 0, METRICS["roc_auc"], runtime, lambda _: None, state=state)


def some_steps(data: FoldData, recipe: Recipe, runtime: Runtime, count: int) -> Trainer:
    use_repeatable_algorithms()
    rows = np.flatnonzero(data.folds != 0)
    dataset = build_dataset(data, rows, Units(targets=None, features=None), runtime.device)
    trainer = build_trainer(data, recipe, 0, max(count, 1), runtime, data.targets.y)
    trainer.model.train()
    for _, batch in zip(range(count), make_loader(dataset, make_sampler(dataset, recipe.batches, 0)), strict=False):
        trainer.step(batch)
    return trainer


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("name", BUILDERS)
def test_ten_steps_are_those_of_the_cpu(name, columns):
    """Of SGD: Adam divides a gradient by its size, and where it is next to nothing rounding decides its sign."""
    plain = {"optimizer": "SGD", "embedding_optimizer": "same", "learning_rate": 0.1, "embedding_learning_rate": 0.1}
    data, recipe = make_contest(columns), without_dropout(make_recipe(name, **plain))
    first, *weights = (
        [value.cpu() for value in some_steps(data, recipe, runtime, count).model.state_dict().values()]
        for runtime, count in ((on_gpu(), 0), (on_gpu(), 10), (Runtime(CPU, "fp32", 1), 10))
    )
    assert max(float((one - ten).abs().max()) for one, ten in zip(first, weights[0], strict=True)) > 0.002
    torch.testing.assert_close(*weights, atol=1e-4, rtol=0)


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", RECIPES)
def test_twice_the_same_bytes_and_it_learns(name, precision, columns):
    data = make_contest(columns)
    first, second = (train(data, RECIPES[name], on_gpu(precision)) for _ in range(2))
    assert digest(first) == digest(second)
    assert max(record.score or 0.0 for record in first.history) > 0.6


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ["bilstm", "vectors unfrozen later"])
def test_interrupted_it_ends_with_the_same_bytes(name, precision, tmp_path: Path, monkeypatch):
    data, recipe, runtime = make_contest(), RECIPES[name], on_gpu(precision)
    whole = digest(train(data, recipe, runtime, TrainingState()))
    found, steps = in_pieces(lambda state: train(data, recipe, runtime, state), tmp_path / "state", [5, 9], monkeypatch)
    assert steps == [0, 5, 14]
    assert digest(found) == whole


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_step_waits_for_the_gpu(precision, columns):
    """But for the first: it allocates, and fp16 finds its scale."""
    data, recipe, runtime = make_contest(columns), make_recipe(tokens=600, r_drop=1.0), on_gpu(precision)
    trainer = some_steps(data, recipe, runtime, 4)
    rows = np.flatnonzero(data.folds != 0)
    dataset = build_dataset(data, rows, Units(targets=None, features=None), GPU)
    loader = make_loader(dataset, make_sampler(dataset, recipe.batches, 1), GPU)
    assert dataset.tokens.is_cuda
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Synchronization debug mode is a prototype")
        try:
            torch.cuda.set_sync_debug_mode("error")
            for batch in loader:
                trainer.rate.set(0.5)
                trainer.step(batch.to(GPU))
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_a_batch_that_does_not_fit_is_split():
    notes: list[Any] = []
    data, rows = make_contest(rows=2000), np.arange(1000)
    dataset = build_dataset(data, rows, Units(targets=None, features=None), GPU)
    (batch,) = make_loader(dataset, [rows.tolist()], GPU)
    card = torch.cuda.get_device_properties(GPU).total_memory
    norms, limit = [], 1.0
    for _ in range(2):
        trainer = build_trainer(
            data, without_dropout(make_recipe()), 0, 10, on_gpu(), data.targets.y, report=notes.append
        )
        trainer.model.train()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_reserved()
        torch.cuda.set_per_process_memory_fraction(limit)
        try:
            norms.append(float(trainer.backward(batch)[1]))
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        limit = (before + 0.6 * (torch.cuda.max_memory_reserved() - before)) / card
        del trainer
    assert [str(note.text)[:40] for note in notes] == ["out of memory; batches are now taken in "]
    assert norms[1] == pytest.approx(norms[0], rel=1e-4)
