"""Bucketed batches: rows of like length together, yet in random order.

Sorting a whole training set by length makes the order of training predictable and costs accuracy (first place,
Quora Insincere Questions); random batches are mostly padding. Between the two: shuffle, cut into groups of M batches,
sort by length inside each group, cut into batches, shuffle the batches (fifth place, same contest).

The pieces are PyTorch's own and work alone:

    dataset = TokenDataset(store, rows, targets)
    sampler = BucketBatchSampler(store.lengths[rows], batch_size=64, seed=0)
    loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=pad_collate)

`gather_batch` makes the same batches from the flat token array without a Python loop over rows; training uses it.

Where lengths have a long tail (questions: mean 13 words, longest 130) batches of equally many rows pad too much: the
longest rows of a group spread over a wide range. `tokens` cuts by the places that a batch fills instead, so that long
rows come in few and short ones in many (as fairseq's `--max-tokens` does).
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from foldwise.data.token_store import TokenStore
from foldwise.data.tokenizer import PAD


class Item(NamedTuple):
    """One row: K texts of (T,) int32 tokens, its target or None, and its row number."""

    texts: list[Tensor]
    target: Tensor | None
    row: int


class Batch(NamedTuple):
    """Texts padded at the end to the longest of them, at least one token wide.

    Attributes:
        tokens: (K * B, T) int32, `PAD` after each text's end; first all rows' first texts, then all their second ones.
        lengths: (K * B,) int64.
        targets: (B, C) float32 or (B,) int64; None at prediction.
        rows: (B,) int64 row numbers in the dataset's token store.
        weights: (B,) float32 how much each row counts in the loss; None for all alike.
        auxiliary: (B, A) float32 targets learnt beside, or None.
        features: (B, D) float32 numbers beside the text, or None.
    """

    tokens: Tensor
    lengths: Tensor
    targets: Tensor | None
    rows: Tensor
    weights: Tensor | None = None
    auxiliary: Tensor | None = None
    features: Tensor | None = None


class TokenDataset(Dataset[Item]):
    """The chosen rows of a token store.

    Args:
        store: tokens of all rows.
        rows: (n,) int64 row numbers of the store; item i is row `rows[i]`.
        targets: (N, …) targets of all rows of the store's training part, or None.
    """

    def __init__(self, store: TokenStore, rows: np.ndarray, targets: Tensor | None = None) -> None:
        self.store = store
        self.rows = rows
        self.targets = targets

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Item:
        row = int(self.rows[index])
        target = None if self.targets is None else self.targets[row]
        first = row * self.store.columns
        bounds = self.store.offsets[first : first + self.store.columns + 1].tolist()
        texts = [torch.from_numpy(self.store.tokens[start:stop]) for start, stop in itertools.pairwise(bounds)]
        return Item(texts, target, row)


def pad_collate(items: Sequence[Item]) -> Batch:
    """Pad items to the longest of them; a `collate_fn` for `torch.utils.data.DataLoader`."""
    texts = [text for column in zip(*(item.texts for item in items), strict=True) for text in column]
    lengths = torch.tensor([len(text) for text in texts])
    tokens = torch.full((len(texts), max(int(lengths.max()), 1)), PAD, dtype=torch.int32)
    for padded, text in zip(tokens, texts, strict=True):
        padded[: len(text)] = text
    targets = [item.target for item in items if item.target is not None]
    return Batch(tokens, lengths, torch.stack(targets) if targets else None, torch.tensor([item.row for item in items]))


def gather_batch(
    tokens: Tensor,
    offsets: Tensor,
    rows: Tensor,
    targets: Tensor | None = None,
    longest: int | None = None,
    columns: int = 1,
) -> Batch:
    """The batch that `pad_collate` makes of these rows, straight from the flat arrays.

    Args:
        tokens: (S,) int32 all tokens.
        offsets: (N * K + 1,) int64.
        rows: (B,) int64.
        targets: (N, …) or None.
        longest: length of the longest of the texts, where the caller knows it: asking a GPU for it would wait for it.
        columns: K, texts of a row.
    """
    texts = rows
    if columns > 1:
        texts = (torch.arange(columns, device=rows.device)[:, None] + rows * columns).reshape(-1)
    starts = offsets[texts]
    lengths = offsets[texts + 1] - starts
    width = int(lengths.max()) if longest is None else longest
    position = torch.arange(max(width, 1), device=tokens.device)  # (T,)
    inside = position < lengths[:, None]  # (B, T)
    # Beyond a row's end the index runs into the next row, and past the array for the last one.
    index = (starts[:, None] + position).clamp_(max=max(len(tokens) - 1, 0))
    padded = tokens[index].masked_fill_(~inside, PAD) if len(tokens) else inside.int()
    return Batch(padded, lengths, None if targets is None else targets[rows], rows)


class BucketBatchSampler(Sampler[list[int]]):
    """A `batch_sampler` that groups rows of like length; every row exactly once an epoch, longest first in a batch.

    Args:
        lengths: (n,) tokens in each item of the dataset.
        batch_size: rows in a batch. Batches of an epoch differ by one row at most, so that none is tiny.
        group: batches sorted by length together. More means less padding and a more predictable order.
        seed: with the epoch, decides the order.
        tokens: cut by places filled (rows × longest row) instead of by rows; a row longer than that stands alone.

    Call `set_epoch` before each epoch, as with PyTorch's DistributedSampler.
    """

    def __init__(
        self, lengths: np.ndarray, batch_size: int, group: int = 20, seed: int = 0, tokens: int | None = None
    ) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.group = group
        self.seed = seed
        self.tokens = tokens
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration gives."""
        self.epoch = epoch

    def __len__(self) -> int:
        if self.tokens is None:
            return math.ceil(len(self.lengths) / self.batch_size)
        return len(self.plan())

    def __iter__(self) -> Iterator[list[int]]:
        for indices in self.plan():
            yield indices.tolist()

    def steps(self, epochs: int) -> int:
        """Batches in the first `epochs` epochs together. By tokens each epoch has its own number."""
        if self.tokens is None:
            return epochs * len(self)
        return sum(len(replaced.plan()) for replaced in map(self.at, range(epochs)))

    def at(self, epoch: int) -> "BucketBatchSampler":
        """The same sampler at another epoch."""
        other = BucketBatchSampler(self.lengths, self.batch_size, self.group, self.seed, self.tokens)
        other.set_epoch(epoch)
        return other

    def plan(self) -> list[np.ndarray]:
        """The epoch's batches as arrays of item numbers."""
        n = len(self.lengths)
        if n == 0:
            return []
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(n)
        size = self.batch_size if self.tokens is None else max(1, round(self.tokens / max(self.lengths.mean(), 1)))
        count = math.ceil(n / size)
        bounds_of_batches = n * np.arange(count + 1) // count
        bounds = np.append(bounds_of_batches[: -1 : self.group], n)  # of the groups
        # numpy sorts 16-bit numbers by radix, in a tenth of the time.
        keys = np.negative(self.lengths, dtype=np.int16 if self.lengths.max() < 2**15 else np.int64)
        for start, stop in itertools.pairwise(bounds.tolist()):
            group = order[start:stop]
            order[start:stop] = group[np.argsort(keys[group], kind="stable")]
        if self.tokens is not None:
            groups = itertools.pairwise(bounds.tolist())
            parts = [start + cut_by_tokens(self.lengths[order[start:stop]], self.tokens) for start, stop in groups]
            bounds_of_batches = np.concatenate([*parts, [n]])
        batches = np.split(order, bounds_of_batches[1:-1])
        return [batches[index] for index in rng.permutation(len(batches))]


