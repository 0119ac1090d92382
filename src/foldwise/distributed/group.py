"""Several processes that train one fold together, by torch.distributed: nccl between GPUs, gloo between CPUs.

Each holds the whole model and takes every n-th row of a batch. A batch is sorted by length, so their shares are alike.
What they then add up is the gradient of the whole batch: each part counts by the weight of its rows, as the parts of
`training.accumulation` do.

Why not DistributedDataParallel: it divides by the number of processes, where rows have weights; it would send the table
of word vectors whole (nccl has no sparse sums); and it wants the same weights to have gradients in each step, where
vectors may stand still for an epoch. Its other half, sending gradients while others are still computed, gains little
for models of a few million weights. As it does, buffers are those of the first process.
"""

import os
import random
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from foldwise.data.dataset import Batch
from foldwise.errors import RunError
from foldwise.interrupts import Interrupted, stop_requested
from foldwise.machine import is_out_of_memory
from foldwise.training.losses import Objective, Shares
from foldwise.training.peers import Followed, Peers
from foldwise.training.rowwise import sum_rows

# Of a collective call. None ends a run: a process that dies is noticed by the engine, which ends the others.
TIMEOUT = timedelta(days=7)
LOST_SECONDS = 60.0  # that the engine has for it, before the others complain themselves
NONE, DENSE, SPARSE = 0, 1, 2  # kinds of gradients; of a sparse one `SPARSE` plus its entries is told


class Group(Peers):
    """The processes of one fold."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self.step, self.stopping = 0, False

    def begin(self, model: nn.Module) -> None:
        """Send weights that train, and buffers, from the first process, as DistributedDataParallel does."""
        with answered(), torch.no_grad():
            weights = [weight.detach() for weight in model.parameters() if weight.requires_grad]
            for part in [*weights, *buffers_of(model)]:
                dist.broadcast(part, 0)

    def before_step(self, seed: int, step: int) -> None:
        """Draw from (seed, step, rank) from here on, so that no process must know how far others had drawn."""
        self.step = step
        drawn = int(np.random.SeedSequence([seed, step, self.rank]).generate_state(1)[0])
        torch.manual_seed(drawn)
        random.seed(drawn)
        np.random.seed(drawn)

    def split(self, objective: Objective, batch: Batch, count: int) -> list[tuple[Batch, Shares]]:
        """Every n-th row, in `count` parts. Without a row of its own a process takes the first one, for nothing."""
        rows = torch.arange(len(batch.rows))[self.rank :: self.size]
        if not len(rows):
            part = batch.take(torch.zeros(1, dtype=torch.int64))
            return [(part, (0.0, 0.0))]
        main = share_of(objective.weigh(batch), rows, len(batch.rows))
        beside = share_of(batch.weights, rows, len(batch.rows))
        parts = objective.split(batch.take(rows), count)
        return [(part, (main * own[0], beside * own[1])) for part, own in parts]

    def add_up(self, model: nn.Module, loss: Tensor, parts: int) -> tuple[Tensor, int]:
        """Sum the gradients: dense ones in one call, of a table only the rows that one of the processes moves.

        Raises:
            RunError: the processes are at different steps.
        """
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        # Each process fills a column: how many parts it took, its step, and what gradient each weight has.
        told = torch.zeros((2 + len(weights), self.size), dtype=torch.int64)
        told[:, self.rank] = torch.tensor([parts, self.step, *map(kind_of, weights)])
        with answered():
            dist.all_reduce(told)
        if (told[1] != self.step).any():
            raise RunError(f"its processes are at steps {told[1].tolist()}; run the same command again")
        kinds = dict(zip(weights, told[2:].tolist(), strict=True))
        loss = add_dense(loss, [weight for weight, kind in kinds.items() if max(kind) == DENSE])
        for weight, kind in kinds.items():
            if max(kind) >= SPARSE:
                weight.grad = gather_rows(weight, [max(number - SPARSE, 0) for number in kind])
        with answered():
            for buffer in buffers_of(model):
                dist.broadcast(buffer, 0)
        return loss, int(told[0].max())

    def ask_first(self, decide: Callable[[], float]) -> float:
        """What only the first process decides; tells as well whether any of them is asked to end."""
        told = torch.tensor([0.0 if self.rank else decide(), float(stop_requested())], dtype=torch.float64)
        with answered():
            dist.all_reduce(told)
        self.stopping = bool(told[1])
        return float(told[0])

    def stop_requested(self) -> bool:
        """The same answer in all of them."""
        return self.stopping

    def leave_to_first(self) -> None:
        """The best weights, and what they predict, are the first one's."""
        if self.rank:
            raise Followed


