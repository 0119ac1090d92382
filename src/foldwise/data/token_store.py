"""All tokens of all rows in one flat array, and where each text starts: what a ragged table is on disk.

Arrays are memory-mapped: opening a store costs nothing, and processes that train folds side by side share its pages.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import numpy as np

from foldwise.errors import InputError, RunError
from foldwise.files import read_json

Cut = Literal["head", "tail", "head+tail"]
CHUNK = 8192  # texts that are cut at once
WHOLE = "whole-"  # before the names of the files of texts that are not cut
MOST_WHOLE = 30_000_000  # tokens in all texts together; with more, the n-grams of whole ones would take gigabytes


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

    def cut(self, max_length: int, keep: Cut) -> "TokenStore":
        """The same texts with at most `max_length` tokens each; itself where none is longer.

        Of longer ones the head stays, the tail, or half of each (the odd token is the head's).
        """
        lengths = np.diff(self.offsets)
        if lengths.max(initial=0) <= max_length:
            return self
        head = {"head": max_length, "tail": 0, "head+tail": (max_length + 1) // 2}[keep]
        parts = []
        for first in range(0, len(lengths), CHUNK):
            chosen = lengths[first : first + CHUNK]
            start, end = self.offsets[first], self.offsets[first + len(chosen)]
            place = np.arange(start, end) - np.repeat(self.offsets[first : first + len(chosen)], chosen)
            tail = np.repeat(chosen - (max_length - head), chosen)  # where it begins
            parts.append(self.tokens[start:end][(place < head) | (place >= tail)])
        offsets = np.append(0, np.cumsum(np.minimum(lengths, max_length)))
        return replace(self, tokens=np.concatenate(parts), offsets=offsets)

    def save(self, folder: Path, before: str = "") -> None:
        """Write tokens.npy, offsets.npy and columns.npy, `before` in front of their names."""
        for name in ("tokens", "offsets", "columns"):
            save_array(folder / f"{before}{name}.npy", getattr(self, name))

    def save_beside(self, cut: "TokenStore", folder: Path) -> None:
        """Write the cut texts, and these where they are others."""
        cut.save(folder)
        if cut is not self:
            self.save(folder, WHOLE)

    @classmethod
    def open(cls, folder: Path, whole: bool = False) -> "TokenStore":
        """Map a saved store into memory, with `whole` that of whole texts where there is one; errors: `open_array`."""
        before = WHOLE if whole and (folder / f"{WHOLE}tokens.npy").is_file() else ""
        tokens = open_array(folder / f"{before}tokens.npy", np.int32, 1)
        offsets = open_array(folder / f"{before}offsets.npy", np.int64, 1)
        return cls(tokens, offsets, int(open_array(folder / f"{before}columns.npy", np.int64, 0)))


def save_array(path: Path, array: np.ndarray) -> None:
    """`np.save` that fails on a full disk: by itself it leaves the end of a file out in silence, where C buffers it."""
    with path.open("wb") as file:
        np.save(SimpleNamespace(write=file.write), np.asarray(array))


def check_mapped(*arrays: np.ndarray) -> None:
    """Raise a `RunError` where the file of a mapped array was cut short: to read on would kill the process (SIGBUS).

    A file that was deleted or replaced stays readable as long as it is mapped.
    """
    for array in arrays:
        if isinstance(array, np.memmap) and (left := array._mmap.size()) < len(array._mmap):  # type: ignore[attr-defined]
            path = Path(array.filename or "")
            raise RunError(
                f"{path}: cut short while a fold read it, {left:,} of {len(array._mmap):,} bytes are left; "  # type: ignore[attr-defined]
                "run `all` again, which makes the folder anew; if it happens again, its disk fails"
            )


def open_array(path: Path, dtype: type[np.generic], dimensions: int) -> np.ndarray:
    """Map an array of the tokens' folder into memory, or `InputError`; torch wants writable ones: copy-on-write."""
    try:
        array: np.ndarray = np.load(path, mmap_mode="c")
    except (ValueError, EOFError, FileNotFoundError, IsADirectoryError) as error:
        raise damaged(path, str(error).splitlines()[0]) from error
    if array.dtype != dtype or array.ndim != dimensions:
        raise damaged(path, f"{array.dtype} of {array.ndim} dimensions, not {np.dtype(dtype)} of {dimensions}")
    return array


def read_vocabulary(path: Path) -> list[str]:
    """The words of vocab.json in id order, or `InputError`."""
    content = read_json(path)
    if content is None or list(content.values()) != list(range(len(content))):
        raise damaged(path, "not a number for each word")
    return list(content)


def damaged(path: Path, reason: str) -> InputError:
    """The error that says so of a file of the tokens."""
    return InputError(f"{path.parent}: damaged ({path.name}: {reason}); run the same command again with `all`")
