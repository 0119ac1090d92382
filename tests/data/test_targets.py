from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import make_config
from foldwise.data.table import Table
from foldwise.data.targets import encode_extras, encode_targets, sort_labels, weigh_by_subgroups
from foldwise.errors import InputError


def table(**columns: list[str]) -> Table:
    frame = pd.DataFrame(columns, dtype=object)
    return Table(Path("train.csv"), frame, np.arange(2, len(frame) + 2))


def test_shapes_by_task():
    binary = encode_targets(table(y=["0", "1", "1.0"]), make_config("binary", "f1"))
    assert binary.y.tolist() == binary.truth.tolist() == [[0], [1], [1]]
    classes = encode_targets(table(y=["b", "a", "b"]), make_config("multiclass", "accuracy"))
    assert (classes.y.tolist(), classes.names) == ([1, 0, 1], ["a", "b"])
    several = encode_targets(table(p=["0", "1"], q=["1", "0"]), make_config("multilabel", "roc_auc", ["p", "q"]))
    assert several.y.tolist() == [[0, 1], [1, 0]]
    values = encode_targets(table(y=["0.1", "-2e3"]), make_config("regression", "rmse"))
    assert values.y.tolist() == [[0.1], [-2000.0]]
    ordinal = encode_targets(table(y=["6", "1", "2", "6"]), make_config("ordinal", "quadratic_kappa"))
    assert (ordinal.truth.tolist(), ordinal.names) == ([2, 0, 1, 2], ["1", "2", "6"])
    assert ordinal.y.tolist() == [[2], [0], [1], [2]]
    assert (ordinal.outputs, ordinal.columns) == (1, ["prediction"])


def test_labels_in_order_of_value():
    assert sort_labels({"10", "2", "1"}) == ["1", "2", "10"]
    assert sort_labels({"10", "2", "b"}) == ["10", "2", "b"]


def test_shares_are_learnt_as_they_are_and_scored_from_the_cut_on():
    shares = table(y=["0", "0.7", "0.699", "1"])
    soft = encode_targets(shares, make_config("binary", "roc_auc", soft_cut=0.7))
    assert soft.y[:, 0].tolist() == pytest.approx([0, 0.7, 0.699, 1])
    assert soft.truth.tolist() == [[0], [1], [0], [1]]
    ranked = encode_targets(shares, make_config("binary", "spearman", soft_cut=0.7))
    assert ranked.truth.tolist() == ranked.y.tolist()
    assert soft.of_classes
    assert not ranked.of_classes
    with pytest.raises(InputError, match=r"line 3, column y: '0\.7' is not 0 or 1"):
        encode_targets(shares, make_config("binary", "roc_auc"))
    with pytest.raises(InputError, match=r"line 2, column y: '1\.5' is not a share from 0 to 1"):
        encode_targets(table(y=["1.5", "0"]), make_config("binary", "roc_auc", soft_cut=0.5))


@pytest.mark.parametrize(
    ("values", "task", "expected"),
    [
        (["0", "maybe", ""], "binary", ["line 3, column y: 'maybe' is not 0 or 1", "line 4, column y: missing value"]),
        (
            ["0", "2", "1"],
            "binary",
            ["line 3, column y: '2' is not 0 or 1; fix the row, or what competition.toml says"],
        ),
        (["1", "1", "1"], "binary", ["every row has y = 1; there is nothing to learn"]),
        (["a", "", "b"], "multiclass", ["line 3, column y: missing target"]),
        (["a", "a", "a"], "multiclass", ["every row has the label 'a'"]),
        (["1", "low", "2"], "ordinal", ["line 3, column y: 'low' is not a number"]),
        (["1", "nan", "1_000"], "regression", ["'nan' is not a number", "'1_000' is not a number"]),
        (["1", "inf", "2"], "regression", ["'inf' is not a number"]),
        (["1", "-1e300", "2"], "regression", ["line 3, column y: '-1e300' is not a number of at most 1e16"]),
        (["0", str(2**60), "1"], "ordinal", [f"line 3, column y: '{2**60}' is not a number of at most 1e16; number"]),
    ],
)
def test_faults_name_line_column_and_value(values, task, expected):
    metric = {"regression": "rmse"}.get(task, "accuracy")
    with pytest.raises(InputError) as caught:
        encode_targets(table(y=values), make_config(task, metric))
    for phrase in expected:
        assert phrase in str(caught.value)


def test_one_column_tasks():
    for task in ("binary", "ordinal"):
        with pytest.raises(InputError, match="one target column, not 2: 'p', 'q'"):
            encode_targets(table(p=["0", "1"], q=["1", "0"]), make_config(task, "accuracy", ["p", "q"]))


def test_what_stands_beside_the_targets():
    config = make_config("binary", "jigsaw_bias_auc", soft_cut=0.5, auxiliary=["a"], subgroups=["s", "t"], weight="w")
    train = table(y=["0.6", "0", "0", "1"], a=["0.1", "0", "1", "0"], s=["", "1", "0.4", "0.5"], t=["", "0", "0.5", ""],
                  w=["2", "1", "1", "0"])  # fmt: skip
    targets = encode_extras(train, config, encode_targets(train, config))
    assert targets.auxiliary.tolist() == pytest.approx(np.array([[0.1], [0], [1], [0]]))
    assert targets.weights.tolist() == [2, 1, 1, 0]
    assert targets.subgroups.tolist() == [[0, 0], [1, 0], [0, 1], [1, 0]]
    # there; named; positive and none named; negative and one named; by the mean of rows that weigh, times the weights
    expected = np.array([1 + 0 + 1 + 0, 1 + 1 + 0 + 1, 1 + 1 + 0 + 1, 1 + 1 + 0 + 0]) / 4
    weighed = weigh_by_subgroups(targets).weights
    assert weighed.tolist() == pytest.approx(expected / expected[:3].mean() * [2, 1, 1, 0])
    assert targets.truth.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    some = targets.take(np.array([3, 0]))
    assert some.truth.tolist() == [[1, 1, 0], [1, 0, 0]]
    assert some.weights.tolist() == [0, 2]
    with pytest.raises(InputError, match="line 2, column w: '-1' is not a weight, 0 or from 1e-18 to 1e18"):
        bad = table(y=["0", "1"], a=["0", "0"], s=["", ""], t=["", ""], w=["-1", "1"])
        encode_extras(bad, config, encode_targets(bad, config))
