"""Rows of a token store as PyTorch's Dataset, the `collate_fn` that pads them, and the DataLoader of both.

    dataset = TokenDataset(store, rows, targets)
    sampler = BucketBatchSampler(dataset.lengths, batch_size=64, seed=0)
    loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=pad_collate)

`make_loader` is the last line. The loader asks the dataset for a whole batch at once (`__getitems__`), which gathers it
from one flat array of tokens without a Python loop over rows.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from foldwise.data.token_store import TokenStore, check_mapped
from foldwise.data.tokenizer import PAD

CPU = torch.device("cpu")


class Item(NamedTuple):
    """One row: K texts of (T,) int32 tokens, its target or None, its row number, and maybe its image."""

    texts: list[Tensor]
    target: Tensor | None
    row: int
    image: Tensor | None = None  # (channels, H, W) uint8


class Batch(NamedTuple):
    """Texts padded at the end to the longest of them, at least one token wide."""

    tokens: Tensor  # (K * B, T) int32, PAD after each text's end; all rows' first texts, then all their second ones
    lengths: Tensor  # (K * B,) int64, always on the CPU: models want them there
    targets: Tensor | None  # (B, C) float32 or (B,) int64; None at prediction
    rows: Tensor  # (B,) int64 row numbers in the token store, on the CPU
    weights: Tensor | None = None  # (B,) float32 how much each row counts in the loss; None for all alike
    auxiliary: Tensor | None = None  # (B, A) float32 targets learnt beside
    features: Tensor | None = None  # (B, D) float32 numbers beside the text
    images: Tensor | None = None  # (B, channels, H, W) uint8

    def to(self, device: torch.device) -> "Batch":
        """The batch on the model's device; a copy from pinned memory runs beside the computation."""
        if self.tokens.device.type == device.type:
            return self
        moved = self._asdict()
        for name in ("tokens", "targets", "weights", "auxiliary", "features", "images"):
            moved[name] = None if moved[name] is None else moved[name].to(device, non_blocking=True)
        return Batch(**moved)

    def take(self, rows: Tensor) -> "Batch":
        """Some rows, (n,) int64 places in the batch that may come again, as wide as their longest text."""
        texts = torch.arange(len(self.lengths)).view(-1, len(self.rows))[:, rows].reshape(-1)  # (K * n,)
        lengths = self.lengths[texts]
        tokens = self.tokens[texts.to(self.tokens.device, non_blocking=True), : max(int(lengths.max()), 1)]
        names = ("targets", "rows", "weights", "auxiliary", "features", "images")
        whole = {name: value for name in names if (value := getattr(self, name)) is not None}
        beside = {name: value[rows.to(value.device, non_blocking=True)] for name, value in whole.items()}
        return self._replace(tokens=tokens, lengths=lengths, **beside)

    def twice(self) -> "Batch":
        """All rows, and then all of them again."""
        size = len(self.rows)

        def double(part: Tensor) -> Tensor:
            columns = part.view(-1, size, *part.shape[1:])
            return torch.cat([columns, columns], dim=1).flatten(0, 1)

        return Batch(*(None if part is None else double(part) for part in self))  # type: ignore[arg-type]

    @property
    def inputs(self) -> list[Tensor]:
        """What a model is called with."""
        return [part for part in (self.tokens, self.lengths, self.features, self.images) if part is not None]

    def parts(self, count: int) -> list["Batch"]:
        """The batch in `count` parts of like many rows, itself in one; at most a part a row."""
        if count == 1:
            return [self]
        size = len(self.rows)
        return [self.take(rows) for rows in torch.arange(size).tensor_split(min(count, size))]


