"""What the models are tried on: small vectors, and padded batches whose rows have given lengths."""

import torch
from torch import nn


def vectors(n_words: int = 30, size: int = 6) -> torch.Tensor:
    table = torch.randn(n_words, size, generator=torch.Generator().manual_seed(1))
    table[0] = 0
    return table


def batch(lengths: list[int], width: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of one length are equal, whatever stands beside them."""
    tokens = torch.zeros(len(lengths), width or max(*lengths, 1), dtype=torch.int32)
    for row, length in zip(tokens, lengths, strict=True):
        row[:length] = torch.randint(1, 30, (length,), generator=torch.Generator().manual_seed(length))
    return tokens, torch.tensor(lengths)


def check_rows_alone(model: nn.Module, lengths: list[int], columns: int = 1) -> None:
    """A row's logits are the same alone, among others, and however far the batch is padded."""
    model.eval()
    tokens, sizes = batch(lengths)
    together = model(tokens, sizes)
    rows = len(lengths) // columns
    assert len(together) == rows
    for row in range(rows):
        places = list(range(row, len(lengths), rows))
        width = max(*sizes[places].tolist(), 1)
        alone = model(tokens[places, :width], sizes[places])
        assert torch.allclose(together[row], alone[0], atol=1e-5)
    wide, _ = batch(lengths, width=max(lengths) + 20)
    assert torch.allclose(model(wide, sizes), together, atol=1e-5)
