"""All tokens of all rows in one flat array, and where each row starts: what a ragged table is on disk.

Arrays are memory-mapped: opening a store costs nothing, and processes that train folds side by side share its pages.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class TokenStore:
    """Rows of different length without padding.

    Attributes:
        tokens: (S,) int32, all rows end to end.
        offsets: (N + 1,) int64; row i is `tokens[offsets[i]:offsets[i + 1]]`.
    """

    tokens: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """(N,) int64 tokens in each row."""
        return np.diff(self.offsets)

    def row(self, index: int) -> np.ndarray:
        """(T,) int32 tokens of one row."""
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]

    def save(self, folder: Path) -> None:
        """Write tokens.npy and offsets.npy."""
        np.save(folder / "tokens.npy", self.tokens)
        np.save(folder / "offsets.npy", self.offsets)

    @classmethod
    def open(cls, folder: Path) -> "TokenStore":
        """Map a saved store into memory.

        Copy-on-write mapping, because torch wants writable arrays; nothing writes, so the pages stay shared.
        """
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="c") for name in ("tokens", "offsets")))
