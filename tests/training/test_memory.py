"""Memory that does not suffice for a batch: it is split, and the result is the same."""

import subprocess
import sys
from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from conftest import script_environment
from foldwise.config import Model, Recipe
from foldwise.data.dataset import make_loader
from foldwise.errors import RunError
from foldwise.events import Noted
from foldwise.metrics import METRICS
from foldwise.models import build_model
from foldwise.training.fold import train_fold
from foldwise.training.fold_data import FoldData, Units, build_dataset
from foldwise.training.prediction import predict
from foldwise.training.trainer import build_trainer
from training.test_fold import RUNTIME, make_data, recipe

CALLS: Counter[int] = Counter()  # rows of batches that a `Limited` model was given


class Limited(nn.Module):
    """A model with memory for so many rows in training, and for twice as many in prediction."""

    def __init__(self, inner: Any, most: int, late: bool) -> None:
        super().__init__()
        self.inner, self.most, self.late, self.too_many = inner, most, late, False
        inner.embedding.register_forward_hook(self.watch)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        CALLS[len(lengths)] += 1
        self.too_many = len(lengths) > self.most * (1 if self.training else 2)
        if self.too_many and not self.late:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        logits: torch.Tensor = self.inner(tokens, lengths)
        return logits

    def watch(self, _: Any, __: Any, states: torch.Tensor) -> None:
        if states.requires_grad:
            states.register_hook(self.fail)

    def fail(self, _: Any) -> None:
        """Fails in the backward pass, when other weights have their gradients."""
        if self.too_many:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried")


def build_limited(data: FoldData, settings: Any, seed: int, most: int, late: bool = False) -> nn.Module:
    return Limited(build_model(torch.from_numpy(data.vectors), data.shape, settings.model, seed), most, late)


def without_dropout(hidden: int = 6) -> Recipe:
    return recipe().model_copy(update={"model": Model(hidden=hidden, dropout=0.0, spatial_dropout=0.0)})


@pytest.mark.parametrize("late", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("most", [1, 5, 9])
def test_a_batch_that_does_not_fit_has_the_gradient_of_one_that_does(most, late):
    data, rows, settings = make_data(), np.arange(20), without_dropout()
    notes: list[Any] = []
    gradients: list[torch.Tensor] = []
    for limit in (99, most):
        CALLS.clear()
        build = partial(build_limited, most=limit, late=late)
        trainer = build_trainer(data, settings, 0, 10, RUNTIME, data.targets.y, build=build, report=notes.append)
        (batch,) = make_loader(build_dataset(data, rows, Units.fit(data, rows), RUNTIME.device), [rows.tolist()])
        trainer.model.train()
        loss, norm = trainer.backward(batch)
        gradients.append(torch.cat([p.grad.to_dense().flatten() for p in trainer.model.parameters()]))
        gradients.append(torch.stack([loss, norm]))
    torch.testing.assert_close(gradients[2], gradients[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(gradients[3], gradients[1], atol=1e-6, rtol=0)
    parts = {1: 20, 5: 4, 9: 4}[most]
    assert notes == [Noted(f"out of memory; batches are now taken in {parts} parts, whose gradients add up")]
    assert trainer.accumulation == parts


def test_random_numbers_are_drawn_as_if_nothing_had_failed():
    """With dropout and in as many parts, a fold that found out on its way ends with the bytes of one that knew."""
    data, weights = make_data(), []
    for most, accumulation in ((99, 2), (5, 1)):
        build = partial(build_limited, most=most, late=False)
        settings = recipe(accumulation=accumulation, epochs=2)
        result = train_fold(data, settings, "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None, build=build)
        weights.append(result.weights[0])
    assert all(torch.equal(weights[1][name], value) for name, value in weights[0].items())


def test_prediction_halves_its_batches():
    data = make_data()
    dataset = build_dataset(data, np.arange(90), Units.fit(data, np.arange(90)), RUNTIME.device)
    found = []
    for most in (99, 1):
        CALLS.clear()
        found.append(predict(build_limited(data, recipe(), 0, most), dataset, RUNTIME))
    torch.testing.assert_close(found[1], found[0], atol=1e-6, rtol=0)
    assert {rows for rows, calls in CALLS.items() if calls > 1} == {1, 2}  # larger ones were each tried once


def test_a_row_that_does_not_fit_is_an_error_that_says_what_to_do():
    build = partial(build_limited, most=0)
    with pytest.raises(RunError, match=r"a single row of \d+ tokens; use a smaller tokens.max_length or model"):
        train_fold(make_data(), recipe(), "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None, build=build)


def test_other_errors_stay_what_they_are():
    def build(data: FoldData, settings: Any, seed: int) -> nn.Module:
        model = build_limited(data, settings, seed, 99)
        model.register_forward_hook(lambda *_: torch.zeros(2) @ torch.zeros(3))
        return model

    with pytest.raises(RuntimeError, match="size"):
        train_fold(make_data(), recipe(), "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None, build=build)


SCRIPT = """
import resource
from dataclasses import replace
import numpy as np, torch
from foldwise.data.dataset import make_loader
from foldwise.data.token_store import TokenStore
from foldwise.training.fold_data import Units, build_dataset
from foldwise.training.trainer import build_trainer
from training.test_fold import RUNTIME, make_data
from training.test_memory import without_dropout

torch.set_num_threads(1)
rng, data = np.random.default_rng(0), make_data()
data = replace(data, store=TokenStore(rng.integers(1, 30, 107 * 400, dtype=np.int32), np.arange(108) * 400))
rows, found = np.arange(90), []
(batch,) = make_loader(build_dataset(data, rows, Units.fit(data, rows), RUNTIME.device), [rows.tolist()])
for room in (None, ROOM):
    notes = []
    trainer = build_trainer(data, without_dropout(64), 0, 10, RUNTIME, data.targets.y, report=notes.append)
    trainer.model.train()
    if room is not None:
        size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + room, -1))
    loss, norm = trainer.backward(batch)
    found.append((loss.item(), norm.item()))
assert np.allclose(*found, atol=1e-6), found
print(notes[0].text)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")
def test_a_process_that_really_has_no_memory_left():
    script = SCRIPT.replace("ROOM", str(100 << 20))
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=script_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "out of memory; batches are now taken in" in done.stdout
