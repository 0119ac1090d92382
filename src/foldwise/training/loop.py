"""Train, evaluate, predict: a step of training, and plain functions over a model and batches."""

import ctypes
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import LBFGS

from foldwise.config import Batches, Recipe, Training
from foldwise.data.batching import BucketBatchSampler, SortedBatchSampler
from foldwise.data.dataset import Batch, TokenDataset, make_loader
from foldwise.data.targets import Targets
from foldwise.errors import InputError, RunError
from foldwise.events import Evaluated
from foldwise.models import build_model
from foldwise.training.averaging import AveragedWeights, copy_all
from foldwise.training.early_stopping import Weights
from foldwise.training.fold_data import FoldData, Units
from foldwise.training.losses import Objective, to_predictions
from foldwise.training.optimizers import build_optimizers, load_optimizer, trained_embeddings
from foldwise.training.precision import Runtime, autocast
from foldwise.training.rowwise import clip_gradients, sum_rows
from foldwise.training.schedules import LearningRate

PREDICT_TOKENS = 8192  # places in a batch of prediction
TRIM_STEPS = 200


class Trainer:
    """What a training step needs besides the batch: optimizers, their learning rates, the average of the weights."""

    def __init__(
        self, model: nn.Module, objective: Objective, settings: Training, steps: int, runtime: Runtime
    ) -> None:
        self.model, self.objective, self.runtime, self.accumulation = model, objective, runtime, settings.accumulation
        self.r_drop = settings.r_drop
        self.tables = trained_embeddings(model)
        self.optimizers = build_optimizers(model, settings)
        self.rate = LearningRate(self.optimizers, settings, steps)
        self.averages = AveragedWeights(model, settings.ema)
        self.max_grad_norm = torch.full((), settings.max_grad_norm, device=runtime.device)
        # Gradients too small for fp16 are scaled up before and down after; in other formats this does nothing.
        self.scaler = torch.amp.GradScaler(runtime.device.type, enabled=runtime.precision == "fp16")
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
        """One step; the loss stays on the device, as reading it would wait for the step."""
        loss = self.backward(batch)
        if self.scaler.is_enabled():
            for optimizer in self.optimizers:
                self.scaler.unscale_(optimizer)
        self.averages.before_step()
        for optimizer in self.optimizers:
            if isinstance(optimizer, LBFGS):  # which asks for the loss of the weights that it tries
                optimizer.step(lambda: self.backward(batch))
            else:
                self.scaler.step(optimizer)  # optimizer.step(), left out where scaled gradients overflowed
        self.scaler.update()
        self.averages.update()
        if self.averages.updates % TRIM_STEPS == 0:
            trim_heap()
        return loss

    def backward(self, batch: Batch) -> Tensor:
        """The batch's loss; the weights then have its gradients, clipped."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        losses = []
        for part, shares in self.objective.split(batch, self.accumulation):
            seen = part.twice() if self.r_drop else part  # twice, since dropout is another each time
            with autocast(self.runtime.device, self.runtime.precision):
                logits = self.model(*model_inputs(seen)).float()
            loss = self.objective(logits, seen, shares)
            if self.r_drop:
                loss = loss + self.r_drop * self.objective.disagreement(logits, part) * shares[0]
            self.scaler.scale(loss).backward()  # gradients add up
            losses.append(loss.detach())
        for parameter in self.averages.parameters:
            if parameter.grad is not None and parameter.grad.is_sparse:
                parameter.grad = sum_rows(parameter.grad)
        clip_gradients(self.averages.parameters, self.scaler.scale(self.max_grad_norm))
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
    return Trainer(model, objective, settings, steps, runtime)


def model_inputs(batch: Batch) -> list[Tensor]:
    """What a model is called with."""
    return [part for part in (batch.tokens, batch.lengths, batch.features) if part is not None]


def mean_loss(losses: Sequence[tuple[Tensor, float, Tensor]], steps: int) -> float:
    """Mean over the rows of the last of so many steps; only here a GPU is waited for.

    Args:
        losses: of each step, with its learning rate and the row numbers of its batch.

    Raises:
        StoppedError: the loss of a step is not finite.
    """
    found = torch.stack([loss for loss, _, _ in losses]).double().cpu().numpy()
    for place in np.flatnonzero(~np.isfinite(found)).tolist():
        _, rate, rows = losses[place]
        what = f"the training loss became {found[place]} at step {steps - len(found) + place + 1:,}"
        raise StoppedError(f"{what}, at a learning rate of {rate:.2g}", rows.numpy())
    sizes = np.array([len(rows) for _, _, rows in losses])
    return float(found @ sizes / sizes.sum())


class StoppedError(RunError):
    """A fold went wrong on its way, at the batch of these row numbers."""

    def __init__(self, message: str, rows: np.ndarray) -> None:
        super().__init__(message)
        self.rows = rows
        self.best: Weights = {}  # the best weights until then, if any were validated
        self.history: list[Evaluated] = []


@torch.inference_mode()
def predict(
    model: nn.Module, dataset: TokenDataset, runtime: Runtime, on_rows: Callable[[int], object] = lambda _: None
) -> Tensor:
    """(n, C) float32 logits of a dataset's rows, in their order, on the CPU; `on_rows` is told how many are done."""
    model.eval()
    sampler = SortedBatchSampler(dataset.lengths, PREDICT_TOKENS)
    parts = []
    for batch in make_loader(dataset.select(dataset.rows, labelled=False), sampler, runtime.device):
        with autocast(runtime.device, runtime.precision):
            parts.append(model(*model_inputs(batch.to(runtime.device))).float())
        on_rows(len(batch.rows))
    logits = torch.cat(parts).cpu()
    restored = torch.empty_like(logits)
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
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Would fill every new tensor with NaN first, to betray code that reads it before writing: a tenth of a step's time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
