"""A step of training: model, loss, optimizers, learning rate, average; and what makes them of a recipe."""

import ctypes
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import LBFGS

from foldwise.config import Batches, Recipe, Training
from foldwise.data.batching import BucketBatchSampler
from foldwise.data.dataset import Batch, TokenDataset
from foldwise.errors import InputError
from foldwise.events import Event, Noted
from foldwise.models import build_model
from foldwise.training.averaging import AveragedWeights, copy_all
from foldwise.training.early_stopping import Weights
from foldwise.training.fold_data import FoldData
from foldwise.training.losses import Objective
from foldwise.training.memory import fit_into_memory
from foldwise.training.optimizers import build_optimizers, load_optimizer, trained_embeddings
from foldwise.training.precision import Runtime, autocast
from foldwise.training.rowwise import clip_gradients, sum_rows
from foldwise.training.schedules import LearningRate
from foldwise.training.skipping import SkippedSteps

TRIM_STEPS = 200


class Trainer:
    """What a training step needs besides the batch: optimizers, their learning rates, the average of the weights."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        settings: Training,
        steps: int,
        runtime: Runtime,
        report: Callable[[Event], object] = lambda _: None,
    ) -> None:
        self.model, self.objective, self.runtime, self.report = model, objective, runtime, report
        self.peers = runtime.peers
        self.accumulation, self.r_drop, self.skipped = settings.accumulation, settings.r_drop, SkippedSteps()
        self.tables = trained_embeddings(model)
        self.optimizers = build_optimizers(model, settings)
        self.rate = LearningRate(self.optimizers, settings, steps)
        self.averages = AveragedWeights(model, settings.ema)
        self.max_grad_norm = torch.full((), settings.max_grad_norm, device=runtime.device)
        # Gradients too small for fp16 are scaled up before and down after; in other formats this does nothing.
        self.scaler = torch.amp.GradScaler(runtime.device.type, enabled=runtime.precision == "fp16")
        # On a GPU, optimizers that can skip a step by themselves do: asking whether to skip it waits for the step.
        can_skip = all(getattr(optimizer, "_step_supports_amp_scaling", False) for optimizer in self.optimizers)
        self.asks = runtime.device.type == "cpu" or not can_skip
        if self.scaler.is_enabled() and any(isinstance(optimizer, LBFGS) for optimizer in self.optimizers):
            raise InputError(
                "recipe.training.optimizer = 'LBFGS': it looks at several losses in a step, which the scaled ones of "
                "fp16 do not allow; use training.precision = 'fp32' or 'bf16'"
            )

    def train_tables(self, on: bool) -> None:
        """Let the word vectors train, or stand still without gradients, moments or average."""
        for table in self.tables:
            table.weight.requires_grad_(on)

    def step(self, batch: Batch) -> Tensor:
        """One step; the loss stays on the device, as reading it would wait for the step.

        Where loss or gradient is not finite, no weight and no moment changes, and the loss is NaN. (On a GPU the
        average takes in the same weights once more; what a model of one's own counts in buffers, it has counted.)
        """
        loss, norm = self.backward(batch)
        finite = loss.isfinite()
        if self.scaler.is_enabled():
            for optimizer in self.optimizers:
                self.scaler.unscale_(optimizer)
        elif self.asks:
            if not (finite & norm.isfinite()):
                return torch.full_like(loss, torch.nan)
        else:
            finite &= norm.isfinite()
            for optimizer in self.optimizers:
                optimizer.found_inf = 1 - finite.float()  # type: ignore[attr-defined]  # 1 leaves the step out
        self.averages.before_step()
        for optimizer in self.optimizers:
            if isinstance(optimizer, LBFGS):  # which asks for the loss of the weights that it tries
                optimizer.step(lambda: self.backward(batch)[0])
            else:
                self.scaler.step(optimizer)  # optimizer.step(), left out where scaled gradients overflowed
        self.scaler.update()
        self.averages.update()
        if self.averages.updates % TRIM_STEPS == 0:
            trim_heap()
        return torch.where(finite, loss, torch.nan)

    def backward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The batch's loss and the norm of its gradients, which the weights then have, clipped.

        Where memory does not suffice, this and later batches are taken in more parts, which add up to the same
        gradient, but for other random numbers of dropout and `r_drop`.
        """
        loss, parts = fit_into_memory(lambda count: self.add_gradients(batch, count), self.accumulation, batch)
        loss, parts = self.peers.add_up(self.model, loss, parts)
        if parts != self.accumulation:
            self.accumulation = parts
            self.report(Noted(f"out of memory; batches are now taken in {parts} parts, whose gradients add up"))
        return loss, clip_gradients(self.averages.parameters, self.scaler.scale(self.max_grad_norm))

    def add_gradients(self, batch: Batch, parts: int) -> Tensor:
        """The gradients of this process's rows, in so many parts; → their share of the batch's loss."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        losses = []
        for part, shares in self.peers.split(self.objective, batch, parts):
            seen = part.twice() if self.r_drop else part  # twice, since dropout is another each time
            with autocast(self.runtime.device, self.runtime.precision):
                logits = self.model(*seen.inputs).float()
            loss = self.objective(logits, seen, shares)
            if self.r_drop:
                loss = loss + self.r_drop * self.objective.disagreement(logits, part) * shares[0]
            self.scaler.scale(loss).backward()  # gradients add up
            losses.append(loss.detach())
        for parameter in self.averages.parameters:
            if parameter.grad is not None and parameter.grad.is_sparse:
                parameter.grad = sum_rows(parameter.grad)
        return torch.stack(losses).sum()

    def state_dict(self) -> dict[str, Any]:
        """All that a step changes."""
        return {
            "weights": self.averages.parameters,
            "buffers": self.buffers,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "rate": self.rate.state_dict(),
            "averages": self.averages.state_dict(),
            "scaler": self.scaler.state_dict(),
            "accumulation": self.accumulation,
            "skipped": self.skipped.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there, with the model that `build_trainer` makes of the same recipe and seed."""
        copy_all(self.averages.parameters, state["weights"])
        copy_all(self.buffers, state["buffers"])
        for optimizer, own in zip(self.optimizers, state["optimizers"], strict=True):
            load_optimizer(optimizer, own)
        self.rate.load_state_dict(state["rate"])
        self.averages.load_state_dict(state["averages"])
        self.scaler.load_state_dict(state["scaler"])
        self.accumulation = state["accumulation"]
        self.skipped.load_state_dict(state["skipped"])

    @property
    def buffers(self) -> list[Tensor]:
        """Of the model, and of a loss of the user's own."""
        return [*self.model.buffers(), *self.objective.buffers()]


def make_sampler(dataset: TokenDataset, batches: Batches, seed: int) -> BucketBatchSampler:
    """The batches of a dataset, as the recipe has them."""
    return BucketBatchSampler(dataset.lengths, batches.size, batches.group, seed, batches.tokens or None)


# Makes a model for the data; its first weights are drawn from the seed.
BuildModel = Callable[[FoldData, Recipe, int], nn.Module]


def build_from_vectors(data: FoldData, recipe: Recipe, seed: int) -> nn.Module:
    """The model that the recipe names, over the word vectors."""
    return build_model(torch.from_numpy(data.vectors), data.shape, recipe.model, seed)


def build_trainer(
    data: FoldData,
    recipe: Recipe,
    seed: int,
    steps: int,
    runtime: Runtime,
    y: np.ndarray,
    weights: Weights | None = None,
    build: BuildModel = build_from_vectors,
    report: Callable[[Event], object] = lambda _: None,
) -> Trainer:
    """What trains one fold: a model whose first weights are `weights`, or drawn from `seed`, and its loss.

    Args:
        y: labels of the training rows, from which class weights come.
    """
    settings, targets = recipe.training, data.targets
    masks = data.lesson is not None and bool(np.isnan(data.lesson.targets).any())
    objective = Objective(settings, targets.task, targets.outputs, y, masks).to(runtime.device)
    model = build(data, recipe, seed).to(runtime.device)
    if weights is not None:
        model.load_state_dict(weights)
    runtime.peers.begin(model)
    return Trainer(model, objective, settings, steps, runtime, report)


def copy_weights(model: nn.Module, frozen: set[str]) -> Weights:
    """A copy on the CPU of all parameters but the frozen ones, which are in tokens/vectors.npy, and of all buffers."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items() if name not in frozen}


def trim_heap() -> None:
    """Give freed memory back to the system, where the C library knows how (glibc).

    Batches have ever other shapes: in an epoch of 2,000 steps the heap grows to three times its use (BENCHMARKS.md).
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def use_repeatable_algorithms() -> None:
    """The same bytes at every run, where torch has such an algorithm."""
    # Both together are `use_deterministic_algorithms`, which loads torch's compiler for what the first line says to it:
    # a second that predicting and the main process need not wait.
    os.environ.setdefault("TORCHINDUCTOR_DETERMINISTIC", "1")
    torch.set_deterministic_debug_mode("warn")
    # Would fill every new tensor with NaN first, to betray code that reads it before writing: a tenth of a step's time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # cuDNN would round the inputs of fp32 products to the 10 bits of TF32: predictions would not be those of a CPU.
    torch.backends.cudnn.allow_tf32 = False
