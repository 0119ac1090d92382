"""What was read from a file of vectors is remembered by content, and only as long as the content stays."""

import os

import numpy as np
import pytest

from foldwise.files import read_json
from foldwise.paths import VectorFile
from foldwise.vectors import cache as module
from foldwise.vectors.cache import hash_of_source, read_table

CONTENT = b"good 1 2\nbad 3 4\nmal formed 5 6\nbetter 5 6\n"
WANTED = {b"good", b"better"}


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(CONTENT)
    return path, tmp_path / ".vectors"


def overwrite(path, content):
    """Other bytes of the same number, and the time of the old ones."""
    status = path.stat()
    assert len(content) == status.st_size
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def assert_same(first, second):
    for key in ("vectors", "mean", "std"):
        assert getattr(first, key).tobytes() == getattr(second, key).tobytes()
    for key in ("name", "words", "malformed", "first_malformed"):
        assert getattr(first, key) == getattr(second, key)


def test_the_second_time_the_file_is_not_read(place, capsys):
    path, cache = place
    first = read_table(VectorFile(path), WANTED, cache)
    assert (first.words, first.vectors.tolist(), first.malformed) == (["good", "better"], [[1, 2], [5, 6]], 1)
    assert "t.txt: read 2 rows of use in" in capsys.readouterr().out
    overwrite(path, b"x" * len(CONTENT))  # would be an error if it were read
    assert_same(read_table(VectorFile(path), WANTED, cache), first)
    assert "t.txt: 2 rows of use, as read before" in capsys.readouterr().out


def test_other_bytes_or_other_words_are_read_anew(place):
    path, cache = place
    read_table(VectorFile(path), WANTED, cache)
    assert read_table(VectorFile(path), {b"bad"}, cache).words == ["bad"]
    path.write_bytes(CONTENT.replace(b"1 2", b"7 8") + b"\n")
    assert read_table(VectorFile(path), WANTED, cache).vectors.tolist() == [[7, 8], [5, 6]]
    assert len(list(cache.glob("*.safetensors"))) == len(list(cache.glob("*.txt"))) == 3


def test_the_same_bytes_elsewhere_are_known(place, tmp_path, capsys):
    path, cache = place
    first = read_table(VectorFile(path), WANTED, cache)
    path.rename(tmp_path / "moved.txt")
    again = read_table(VectorFile(tmp_path / "moved.txt"), WANTED, cache)
    assert "as read before" in capsys.readouterr().out
    assert again.name == "moved.txt"
    assert again.vectors.tobytes() == first.vectors.tobytes()


def test_no_word_of_use_is_remembered_too(place, capsys):
    path, cache = place
    first = read_table(VectorFile(path), {b"absent"}, cache)
    assert first.words == []
    assert_same(read_table(VectorFile(path), {b"absent"}, cache), first)
    assert "as read before" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["rows cut", "words cut", "words gone", "hashes cut"])
def test_a_damaged_cache_is_made_again(place, damage):
    path, cache = place
    first = read_table(VectorFile(path), WANTED, cache)
    (rows,) = cache.glob("*.safetensors")
    if damage == "rows cut":
        rows.write_bytes(rows.read_bytes()[:-9])
    elif damage == "words cut":
        rows.with_suffix(".txt").write_text("good")
    elif damage == "words gone":
        rows.with_suffix(".txt").unlink()
    else:
        (cache / "hashes.json").write_text('{"')
    assert_same(read_table(VectorFile(path), WANTED, cache), first)
    assert_same(read_table(VectorFile(path), WANTED, cache), first)


def test_a_hash_is_of_bytes_and_is_remembered_beside_size_and_time(place):
    path, cache = place
    first = hash_of_source(VectorFile(path), cache)
    record = read_json(cache / "hashes.json")
    overwrite(path, CONTENT.replace(b"good", b"food"))
    assert hash_of_source(VectorFile(path), cache) == first  # it was not read
    os.utime(path)
    assert hash_of_source(VectorFile(path), cache) != first
    assert read_json(cache / "hashes.json") != record
    overwrite(path, CONTENT)
    os.utime(path)
    assert hash_of_source(VectorFile(path), cache) == first


def test_those_used_longest_ago_go(place, monkeypatch):
    path, cache = place
    monkeypatch.setattr(module, "KEPT", 2)
    tables = {word: read_table(VectorFile(path), {word}, cache) for word in (b"good", b"bad")}
    files = set(cache.glob("*.safetensors"))
    for file in files:
        os.utime(file, ns=(0, 0))  # the clock of a file system is coarse
    read_table(VectorFile(path), {b"good"}, cache)  # used again
    (oldest,) = (file for file in files if file.stat().st_mtime_ns)
    (other,) = files - {oldest}
    read_table(VectorFile(path), {b"better"}, cache)
    assert oldest.exists()
    assert not other.exists()
    assert not other.with_suffix(".txt").exists()
    assert np.array_equal(read_table(VectorFile(path), {b"bad"}, cache).vectors, tables[b"bad"].vectors)
