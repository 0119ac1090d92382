"""All tokens of all rows in one flat array, and where each text starts: what a ragged table is on disk.

Arrays are memory-mapped: opening a store costs nothing, and processes that train folds side by side share its pages.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foldwise.errors import InputError


@dataclass(frozen=True)
class TokenStore:
    """Rows of different length without padding."""

    tokens: np.ndarray  # (S,) int32, all texts end to end
    offsets: np.ndarray  # (N * K + 1,) int64; text k of row i is t = i * K + k, tokens[offsets[t] : offsets[t + 1]]
    columns: int = 1  # K, texts of a row that are encoded apart

    def __len__(self) -> int:
        return (len(self.offsets) - 1) // self.columns

    @property
    def lengths(self) -> np.ndarray:
        """(N,) int64 tokens in each row; in the longest of its texts, which decides how wide a batch becomes."""
        return np.diff(self.offsets).reshape(-1, self.columns).max(axis=1)

    def row(self, index: int) -> np.ndarray:
        """(T,) int32 tokens of one row, of all its texts."""
        return self.tokens[self.offsets[index * self.columns] : self.offsets[(index + 1) * self.columns]]

    def texts(self, rows: np.ndarray) -> np.ndarray:
        """(K * B,) int64 numbers of the texts of B rows: first all rows' first texts, then all their second ones."""
        return (np.arange(self.columns)[:, None] + rows * self.columns).reshape(-1)

    def save(self, folder: Path) -> None:
        """Write tokens.npy, offsets.npy and columns.npy."""
        for name in ("tokens", "offsets", "columns"):
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def open(cls, folder: Path) -> "TokenStore":
        """Map a saved store into memory; errors as of `open_array`."""
        tokens, offsets, columns = (open_array(folder / f"{name}.npy") for name in ("tokens", "offsets", "columns"))
        return cls(tokens, offsets, int(columns))


def open_array(path: Path) -> np.ndarray:
    """Map an array of the tokens' folder into memory, or `InputError`; torch wants writable ones: copy-on-write."""
    try:
        return np.load(path, mmap_mode="c")
    except ValueError as error:
        reason, fix = str(error).splitlines()[0], "delete the folder and run the command again"
        raise InputError(f"{path.parent}: damaged ({path.name}: {reason}); {fix}") from error
