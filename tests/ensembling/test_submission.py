from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.data.competition import ToPredict
from foldwise.data.table import read_table
from foldwise.data.targets import Targets
from foldwise.ensembling.submission import build_submission, check_submission, write_submission
from foldwise.errors import InputError, RunError

IDS = ["b", "007", "a,b", 'q"q']
NONE = np.empty(0)  # thresholds where there are no labels


Form = tuple[Any, Targets, ToPredict]


def form(kind="probability", task="binary", columns=("target",), names=("target",), ids=IDS) -> Form:
    """What a submission is made by: settings, targets, and what the contest asks for."""
    sample = pd.DataFrame({"id": ids, **{column: ["0"] * len(ids) for column in columns}}, dtype=object)
    config = SimpleNamespace(
        competition=SimpleNamespace(task=task),
        columns=SimpleNamespace(id="id", positive=None, separator=None),
        submission=SimpleNamespace(kind=kind),
        files=SimpleNamespace(numbered=[]),
    )
    asked = ToPredict(ids[::-1], [], np.empty(0), sample, list(columns))
    return config, Targets(task, np.empty(0), np.empty(0), list(names)), asked


@given(
    ids=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), min_size=1), min_size=1, unique=True
    ),
    data=st.data(),
)
def test_what_is_handed_in_reads_back_exactly(tmp_path_factory, ids, data):
    values = data.draw(st.lists(st.floats(0, 1), min_size=len(ids), max_size=len(ids)))
    wanted = form(ids=ids)
    path = tmp_path_factory.mktemp("submission") / "submission.csv"
    write_submission(path, *wanted, np.array(values[::-1])[:, None], NONE)
    again = read_table(path)
    assert again.column("id") == ids
    assert [float(value) for value in again.column("target")] == values


def test_labels():
    predictions = np.array([[0.2], [0.5], [0.7], [0.4]])
    assert build_submission(*form("label"), predictions, np.array([0.5]))["target"].tolist() == ["0", "1", "1", "0"]
    assert build_submission(*form("label"), predictions, np.array([0.3]))["target"].tolist() == ["0", "1", "1", "1"]
    classes = form("label", "multiclass", names=["x", "y z"])
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [1, 0], [0, 1]])
    assert build_submission(*classes, probabilities, NONE)["target"].tolist() == ["x", "y z", "x", "y z"]


def test_labels_of_columns_have_a_threshold_each():
    wanted = form("label", "multilabel", columns=["x", "y"], names=["x", "y"])
    frame = build_submission(*wanted, np.array([[0.2, 0.2]] * 4), np.array([0.1, 0.3]))
    check_submission(*wanted, frame)
    assert frame[["x", "y"]].to_numpy().tolist() == [["1", "0"]] * 4


def test_an_ordinal_task_gives_the_names_of_its_classes_by_their_cuts():
    wanted = form("label", "ordinal", names=["bad", "fair", "good"])
    predictions = np.array([[-0.3], [0.4], [1.2], [7]])
    frame = build_submission(*wanted, predictions, np.array([0.4, 1.3]))
    check_submission(*wanted, frame)
    assert frame["target"].tolist() == ["bad", "fair", "fair", "good"]
    assert build_submission(*wanted, predictions, np.array([0.5, 1.5]))["target"].tolist() == [
        "bad",
        "bad",
        "fair",
        "good",
    ]
    with pytest.raises(RunError, match="'1', which is no label"):
        check_submission(*wanted, frame.assign(target="1"))


def test_an_ordinal_task_gives_values_on_the_scale_of_its_labels():
    wanted = form("value", "ordinal", names=["1", "2", "4"])
    frame = build_submission(*wanted, np.array([[-1], [0.5], [1.5], [2.5]]), NONE)
    check_submission(*wanted, frame)
    assert [float(value) for value in frame["target"]] == [0, 1.5, 3, 5]
    with pytest.raises(InputError, match="label 'fair' is not a number; set the kind to 'label'"):
        build_submission(*form("value", "ordinal", names=["1", "fair"]), np.array([[0.5]] * 4), NONE)


def test_columns_follow_the_outputs_whatever_the_samples_order():
    wanted = form(task="multiclass", columns=["y", "x"], names=["y", "x"])
    asked = replace(wanted[2], sample=wanted[2].sample[["id", "x", "y"]])
    wanted = (wanted[0], wanted[1], asked)
    frame = build_submission(*wanted, np.array([[0.25, 0.75]] * 4), NONE)
    assert list(frame.columns) == ["id", "x", "y"]
    assert frame["x"].tolist() == ["0.75"] * 4


