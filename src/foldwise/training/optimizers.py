"""The optimizers, their schedule and the averaged weights.

The table of word vectors is apart in all three: a batch touches a few thousand of up to millions of rows, and a dense
gradient, Adam step and average would pass over every one of them at every step (124 ms a step at 400,000 words, against
8 ms for the LSTM: EXPERIMENTS.md). Its gradient is sparse, and what a batch does not touch costs nothing.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from foldwise.config import Training


def build_optimizers(model: nn.Module, settings: Training) -> list[Optimizer]:
    """AdamW (Loshchilov & Hutter 2019), and `RowwiseAdam` for tables of vectors with sparse gradients.

    Word vectors have their own learning rate and no weight decay, which would pull the vectors of words that a batch
    does not contain towards zero at every step.
    """
    tables: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if parameter.requires_grad:
                (tables if isinstance(module, nn.Embedding) and module.sparse else rest).append(parameter)
    optimizers: list[Optimizer] = [
        AdamW(rest, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
    ]
    return optimizers + ([RowwiseAdam(tables, settings.embedding_learning_rate)] if tables else [])


def sum_rows(gradient: Tensor) -> Tensor:
    """The sparse (V, E) gradient with one entry a row: a word that a batch holds n times brings n entries.

    `Tensor.coalesce` does the same and asks the device how many rows there are, for which a GPU's whole queue has to
    run dry. On a GPU the result has as many entries as `gradient`; those left over add 0 to row 0, the padding, whose
    own gradient is 0, since no model may look at padding.
    """
    if not gradient.is_cuda:
        return gradient.coalesce()
    return sum_rows_in_place(gradient)


def sum_rows_in_place(gradient: Tensor) -> Tensor:
    """`sum_rows` with shapes that are known beforehand."""
    values = gradient._values()
    rows, order = gradient._indices()[0].sort(stable=True)
    first = torch.ones_like(rows, dtype=torch.bool)
    first[1:] = rows[1:] != rows[:-1]
    place = first.cumsum(0) - 1  # of each entry's row among the different rows
    sums = torch.zeros_like(values).index_add_(0, place, values[order])
    with any_order(rows.device):
        different = torch.zeros_like(rows).index_copy_(0, place, rows)
    return torch.sparse_coo_tensor(different[None], sums, gradient.shape, is_coalesced=True, check_invariants=False)


@contextmanager
def any_order(device: torch.device) -> Iterator[None]:
    """For writes that are the same in any order, as entries of one row write the same numbers.

    Torch's deterministic way sorts the entries on a GPU, which costs more than the step itself.
    """
    if device.type != "cuda":
        yield
        return
    strict, warn = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=warn)


class RowwiseAdam(Optimizer):
    """Adam that moves only the rows a sparse gradient holds, as `torch.optim.SparseAdam` does.

    Moments of other rows stand still ("lazy" Adam). Unlike SparseAdam it never waits for a GPU, and it skips a step
    whose scaled gradients overflowed without asking for the flag (the protocol of `torch.amp.GradScaler`).

    Args:
        parameters: (V, E) tables with sparse gradients that `sum_rows` has been through.
        learning_rate: of all of them.
        betas: decay of the mean and of the mean square of the gradient.
        epsilon: added to the denominator.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(parameters, {"lr": learning_rate, "betas": betas, "eps": epsilon})
        self._step_supports_amp_scaling = True

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Move the rows of each table's gradient."""
        overflow = getattr(self, "found_inf", None)  # 1.0 where the scaled gradients overflowed
        if getattr(self, "grad_scale", None) is not None:
            raise RuntimeError("RowwiseAdam takes gradients that GradScaler.unscale_ has been through")
        for group in self.param_groups:
            (beta1, beta2), epsilon = group["betas"], group["eps"]
            for table in group["params"]:
                if table.grad is None:
                    continue
                rows, gradient = table.grad._indices()[0], table.grad._values()
                state = self.state[table]
                if not state:
                    state["step"] = torch.zeros((), device=table.device)  # a tensor, as only the GPU knows of overflows
                    state.update(mean=torch.zeros_like(table), square=torch.zeros_like(table))
                state["step"] += 1 if overflow is None else 1 - overflow.reshape(())
                mean = state["mean"][rows].lerp_(gradient, 1 - beta1)
                square = state["square"][rows].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
                rate = group["lr"] * (1 - beta2 ** state["step"]).sqrt() / (1 - beta1 ** state["step"])
                moved = table[rows].sub_(mean / square.sqrt().add_(epsilon) * rate)
                with any_order(table.device):
                    for whole, new in ((state["mean"], mean), (state["square"], square), (table, moved)):
                        kept = new if overflow is None else torch.where(overflow.bool(), whole[rows], new)
                        whole.index_copy_(0, rows, kept)


