"""Train, evaluate, predict: three plain functions over a model and a plan of batches."""

import ctypes
import os
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
FIRST = (1, 2, 5)  # steps of a call after which a step's time is looked at as well
TRIM_STEPS = 200
MOVED = ("tokens", "targets", "weights", "auxiliary", "features")  # what a model and a loss read on the device
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
        weights: (N,) of the training rows, or None.
        auxiliary: (N, A) of the training rows, or None.
        features: (N + M, D) of all rows, or None.
    """

    def __init__(
        self,
        store: TokenStore,
        targets: Tensor | None,
        device: torch.device,
        weights: Tensor | None = None,
        auxiliary: Tensor | None = None,
        features: Tensor | None = None,
    ) -> None:
        self.device = device
        self.store = store
        self.lengths = store.lengths  # also in main memory, for plans and for models, which want them there
        self.text_lengths = self.lengths if store.columns == 1 else np.diff(store.offsets)
        self.home = device if fits(store.tokens.nbytes, device) else torch.device("cpu")
        self.tokens, self.offsets = (torch.from_numpy(part).to(self.home) for part in (store.tokens, store.offsets))
        # By name of the batch's field; those of training rows alone, and of all rows.
        of_train = {"targets": targets, "weights": weights, "auxiliary": auxiliary}
        self.of_train = {name: part.to(self.home) for name, part in of_train.items() if part is not None}
        self.of_all = {} if features is None else {"features": features.to(self.home)}

    def batches(self, plan: Sequence[np.ndarray], labelled: bool = True) -> Iterator[Batch]:
        """The batches of `plan` (row numbers of each), padded, on the device; lengths stay on the CPU.

        Args:
            labelled: with targets; test rows have none.
        """
        if not plan:
            return
        columns = self.store.columns
        beside = {**self.of_all, **(self.of_train if labelled else {})}
        lengths = [torch.from_numpy(self.text_lengths[self.store.texts(part)]) for part in plan]
        flat = torch.from_numpy(np.concatenate(plan)).to(self.home)
        stop = 0
        for part, own in zip(plan, lengths, strict=True):
            start, stop = stop, stop + len(part)
            rows = flat[start:stop]
            batch = gather_batch(self.tokens, self.offsets, rows, None, int(own.max()), columns)
            batch = batch._replace(**{name: values[rows] for name, values in beside.items()})
            yield self.move(batch)._replace(lengths=own)

    def move(self, batch: Batch) -> Batch:
        """To the device; from main memory through pinned memory, so that the copy runs beside the computation."""
        if self.home == self.device:
            return batch

        def send(part: Tensor) -> Tensor:
            return part.pin_memory().to(self.device, non_blocking=True)

        moved = {name: send(part) for name, part in batch._asdict().items() if name in MOVED and part is not None}
        return batch._replace(**moved)


def run_model(model: nn.Module, batch: Batch) -> Tensor:
    """(B, C) logits of a batch."""
    if batch.features is None:
        return model(batch.tokens, batch.lengths)
    return model(batch.tokens, batch.lengths, batch.features)


def fits(size: int, device: torch.device) -> bool:
    """Whether arrays of `size` bytes may stay on the device; always true of the CPU, where they are already."""
    return device.type != "cuda" or size <= RESIDENT * torch.cuda.mem_get_info(device)[0]


class Trainer:
    """What a training step needs besides the batch.

    Args:
        model: takes tokens and lengths, and features where there are any.
        objective: (logits, batch) → loss of the batch.
        optimizers: as `build_optimizers` makes them.
        schedules: of the learning rates of each.
        averages: of the model's weights.
        max_grad_norm: largest norm of the gradient.
        runtime: where, and in which number format.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        optimizers: Sequence[Optimizer],
        schedules: Sequence[LRScheduler],
        averages: AveragedWeights,
        max_grad_norm: float,
        runtime: Runtime,
    ) -> None:
        self.model, self.objective, self.averages, self.runtime = model, objective, averages, runtime
        self.max_grad_norm = torch.full((), max_grad_norm, device=runtime.device)
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
            logits = run_model(self.model, batch)
        loss = self.objective(logits.float(), batch)
        for parameter in self.parameters:
            parameter.grad = None
        self.scaler.scale(loss).backward()
        for parameter in self.parameters:
            if parameter.grad is not None and parameter.grad.is_sparse:
                parameter.grad = sum_rows(parameter.grad)
        clip_gradients(self.parameters, self.scaler.scale(self.max_grad_norm))
        return loss.detach()


