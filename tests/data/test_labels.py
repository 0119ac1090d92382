"""Labels as they are written, in train's cells and in the sample."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import make_config
from foldwise.data.labels import find_pattern, is_missing, labelled_rows, spelling, split_cell, write_like
from foldwise.data.table import Table
from foldwise.data.targets import encode_targets
from foldwise.errors import InputError


def table(**columns: list[str]) -> Table:
    frame = pd.DataFrame(columns, dtype=object)
    return Table(Path("train.csv"), frame, np.arange(2, len(frame) + 2))


def test_a_positive_label_makes_0_and_1_of_two_words():
    config = make_config("binary", "f1", positive="spam")
    targets = encode_targets(table(y=["ham", "spam", "ham"]), config)
    assert (targets.y[:, 0].tolist(), targets.written, targets.names) == ([0, 1, 0], ("ham", "spam"), ["y"])
    assert encode_targets(table(y=["spam"]), config, known=["y"]).y.tolist() == [[1]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["ham", "Spam", "ham"], r"has the labels 'Spam', 'ham'; \[columns\] positive = 'spam' is none of them"),
        (["ham", "spam", "eggs"], "there must be two; make the task multiclass"),
        (["spam", "spam"], "every row has the label 'spam'; there is nothing to learn"),
        (["spam", "", "ham"], "line 3, column y: missing target; fix the row, or leave such rows out"),
        (["spam", "spam ", "spam"], r"labels 'spam' \(2 rows\), 'spam ' \(1 rows\) look alike"),
    ],
)
def test_a_positive_label_needs_one_other(values, expected):
    with pytest.raises(InputError, match=expected):
        encode_targets(table(y=values), make_config("binary", "f1", positive="spam"))


def test_several_labels_in_a_cell():
    config = make_config("multilabel", "micro_f1", separator=";")
    targets = encode_targets(table(y=["b; a", "a", "c;b;c"]), config)
    assert targets.names == ["a", "b", "c"]
    assert targets.y.tolist() == targets.truth.tolist() == [[1, 1, 0], [1, 0, 0], [0, 1, 1]]
    assert encode_targets(table(y=["c"]), config, known=["a", "b", "c"]).y.tolist() == [[0, 0, 1]]
    with pytest.raises(InputError, match="line 2, column y: label 'd' is not in the training table"):
        encode_targets(table(y=["a;d"]), config, known=["a", "b", "c"])
    with pytest.raises(InputError, match="line 3, column y: missing target"):
        encode_targets(table(y=["a;b", " "]), config)
    with pytest.raises(InputError, match=r"labels '1' .*, '1\.0' .* look alike"):
        encode_targets(table(y=["1;b", "1.0"]), config)


def test_columns_of_classes():
    config = make_config("multiclass", "log_loss", ["p", "q", "r"])
    targets = encode_targets(table(p=["0", "1.0"], q=["1", "0"], r=["0", "0"]), config)
    assert (targets.y.tolist(), targets.names) == ([1, 0], ["p", "q", "r"])
    with pytest.raises(InputError) as caught:
        encode_targets(table(p=["0", "1", "1"], q=["0", "1", "0"], r=["0", "0", "0"]), config)
    assert "line 2: 0 of the columns 'p', 'q', 'r' are 1, and a row has one class" in str(caught.value)
    assert "line 3: 2 of the columns" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (["a", "a ", "b"], "labels 'a' (1 rows), 'a ' (1 rows) look alike"),
        (["1", "2", "1.0"], "labels '1' (1 rows), '1.0' (1 rows) look alike"),
        (["é", "e\u0301", "b"], "labels 'e\\u0301' (1 rows), '\\xe9' (1 rows) look alike"),
    ],
)
def test_labels_that_look_alike_are_errors(values, shown):
    with pytest.raises(InputError) as caught:
        encode_targets(table(y=values), make_config("multiclass", "accuracy"))
    assert shown in str(caught.value)


def test_many_labels_that_look_alike_are_counted():
    values = [f"{name}{blank}" for name in range(40) for blank in ("x", "x ")]
    with pytest.raises(InputError, match="40 errors") as caught:
        encode_targets(table(y=values), make_config("multiclass", "accuracy"))
    assert "and 30 more" in str(caught.value)


def test_case_and_zeros_before_a_number_tell_labels_apart():
    classes = encode_targets(table(y=["A", "a", "01", "1"]), make_config("multiclass", "accuracy"))
    assert classes.names == ["01", "1", "A", "a"]


@pytest.mark.parametrize(
    ("task", "policy", "kept"),
    [("regression", "error", [0, 1, 2, 3]), ("regression", "drop", [0]), ("regression", "mask", [0, 1, 3])],
)
def test_rows_without_targets(task, policy, kept):
    config = make_config(task, "rmse", ["p", "q"], missing_targets=policy)
    assert labelled_rows(table(p=["1", "", "NA", "3"], q=["2", "4", " ", "nan"]), config).tolist() == kept


def test_of_classes_a_row_must_be_whole_and_words_may_say_none():
    one_hot = make_config("multiclass", "log_loss", ["p", "q"], missing_targets="mask")
    assert labelled_rows(table(p=["1", ""], q=["0", "1"]), one_hot).tolist() == [0]
    words = make_config("multiclass", "accuracy", missing_targets="drop")
    assert labelled_rows(table(y=["None", "", "NaN"]), words).tolist() == [0, 2]
    with pytest.raises(InputError, match="no row has a target in 'y'"):
        labelled_rows(table(y=["", ""]), words)


def test_unknown_targets_are_nan():
    config = make_config("multilabel", "roc_auc", ["p", "q"], missing_targets="mask")
    targets = encode_targets(table(p=["0", "1", ""], q=["NA", "1", "0"]), config)
    assert np.array_equal(targets.y, [[0, np.nan], [1, 1], [np.nan, 0]], equal_nan=True)
    assert np.array_equal(targets.truth, targets.y, equal_nan=True)
    assert targets.of_classes
    assert targets.strata.tolist() == [[0, 0], [1, 1], [0, 0]]
    with pytest.raises(InputError, match="no row has a q; there is nothing to learn"):
        encode_targets(table(p=["0", "1"], q=["", ""]), config)


def test_strata_of_values_of_which_some_are_unknown():
    y = [["1", ""], ["2", "20"], ["3", "30"], ["4", "40"]]
    config = make_config("regression", "rmse", ["p", "q"], missing_targets="mask")
    columns = dict(zip("pq", map(list, zip(*y, strict=True)), strict=True))
    strata = encode_targets(table(**columns), config).strata
    assert strata.sum(axis=1).tolist() == [1, 1, 1, 1]


def test_one_of_several_values_may_be_constant():
    config = make_config("regression", "rmse", ["p", "q"])
    assert encode_targets(table(p=["1", "1"], q=["1", "2"]), config).y.tolist() == [[1, 1], [1, 2]]
    with pytest.raises(InputError, match="every row has p = 1, every row has q = 2; there is nothing to learn"):
        encode_targets(table(p=["1", "1"], q=["2", "2"]), config)


@given(st.lists(st.integers(-999, 999), min_size=1, unique=True), st.sampled_from(["", ".0", ".00"]))
def test_labels_are_written_as_in_the_sample(numbers, ending):
    labels = [str(number) for number in numbers]
    assert write_like([f"{numbers[0]}{ending}"], labels) == [f"{label}{ending}" for label in labels]
    assert write_like(["a placeholder"], labels) == labels


@given(
    names=st.lists(st.text(min_size=1, max_size=5), min_size=2, max_size=6, unique=True),
    before=st.text(st.characters(exclude_characters="*"), max_size=4),
    after=st.text(st.characters(exclude_characters="*"), max_size=4),
)
def test_a_prefix_or_suffix_is_found(names, before, after):
    columns = [f"{before}{name}{after}" for name in names]
    pattern = find_pattern(names, columns[::-1])
    assert pattern is not None
    assert {pattern.replace("*", name, 1) for name in names} == set(columns)


def test_cells_are_split_at_the_separator():
    assert split_cell(" a  b a ", " ") == ["a", "b"]
    assert split_cell("a b|| c ", "|") == ["a b", "c"]
    assert [is_missing(value) for value in ("", " ", "NA", "nan", "0", "-")] == [True, True, True, True, False, False]
    assert not is_missing("NA", words=True)
    assert spelling("a\u00a0 b") == spelling("a b")