def clip_gradients(parameters: Sequence[Tensor], largest: Tensor | float) -> None:
    """Scale all gradients together to a norm of at most `largest`, as `clip_grad_norm_`, sparse ones included.

    Where the norm is not finite all of them become NaN: a gradient scaler, which looks at each optimizer's own, then
    skips the step of every optimizer and not only of the one whose gradients overflowed.
    """
    gradients = [g._values() if g.is_sparse else g for p in parameters if (g := p.grad) is not None]
    norm = nn.utils.get_total_norm(gradients)
    share = (largest / (norm + 1e-6)).clamp(max=1.0)
    share = torch.where(norm.isfinite(), share, torch.nan)
    for gradient in gradients:
        gradient.mul_(share)


def build_schedules(optimizers: Sequence[Optimizer], settings: Training, steps: int) -> list[LambdaLR]:
    """Linear warm-up over the first `warmup` share of all steps, then half a cosine down to zero."""
    warm = max(1, round(settings.warmup * steps))

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))

    return [LambdaLR(optimizer, factor) for optimizer in optimizers]


class AveragedWeights:
    """Exponential moving average of the trained weights (Polyak & Juditsky 1992), the ones to validate and keep.

    The decay grows from 0.1 to its full value, min(decay, (1 + n) / (10 + n)) after n updates, so that the average
    forgets the random start.

    The average of a table row whose weights stand still moves in a way that is known, avg ← w + d (avg - w) at every
    step, so it is only brought up to date when it is needed: before a batch moves the row, and before it is used.

    Args:
        model: whose trainable parameters are averaged.
        decay: share of the old average that an update keeps; 0 makes the average the weights themselves.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding) and m.sparse}
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.averages = [parameter.detach().clone() for parameter in self.parameters]
        self.decay = decay
        self.updates = 0
        pairs = list(zip(self.parameters, self.averages, strict=True))
        self.dense = [pair for pair in pairs if id(pair[0]) not in tables]
        self.tables = [pair for pair in pairs if id(pair[0]) in tables]
        # Sum of the logarithms of all decays so far, and what it was when each row was last up to date.
        self.log_decay = 0.0
        self.marks = [torch.zeros(len(table), dtype=torch.float64, device=table.device) for table, _ in self.tables]

    @torch.no_grad()
    def before_step(self) -> None:
        """Bring those rows up to date which the gradients are about to move."""
        for (table, average), mark in zip(self.tables, self.marks, strict=True):
            if table.grad is not None:
                self.catch_up(table, average, mark, table.grad._indices()[0])

    def catch_up(self, table: Tensor, average: Tensor, mark: Tensor, rows: Tensor) -> None:
        """Bring `rows` of a table's average up to date."""
        still = table.detach()[rows]
        kept = (self.log_decay - mark[rows]).exp().to(still.dtype)[:, None]
        with any_order(table.device):
            average.index_copy_(0, rows, still.lerp_(average[rows], kept))
            mark.index_fill_(0, rows, self.log_decay)

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights of the step just done."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.log_decay += math.log(max(decay, 1e-30))  # 0, no averaging, has no logarithm
        for parameter, average in self.dense:
            average.lerp_(parameter.detach(), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside the block the model has the averaged weights; afterwards its own again."""
        with torch.no_grad():
            for (table, average), mark in zip(self.tables, self.marks, strict=True):
                kept = (self.log_decay - mark).exp().to(table.dtype)[:, None]
                average.copy_(torch.lerp(table, average, kept))
                mark.fill_(self.log_decay)
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the values of the model's weights and the averages, each in its place.

        Exchanging the tensors instead would take the LSTM's weights out of the one block that cuDNN wants them in.
        """
        for average, parameter in zip(self.averages, self.parameters, strict=True):
            own = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(own)
