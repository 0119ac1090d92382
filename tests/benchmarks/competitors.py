"""How others train the same model on the same rows: PyTorch's DataLoader, and the Trainer of Hugging Face.

Each function trains one fold in one process with torch's default number of threads, as their users do. Batches are
drawn from the whole fold; the start is not counted.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from contest import BATCH, FOLD, RECIPE
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils.rnn import pad_sequence
from torch.optim import AdamW
from torch.utils.data import DataLoader, TensorDataset

from foldwise.data.tokenizer import PAD
from foldwise.models import build_model
from foldwise.training.fold_data import FoldData
from foldwise.training.optimizers import trained_embeddings
from foldwise.training.precision import choose_device

WARM = 1  # step before the clock starts: it makes the optimizer's state
Figures = dict[str, Any]
Row = tuple[Tensor, Tensor]  # (T,) tokens and (1,) target
Padded = tuple[Tensor, Tensor, Tensor]  # (B, T) tokens, (B,) lengths, (B, 1) targets


def dense_model(data: FoldData) -> nn.Module:
    """The model with what torch's AdamW wants: a dense gradient of the word vectors."""
    model = build_model(torch.from_numpy(data.vectors), data.shape, RECIPE.model, seed=0)
    for embedding in trained_embeddings(model):
        embedding.sparse = False
    return model


def optimizer_of(model: nn.Module) -> AdamW:
    """AdamW as fast as torch has it."""
    settings = RECIPE.training
    return AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)


def rows_of(data: FoldData) -> list[Row]:
    """The fold's training rows as tensors of their own, what a PyTorch Dataset usually holds."""
    rows = np.flatnonzero(data.folds != FOLD)
    y = torch.from_numpy(data.targets.y)
    return [(torch.from_numpy(data.store.row(int(row)).astype(np.int64)), y[row]) for row in rows]


def figures(lengths: list[Tensor], widths: list[int], seconds: float) -> Figures:
    """Rates of the counted batches, from the lengths of their rows and their padded widths."""
    rows = sum(map(len, lengths))
    tokens = sum(int(batch.sum()) for batch in lengths)
    cells = sum(len(batch) * width for batch, width in zip(lengths, widths, strict=True))
    return {"rows": rows / seconds, "tokens": tokens / seconds, "padding": 1 - tokens / cells}


def clock(device: torch.device) -> float:
    """Seconds, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def forever(loader: DataLoader[Any]) -> Iterator[Padded]:
    """Epoch after epoch."""
    while True:
        yield from loader


def plain_loop(data: FoldData, loader: DataLoader[Any], seconds: float) -> Figures:
    """The training loop of PyTorch's tutorials in fp32, for `seconds`."""
    device, _ = choose_device("auto")
    model = dense_model(data).to(device).train()
    optimizer = optimizer_of(model)
    lengths: list[Tensor] = []
    widths: list[int] = []
    start = 0.0
    for step, (tokens, row_lengths, y) in enumerate(forever(loader)):
        if step == WARM:
            start = clock(device)
        if step > WARM and clock(device) - start > seconds:
            break
        logits = model(tokens.to(device), row_lengths)
        loss = binary_cross_entropy_with_logits(logits, y.to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), RECIPE.training.max_grad_norm)
        optimizer.step()
        lengths.append(row_lengths)
        widths.append(tokens.shape[1])
    return figures(lengths[WARM:], widths[WARM:], clock(device) - start)


def pad_rows(rows: list[Row]) -> Padded:
    """A `collate_fn`: pad to the longest row of the batch."""
    tokens, y = zip(*rows, strict=True)
    return (
        pad_sequence(list(tokens), batch_first=True, padding_value=PAD),
        torch.tensor([*map(len, tokens)]),
        torch.stack(y),
    )


def padded_to_longest(data: FoldData, seconds: float) -> Figures:
    """(a) Every row padded to the longest of the data, random order."""
    tokens, lengths, y = pad_rows(rows_of(data))
    wide = nn.functional.pad(tokens, (0, int(data.store.lengths.max()) - tokens.shape[1]), value=PAD)
    dataset = TensorDataset(wide, lengths, y)
    return plain_loop(data, DataLoader(dataset, BATCH, shuffle=True, drop_last=True), seconds)


def padded_by_batch(data: FoldData, seconds: float) -> Figures:
    """(b) Each batch padded to its own longest row, random order."""
    # A list is all that a DataLoader needs of a Dataset.
    rows: Any = rows_of(data)
    loader = DataLoader(rows, BATCH, shuffle=True, drop_last=True, collate_fn=pad_rows)
    return plain_loop(data, loader, seconds)


class WithLoss(nn.Module):
    """The model as Hugging Face's Trainer wants one: named inputs, and the loss among its outputs."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, lengths: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Loss and logits."""
        logits = self.model(input_ids, lengths.cpu())
        return {"loss": binary_cross_entropy_with_logits(logits.float(), labels), "logits": logits}


def grouped_by_trainer(data: FoldData, bf16: bool = False) -> Figures:
    """(c) Hugging Face's Trainer with its sampling by length, an epoch without its first step.

    All of it, because its sampler sorts each group by length: a part would be all long rows or all short ones.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    from transformers import Trainer, TrainerCallback, TrainingArguments

    lengths: list[Tensor] = []
    widths: list[int] = []
    times: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc, unused-ignore]  # no type without the package
        def on_step_end(self, args: Any, *_: Any, **__: Any) -> None:
            times.append(clock(args.device))

    def collate(features: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        tokens, row_lengths, labels = pad_rows([(feature["input_ids"], feature["labels"]) for feature in features])
        lengths.append(row_lengths)
        widths.append(tokens.shape[1])
        return {"input_ids": tokens, "lengths": row_lengths, "labels": labels}

    model = WithLoss(dense_model(data))
    device, _ = choose_device("auto")
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=RECIPE.training.epochs,
            per_device_train_batch_size=BATCH,
            train_sampling_strategy="group_by_length",
            max_grad_norm=RECIPE.training.max_grad_norm,
            bf16=bf16,
            use_cpu=device.type == "cpu",
            remove_unused_columns=False,
            dataloader_pin_memory=device.type == "cuda",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        Trainer(
            model,
            arguments,
            data_collator=collate,
            train_dataset=[{"input_ids": tokens, "labels": y} for tokens, y in rows_of(data)],
            optimizers=(optimizer_of(model.to(device)), None),
            callbacks=[Clock()],
        ).train()
    # The collator runs ahead of the steps, but in their order.
    return figures(lengths[WARM:], widths[WARM:], times[-1] - times[WARM - 1])
