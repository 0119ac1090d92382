"""`training.accumulation`: parts of a batch add up to its gradient, whatever weighs the rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from foldwise.config import Recipe
from foldwise.data.dataset import make_loader
from foldwise.training.fold_data import Units, build_dataset
from foldwise.training.trainer import build_trainer
from training import decided_training
from training.test_fold import RUNTIME, make_data


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "ordinal"])
@pytest.mark.parametrize("beside", ["nothing", "weights", "auxiliary", "class weights", "all"])
@pytest.mark.parametrize("parts", [4, 7])
def test_k_batches_have_the_gradient_of_one_that_is_k_times_as_large(task, beside, parts):
    data, rng = make_data(task), np.random.default_rng(1)
    targets, everything = data.targets, beside == "all"
    if beside == "weights" or everything:
        targets = replace(targets, weights=rng.random(90).astype(np.float32))
    if beside == "auxiliary" or everything:
        auxiliary = rng.random((90, 2))
        targets = replace(
            targets, auxiliary=auxiliary.astype(np.float64 if task in ("regression", "ordinal") else "f4")
        )
    balanced = (beside == "class weights" or everything) and task in ("binary", "multiclass")
    data, rows = replace(data, targets=targets), np.arange(24)
    gradients = []
    for accumulation in (1, parts):
        training = decided_training(
            accumulation=accumulation, max_grad_norm=1e9, class_weights="balanced" if balanced else "none"
        )
        model = {"hidden": 6, "dropout": 0.0, "spatial_dropout": 0.0}
        recipe = Recipe.model_validate({"model": model, "training": training.model_dump()})
        trainer = build_trainer(data, recipe, 0, 10, RUNTIME, targets.y)
        dataset = build_dataset(data, rows, Units.fit(data, rows), RUNTIME.device)
        (batch,) = make_loader(dataset, [rows.tolist()])
        trainer.model.train()
        trainer.backward(batch)
        found = [part.grad.to_dense() for part in trainer.model.parameters() if part.grad is not None]
        gradients.append(torch.cat([gradient.flatten() for gradient in found]))
    assert gradients[0].abs().max() > 0
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)
