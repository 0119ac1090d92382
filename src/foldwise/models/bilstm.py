"""BiLSTM: embedding → spatial dropout → bidirectional LSTM → masked pooling → head.

The usual trouble with a bidirectional LSTM on padded rows is its backward direction, which reads the padding first
and so gives another result for each amount of it. PyTorch's remedy, packed sequences, costs 1.6 to 3.3 times the
run time on a processor (EXPERIMENTS.md). Here padding carries one extra input feature whose weight shuts the input
gate (its pre-activation falls by 1e4, and sigmoid(-1e4) is exactly 0). With the gate shut nothing enters the cell,
the state stays at its initial zero until the row's last token, and the result is the packed one.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from foldwise.config import Model
from foldwise.models.pooling import AttentionPooling, masked_max, masked_mean

SHUT = -1e4  # added to the input gate's pre-activation on padding
ALIGN = 4  # columns added for the feature: one would do, but odd row lengths slow the matrix product down


class PaddedLSTM(nn.LSTM):
    """One bidirectional LSTM layer over padded rows, equal to `nn.LSTM` over packed ones.

    Args:
        input_size: E.
        hidden_size: H of each direction.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, batch_first=True, bidirectional=True)

    def forward(self, inputs: Tensor, lengths: Tensor, mask: Tensor | None) -> Tensor:  # type: ignore[override]
        """Run over the rows.

        Args:
            inputs: (B, T, E), rows padded at the end.
            lengths: (B,) int64 on the CPU.
            mask: (B, T) bool, true where there is a token; None where there is no padding.

        Returns:
            (B, T, 2H); what stands on padding is not meaningful.
        """
        if mask is None:
            return super().forward(inputs)[0]
        if inputs.is_cuda:  # cuDNN runs packed rows at full speed, and only as one flat block of weights
            # Our own batches are sorted, longest first. Sorting here would cost a copy that waits for the GPU.
            is_sorted = bool((lengths[1:] <= lengths[:-1]).all())
            packed = pack_padded_sequence(inputs, lengths.clamp(min=1), batch_first=True, enforce_sorted=is_sorted)
            return pad_packed_sequence(super().forward(packed)[0], batch_first=True, total_length=inputs.shape[1])[0]
        feature = inputs.new_zeros(*mask.shape, ALIGN)
        feature[:, :, 0] = ~mask
        column = inputs.new_zeros(4 * self.hidden_size, ALIGN)
        column[: self.hidden_size, 0] = SHUT  # PyTorch's order of the gates: input, forget, cell, output
        weights = []
        for suffix in ("", "_reverse"):
            weights.append(torch.cat([getattr(self, f"weight_ih_l0{suffix}"), column], dim=1))
            weights += [getattr(self, f"{name}_l0{suffix}") for name in ("weight_hh", "bias_ih", "bias_hh")]
        start = inputs.new_zeros(2, inputs.shape[0], self.hidden_size)
        padded = torch.cat([inputs, feature], dim=2)  # (B, T, E + ALIGN)
        # has_biases, num_layers, dropout, train, bidirectional, batch_first
        return torch.lstm(padded, (start, start), weights, True, 1, 0.0, self.training, True, True)[0]


class BiLSTM(nn.Module):
    """The classic of Kaggle's text competitions before transformers, as strong as its embeddings.

    Args:
        vectors: (V, E) float32 word vectors; that of padding zero.
        outputs: C.
        settings: hidden size, layers, pooling, dropouts, whether the vectors are trained.
    """

    def __init__(self, vectors: Tensor, outputs: int, settings: Model) -> None:
        super().__init__()
        trained = settings.train_embedding
        # Trained vectors are the model's own: the caller's array must not change under it.
        table = vectors.clone() if trained else vectors
        # Without `padding_idx`, which would wait for a GPU: the gradient at padding is zero all the same.
        self.embedding = nn.Embedding.from_pretrained(table, freeze=not trained, sparse=trained)
        # Drops whole features of a row's vectors, the same at every token (Tompson et al. 2015, "SpatialDropout").
        self.spatial_dropout = nn.Dropout1d(settings.spatial_dropout)
        sizes = [vectors.shape[1]] + [2 * settings.hidden] * (settings.layers - 1)
        self.lstms = nn.ModuleList(PaddedLSTM(size, settings.hidden) for size in sizes)
        self.pooling = settings.pooling
        self.attention = AttentionPooling(2 * settings.hidden) if "attention" in settings.pooling else None
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(2 * settings.hidden * len(settings.pooling), outputs)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(B, T) int tokens and (B,) int64 lengths on the CPU → (B, C) logits; any B ≥ 1 and T ≥ 1."""
        mask = None
        if int(lengths.min()) < tokens.shape[1]:
            sizes = lengths.to(tokens.device, non_blocking=True)
            mask = torch.arange(tokens.shape[1], device=tokens.device) < sizes[:, None]
        states = self.embedding(tokens)  # (B, T, E)
        states = self.spatial_dropout(states.transpose(1, 2)).transpose(1, 2)
        for index, lstm in enumerate(self.lstms):
            states = lstm(self.dropout(states) if index else states, lengths, mask)  # (B, T, 2H)
        pools = {"max": masked_max, "mean": masked_mean, "attention": self.attention}
        pooled = [pool(states, mask) for name in self.pooling if (pool := pools[name]) is not None]
        return self.head(self.dropout(torch.cat(pooled, dim=1)))
