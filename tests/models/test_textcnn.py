from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from foldwise.config import Model
from foldwise.models import Shape, build_model
from models.batches import batch, check_rows_alone, vectors

CHOSEN = Model(name="textcnn", channels=7, kernel_sizes=[3, 4, 5])


def encode_row(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """One row as the paper has it: every window inside the row, ReLU, max; a short row filled up with zeros."""
    states = model.embedding(tokens)  # (T, E)
    parts = []
    for convolution in model.convolutions:
        width = convolution.kernel_size[0]
        filled = functional.pad(states, (0, 0, 0, max(0, width - len(states))))
        windows = [filled[start : start + width].T for start in range(len(filled) - width + 1)]
        answers = torch.stack([(convolution.weight * window).sum((1, 2)) + convolution.bias for window in windows])
        parts.append(torch.relu(answers).amax(dim=0))
    return torch.cat(parts) if len(tokens) else torch.zeros(7 * len(parts))


@given(lengths=st.lists(st.integers(0, 12), min_size=1, max_size=6), extra=st.integers(0, 6))
@settings(max_examples=40)
def test_equals_a_convolution_of_each_row_alone(lengths, extra):
    model: Any = build_model(vectors(), Shape(2), CHOSEN, seed=0).eval()
    tokens, sizes = batch(lengths, width=max(*lengths, 1) + extra)
    expected = torch.stack([encode_row(model, row[:size]) for row, size in zip(tokens, lengths, strict=True)])
    assert torch.allclose(model(tokens, sizes), model.head(expected), atol=1e-5)


@pytest.mark.parametrize("lengths", [[7, 1, 3, 0, 12], [2, 2], [0, 0], [4], [9, 9, 9]])
@pytest.mark.parametrize("kernel_sizes", [[3, 4, 5], [1], [2, 11]])
def test_padding_does_not_change_a_rows_logits(lengths, kernel_sizes):
    chosen = Model(name="textcnn", channels=5, kernel_sizes=kernel_sizes)
    check_rows_alone(build_model(vectors(), Shape(3), chosen, seed=0), lengths)


def test_padding_gets_no_gradient():
    model: Any = build_model(vectors(), Shape(1), CHOSEN, seed=0)
    tokens, lengths = batch([2, 9])
    model(tokens, lengths).sum().backward()
    gradient = model.embedding.weight.grad.to_dense()
    assert (gradient[0] == 0).all()
    assert (gradient[tokens[0, :2].long()] != 0).any()
