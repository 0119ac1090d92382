import numpy as np
import pandas as pd
import pytest

from foldwise.data.table import Table
from foldwise.data.targets import encode_targets, sort_labels
from foldwise.errors import InputError


def table(**columns: list[str]) -> Table:
    frame = pd.DataFrame(columns, dtype=object)
    return Table("train.csv", frame, np.arange(2, len(frame) + 2))


def test_shapes_by_task():
    binary = encode_targets(table(y=["0", "1", "1.0"]), ["y"], "binary")
    assert binary.y.tolist() == [[0], [1], [1]]
    classes = encode_targets(table(y=["b", "a", "b"]), ["y"], "multiclass")
    assert (classes.y.tolist(), classes.names) == ([1, 0, 1], ["a", "b"])
    several = encode_targets(table(p=["0", "1"], q=["1", "0"]), ["p", "q"], "multilabel")
    assert several.y.tolist() == [[0, 1], [1, 0]]
    values = encode_targets(table(y=["0.1", "-2e3"]), ["y"], "regression")
    assert values.y.tolist() == [[0.1], [-2000.0]]


def test_labels_in_order_of_value():
    assert sort_labels({"10", "2", "1"}) == ["1", "2", "10"]
    assert sort_labels({"10", "2", "b"}) == ["10", "2", "b"]


@pytest.mark.parametrize(
    ("values", "task", "expected"),
    [
        (["0", "maybe", ""], "binary", ["line 3, column y: 'maybe' is not 0 or 1", "line 4, column y: missing target"]),
        (["0", "2", "1"], "binary", ["'2' is not 0 or 1"]),
        (["1", "1", "1"], "binary", ["nothing to learn"]),
        (["a", "", "b"], "multiclass", ["line 3, column y: missing target"]),
        (["a", "a", "a"], "multiclass", ["every row has the label 'a'"]),
        (["1", "nan", "1_000"], "regression", ["'nan' is not a number", "'1_000' is not a number"]),
        (["1", "inf", "2"], "regression", ["'inf' is not a number"]),
    ],
)
def test_faults_name_line_column_and_value(values, task, expected):
    with pytest.raises(InputError) as caught:
        encode_targets(table(y=values), ["y"], task)
    for phrase in expected:
        assert phrase in str(caught.value)


def test_one_column_tasks():
    with pytest.raises(InputError, match="one target column, not 2: p, q"):
        encode_targets(table(p=["0", "1"], q=["1", "0"]), ["p", "q"], "binary")
