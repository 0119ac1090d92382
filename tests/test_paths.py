from pathlib import Path

import pytest

from foldwise import paths as module
from foldwise.errors import InputError
from foldwise.paths import resolve
from foldwise.vectors.files import VectorFile, find_vectors


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


@pytest.mark.parametrize("mount", ["competitions/quora", "quora"])
@pytest.mark.parametrize("dataset", ["datasets/ada/glove", "glove"])
def test_a_named_folder_may_be_laid_out_as_mounts(kaggle, mount, dataset):
    train = make(kaggle / "in" / mount / "train.csv")
    config = make(kaggle / "repository" / "input" / "quora" / "competition.toml")
    file = make(kaggle / "in" / dataset / "deep" / "g.txt")
    found = resolve("quora", kaggle / "in", None, kaggle / "out", submission=kaggle / "s.csv")
    assert found.table("train") == train
    assert found.config == config
    assert find_vectors("g", found) == VectorFile(file)
    assert found.submission == kaggle / "s.csv"


@pytest.mark.parametrize("dataset", ["datasets/ada/glove", "glove"])
def test_vectors_of_a_mounted_dataset_come_last(kaggle, dataset):
    mounted = make(kaggle / "kaggle" / "input" / dataset / "g.txt")
    make(kaggle / "kaggle" / "input" / "competitions" / "x" / "train.csv")
    assert find_vectors("g", resolve("x", None, None, None)) == VectorFile(mounted)
    own = make(kaggle / "repository" / "input" / "embeddings" / "g.txt")
    assert find_vectors("g", resolve("x", None, None, None)) == VectorFile(own)


def test_two_forms_of_one_table_are_an_error(kaggle):
    make(kaggle / "repository" / "input" / "x" / "train.csv")
    make(kaggle / "repository" / "input" / "x" / "train.tsv")
    with pytest.raises(InputError, match=r"train\.csv and train\.tsv are both there"):
        resolve("x", None, None, None).table("train")


def test_vectors_of_a_named_folder_come_before_those_of_the_repository(kaggle):
    for folder in (kaggle / "repository" / "input", kaggle / "in"):
        for ending in (".safetensors", ".txt"):
            make(folder / "embeddings" / f"v{ending}")
    make(kaggle / "repository" / "input" / "embeddings" / "w.vec")
    found = resolve("x", kaggle / "in", None, None)
    assert find_vectors("v", found) == VectorFile(kaggle / "in" / "embeddings" / "v.safetensors")
    assert find_vectors("w", found) == VectorFile(kaggle / "repository" / "input" / "embeddings" / "w.vec")


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ({"output": "file"}, "file: a file, where a folder must be; move it, or name another place with --output"),
        ({"output": "file/deep"}, "file: a file, where a folder must be"),
        ({"output": "taken"}, "taken/x: a file, where a folder must be"),
        ({"folds": "file"}, "file: a file, where a folder must be; move it, or name another place with --folds"),
        ({"submission": "file/s.csv"}, "file: a file, where a folder must be; .* with --submission FILE"),
        ({"submission": "taken"}, "taken: a folder, where a file is to be written"),
    ],
)
def test_places_to_write_to_that_are_something_else(tmp_path, places, expected):
    for name in ("file", "taken/x"):
        make(tmp_path / name)
    chosen = {"folds": None, "output": None, **{name: tmp_path / place for name, place in places.items()}}
    with pytest.raises(InputError, match=expected):
        resolve("x", tmp_path, **chosen)
