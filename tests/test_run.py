"""What of a configuration fits together, before anything runs."""

import pytest

from foldwise.config import Config, Recipe
from foldwise.errors import InputError
from foldwise.run import check_config, check_unfreezing


def check(task: str, metric: str, kind: str, **ensemble) -> None:
    content = {
        "competition": {"slug": "x", "task": task, "metric": metric},
        "columns": {"id": "id", "text": ["text"], "target": ["y"]},
        "submission": {"kind": kind},
        "recipe": {"members": {"a": {}, "b": {}}, "ensemble": ensemble},
    }
    check_config(Config.model_validate(content), "x")


@pytest.mark.parametrize(
    ("task", "metric", "kind", "ensemble"),
    [
        ("ordinal", "quadratic_kappa", "label", {"method": "rank_mean"}),
        ("ordinal", "quadratic_kappa", "value", {}),
        ("ordinal", "rmse", "value", {}),
        ("multilabel", "spearman", "probability", {"method": "rank_mean"}),
        ("multilabel", "micro_f1", "label", {"method": "rank_mean"}),
        ("multilabel", "mean_column_roc_auc", "probability", {"weights": "fit"}),
        ("binary", "pearson", "probability", {"weights": {"a": 1.0, "b": 0.0}}),
        ("binary", "f1", "label", {"members": ["b"], "weights": {"b": 1.0}}),
    ],
)
def test_what_fits(task, metric, kind, ensemble):
    check(task, metric, kind, **ensemble)


@pytest.mark.parametrize(
    ("task", "metric", "kind", "ensemble", "expected"),
    [
        ("ordinal", "quadratic_kappa", "probability", {}, "not for an ordinal task; set it to 'label' or 'value'"),
        ("ordinal", "rmse", "label", {}, "rmse scores values; set the kind to 'value'"),
        ("multilabel", "spearman", "label", {}, "spearman scores values; set the kind to 'probability'"),
        ("multilabel", "spearman", "value", {}, "set it to 'label' or 'probability'"),
        ("regression", "rmse", "label", {}, "set it to 'value'"),
        ("ordinal", "accuracy", "value", {"method": "rank_mean"}, "cannot be submitted as values in an ordinal task"),
        ("ordinal", "spearman", "value", {"method": "rank_mean"}, "cannot be submitted as values in an ordinal task"),
        ("multilabel", "rmse", "probability", {"method": "rank_mean"}, "cannot be scored by rmse in a multilabel task"),
        ("binary", "log_loss", "probability", {"method": "rank_mean"}, "cannot be scored by log_loss"),
        ("binary", "f1", "label", {"weights": {"a": 1.0}}, "'b' has none; give one to each of a, b"),
        ("binary", "f1", "label", {"weights": {"a": 1.0, "b": 1.0, "c": 2.0}}, "'c' is no member of it"),
        ("binary", "f1", "label", {"weights": {"a": 0.0, "b": 0.0}}, "recipe.ensemble.weights: all are 0; give one to"),
        ("binary", "f1", "label", {"members": ["b"], "weights": {"a": 1.0, "b": 1.0}}, "'a' is no member of it"),
    ],
)  # fmt: skip
def test_what_does_not_fit(task, metric, kind, ensemble, expected):
    with pytest.raises(InputError) as error:
        check(task, metric, kind, **ensemble)
    assert expected in str(error.value)


def test_vectors_that_never_train_are_those_of_members_that_have_some():
    def recipe(bilstm: int) -> Recipe:
        members = {"bilstm": {"training": {"epochs": bilstm}}, "linear": {"model": {"name": "linear"}}}
        others = {"minilm": {"model": {"name": "encoder"}, "encoder": {"train": "full"}}}
        return Recipe.model_validate({"training": {"epochs": 1, "unfreeze_epoch": 2}, "members": members | others})

    check_unfreezing(recipe(bilstm=3))
    with pytest.raises(InputError, match="unfreeze_epoch = 2: the vectors of bilstm never train"):
        check_unfreezing(recipe(bilstm=2))
