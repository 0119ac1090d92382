"""Names of columns that differ between tables, and ids, from files to what `all` reads."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from foldwise.data.competition import load_competition
from foldwise.data.inspect_competition import Choices
from foldwise.data.inspect_ids import match_names
from foldwise.data.inspect_tables import Question, Tables
from foldwise.data.table import Table, rename_columns
from foldwise.errors import InputError
from foldwise.load_config import load_config
from foldwise.paths import Paths
from foldwise.stages.init import init

TEXTS = ["a fine film", "one dull film", "a fine book", "one dull book"]


@pytest.fixture
def read(tmp_path):
    """Write three tables, run init, and give the configuration and the competition that `all` reads."""
    paths = Paths("x", tmp_path, tmp_path / "competition.toml", tmp_path / "folds.csv", tmp_path / "out", ())

    def run(train: str, test: str, sample: str, **choices):
        """Each table as its header; rows are made from the names of the columns."""
        for name, header, shift in (("train", train, 0), ("test", test, 4), ("sample_submission", sample, 4)):
            rows = [",".join(cell(column, row, shift) for column in header.split(",")) for row in range(4)]
            (tmp_path / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        init(paths, Choices(**choices), force=True)
        config = load_config(paths.config, [])
        return config, load_competition(config, paths)

    def cell(column: str, row: int, shift: int) -> str:
        plain = column.strip().lower()
        if plain in ("text", "review"):
            return TEXTS[row]
        if plain in ("id", "key", "", "unnamed: 0"):
            return str(row + shift)
        return str((row + 1) % 2) if plain != "constant" else "en"

    return run


@pytest.mark.parametrize(
    ("train", "test", "sample", "renamed"),
    [
        ("id,Text,label", "id,text ,", "id,label", {"text ": "Text"}),
        ("ID,text,label", "Id,text", "id,label", {"ID": "id", "Id": "id"}),
        ("id,text,Label", "id,text", "id,label", {"Label": "label"}),
        ("id,text,label", "key,text", "Id,label", {"id": "Id", "key": "Id"}),
        ("id,text,label", "id,text", "id,label", {}),
    ],
)
def test_columns_that_are_called_otherwise(read, train, test, sample, renamed):
    config, competition = read(train, test, sample)
    assert config.columns.renamed == renamed
    assert competition.train_texts == competition.test_texts == [TEXTS]
    assert competition.train_ids == ["0", "1", "2", "3"]
    assert competition.test_ids == ["4", "5", "6", "7"]
    assert list(competition.sample.columns) == sample.split(",")


def test_columns_alike_in_one_table_stay_apart(read):
    config, competition = read("id,Text,text ,label", "id,Text,text ", "id,label", text=["text "])
    assert config.columns.renamed == {}
    assert config.columns.text == ["text "]
    assert config.columns.ignore == ["Text"]
    assert competition.train_texts == [TEXTS]


@pytest.mark.parametrize(
    ("train", "test", "sample"),
    [
        (",text,label", "id,text", "id,prediction"),
        ("Unnamed: 0,id,text,label", "Unnamed: 0,id,text", "Unnamed: 0,id,label"),
        (",id,text,label", ",id,text", ",id,label"),
        ("id,text,label", "id,text", "Unnamed: 0,id,label"),
    ],
)
def test_row_numbers_are_neither_id_nor_target(read, train, test, sample):
    config, competition = read(train, test, sample)
    assert (config.columns.id, config.columns.target) == ("id", ["label"])
    assert set(config.columns.ignore) == {name for name in train.split(",")[:1] + sample.split(",")[:1] if name != "id"}
    assert competition.test_ids == ["4", "5", "6", "7"]


@pytest.mark.parametrize(
    ("train", "test", "sample", "numbered"),
    [
        ("text,label", "text", "label", ["train", "test", "sample_submission"]),
        ("text,label", "id,text", "id,label", ["train"]),
        ("id,text,label", "text", "label", ["train", "test", "sample_submission"]),
        ("text,label", "text", "id,label", ["train", "test", "sample_submission"]),
    ],
)
def test_tables_without_ids_are_numbered(read, train, test, sample, numbered):
    config, competition = read(train, test, sample)
    assert config.files.numbered == numbered
    assert competition.train_ids == ["1", "2", "3", "4"]
    assert competition.sample_columns == ["label"]


def test_a_column_that_the_sample_repeats_is_not_predicted(read):
    config, _ = read("id,text,constant,label", "id,text,constant", "id,text,constant,label")
    assert config.columns.target == ["label"]
    assert config.columns.ignore == ["constant"]


def test_some_of_the_samples_columns(read):
    config, competition = read("id,text,label,other", "id,text", "id,label,other", target=["other"], kind="label")
    assert (config.competition.task, config.columns.target) == ("binary", ["other"])
    assert config.columns.ignore == ["label"]
    assert competition.sample_columns == ["other"]


def test_what_is_not_there_is_refused(read):
    with pytest.raises(InputError, match=r"train.csv: no column 'lable'; did you mean label\?"):
        read("id,text,label", "id,text", "id,label", target=["lable"])


def test_the_advice_for_a_sample_with_fewer_rows_works(read, tmp_path):
    read("id,text,label", "id,text", "id,label")
    (tmp_path / "sample_submission.csv").write_text("id,label\n4,0\n5,1\n", encoding="utf-8")
    (tmp_path / "competition.toml").unlink()
    paths = Paths("x", tmp_path, tmp_path / "competition.toml", tmp_path / "folds.csv", tmp_path / "out", ())
    missing = "id '6' is not in sample_submission.csv, which has 2 rows where this table has 4"
    with pytest.raises(InputError, match=f"{missing}; download both again, or take the row out here") as refused:
        init(paths, Choices(), force=True)
    assert "so nothing is written" in str(refused.value)
    assert not paths.config.exists()
    rows = (tmp_path / "test.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "test.csv").write_text("\n".join(rows[:3]) + "\n", encoding="utf-8")
    init(paths, Choices(), force=True)
    assert load_competition(load_config(paths.config, []), paths).test_ids == ["4", "5"]


def test_a_question_stays_short():
    names = [f"{number} {'long ' * 10}name" for number in range(30)]
    message = str(Question("the target", "--target", names, "there are many"))
    assert len(message) < 500
    assert message.endswith("(or 26 more)")


def test_no_two_columns_of_a_table_get_one_name():
    columns = {"train": ["id", "TEXT"], "test": ["id", "other"], "sample": ["Text "]}
    values = {"id": ["0", "1"], "Text ": ["0", "1"], "TEXT": ["a", "b"], "other": ["c", "d"]}
    frames = [pd.DataFrame({name: values[name] for name in names}, dtype=object) for names in columns.values()]
    tables = Tables(
        *(Table(Path(f"{name}.csv"), frame, np.arange(2)) for name, frame in zip(columns, frames, strict=True))
    )
    renamed, _ = match_names(tables)
    assert all(rename_columns(frame, renamed).columns.is_unique for frame in frames)
