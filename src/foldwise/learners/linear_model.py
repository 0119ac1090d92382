"""A fitted linear model: n-grams, their weights, and what turns sums into predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel
from scipy import sparse

from foldwise.learners.ngrams import find_ngrams, make_counter, weigh_ngrams
from foldwise.learners.regression import Link, to_predictions


class Ngrams(BaseModel):
    """N-grams of words or of characters, as they are written."""

    analyzer: Literal["word", "char_wb"]
    lengths: tuple[int, int]  # shortest, longest
    terms: list[str]


class LinearFacts(BaseModel):
    """What of a linear model stands beside its arrays."""

    C: list[float]
    link: Link
    ngrams: list[Ngrams]


@dataclass(frozen=True)
class LinearModel:
    """A fitted linear member: arrays for a safetensors file, and what goes into a JSON file."""

    coef: np.ndarray  # (C, F) float64
    intercept: np.ndarray  # (C,) float64
    C: list[float]  # of the softmax, or of each column; 0 where there was nothing to learn
    link: Link
    idf: np.ndarray  # (F,) float64
    ngrams: list[dict[str, Any]]  # of words, of characters: analyzer, lengths, and the terms, F together

    @cached_property
    def counters(self) -> list[Any]:
        """What counts the n-grams of each kind; made once, as hundreds of thousands take a while to be numbered."""
        return [make_counter(**grams) for grams in self.ngrams]

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """(n, C) float64 probabilities, or the values of a regression."""
        if not texts:
            return np.empty((0, len(self.coef)))
        parts, start = [], 0
        for counter in self.counters:
            end = start + len(counter.vocabulary)
            parts.append(weigh_ngrams(find_ngrams(texts, counter), self.idf[start:end])[0])
            start = end
        scores = sparse.hstack(parts).tocsr() @ self.coef.T + self.intercept
        return to_predictions(scores, self.link)
