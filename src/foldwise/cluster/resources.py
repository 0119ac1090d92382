"""What a fold asks of a node: the placement at home in Ray's terms."""

from dataclasses import dataclass
from typing import Any

import torch

PROCESS = 1 << 30  # bytes of memory of a process with torch and a small fold
COPIES = 5  # of the largest file, word vectors: weights, gradient, average, two moments


@dataclass(frozen=True)
class Resources:
    """Of one task, or of a node."""

    cpus: float
    gpus: float
    memory: float  # bytes

    @classmethod
    def of_job(cls, job: Any, share: float) -> "Resources":
        """Those of a `FoldJob`: threads as at home, since its last bits depend on them, and a share of a GPU."""
        largest = max((path.stat().st_size for path in job.maps.iterdir() if path.is_file()), default=0)
        return cls(job.runtime.threads, share, PROCESS + COPIES * largest)

    def holds(self, other: "Resources") -> bool:
        """Whether there is room for another one in these."""
        return self.cpus >= other.cpus and self.gpus >= other.gpus - 1e-6 and self.memory >= other.memory

    def __sub__(self, other: "Resources") -> "Resources":
        return Resources(self.cpus - other.cpus, self.gpus - other.gpus, self.memory - other.memory)

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(self.cpus + other.cpus, self.gpus + other.gpus, self.memory + other.memory)

    def __str__(self) -> str:
        gpus = f", {self.gpus:g} GPUs" if self.gpus else ""
        return f"{self.cpus:g} cpus{gpus}, {self.memory / (1 << 30):.1f} GiB"


def gpu_share(device: torch.device, workers: int) -> float:
    """The share of a GPU that each fold has, of so many at once on this machine; 0 without one.

    >>> gpu_share(torch.device("cpu"), 4)
    0.0
    """
    if device.type != "cuda":
        return 0.0
    gpus = torch.cuda.device_count()
    return min(1.0, int(1e4 * gpus / workers) / 1e4)  # Ray counts in ten-thousandths
