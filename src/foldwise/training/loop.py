"""Train, evaluate, predict: three plain functions over a model and a plan of batches."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from foldwise.data.batching import Batch, gather_batch, sorted_plan
from foldwise.data.token_store import TokenStore
from foldwise.errors import InputError, RunError
from foldwise.training.averaging import AveragedWeights
from foldwise.training.losses import Objective
from foldwise.training.precision import Runtime, autocast
from foldwise.training.rowwise import clip_gradients, sum_rows

PREDICT_TOKENS = 8192  # places in a batch of prediction
REPORT_STEPS = 10
RESIDENT = 0.25  # of a GPU's free memory: token arrays up to this share are kept there


class BatchSource:
    """Batches by row numbers, gathered from the flat token array where the model is.

    On a GPU the whole token array goes there once and batches are gathered there; one that is too large stays in main
    memory, and batches travel through pinned memory. The rows of all batches of a plan travel in one piece. Nothing
    waits for the GPU: while it computes, the host already queues the next batches.

    Args:
        store: tokens of all rows, training rows first.
        targets: (N, …) of the training rows, or None.
        device: of the model.
    """

    def __init__(self, store: TokenStore, targets: Tensor | None, device: torch.device) -> None:
        self.device = device
        self.lengths = store.lengths  # also in main memory, for plans and for models, which want them there
        self.home = device if fits(store.tokens.nbytes, device) else torch.device("cpu")
        self.tokens, self.offsets = (torch.from_numpy(part).to(self.home) for part in (store.tokens, store.offsets))
        self.targets = None if targets is None else targets.to(self.home)

    def batches(self, plan: Sequence[np.ndarray], labelled: bool = True) -> Iterator[Batch]:
        """The batches of `plan` (row numbers of each), padded, on the device; lengths stay on the CPU.

        Args:
            labelled: with targets; test rows have none.
        """
        if not plan:
            return
        targets = self.targets if labelled else None
        flat = np.concatenate(plan)
        lengths = torch.from_numpy(self.lengths[flat])
        rows = torch.from_numpy(flat).to(self.home)
        stop = 0
        for part in plan:
            start, stop = stop, stop + len(part)
            longest = int(lengths[start:stop].max())
            batch = gather_batch(self.tokens, self.offsets, rows[start:stop], targets, longest)
            yield self.move(batch)._replace(lengths=lengths[start:stop])

    def move(self, batch: Batch) -> Batch:
        """To the device; from main memory through pinned memory, so that the copy runs beside the computation."""
        if self.home == self.device:
            return batch

        def send(part: Tensor) -> Tensor:
            return part.pin_memory().to(self.device, non_blocking=True)

        targets = None if batch.targets is None else send(batch.targets)
        return batch._replace(tokens=send(batch.tokens), targets=targets)


def fits(size: int, device: torch.device) -> bool:
    """Whether arrays of `size` bytes may stay on the device; always true of the CPU, where they are already."""
    return device.type != "cuda" or size <= RESIDENT * torch.cuda.mem_get_info(device)[0]


class Trainer:
    """What a training step needs besides the batch.

    Args:
        model: takes tokens and lengths.
        objective: (logits, batch) → loss of the batch.
        optimizers: as `build_optimizers` makes them.
        schedules: of the learning rates of each.
        averages: of the model's weights.
        clip: largest norm of the gradient.
        runtime: where, and in which number format.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        optimizers: Sequence[Optimizer],
        schedules: Sequence[LRScheduler],
        averages: AveragedWeights,
        clip: float,
        runtime: Runtime,
    ) -> None:
        self.model, self.objective, self.averages, self.runtime = model, objective, averages, runtime
        self.clip = torch.full((), clip, device=runtime.device)
        self.optimizers, self.schedules = optimizers, schedules
        self.parameters = averages.parameters
        # Gradients too small for fp16 are scaled up before and down after; in other formats this does nothing.
        self.scaler = torch.amp.GradScaler(runtime.device.type, enabled=runtime.precision == "fp16")
        if self.scaler.is_enabled() and any(isinstance(optimizer, LBFGS) for optimizer in optimizers):
            raise InputError(
                "recipe.training.optimizer = 'LBFGS': it looks at several losses in a step, which the scaled ones of "
                "fp16 do not allow; use training.precision = 'fp32' or 'bf16'"
            )
        self.steps = 0

    @property
    def learning_rate(self) -> float:
        """Of the next step, of the weights that are not word vectors."""
        return float(self.schedules[0].get_last_lr()[0])

    def step(self, batch: Batch) -> Tensor:
        """One step; the loss, still on the device: reading it would wait for the step."""
        loss = self.loss_and_gradients(batch)
        if self.scaler.is_enabled():
            for optimizer in self.optimizers:
                self.scaler.unscale_(optimizer)
        self.averages.before_step()
        for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
            if isinstance(optimizer, LBFGS):  # which asks for the loss of the weights that it tries
                optimizer.step(lambda: self.loss_and_gradients(batch))
            else:
                self.scaler.step(optimizer)
            schedule.step()
        self.scaler.update()
        self.averages.update()
        self.steps += 1
        return loss

    def loss_and_gradients(self, batch: Batch) -> Tensor:
        """The batch's loss; the weights then have its gradients, clipped."""
        with autocast(self.runtime.device, self.runtime.precision):
            logits = self.model(batch.tokens, batch.lengths)
        loss = self.objective(logits.float(), batch)
        for parameter in self.parameters:
            parameter.grad = None
        self.scaler.scale(loss).backward()
        for parameter in self.parameters:
            if parameter.grad is not None and parameter.grad.is_sparse:
                parameter.grad = sum_rows(parameter.grad)
        clip_gradients(self.parameters, self.scaler.scale(self.clip))
        return loss.detach()


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
    trainer.model.train()
    total = torch.zeros((), device=trainer.runtime.device)
    for step, batch in enumerate(source.batches(plan), start=1):
        total += trainer.step(batch) * len(batch.rows)
        if step % REPORT_STEPS == 0 or step == len(plan):
            on_steps((step - 1) % REPORT_STEPS + 1)
    mean = float(total) / sum(map(len, plan))
    if not np.isfinite(mean):
        raise RunError(
            f"the training loss became {mean} at a learning rate of {trainer.learning_rate:.2g}; "
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
    plan = sorted_plan(source.lengths[rows], PREDICT_TOKENS)
    parts = []
    for batch in source.batches([rows[places] for places in plan], labelled=False):
        with autocast(runtime.device, runtime.precision):
            parts.append(model(batch.tokens, batch.lengths).float())
    logits = torch.cat(parts).cpu()
    restored = torch.empty_like(logits)
    restored[torch.from_numpy(np.concatenate(plan))] = logits
    return restored


def evaluate(
    model: nn.Module, source: BatchSource, rows: np.ndarray, runtime: Runtime, score: Callable[[Tensor], float]
) -> float:
    """Score of the model on all of `rows` at once; `score` takes their (n, C) logits."""
    return score(predict(model, source, rows, runtime))
