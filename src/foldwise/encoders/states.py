"""What `train = "frozen"` learns from: pooled hidden states of every row, computed once and kept on disk."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from foldwise.clock import Clock
from foldwise.console import Progress
from foldwise.data.batching import SortedBatchSampler
from foldwise.data.dataset import TokenDataset, make_loader
from foldwise.data.token_store import TokenStore, open_array
from foldwise.encoders.model import build_pooling, run_body
from foldwise.errors import RunError
from foldwise.files import reserve
from foldwise.training.fold import GivenUpError
from foldwise.training.fold_data import choose_home
from foldwise.training.precision import Runtime, autocast
from foldwise.training.prediction import PREDICT_TOKENS

STATES = "states.npy"
FEW = 5  # layers that "auto" takes: neighbours say nearly the same
TRIED = 5.0  # seconds after which the time of the rest can be told


def choose_layers(layers: list[int] | str, depth: int) -> list[int]:
    """The layers of an encoder of `depth` layers that are pooled; 0 is the embeddings.

    "auto" is five, evenly from a third of the way up to the last: what the last layer knows of its pretraining task
    is of less use than what stands below (EXPERIMENTS.md).
    """
    if isinstance(layers, list):
        return layers
    return sorted({round(layer) for layer in np.linspace(np.ceil(depth / 3), depth, FEW)})


@torch.inference_mode()
def write_states(
    body: nn.Module,
    store: TokenStore,
    counts: Sequence[int],
    layers: Sequence[int],
    poolings: Sequence[str],
    path: Path,
    runtime: Runtime,
    deadline: float | None,
) -> int:
    """Write the (n, F) float16 states of all rows of a store, layer by layer in each the poolings; → F.

    Args:
        counts: rows of each table. No batch has rows of two, so that a table's states are the same beside any other.
        deadline: on `Clock`.

    Raises:
        GivenUpError: the deadline cannot be kept.
        RunError: a state is not finite in this number format.
    """
    functions = [build_pooling(name, 0) for name in poolings]
    width = len(layers) * len(poolings) * int(body.config.hidden_size)  # type: ignore[union-attr,arg-type]
    states = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(len(store), width))
    reserve(path)
    begun, done, total = Clock.now(), 0, len(store.tokens)
    dataset = TokenDataset(store, np.arange(len(store)), device=choose_home(store.tokens.nbytes, runtime.device))
    ends = np.cumsum(counts)
    with Progress("tokens", total, "tokens") as shown:
        for start, end in zip(ends - counts, ends, strict=True):
            table = dataset.select(np.arange(start, end))
            for batch in make_loader(table, SortedBatchSampler(table.lengths, PREDICT_TOKENS), runtime.device):
                given = batch.to(runtime.device)
                with autocast(runtime.device, runtime.precision):
                    output, mask = run_body(body, given.tokens, given.lengths, output_hidden_states=True)
                hidden = [output.hidden_states[layer].float() for layer in layers]
                pooled = torch.cat([function(state, mask) for state in hidden for function in functions], dim=1)
                if not pooled.isfinite().all():
                    raise RunError(
                        f"states of the encoder are not finite in {runtime.precision}; use training.precision = 'fp32' "
                        "or another encoder"
                    )
                states[batch.rows.numpy()] = pooled.clamp(-65504, 65504).half().cpu().numpy()
                done += int(batch.lengths.sum())
                shown.update(int(batch.lengths.sum()))
                spent = Clock.now() - begun
                if deadline is not None and spent > TRIED and begun + spent * total / done > deadline:
                    raise GivenUpError
    states.flush()
    return width


def read_states(folder: Path) -> np.ndarray:
    """(n, F) float16, mapped into memory."""
    return open_array(folder / STATES, np.float16, 2)
