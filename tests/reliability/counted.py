"""A small model that writes down every step of training, so that steps that were taken twice can be counted."""

import os

import torch
from torch import Tensor, nn

FEW = 8  # rows: the rehearsal before a run has fewer, every batch of training more


class Counted(nn.Module):
    """Mean of the word vectors, with dropout; each step adds a byte to the file `$STEPS_FILE`."""

    def __init__(self, vocabulary_size: int, vectors: Tensor, outputs: int) -> None:  # noqa: ARG002
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(vectors, freeze=False, padding_idx=0, sparse=True)
        self.dropout = nn.Dropout(0.2)
        self.lstm = nn.LSTM(vectors.shape[1], 12, batch_first=True, bidirectional=True)
        self.head = nn.Linear(24, outputs)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(B, T), (B,) → (B, C) logits."""
        if self.training and len(tokens) > FEW:
            with open(os.environ["STEPS_FILE"], "ab", buffering=0) as file:  # noqa: PTH123
                file.write(b".")
        states, _ = self.lstm(self.dropout(self.embedding(tokens)))
        mask = (torch.arange(tokens.shape[1]) < lengths[:, None])[:, :, None]
        return self.head((states * mask).sum(1) / lengths.clamp(min=1)[:, None])
