"""Train, evaluate, predict: three plain functions over a model and a plan of batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from foldwise.data.batching import Batch, gather_batch, sorted_plan
from foldwise.data.token_store import TokenStore
from foldwise.errors import RunError
from foldwise.training.losses import Loss
from foldwise.training.optimizers import AveragedWeights
from foldwise.training.precision import Runtime, autocast

PREDICT_ROWS = 256
REPORT_STEPS = 10


class BatchSource:
    """Batches by row numbers, gathered from the flat token array and moved to where the model is.

    Args:
        store: tokens of all rows, training rows first.
        targets: (N, …) of the training rows, or None.
        device: of the model.
    """

    def __init__(self, store: TokenStore, targets: Tensor | None, device: torch.device) -> None:
        self.tokens, self.offsets = torch.from_numpy(store.tokens), torch.from_numpy(store.offsets)
        self.targets = targets
        self.device = device

    def batch(self, rows: np.ndarray) -> Batch:
        """The rows as one padded batch; lengths stay on the CPU, where models want them."""
        batch = gather_batch(self.tokens, self.offsets, torch.from_numpy(rows), self.targets)
        targets = None if batch.targets is None else batch.targets.to(self.device, non_blocking=True)
        return batch._replace(tokens=batch.tokens.to(self.device, non_blocking=True), targets=targets)


@dataclass
class Trainer:
    """What a training step needs besides the batch."""

    model: nn.Module
    loss: Loss
    optimizer: Optimizer
    schedule: LRScheduler
    averages: AveragedWeights
    clip: float
    runtime: Runtime


def train_epoch(
    trainer: Trainer, source: BatchSource, plan: Sequence[np.ndarray], on_steps: Callable[[int], object]
) -> float:
    """Train on the batches of `plan`, which may be a part of an epoch.

    Args:
        plan: row numbers of each batch.
        on_steps: called with a number of steps done, every few steps.

    Returns:
        Mean training loss over rows.

    Raises:
        RunError: the loss is not finite.
    """
    model = trainer.model.train()
    total = torch.zeros((), device=trainer.runtime.device)
    for step, rows in enumerate(plan, start=1):
        batch = source.batch(rows)
        with autocast(trainer.runtime.device, trainer.runtime.precision):
            logits = model(batch.tokens, batch.lengths)
        loss = trainer.loss(logits.float(), batch.targets)  # type: ignore[arg-type]
        trainer.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trainer.averages.parameters, trainer.clip)
        trainer.optimizer.step()
        trainer.schedule.step()
        trainer.averages.update()
        total += loss.detach() * len(rows)  # stays on the device: reading it here would wait for the step
        if step % REPORT_STEPS == 0 or step == len(plan):
            on_steps((step - 1) % REPORT_STEPS + 1)
    mean = float(total) / sum(map(len, plan))
    if not np.isfinite(mean):
        rate = trainer.schedule.get_last_lr()[0]
        raise RunError(
            f"the training loss became {mean} at a learning rate of {rate:.2g}; "
            "lower it (--set training.learning_rate=…) or train in full precision (--set training.precision=fp32)"
        )
    return mean


@torch.inference_mode()
def predict(model: nn.Module, source: BatchSource, rows: np.ndarray, runtime: Runtime) -> Tensor:
    """Logits of `rows`, in their order.

    Batches are sorted by length over all rows, which order never matters to; the result is put back in order.

    Args:
        rows: (n,) int64 row numbers.

    Returns:
        (n, C) float32 on the CPU.
    """
    model.eval()
    lengths = np.diff(source.offsets.numpy())[rows]
    parts, order = [], []
    for places in sorted_plan(lengths, PREDICT_ROWS):
        batch = source.batch(rows[places])
        with autocast(runtime.device, runtime.precision):
            parts.append(model(batch.tokens, batch.lengths).float())
        order.append(places)
    logits = torch.cat(parts).cpu()
    restored = torch.empty_like(logits)
    restored[torch.from_numpy(np.concatenate(order))] = logits
    return restored


def evaluate(
    model: nn.Module, source: BatchSource, rows: np.ndarray, runtime: Runtime, score: Callable[[Tensor], float]
) -> float:
    """Score of the model on all of `rows` at once; `score` takes their (n, C) logits."""
    return score(predict(model, source, rows, runtime))
