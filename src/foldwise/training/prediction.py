"""Predict: all rows of a dataset through a model, in their order."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from foldwise.data.batching import SortedBatchSampler
from foldwise.data.dataset import Batch, TokenDataset, make_loader
from foldwise.data.targets import Targets
from foldwise.training.fold_data import Units
from foldwise.training.losses import to_predictions
from foldwise.training.memory import fit_into_memory
from foldwise.training.precision import Runtime, autocast

PREDICT_TOKENS = 8192  # places in a batch of prediction


@torch.inference_mode()
def predict(
    model: nn.Module, dataset: TokenDataset, runtime: Runtime, on_rows: Callable[[int], object] = lambda _: None
) -> Tensor:
    """(n, C) float32 logits of a dataset's rows, in their order, on the CPU; `on_rows` is told how many are done.

    Where memory does not suffice, batches are halved until it does.
    """
    model.eval()
    sampler, found, count = SortedBatchSampler(dataset.lengths, PREDICT_TOKENS), [], 1

    def forward(batch: Batch, parts: int) -> Tensor:
        with autocast(runtime.device, runtime.precision):
            return torch.cat([model(*part.inputs).float() for part in batch.parts(parts)])

    for batch in make_loader(dataset.select(dataset.rows, labelled=False), sampler, runtime.device):
        moved = batch.to(runtime.device)
        logits, count = fit_into_memory(partial(forward, moved), count, moved)
        found.append(logits)
        on_rows(len(batch.rows))
    restored = torch.empty_like(logits := torch.cat(found).cpu())
    restored[torch.from_numpy(sampler.order)] = logits
    return restored


def predict_values(
    model: nn.Module,
    dataset: TokenDataset,
    units: Units,
    targets: Targets,
    runtime: Runtime,
    on_rows: Callable[[int], object] = lambda _: None,
) -> np.ndarray:
    """(n, C) probabilities, or values in the target's own units."""
    logits = predict(model, dataset, runtime, on_rows)[:, : targets.outputs]
    values = to_predictions(logits, targets.task).numpy()
    return values if units.targets is None else units.targets.undo(values)
