from pathlib import Path
from typing import Any

import pytest

from conftest import make_config
from foldwise.data.competition import load_competition
from foldwise.data.open_table import open_table
from foldwise.errors import InputError
from foldwise.paths import Paths

TEST, SAMPLE = "id,text\n8,eight\n9,nine\n", "id,y\n8,0\n9,0\n"


@pytest.fixture
def load(tmp_path):
    """Load a competition of these files; `files` is what [files] says."""

    def run(task: str, metric: str, files: dict[str, Any], columns: dict[str, Any] | None = None, **tables: str):
        for name, text in {"test": TEST, "sample_submission": SAMPLE, **tables}.items():
            (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
        config = make_config(task, metric, files=files, **(columns or {}))
        none = Path("none")
        return load_competition(config, Paths("x", tmp_path, none, none, none, (), config.files.stems))

    return run


def refusal(load, *arguments: Any, **tables: str) -> str:
    with pytest.raises(InputError) as caught:
        load(*arguments, **tables)
    return str(caught.value)


def test_decimal_commas_of_one_table(load):
    files = {"separator": {"train": ";"}, "decimal": {"train": ","}}
    train = "id;text;y;size\n1;one, two;0,5;-1,25e1\n2;3,5;2;\n3;three;,75;7\n"
    test, columns = "id,text,size\n8,a,2.5\n9,b,\n", {"features": ["size"]}
    loaded = load("regression", "rmse", files, columns, train=train, test=test)
    assert loaded.targets.y[:, 0].tolist() == [0.5, 2, 0.75]
    assert loaded.features[[0, 2, 3], 0].tolist() == [-12.5, 7, 2.5]
    assert loaded.train_texts == [["one, two", "3,5", "three"]]  # a text stays as it is


def test_numbers_that_are_not_as_the_setting_says_are_refused(load):
    train = "id;text;y\n1;one;0,5\n2;two;1.234,5\n3;three;0.75\n"
    message = refusal(load, "regression", "rmse", {"separator": {"train": ";"}, "decimal": ","}, train=train)
    assert "line 3, column y: '1.234,5' has a point, and [files] decimal says that numbers have commas" in message
    assert "line 4, column y: '0.75' has a point" in message
    message = refusal(load, "regression", "rmse", {"separator": {"train": ";"}}, train=train)
    assert (
        "line 2, column y: '0,5' has a comma; if numbers of this table have decimal commas, set [files] decimal"
        in message
    )


def test_names_of_classes_with_commas_stay(load):
    files = {"separator": ";", "decimal": ","}
    loaded = load(
        "multiclass", "accuracy", files, train="id;text;y\n1;one;1,5\n2;two;2,5\n",
        test=TEST.replace(",", ";"), sample_submission="id;y\n8;1,5\n9;2,5\n",
    )  # fmt: skip
    assert loaded.targets.names == ["1,5", "2,5"]
    assert loaded.sample["y"].tolist() == ["1,5", "2,5"]


def test_labels_of_another_file_are_joined_by_id(load):
    files = {"labels": "train_labels"}
    loaded = load(
        "binary", "roc_auc", files, train="id,text\n1,one\n2,two\n3,three\n", train_labels="y,id\n1,3\n0,1\n1,2\n"
    )
    assert loaded.targets.y[:, 0].tolist() == [0, 1, 1]
    assert loaded.train_ids == ["1", "2", "3"]


def test_rows_without_partner_are_named(load):
    tables = {"train": "id,text\n1,one\n2,two\n3,three\n", "train_labels": "id,y\n3,1\n1,0\n4,1\n"}
    files = {"labels": "train_labels"}
    message = refusal(load, "binary", "roc_auc", files, **tables)
    assert "train.csv: 1 error\n  line 3, column id: id '2' has no row in train_labels.csv" in message
    tables["train_labels"] += "2,1\n"
    message = refusal(load, "binary", "roc_auc", files, **tables)
    assert "train_labels.csv: 1 error\n  line 4, column id: id '4' has no row in train.csv" in message
    tables["train_labels"] = "id,y\n3,maybe\n1,0\n2,1\n"
    message = refusal(load, "binary", "roc_auc", files, **tables)
    assert "train_labels.csv: 1 error\n  line 2, column y: 'maybe' is not 0 or 1" in message
    tables["train_labels"] = "id,text,y\n3,a,1\n1,b,0\n2,c,1\n"
    assert "train_labels.csv: 'text' is also in train.csv" in refusal(load, "binary", "roc_auc", files, **tables)


def test_a_table_without_ids_is_told_of_numbered(load):
    message = refusal(load, "binary", "roc_auc", {}, train="text,y\none,0\ntwo,1\n")
    assert (
        "train.csv: no column 'id'; there are 'text', 'y'; set [columns] id to the one that names the rows" in message
    )
    assert '[files] numbered = ["train"]' in message
    assert "did you mean 'ids'?" in refusal(load, "binary", "roc_auc", {}, train="ids,text,y\n1,one,0\n2,two,1\n")


def test_numbering_changes_no_table_but_its_own(tmp_path):
    (tmp_path / "solution.csv").write_text("y\n1\n0\n")
    none = Path("none")
    config = make_config("binary", "roc_auc", files={"numbered": ["solution"]})
    table = open_table(config, Paths("x", tmp_path, none, none, none, ()), "solution")
    assert table.frame.to_numpy().tolist() == [["1", "1"], ["2", "0"]]
