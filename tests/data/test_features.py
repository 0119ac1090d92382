import pytest

from foldwise.data.features import TEXT_FEATURES, text_features


def test_by_hand():
    features = text_features(["Good GOOD film!", "", "a-b, c"], ["length", "capitals", "punctuation", "unique"])
    assert features.shape == (3, 4)
    assert features[0] == pytest.approx([1.3862943611198906, 5 / 15, 1 / 15, 2 / 3])
    assert features[1].tolist() == [0, 0, 0, 0]
    assert features[2] == pytest.approx([1.0986122886681098, 0, 2 / 6, 1])


def test_those_named_in_their_order():
    both = text_features(["One two"], ["unique", "length"])
    assert both[0].tolist() == [TEXT_FEATURES["unique"]("One two"), TEXT_FEATURES["length"]("One two")]
    assert text_features(["x", "y"], []).shape == (2, 0)
