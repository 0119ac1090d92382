from foldwise.freshness import changes


def test_each_difference_is_named_with_both_values():
    old = {"tokens": "0123456789abcdef", "recipe": {"training": {"epochs": 6}, "seed": 0, "model": {"name": "bilstm"}}}
    new = {"tokens": "f123456789abcdef", "recipe": {"training": {"epochs": 4}, "seed": 0, "model": {"name": "bilstm"}}}
    assert changes(old, new) == ["tokens changed", "recipe.training.epochs 6 → 4"]
    assert changes(old, old) == []
    assert changes({"n": [1, 2]}, {"n": [1, 3]}) == ["n.1 2 → 3"]


def test_another_model_is_one_difference_whatever_differs_with_it():
    old = {"folds": 1, "recipe": {"model": {"name": "bilstm", "hidden": 8}, "training": {"epochs": 6}}}
    new = {"folds": 2, "recipe": {"model": {"name": "linear"}, "linear": {"C": 4.0}}}
    assert changes(old, new) == ["folds 1 → 2", "model bilstm → linear"]
