"""Which file a name means, and hashes that tell whether it has changed."""

import os
import zipfile
from pathlib import Path

import pytest

from foldwise import hashing as module
from foldwise.errors import InputError
from foldwise.paths import Paths
from foldwise.vectors.files import VectorFile, content_hash, find_vectors


@pytest.fixture
def paths(tmp_path):
    """Of the competition x in a repository; nothing is there yet."""
    root = tmp_path / "input"
    return Paths("x", root / "x", root / "x.toml", tmp_path / "x.csv", tmp_path / "output", (root / "embeddings",))


def make(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


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
def test_vectors_of_quora_are_found_packed_and_unpacked(paths, place, member):
    folder = paths.input.parent / place
    name = Path(member).stem
    make(folder / "README.md")
    packed = make_zip(folder / "embeddings.zip", "glove.840B.300d/", "__MACOSX/._glove.840B.300d.txt", *QUORA)
    assert find_vectors(name, paths) == VectorFile(packed, member)
    assert (find_vectors(name, paths).name, find_vectors(name, paths).suffix) == (name, Path(member).suffix)
    packed.unlink()
    for unpacked in QUORA:
        make(folder / unpacked)
    assert find_vectors(name, paths) == VectorFile(folder / member)


@pytest.mark.parametrize("ending", [".txt", ".txt.gz", ".vec", ".vec.gz", ".bin", ".bin.gz"])
def test_vectors_are_found_with_and_without_their_ending(paths, ending):
    path = make(paths.embeddings[0] / f"cc.en.300{ending}")
    assert (
        find_vectors("cc.en.300", paths)
        == find_vectors(f"cc.en.300{ending.removesuffix('.gz')}", paths)
        == VectorFile(path)
    )
    with pytest.raises(
        InputError, match=r"no cc\.en\.txt, .* in .*embeddings or .*x or .*; there: cc\.en\.300; or set"
    ):
        find_vectors("cc.en", paths)


def test_two_files_of_one_name_are_told_apart_by_ending(paths):
    text = make(paths.embeddings[0] / "g.txt")
    packed = make_zip(paths.input / "all.zip", "deep/g.bin")
    with pytest.raises(InputError) as caught:
        find_vectors("g", paths)
    assert f"{text} and {packed}: deep/g.bin are both there; keep one, or add its ending" in str(caught.value)
    assert find_vectors("g.bin", paths) == VectorFile(packed, "deep/g.bin")


def test_a_damaged_archive_is_named_where_vectors_are_missing(paths):
    path = make_zip(paths.input / "embeddings.zip", *QUORA)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"there: nothing; .*; cut short or damaged: .*embeddings\.zip"):
        find_vectors("glove.840B.300d", paths)


def test_a_pair_needs_its_words(paths):
    make(paths.embeddings[0] / "v.safetensors")
    with pytest.raises(InputError, match=r"v\.txt is not beside it"):
        find_vectors("v", paths)
    with pytest.raises(InputError, match="there: v; or set it to"):
        find_vectors("w", paths)
    make(paths.embeddings[0] / "v.txt")
    assert find_vectors("v", paths).paths == [paths.embeddings[0] / f"v{ending}" for ending in (".safetensors", ".txt")]


def test_a_hash_is_of_all_bytes_wherever_they_lie(paths):
    path = make(paths.embeddings[0] / "v.vec", "the 1 2\nand 3 4\n")
    first = content_hash(VectorFile(path))
    os.utime(path, ns=(0, 0))
    assert content_hash(VectorFile(path.rename(path.with_name("w.vec")))) == first
    make(path, "the 1 2\nand 3 5\n")
    assert content_hash(VectorFile(path)) != first
    assert (
        content_hash(VectorFile(make(path.with_suffix(".bin"), "the 1 2\nand 3 4\n"))) != first
    )  # read in another way
    pair = VectorFile(make(path.with_suffix(".safetensors")))
    make(pair.paths[1], "the\nand\n")
    first = content_hash(pair)
    make(pair.paths[1], "the\nany\n")
    assert content_hash(pair) != first


@pytest.mark.parametrize(
    ("place", "seen"), [(0, True), (39, True), (40, False), (99, False), (100, True), (960, True), (999, True)]
)
def test_the_hash_of_a_large_file_is_of_its_size_its_ends_and_places_between(paths, monkeypatch, place, seen):
    monkeypatch.setattr(module, "SAMPLE", 40)
    monkeypatch.setattr(module, "SAMPLES", 10)
    path, content = paths.input.parent / "v.bin", bytearray(1000)
    make(path).write_bytes(content)
    first = content_hash(VectorFile(path))
    path.write_bytes(bytes(1001))
    assert content_hash(VectorFile(path)) != first
    content[place] = 1
    path.write_bytes(content)
    assert (content_hash(VectorFile(path)) != first) == seen
