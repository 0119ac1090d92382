import numpy as np
import pytest

from foldwise.config import Tokens
from foldwise.data.features import TEXT_FEATURES, features_of


def made(texts: list[str], names: list[str]) -> np.ndarray:
    return features_of([texts], np.empty((len(texts), 0)), Tokens(features=list(names)))


def test_by_hand():
    features = made(["Good GOOD film!", "", "a-b, c"], ["length", "capitals", "punctuation", "unique"])
    assert features.shape == (3, 4)
    assert features[0] == pytest.approx([1.3862943611198906, 5 / 15, 1 / 15, 2 / 3])
    assert features[1].tolist() == [0, 0, 0, 0]
    assert features[2] == pytest.approx([1.0986122886681098, 0, 2 / 6, 1])


def test_those_named_in_their_order():
    assert made(["One two"], ["unique", "length"])[0].tolist() == [
        TEXT_FEATURES["unique"]("One two"),
        TEXT_FEATURES["length"]("One two"),
    ]
    assert made(["x", "y"], []).shape == (2, 0)
