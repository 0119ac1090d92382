"""Memory that does not suffice for a batch: the same work in smaller parts, until it fits."""

from collections.abc import Callable
from typing import TypeVar

import torch

from foldwise.data.dataset import Batch
from foldwise.errors import RunError
from foldwise.machine import is_out_of_memory

Result = TypeVar("Result")


def fit_into_memory(work: Callable[[int], Result], count: int, batch: Batch) -> tuple[Result, int]:
    """What `work(count)` gives, which takes a batch in so many parts, and the count: doubled until memory suffices.

    `work` must begin from nothing each time it is called. Random numbers are then the same again.

    Raises:
        RunError: it does not suffice for one row.
    """
    device, rows = batch.tokens.device, len(batch.rows)
    drawn = torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    while True:
        try:
            return work(count), count
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if count >= rows:
                raise RunError(
                    f"out of memory with a single row of {batch.tokens.shape[1]:,} tokens; use a smaller "
                    "tokens.max_length or model, fewer folds side by side (train --fold), or a machine with more "
                    "memory; finished folds are kept, the same command goes on"
                ) from error
        # Only now is the error gone, whose traceback held what the failed try had made.
        count = min(2 * count, rows)
        torch.set_rng_state(drawn[0])
        if drawn[1] is not None:
            torch.cuda.set_rng_state(drawn[1], device)
            torch.cuda.empty_cache()
