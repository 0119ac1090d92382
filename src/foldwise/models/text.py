"""What all built-in models share: from tokens to vectors at one end, from what encodes a text to logits at the other.

embedding → spatial dropout → encoder, (rows, F) → columns and features joined → dropout → head. A subclass gives the
encoder; padding must not reach what it returns.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from foldwise.config import Model
from foldwise.models.pooling import token_mask


@dataclass(frozen=True)
class Shape:
    """What goes into a model and comes out."""

    outputs: int  # C, logits of a row
    columns: int = 1  # K, texts of a row that are encoded apart
    features: int = 0  # D, numbers beside the text


class Embedding(nn.Embedding):
    """Vectors that lie in memory as an LSTM wants them, the first tokens of all rows first: it copies nothing then."""

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) int → (B, T, E), or (T,) → (T, E)."""
        return super().forward(tokens.t()).transpose(0, -2)


class TextModel(nn.Module):
    """A model of texts without its encoder, made of (V, E) float32 word vectors, that of padding zero."""

    def __init__(self, vectors: Tensor, shape: Shape, settings: Model) -> None:
        super().__init__()
        self.columns = shape.columns
        trained = settings.train_embedding
        # Trained vectors are the model's own: the caller's array must not change under it.
        table = vectors.clone() if trained else vectors
        # Without `padding_idx`, which would wait for a GPU: the gradient at padding is zero all the same.
        self.embedding = Embedding.from_pretrained(table, freeze=not trained, sparse=trained)
        # Drops whole features of a row's vectors, the same at every token (Tompson et al. 2015, "SpatialDropout").
        self.spatial_dropout = nn.Dropout1d(settings.spatial_dropout)
        width = self.add_encoder(vectors.shape[1], settings)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(shape.columns * width + shape.features, shape.outputs)

    def add_encoder(self, size: int, settings: Model) -> int:
        """Make the encoder's modules for vectors of `size` numbers; returns F."""
        raise NotImplementedError

    def encode(self, states: Tensor, lengths: Tensor, mask: Tensor | None) -> Tensor:
        """(R, T, E) vectors of padded texts → (R, F); what stands on padding must not matter.

        Args:
            lengths: (R,) int64 on the CPU, 0 for an empty text.
            mask: (R, T) bool, true where there is a token; None where there is no padding.
        """
        raise NotImplementedError

    def forward(self, tokens: Tensor, lengths: Tensor, features: Tensor | None = None) -> Tensor:
        """(B, C) logits; the arguments as in `foldwise.models`."""
        mask = None
        if int(lengths.min()) < tokens.shape[1]:
            mask = token_mask(tokens, lengths)
        states = self.embedding(tokens)  # (K·B, T, E)
        states = self.spatial_dropout(states.transpose(1, 2)).transpose(1, 2)
        joined = self.encode(states, lengths, mask)  # (K·B, F)
        if self.columns > 1:
            joined = torch.cat(joined.chunk(self.columns), dim=1)  # (B, K·F)
        if features is not None:
            joined = torch.cat([joined, features], dim=1)
        return self.head(self.dropout(joined))