class TokenDataset(Dataset[Item]):
    """The (n,) int64 chosen rows of a store, whose first N are training rows, with all that is known of them.

    Args:
        targets, weights, auxiliary: (N, …) of the training rows.
        features: (N + M, D) of all rows.
        device: where batches are gathered: a GPU that has room for all tokens, else the CPU.
    """

    epoch = 0  # that training is in, for datasets whose rows change

    def __init__(
        self,
        store: TokenStore,
        rows: np.ndarray,
        targets: Tensor | None = None,
        weights: Tensor | None = None,
        auxiliary: Tensor | None = None,
        features: Tensor | None = None,
        device: torch.device = CPU,
    ) -> None:
        self.store, self.rows, self.device = store, rows, device
        self.mapped = [store.tokens, store.offsets]  # whose files must stay as they are
        self.text_lengths = np.diff(store.offsets)  # also in main memory, for samplers and models
        self.tokens, self.offsets = (torch.from_numpy(part).to(device) for part in (store.tokens, store.offsets))
        beside = {"targets": targets, "weights": weights, "auxiliary": auxiliary, "features": features}
        self.beside = {name: part.to(device) for name, part in beside.items() if part is not None}

    @property
    def lengths(self) -> np.ndarray:
        """(n,) int64 tokens in each item, in the longest of its texts."""
        return self.store.lengths[self.rows]

    def select(self, rows: np.ndarray, labelled: bool = True) -> "TokenDataset":
        """Other rows of the same store, the arrays shared; without targets where `labelled` is false."""
        other = type(self).__new__(type(self))
        other.__dict__ = {**self.__dict__, "rows": rows}
        if not labelled:
            other.beside = {name: part for name, part in self.beside.items() if name == "features"}
        return other

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Item:
        row = int(self.rows[index])
        targets = self.beside.get("targets")
        bounds = self.store.offsets[self.store.texts(np.array([row]))[:, None] + np.arange(2)].tolist()
        texts = [torch.from_numpy(self.store.tokens[start:stop]) for start, stop in bounds]
        return Item(texts, None if targets is None else targets[row], row)

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The batch that `pad_collate` makes of these items, straight from the flat arrays."""
        check_mapped(*self.mapped)
        rows = self.rows[np.asarray(indices)]
        numbers = self.store.texts(rows)
        lengths = torch.from_numpy(self.text_lengths[numbers])  # (K * B,)
        chosen, texts = self.index(rows), self.index(numbers)
        starts = self.offsets[texts]
        position = torch.arange(max(int(lengths.max()), 1), device=self.device)  # (T,)
        inside = position < (self.offsets[texts + 1] - starts)[:, None]  # (K * B, T)
        # Beyond a row's end the index runs into the next row, and past the array for the last one.
        index = (starts[:, None] + position).clamp_(max=max(len(self.tokens) - 1, 0))
        padded = self.tokens[index].masked_fill_(~inside, PAD) if len(self.tokens) else inside.int()
        beside = {name: values[chosen] for name, values in self.beside.items()}
        return Batch(padded, lengths, beside.pop("targets", None), torch.from_numpy(rows), **beside)

    def index(self, numbers: np.ndarray) -> Tensor:
        """Row numbers where the arrays are; pinned memory keeps the host from waiting for a GPU."""
        index = torch.from_numpy(numbers)
        return index if self.device.type == "cpu" else index.pin_memory().to(self.device, non_blocking=True)


def pad_collate(items: Sequence[Item] | Batch) -> Batch:
    """The `collate_fn`: pad items to the longest of them; a batch that was gathered at once stays as it is."""
    if isinstance(items, Batch):
        return items
    texts = [text for column in zip(*(item.texts for item in items), strict=True) for text in column]
    lengths = torch.tensor([len(text) for text in texts])
    tokens = torch.full((len(texts), max(int(lengths.max()), 1)), PAD, dtype=torch.int32)
    for padded, text in zip(tokens, texts, strict=True):
        padded[: len(text)] = text
    targets = [item.target for item in items if item.target is not None]
    images = [item.image for item in items if item.image is not None]
    rows, stacked = torch.tensor([item.row for item in items]), torch.stack(images) if images else None
    return Batch(tokens, lengths, torch.stack(targets) if targets else None, rows, images=stacked)


def make_loader(
    dataset: TokenDataset, sampler: Sampler[list[int]] | Iterable[list[int]], device: torch.device = CPU
) -> "DataLoader[Batch]":
    """The batches of a sampler for a model on `device`; made in this process: sending one would take longer."""
    # A generator of its own: by default the loader draws from the one that dropout draws from.
    return DataLoader(
        dataset,  # type: ignore[arg-type]  # an item of it is a row, `__getitems__` gives a batch
        batch_sampler=sampler,
        collate_fn=pad_collate,
        generator=torch.Generator(),
        pin_memory=device.type == "cuda" and dataset.device.type == "cpu",
    )
