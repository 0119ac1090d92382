"""What built-in models share: columns encoded apart, features beside the text, frozen vectors."""

import pytest
import torch

from foldwise.config import Model
from foldwise.models import BUILDERS, Shape, build_model
from models.batches import batch, check_rows_alone, vectors

LENGTHS = [4, 0, 2, 1, 6, 3]  # two columns of three rows, or three of two


def build(name: str, shape: Shape):
    return build_model(vectors(), shape, Model(name=name, hidden=4, channels=3), seed=0).eval()


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("columns", [2, 3])
def test_columns_are_encoded_apart_and_joined(name, columns):
    model = build(name, Shape(2, columns=columns))
    tokens, lengths = batch(LENGTHS)
    rows = len(LENGTHS) // columns
    single = build(name, Shape(2))
    seen = []
    single.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for column in range(columns):
        share = slice(column * rows, (column + 1) * rows)
        single(tokens[share], lengths[share])
    assert torch.allclose(model(tokens, lengths), model.head(torch.cat(seen, dim=1)), atol=1e-6)
    check_rows_alone(model, LENGTHS, columns)


@pytest.mark.parametrize("name", BUILDERS)
def test_features_reach_the_head_as_they_are(name):
    model = build(name, Shape(2, columns=2, features=3))
    tokens, lengths = batch(LENGTHS)
    features = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    without = model(tokens, lengths, torch.zeros(3, 3))
    added = features @ model.head.weight[:, -3:].T
    assert torch.allclose(model(tokens, lengths, features), without + added, atol=1e-6)
    assert added.abs().min() > 0


@pytest.mark.parametrize("name", BUILDERS)
def test_every_weight_learns(name):
    chosen = Model(name=name, hidden=4, channels=3, pooling=["max", "mean", "attention", "last"], layers=2)
    model = build_model(vectors(), Shape(2, columns=2, features=1), chosen, seed=0)
    tokens, lengths = batch(LENGTHS)
    model(tokens, lengths, torch.ones(3, 1)).square().sum().backward()
    for part, value in model.named_parameters():
        assert value.grad is not None, part
        assert value.grad.to_dense().abs().sum() > 0, part


@pytest.mark.parametrize("name", BUILDERS)
def test_frozen_vectors_are_not_trained(name):
    model = build_model(vectors(), Shape(1), Model(name=name, hidden=8, train_embedding=False), seed=0)
    assert "embedding.weight" not in [part for part, value in model.named_parameters() if value.requires_grad]
    assert torch.equal(model.state_dict()["embedding.weight"], vectors())