def cut_by_tokens(lengths: np.ndarray, tokens: int) -> np.ndarray:
    """Where batches begin, when each may fill at most `tokens` places.

    Args:
        lengths: (n,) longest first.
        tokens: rows × longest row of a batch; a row longer than that stands alone.

    Returns:
        (k,) int64 first row of each batch, from 0. A last batch of less than half the rows of the one before it shares
        their rows with it evenly.
    """
    starts, start = [], 0
    while start < len(lengths):
        starts.append(start)
        start += max(1, tokens // max(int(lengths[start]), 1))
    if len(starts) > 1 and 2 * (len(lengths) - starts[-1]) < starts[-1] - starts[-2]:
        starts[-1] = (starts[-2] + len(lengths)) // 2
    return np.array(starts, dtype=np.int64)


def sorted_plan(lengths: np.ndarray, tokens: int) -> list[np.ndarray]:
    """Batches for prediction: sorted over all rows, since order teaches nothing there; longest first.

    Args:
        lengths: (n,) tokens in each row.
        tokens: places that a batch may fill.
    """
    order = np.argsort(-lengths, kind="stable")
    return np.split(order, cut_by_tokens(lengths[order], tokens)[1:]) if len(order) else []


def padding_share(lengths: np.ndarray, plan: Sequence[np.ndarray]) -> float:
    """Share of the padded batches' cells that hold no token; `plan` indexes `lengths`."""
    cells = sum(len(batch) * max(int(lengths[batch].max()), 1) for batch in plan)
    return 1 - sum(int(lengths[batch].sum()) for batch in plan) / max(cells, 1)
