from pathlib import Path

import pytest

from foldwise import paths as module
from foldwise.errors import InputError
from foldwise.paths import resolve


def make(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def kaggle(tmp_path, monkeypatch) -> Path:
    """A repository and Kaggle's folders below one root."""
    monkeypatch.setattr(module, "REPOSITORY", tmp_path / "repository")
    monkeypatch.setattr(module, "KAGGLE_INPUT", tmp_path / "kaggle" / "input")
    monkeypatch.setattr(module, "KAGGLE_WORKING", tmp_path / "kaggle" / "working")
    (tmp_path / "repository" / "input").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("mount", ["competitions/quora", "quora"])
def test_both_mounts_are_found_and_results_go_to_working(kaggle, mount):
    train = make(kaggle / "kaggle" / "input" / mount / "train.csv")
    config = make(kaggle / "repository" / "input" / "quora" / "competition.toml")
    (kaggle / "kaggle" / "working").mkdir()
    found = resolve("quora", None, None, None)
    assert found.table("train") == train
    assert found.config == config
    assert found.output == kaggle / "kaggle" / "working" / "quora"


def test_at_home_everything_is_in_the_repository(kaggle):
    train = make(kaggle / "repository" / "input" / "x" / "train.csv.gz")
    found = resolve("x", None, None, None)
    assert found.table("train") == train
    assert found.config == train.parent / "competition.toml"
    assert found.folds == kaggle / "repository" / "folds" / "x.csv"
    assert found.output == kaggle / "repository" / "output" / "x"


def test_named_folders_win_and_debug_stays_apart(kaggle):
    make(kaggle / "in" / "x" / "train.csv")
    found = resolve("x", kaggle / "in", kaggle / "folds", kaggle / "out")
    assert (found.input, found.folds) == (kaggle / "in" / "x", kaggle / "folds" / "x.csv")
    debug = resolve("x", kaggle / "in", kaggle / "folds", kaggle / "out", debug=True)
    assert debug.output == kaggle / "out" / "x-debug"
    assert debug.folds == kaggle / "out" / "x-debug" / "folds.csv"


def test_two_forms_of_one_table_and_vectors_without_words_are_faults(kaggle):
    make(kaggle / "repository" / "input" / "x" / "train.csv")
    make(kaggle / "repository" / "input" / "x" / "train.tsv")
    make(kaggle / "repository" / "input" / "embeddings" / "v.safetensors")
    found = resolve("x", None, None, None)
    with pytest.raises(InputError, match=r"train\.csv and train\.tsv are both there"):
        found.table("train")
    with pytest.raises(InputError, match=r"v\.txt is not beside it"):
        found.vectors("v")
    with pytest.raises(InputError, match="there: v; or set it to"):
        found.vectors("w")
