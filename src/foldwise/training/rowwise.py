"""Sparse gradients of the table of word vectors: summing, clipping and an Adam that moves their rows alone.

A batch touches a few thousand of up to millions of rows; dense gradients, Adam steps and averages would pass over all
of them (124 ms a step at 400,000 words, against 8 ms for the LSTM: EXPERIMENTS.md).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

EPSILON = 1e-8  # Adam's


def sum_rows(gradient: Tensor) -> Tensor:
    """The sparse (V, E) gradient with one entry a row: a word that a batch holds n times brings n entries."""
    return sum_rows_in_place(gradient) if gradient.is_cuda else gradient.coalesce()


def sum_rows_in_place(gradient: Tensor) -> Tensor:
    """`sum_rows` with as many entries as `gradient`, so that nothing waits for a GPU to tell how many rows there are.

    Those left over add 0 to row 0, the padding, whose own gradient is 0, since no model may look at padding.
    """
    values = gradient._values()
    rows, order = gradient._indices()[0].int().sort(stable=True)  # half the passes that 64 bits would take
    rows = rows.long()
    first = torch.ones_like(rows, dtype=torch.bool)
    first[1:] = rows[1:] != rows[:-1]
    place = first.cumsum(0) - 1  # of each entry's row among the different rows
    values = values[order]
    # A GPU adds up the entries of a row one after the other. Those of padding, thousands of zeros, go anywhere else.
    spread = torch.where((values == 0).all(dim=1), torch.arange(len(rows), device=rows.device), place)
    sums = torch.zeros_like(values).index_add_(0, spread, values)
    with any_order(rows.device):
        different = torch.zeros_like(rows).index_copy_(0, place, rows)
    torch.sparse.check_sparse_tensor_invariants.disable()  # the default, of which torch warns unless it is asked for
    return torch.sparse_coo_tensor(different[None], sums, gradient.shape, is_coalesced=True)


@contextmanager
def any_order(device: torch.device) -> Iterator[None]:
    """For writes that are the same in any order: to keep one, torch would sort on a GPU, longer than a step takes."""
    if device.type != "cuda":
        yield
        return
    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("default")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)


class RowwiseAdam(Optimizer):
    """Adam on the rows that a sparse gradient holds; moments of others stand still, as in `torch.optim.SparseAdam`.

    Unlike that it never waits for a GPU, and it skips a step whose scaled gradients overflowed without asking for the
    flag (the protocol of `torch.amp.GradScaler`). Gradients must have been through `sum_rows`.
    """

    def __init__(self, tables: Sequence[Tensor], learning_rate: float) -> None:
        super().__init__(tables, {"lr": learning_rate, "betas": (0.9, 0.999)})
        self._step_supports_amp_scaling = True

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Move the rows of each table's gradient."""
        overflow = getattr(self, "found_inf", None)  # 1.0 where the scaled gradients overflowed
        if getattr(self, "grad_scale", None) is not None:
            raise RuntimeError("RowwiseAdam takes gradients that GradScaler.unscale_ has been through")
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for table in group["params"]:
                if table.grad is None:
                    continue
                rows, gradient = table.grad._indices()[0], table.grad._values()
                state = self.state[table]
                if not state:
                    state["step"] = torch.zeros((), device=table.device)  # a tensor, as only the GPU knows of overflows
                    state.update(mean=torch.zeros_like(table), square=torch.zeros_like(table))
                state["step"] += 1 if overflow is None else 1 - overflow.reshape(())
                mean = state["mean"].index_select(0, rows).lerp_(gradient, 1 - beta1)
                square = state["square"].index_select(0, rows).mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
                rate = group["lr"] * (1 - beta2 ** state["step"]).sqrt() / (1 - beta1 ** state["step"])
                moved = table.index_select(0, rows).sub_(mean / square.sqrt().add_(EPSILON) * rate)
                with any_order(table.device):
                    for whole, new in ((state["mean"], mean), (state["square"], square), (table, moved)):
                        if overflow is not None:
                            new = torch.where(overflow.bool(), whole.index_select(0, rows), new)  # noqa: PLW2901
                        whole.index_copy_(0, rows, new)


def clip_gradients(parameters: Sequence[Tensor], largest: Tensor | float) -> Tensor:
    """Scale all gradients, sparse ones too, to a common norm of at most `largest`, as `clip_grad_norm_`; → their norm.

    Where the norm is not finite all become NaN, so that a gradient scaler skips the step of every optimizer.
    """
    gradients = [g._values() if g.is_sparse else g for p in parameters if (g := p.grad) is not None]
    norm = nn.utils.get_total_norm(gradients)
    share = (largest / (norm + 1e-6)).clamp(max=1.0)
    share = torch.where(norm.isfinite(), share, torch.nan)
    torch._foreach_mul_(gradients, share)
    return norm