def train_epoch(
    trainer: Trainer, source: BatchSource, plan: Sequence[np.ndarray], on_steps: Callable[[int], object]
) -> float:
    """Train on the batches of `plan`, which may be a part of an epoch.

    Args:
        plan: row numbers of each batch.
        on_steps: called with a number of steps done, every few steps; true ends the epoch there.

    Returns:
        Mean training loss over the rows trained on.

    Raises:
        DivergedError: the loss of a step is not finite.
    """
    trainer.model.train()
    losses, rates, told = [], [], 0
    for step, batch in enumerate(source.batches(plan), start=1):
        rates.append(trainer.learning_rate)
        losses.append(trainer.step(batch))
        if step % TRIM_STEPS == 0 or step == len(plan):
            trim_heap()
        if step % REPORT_STEPS == 0 or step in FIRST or step == len(plan):
            if on_steps(step - told):
                break
            told = step
    plan = plan[: len(losses)]
    found = torch.stack(losses).double().cpu().numpy()  # the only time that this part of the epoch is waited for
    if not np.isfinite(found).all():
        first = int(np.flatnonzero(~np.isfinite(found))[0])
        raise DivergedError(found[first], trainer.steps - len(plan) + first + 1, rates[first], plan[first])
    sizes = np.array([len(rows) for rows in plan])
    return float(found @ sizes / sizes.sum())


def trim_heap() -> None:
    """Give freed memory back to the system, where the C library knows how (glibc).

    Batches have ever other shapes, and what they leave does not fit the next: in a contest's epoch of 2,000 steps the
    heap of a process grows to three times what it uses (BENCHMARKS.md).
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


class DivergedError(RunError):
    """The loss of a step is no number any more.

    Args:
        loss: what it is instead.
        step: of the fold, from 1.
        learning_rate: at that step.
        rows: row numbers of the batch.
    """

    def __init__(self, loss: float, step: int, learning_rate: float, rows: np.ndarray) -> None:
        super().__init__(f"the training loss became {loss} at step {step:,}, at a learning rate of {learning_rate:.2g}")
        self.step, self.learning_rate, self.rows = step, learning_rate, rows


@torch.inference_mode()
def predict(
    model: nn.Module,
    source: BatchSource,
    rows: np.ndarray,
    runtime: Runtime,
    on_rows: Callable[[int], object] = lambda _: None,
) -> Tensor:
    """Logits of `rows`, in their order.

    Batches are sorted by length over all rows, which order never matters to; the result is put back in order.

    Args:
        rows: (n,) int64 row numbers.
        on_rows: called with the number of rows of each batch.

    Returns:
        (n, C) float32 on the CPU.
    """
    model.eval()
    plan = sorted_plan(source.lengths[rows], PREDICT_TOKENS)
    parts = []
    for batch in source.batches([rows[places] for places in plan], labelled=False):
        with autocast(runtime.device, runtime.precision):
            parts.append(run_model(model, batch).float())
        on_rows(len(batch.rows))
    logits = torch.cat(parts).cpu()
    restored = torch.empty_like(logits)
    restored[torch.from_numpy(np.concatenate(plan))] = logits
    return restored


def evaluate(
    model: nn.Module, source: BatchSource, rows: np.ndarray, runtime: Runtime, score: Callable[[Tensor], float]
) -> float:
    """Score of the model on all of `rows` at once; `score` takes their (n, C) logits."""
    return score(predict(model, source, rows, runtime))
