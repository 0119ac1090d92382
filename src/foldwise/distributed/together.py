"""`--gpus-per-fold n`: how many GPUs, or processes, train each fold."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from foldwise.errors import InputError
from foldwise.running.placement import Placement, choose_gpu, count_cores


@dataclass(frozen=True)
class Together:
    """So many processes train each fold together."""

    size: int

    def __call__(self, jobs: list[Any], device: Any, _: Callable[[], Placement]) -> Placement:
        """As many folds side by side as GPUs, or cores, suffice for."""
        import torch

        from foldwise.distributed.engine import run_together, threads_of_rank

        engine = partial(run_together, self.size)
        what = f"each fold of a network is trained by {self.size} processes, which share out the rows of each batch"
        if device.type == "cpu":
            threads = self.size * threads_of_rank(jobs[0].runtime.threads, self.size)
            return Placement(max(1, count_cores() // threads), engine=engine, note=what)
        gpus = torch.cuda.device_count()
        if len(jobs) >= gpus:
            what += f"; {len(jobs)} folds keep {gpus} GPUs busier without --gpus-per-fold, spread over them"
        return Placement(gpus // self.size, partial(choose_gpu, gpus=gpus), engine, what)


def train_together(size: int, device: Literal["auto", "cpu", "cuda"]) -> Together:
    """What `--gpus-per-fold` asks for.

    Raises:
        InputError: there are not so many GPUs, or this torch cannot do it.
    """
    import torch

    from foldwise.training.precision import choose_device

    if not torch.distributed.is_available():
        raise InputError(f"--gpus-per-fold {size}: this torch is built without torch.distributed; leave it out")
    found, _ = choose_device(device)
    if found.type == "cuda" and size > (gpus := torch.cuda.device_count()):
        there = "there is 1 GPU; leave it out" if gpus == 1 else f"there are {gpus} GPUs; give at most that"
        raise InputError(f"--gpus-per-fold {size}: {there}")
    if found.type == "cpu" and size > (most := max(8, count_cores())):
        raise InputError(f"--gpus-per-fold {size}: without a GPU these are processes; give at most {most}")
    return Together(size)