@pytest.mark.parametrize(
    ("kind", "spoil", "expected"),
    [
        ("probability", lambda f: f.iloc[:-1], "3 ids"),
        ("probability", lambda f: f.iloc[::-1], "in their order"),
        ("probability", lambda f: f.rename(columns={"target": "t"}), "columns"),
        ("probability", lambda f: f.assign(target=["0.1", "nan", "0.1", "0.1"]), "id 007 has the value"),
        ("probability", lambda f: f.assign(target=["0.1", "1.1", "0.1", "0.1"]), "outside 0 … 1"),
        ("value", lambda f: f.assign(target=["0.1", "inf", "0.1", "0.1"]), "id 007"),
        ("label", lambda f: f.assign(target=["0", "1", "0.0", "1"]), "'0.0', which is no label"),
    ],
)
def test_a_spoilt_submission_is_refused(kind, spoil, expected):
    wanted = form(kind)
    frame = build_submission(*wanted, np.full((4, 1), 0.25), np.array([0.5]))
    check_submission(*wanted, frame)
    with pytest.raises(RunError, match=expected):
        check_submission(*wanted, spoil(frame))


def test_class_probabilities_must_sum_to_one():
    wanted = form(task="multiclass", columns=["x", "y"], names=["x", "y"])
    with pytest.raises(RunError, match="do not sum to 1"):
        check_submission(*wanted, build_submission(*wanted, np.full((4, 2), 0.4), NONE))


def test_labels_are_written_as_in_the_sample():
    config, targets, asked = form("label")
    predictions, half = np.array([[0.2], [0.5], [0.7], [0.4]]), np.array([0.5])
    for cells, expected in (
        (["0.0"] * 4, ["0.0", "1.0", "1.0", "0.0"]),
        (["1"] * 4, ["0", "1", "1", "0"]),
        (["?"] * 4, ["0", "1", "1", "0"]),
    ):
        asked.sample["target"] = cells
        frame = build_submission(config, targets, asked, predictions, half)
        check_submission(config, targets, asked, frame)
        assert frame["target"].tolist() == expected


@pytest.mark.parametrize(
    ("cell", "expected"), [("ham", ["ham", "spam"]), ("0", ["0", "1"]), ("1.0", ["0.0", "1.0"]), ("", ["ham", "spam"])]
)
def test_two_words_come_back_unless_the_sample_has_numbers(cell, expected):
    config, targets, asked = form("label", ids=["a", "b"])
    config.columns.positive, targets = "spam", replace(targets, written=("ham", "spam"))
    asked.sample["target"] = [cell] * 2
    frame = build_submission(config, targets, asked, np.array([[0.1], [0.9]]), np.array([0.5]))
    check_submission(config, targets, asked, frame)
    assert frame["target"].tolist() == expected


def test_classes_in_columns_of_their_own():
    wanted = form("label", "multiclass", columns=["x", "y"], names=["x", "y"], ids=["a", "b"])
    frame = build_submission(*wanted, np.array([[0.9, 0.1], [0.4, 0.6]]), NONE)
    check_submission(*wanted, frame)
    assert frame[["x", "y"]].to_numpy().tolist() == [["1", "0"], ["0", "1"]]


@pytest.mark.parametrize(
    ("cells", "separator", "expected"),
    [
        (["x y", "z", "x"], " ", ["x z", "y", "x"]),
        (["x; y", "z", "x"], ";", ["x; z", "y", "x"]),
        (["x;y", "", "x"], ";", ["x;z", "", "x"]),  # the sample has a row without a label
    ],
)
def test_several_labels_share_a_cell(cells, separator, expected):
    config, targets, asked = form("label", "multilabel", columns=["tags"], names=["x", "y", "z"], ids=["a", "b", "c"])
    config.columns.separator = separator
    asked.sample["tags"] = cells
    predictions = np.array([[0.9, 0.1, 0.6], [0.2, 0.4, 0.3], [0.8, 0.1, 0.1]])
    frame = build_submission(config, targets, asked, predictions, np.full(3, 0.5))
    check_submission(config, targets, asked, frame)
    # rows of a test table come in another order than the sample's only in `write_submission`
    assert frame["tags"].tolist() == expected
    with pytest.raises(RunError, match="'w', which is no label"):
        check_submission(config, targets, asked, frame.assign(tags=["w", "x", "x"]))
