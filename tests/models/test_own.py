# ruff: noqa: ARG002, ARG005 - what a model is given, used or not
"""Models of the user's own, by the same call as the built-in ones."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from foldwise.config import Model, Recipe
from foldwise.data.targets import Targets
from foldwise.errors import InputError
from foldwise.models import Shape, build_model
from foldwise.training.rehearsal import rehearse
from models.batches import batch, check_rows_alone, vectors
from training import decided_training


class BagOfWords(nn.Module):
    """Mean of the vectors, columns side by side, features beside; what a README could show."""

    def __init__(self, vocabulary_size, vectors, outputs, columns=1, features=0):
        super().__init__()
        assert len(vectors) == vocabulary_size
        self.columns = columns
        self.embedding = nn.Embedding.from_pretrained(vectors, freeze=False)
        self.norm = nn.BatchNorm1d(columns * vectors.shape[1])
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(columns * vectors.shape[1] + features, outputs)

    def forward(self, tokens, lengths, features=None):
        mask = torch.arange(tokens.shape[1]) < lengths[:, None]
        mean = (self.embedding(tokens) * mask[:, :, None]).sum(1) / lengths.clamp(min=1)[:, None]
        joined = self.dropout(self.norm(torch.cat(mean.chunk(self.columns), dim=1)))
        return self.head(joined if features is None else torch.cat([joined, features], dim=1))


@pytest.fixture
def own(monkeypatch):
    """A module `own_model` to hang classes into."""
    module = ModuleType("own_model")
    monkeypatch.setitem(sys.modules, "own_model", module)
    return module


def build(own, made, shape: Shape, **arguments) -> nn.Module:
    own.Net = made
    return build_model(vectors(), shape, Model(name="own_model:Net", arguments=arguments), seed=3)


def rehearse_own(own, made, shape: Shape, **arguments) -> None:
    own.Net = made
    y = (np.arange(9 * shape.outputs) % 2).astype(np.float32).reshape(9, shape.outputs)
    targets = Targets("multilabel", y, y, [str(number) for number in range(shape.outputs)])
    recipe = Recipe(model=Model(name="own_model:Net", arguments=arguments), training=decided_training())
    rehearse(recipe, targets, shape.columns, shape.features)


def refuse(own, made, shape: Shape, message: str, **arguments) -> None:
    with pytest.raises(InputError, match=rf"recipe\.model\.name = 'own_model:Net': .*{message}"):
        rehearse_own(own, made, shape, **arguments)


def returning(function):
    """A model class whose `forward` gives `function(tokens, C)`."""

    class Net(nn.Module):
        def __init__(self, vocabulary_size, vectors, outputs):
            super().__init__()
            self.outputs = outputs

        def forward(self, tokens, lengths):
            return function(tokens, self.outputs)

    return Net


@pytest.mark.parametrize("outputs", [1, 2, 3, 7])
@pytest.mark.parametrize(("columns", "features"), [(1, 0), (2, 0), (1, 3), (3, 2)])
def test_a_model_is_called_as_a_built_in_one(own, outputs, columns, features):
    shape = Shape(outputs, columns, features)
    rehearse_own(own, BagOfWords, shape, columns=columns, features=features)
    model = build(own, BagOfWords, shape, columns=columns, features=features).eval()
    tokens, lengths = batch([3, 1, 0, 5, 2, 2][: 2 * columns])
    given = [torch.ones(2, features)] if features else []
    assert model(tokens, lengths, *given).shape == (2, outputs)
    if not features:
        check_rows_alone(model, [3, 1, 0, 5, 2, 2], columns)


def test_vectors_are_a_copy(own):
    table = vectors()
    own.Net = BagOfWords
    model = build_model(table, Shape(1), Model(name="own_model:Net"), seed=0)
    with torch.no_grad():
        model.embedding.weight.fill_(9)
    assert torch.equal(table, vectors())


@pytest.mark.parametrize("outputs", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (lambda tokens, outputs: torch.zeros(len(tokens)), r"gave \(\d,\) of torch.float32"),
        (lambda tokens, outputs: torch.zeros(outputs, len(tokens)), r"gave \(\d, \d\) of torch.float32"),
        (lambda tokens, outputs: torch.zeros(tokens.shape), r"gave \(\d, \d\) of torch.float32"),
        (lambda tokens, outputs: torch.zeros(tokens.shape[1], outputs), r"gave \(\d, \d\) of torch.float32"),
        (lambda tokens, outputs: torch.zeros(len(tokens), tokens.shape[1], outputs), r"gave \(\d, \d, \d\) of torch.float32"),
        (lambda tokens, outputs: torch.zeros(len(tokens), outputs).long(), r"gave \(\d, \d\) of torch.int64"),
        (lambda tokens, outputs: (torch.zeros(len(tokens), outputs), None), "gave tuple; it must give"),
    ],
)  # fmt: skip
def test_another_shape_is_a_fault_of_the_input(own, outputs, wrong, found):
    message = rf"Net\.forward\(tokens, lengths\) was given \(\d, \d\), \(\d,\) and {found}"
    refuse(own, returning(wrong), Shape(outputs), message)


def test_columns_given_back_one_by_one_are_named(own):
    answer = returning(lambda tokens, outputs: torch.zeros(len(tokens), outputs))
    message = r"given \(4, 3\), \(4,\) and gave \(4, 1\) .* must give \(2, 1\) floats, C = 1"
    refuse(own, answer, Shape(1, columns=2), message)


class NoModule:
    def __init__(self, vocabulary_size, vectors, outputs):
        pass


class OtherSignature(nn.Module):
    def __init__(self, words, outputs):
        super().__init__()


class Stubborn(nn.Module):
    def __init__(self, vocabulary_size, vectors, outputs):
        raise ValueError("no luck")


class TokensOnly(nn.Module):
    def __init__(self, vocabulary_size, vectors, outputs):
        super().__init__()

    def forward(self, tokens):
        return tokens


SIGNATURE = r"Net\(vocabulary_size=int, vectors=\(V, E\) float32 tensor, outputs=int"


@pytest.mark.parametrize(
    ("made", "features", "message"),
    [
        (OtherSignature, 0, rf"unexpected keyword argument 'vocabulary_size'; foldwise calls {SIGNATURE}\)"),
        (Stubborn, 0, "ValueError: no luck .*; foldwise calls"),
        (NoModule, 0, rf"gave NoModule, not a torch\.nn\.Module; foldwise calls {SIGNATURE}"),
        (TokensOnly, 0, r"TokensOnly\.forward\(tokens, lengths\) was given .* and failed, TypeError: .*must give \(2, 1\)"),
        (BagOfWords, 2, r"BagOfWords\.forward\(tokens, lengths, features\) was given .* and failed, RuntimeError"),
    ],
)  # fmt: skip
def test_a_class_that_cannot_be_made_or_called(own, made, features, message):
    refuse(own, made, Shape(1, features=features), message)


def test_arguments_of_the_recipe_are_named_in_the_message(own):
    refuse(own, BagOfWords, Shape(1), rf"'depth'; foldwise calls {SIGNATURE}, depth\)", depth=3)


@pytest.mark.parametrize("name", ["no_such_module:Net", "own_model:Missing"])
def test_what_cannot_be_imported_is_named(own, name):
    with pytest.raises(InputError, match=f"recipe.model.name = '{name}'"):
        build_model(vectors(), Shape(1), Model(name=name), seed=0)


class Detached(BagOfWords):
    def forward(self, tokens, lengths, features=None):
        logits = super().forward(tokens, lengths, features)
        return logits.detach() if self.training else logits


class SparseBag(nn.Module):
    def __init__(self, vocabulary_size, vectors, outputs):
        super().__init__()
        self.bag = nn.EmbeddingBag.from_pretrained(vectors[:, :outputs], freeze=False, sparse=True, padding_idx=0)

    def forward(self, tokens, lengths):
        return self.bag(tokens)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (returning(lambda tokens, outputs: torch.zeros(len(tokens), outputs)), "has no weights that train"),
        (Detached, "a step of training fails, RuntimeError: element 0 of tensors does not require grad"),
        (SparseBag, "bag.weight has sparse gradients, which only an nn.Embedding"),
    ],
)
def test_a_model_that_cannot_be_trained_is_refused(own, made, message):
    refuse(own, made, Shape(2), message)
