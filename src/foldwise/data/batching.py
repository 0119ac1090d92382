"""Bucketed batches: rows of like length together, yet in random order.

Sorting a whole training set by length makes the order of training predictable and costs accuracy (first place,
Quora Insincere Questions); random batches are mostly padding. Between the two: shuffle, cut into groups of M batches,
sort by length inside each group, cut into batches, shuffle the batches (fifth place, same contest).

Where lengths have a long tail, batches of equally many rows pad too much: cut them by the places that they fill
instead (`tokens`, as fairseq's `--max-tokens`).
"""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler


class PlannedSampler(Sampler[list[int]]):
    """A `batch_sampler` whose batches are known beforehand, each an array of item numbers, longest first."""

    batches: list[np.ndarray]
    start = 0  # how many of them the next iteration leaves out

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        for indices in self.batches[self.start :]:
            yield indices.tolist()


class BucketBatchSampler(PlannedSampler):
    """Batches for training: rows of like length together, every row exactly once an epoch.

    Call `set_epoch` before each epoch, as with PyTorch's DistributedSampler.

    Args:
        lengths: (n,) tokens in each item of the dataset.
        batch_size: rows in a batch. One or two batches of an epoch hold fewer, but about half of it if there are more.
        group: batches sorted by length together. More means less padding and a more predictable order.
        tokens: cut by places filled (rows × longest row) instead of by rows; a row longer than that stands alone.
    """

    def __init__(
        self, lengths: np.ndarray, batch_size: int, group: int = 20, seed: int = 0, tokens: int | None = None
    ) -> None:
        self.lengths, self.batch_size, self.group, self.seed, self.tokens = lengths, batch_size, group, seed, tokens
        self.epoch, self.batches = 0, self.plan(0)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch whose order the next iteration gives, and the batch of it that comes first."""
        self.start = start
        if epoch != self.epoch:
            self.epoch, self.batches = epoch, self.plan(epoch)

    def steps(self, epochs: int) -> int:
        """Batches in the first `epochs` epochs together. By tokens each epoch has its own number."""
        if self.tokens is None:
            return epochs * len(self)
        return sum(len(self.plan(epoch)) for epoch in range(epochs))

    def plan(self, epoch: int) -> list[np.ndarray]:
        """The batches of an epoch."""
        n = len(self.lengths)
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(n)
        size = self.batch_size
        if self.tokens is not None:  # what a batch of rows of mean length holds; only groups are cut by it
            size = round_rows(round(self.tokens / max(self.lengths.mean(), 1)))
        count = math.ceil(n / size)
        starts = share_the_end(size * np.arange(count), n)  # of the batches
        bounds = [*starts[:: self.group].tolist(), n]  # of the groups
        # numpy sorts 16-bit numbers by radix, in a tenth of the time.
        keys = np.negative(self.lengths, dtype=np.int16 if self.lengths.max() < 2**15 else np.int64)
        parts = []
        for start, stop in itertools.pairwise(bounds):
            group = order[start:stop]
            group = group[np.argsort(keys[group], kind="stable")]
            order[start:stop] = group
            if self.tokens is not None:
                parts.append(start + cut_by_tokens(self.lengths[group], self.tokens))
        if parts:
            starts = np.concatenate(parts)
        batches = np.split(order, starts[1:])
        return [batches[index] for index in rng.permutation(len(batches))]


class SortedBatchSampler(PlannedSampler):
    """Batches for prediction: sorted over all rows, since order teaches nothing there."""

    def __init__(self, lengths: np.ndarray, tokens: int) -> None:
        self.order = np.argsort(-lengths, kind="stable")
        self.batches = np.split(self.order, cut_by_tokens(lengths[self.order], tokens)[1:])


def cut_by_tokens(lengths: np.ndarray, tokens: int) -> np.ndarray:
    """(k,) int64 first row of each batch of at most `tokens` places, or of one longer row; (n,) lengths fall."""
    starts, start = [], 0
    while start < len(lengths):
        starts.append(start)
        start += round_rows(tokens // max(int(lengths[start]), 1))
    return share_the_end(np.array(starts, dtype=np.int64), len(lengths))


def round_rows(rows: int) -> int:
    """Rounded down to a multiple of 32, of a smaller power of two below 256 rows: by less than 1/8, to 1 at least.

    oneDNN cuts the rows of an LSTM's step into equal blocks. With AMX, 853 rows, a prime number, take 2.4 times as long
    a row as a multiple of 32; other kernels hardly care (EXPERIMENTS.md).
    """
    step = 1 << min(max(rows // 8, 1).bit_length() - 1, 5)
    return max(1, rows // step * step)


def share_the_end(starts: np.ndarray, n: int) -> np.ndarray:
    """The (k,) first rows of batches of `n` rows, none tiny: where the last batch is less than half as large as the one
    before, each of the two gets half of their rows, rounded.
    """
    if len(starts) > 1 and 2 * (n - starts[-1]) < starts[-1] - starts[-2]:
        half = round_rows(int(n - starts[-2]) // 2)
        return np.append(starts[:-1], starts[-2] + half)
    return starts


def padding_share(lengths: np.ndarray, plan: Sequence[np.ndarray]) -> float:
    """Share of the padded batches' cells that hold no token; `plan` indexes `lengths`."""
    cells = sum(len(batch) * max(int(lengths[batch].max()), 1) for batch in plan)
    return 1 - sum(int(lengths[batch].sum()) for batch in plan) / max(cells, 1)
