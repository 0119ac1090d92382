"""Rows to predict that were not there at training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore
from foldwise.models import Shape


@dataclass(frozen=True)
class NewRows:
    """What a trained fold predicts from.

    Attributes:
        store: tokens of the M rows, by the vocabulary at training with new words behind it.
        words: V + V' words in id order, the new ones last.
        features: (M, D) float64 numbers beside the text, None where there are none.
        new_vectors: (V', E) float32 of the new words.
        vectors: file with the (V, E) vectors that training began with, for networks whose weights do not hold them.
        dimension: E.
        shape: of a network, with outputs of auxiliary targets.
        targets: task and names; of no rows.
    """

    store: TokenStore
    words: Sequence[str]
    features: np.ndarray | None
    new_vectors: np.ndarray
    vectors: Path
    dimension: int
    shape: Shape
    targets: Targets
