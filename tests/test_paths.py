import zipfile
from pathlib import Path

import pytest

from foldwise import paths as module
from foldwise.errors import InputError
from foldwise.paths import VectorFile, resolve


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
    assert found.vectors("g") == VectorFile(file)
    assert found.submission == kaggle / "s.csv"


@pytest.mark.parametrize("dataset", ["datasets/ada/glove", "glove"])
def test_vectors_of_a_mounted_dataset_come_last(kaggle, dataset):
    mounted = make(kaggle / "kaggle" / "input" / dataset / "g.txt")
    make(kaggle / "kaggle" / "input" / "competitions" / "x" / "train.csv")
    assert resolve("x", None, None, None).vectors("g") == VectorFile(mounted)
    own = make(kaggle / "repository" / "input" / "embeddings" / "g.txt")
    assert resolve("x", None, None, None).vectors("g") == VectorFile(own)


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


def make_zip(path: Path, *members: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, "")
    return path


QUORA = [
    "glove.840B.300d/glove.840B.300d.txt",
    "GoogleNews-vectors-negative300/GoogleNews-vectors-negative300.bin",
    "paragram_300_sl999/paragram_300_sl999.txt",
    "wiki-news-300d-1M/wiki-news-300d-1M.vec",
]


@pytest.mark.parametrize("member", QUORA)
@pytest.mark.parametrize("place", ["embeddings", "x", "x/embeddings"])
def test_vectors_of_quora_are_found_packed_and_unpacked(kaggle, place, member):
    folder = kaggle / "repository" / "input" / place
    found, name = resolve("x", None, None, None), Path(member).stem
    make(folder / "README.md")
    packed = make_zip(folder / "embeddings.zip", "glove.840B.300d/", "__MACOSX/._glove.840B.300d.txt", *QUORA)
    assert found.vectors(name) == VectorFile(packed, member)
    assert (found.vectors(name).name, found.vectors(name).suffix) == (name, Path(member).suffix)
    packed.unlink()
    for unpacked in QUORA:
        make(folder / unpacked)
    assert found.vectors(name) == VectorFile(folder / member)


@pytest.mark.parametrize("ending", [".txt", ".txt.gz", ".vec", ".vec.gz", ".bin", ".bin.gz"])
def test_vectors_are_found_with_and_without_their_ending(kaggle, ending):
    path = make(kaggle / "repository" / "input" / "embeddings" / f"cc.en.300{ending}")
    found = resolve("x", None, None, None)
    assert found.vectors("cc.en.300") == found.vectors(f"cc.en.300{ending.removesuffix('.gz')}") == VectorFile(path)
    with pytest.raises(
        InputError, match=r"no cc\.en\.txt, .* in .*embeddings or .*x or .*; there: cc\.en\.300; or set"
    ):
        found.vectors("cc.en")


def test_two_files_of_one_name_are_told_apart_by_ending(kaggle):
    text = make(kaggle / "repository" / "input" / "embeddings" / "g.txt")
    packed = make_zip(kaggle / "repository" / "input" / "x" / "all.zip", "deep/g.bin")
    found = resolve("x", None, None, None)
    with pytest.raises(InputError) as caught:
        found.vectors("g")
    assert f"{text} and {packed}: deep/g.bin are both there; keep one, or add its ending" in str(caught.value)
    assert found.vectors("g.bin") == VectorFile(packed, "deep/g.bin")


def test_vectors_of_a_named_folder_come_before_those_of_the_repository(kaggle):
    for folder in (kaggle / "repository" / "input", kaggle / "in"):
        for ending in (".safetensors", ".txt"):
            make(folder / "embeddings" / f"v{ending}")
    make(kaggle / "repository" / "input" / "embeddings" / "w.vec")
    found = resolve("x", kaggle / "in", None, None)
    assert found.vectors("v") == VectorFile(kaggle / "in" / "embeddings" / "v.safetensors")
    assert found.vectors("w") == VectorFile(kaggle / "repository" / "input" / "embeddings" / "w.vec")


def test_a_damaged_archive_is_named_where_vectors_are_missing(kaggle):
    path = make_zip(kaggle / "repository" / "input" / "x" / "embeddings.zip", *QUORA)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"there: nothing; .*; cut short or damaged: .*embeddings\.zip"):
        resolve("x", None, None, None).vectors("glove.840B.300d")