@contextmanager
def group_of(rank: int, size: int, device: torch.device, store: Path) -> Iterator[Group]:
    """The group in which this process is number `rank`; they find each other by a file, on one machine.

    In the block each must do the same. It ends in all of them together, unless an error ends it.
    """
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    use_loopback()
    found = dist.FileStore(str(store), size)  # type: ignore[attr-defined]  # documented, but not in `__all__`
    try:
        dist.init_process_group(backend, store=found, rank=rank, world_size=size, timeout=TIMEOUT)
    except RuntimeError as error:
        raise RunError(
            f"its processes cannot reach each other ({error}); unset GLOO_SOCKET_IFNAME and NCCL_…, or leave out "
            "--gpus-per-fold"
        ) from error
    group = Group(rank, size)
    try:
        yield group
        group.ask_first(lambda: 0.0)
    except Interrupted:  # all of them are, at the same step
        dist.destroy_process_group()
        raise
    dist.destroy_process_group()


def use_loopback() -> None:
    """Let gloo talk within this machine alone, whatever networks there are, unless the environment says otherwise."""
    if loopback := [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback[0])


@contextmanager
def answered() -> Iterator[None]:
    """Around a call that all processes answer: where one is gone, the engine says why, and ends this one meanwhile."""
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        Event().wait(LOST_SECONDS)
        raise RunError(f"its processes have lost each other ({error}); run the same command again") from error


def share_of(weights: Tensor | None, rows: Tensor, size: int) -> Tensor | float:
    """The share of some rows in the weight of a batch of `size` rows."""
    if weights is None:
        return len(rows) / size
    of_rows = weights[rows.to(weights.device, non_blocking=True)].sum()
    return of_rows / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)


def kind_of(weight: Tensor) -> int:
    """Which gradient a weight has here."""
    if weight.grad is None:
        return NONE
    return SPARSE + len(weight.grad._values()) if weight.grad.is_sparse else DENSE


def add_dense(loss: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Sum the gradients of these weights, zeros where there is none here, and the losses, whose sum is returned."""
    for weight in weights:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    together = [loss.reshape(1), *(gradient for gradient in gradients)]
    for dtype in dict.fromkeys(part.dtype for part in together):
        parts = [part for part in together if part.dtype == dtype]
        whole = torch.cat([part.flatten() for part in parts])
        with answered():
            dist.all_reduce(whole)
        for part, summed in zip(parts, whole.split([part.numel() for part in parts]), strict=True):
            part.copy_(summed.view_as(part))
    return together[0].reshape(())


def gather_rows(weight: Tensor, counts: Sequence[int]) -> Tensor:
    """The sparse gradient of a table in all processes together, which have so many entries each.

    All must send as much: each pads its entries to the most.
    """
    most, width = max(counts), weight.shape[1]
    rows = torch.zeros(most, dtype=torch.int64, device=weight.device)
    values = torch.zeros((most, width), dtype=weight.dtype, device=weight.device)
    if weight.grad is not None:
        own = len(weight.grad._values())
        rows[:own], values[:own] = weight.grad._indices()[0], weight.grad._values()
    all_rows, all_values = ([torch.empty_like(part) for _ in counts] for part in (rows, values))
    with answered():
        dist.all_gather(all_rows, rows)
        dist.all_gather(all_values, values)
    index = torch.cat([part[:count] for part, count in zip(all_rows, counts, strict=True)])
    entries = torch.cat([part[:count] for part, count in zip(all_values, counts, strict=True)])
    return sum_rows(torch.sparse_coo_tensor(index[None], entries, weight.shape, check_invariants=False))


def buffers_of(model: nn.Module) -> list[Tensor]:
    """What a model counts in; masks stay as they were made."""
    return [buffer for buffer in model.buffers() if buffer.dtype != torch.bool]
