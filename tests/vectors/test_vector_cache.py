"""What was read from a file of vectors is remembered by content, and only as long as the content stays."""

import os

import numpy as np
import pytest

from foldwise import hashing
from foldwise.vectors import cache as module
from foldwise.vectors.cache import read_table
from foldwise.vectors.files import VectorFile

CONTENT = b"good 1 2\nbad 3 4\nmal formed 5 6\nbetter 5 6\n"
WANTED = {"good", "better"}


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(CONTENT)
    return path, tmp_path / ".vectors"


def assert_same(first, second):
    for key in ("vectors", "mean", "std"):
        assert getattr(first, key).tobytes() == getattr(second, key).tobytes()
    for key in ("name", "words", "malformed", "first_malformed"):
        assert getattr(first, key) == getattr(second, key)


def test_the_second_time_the_file_is_not_read(place, capsys, monkeypatch):
    path, cache = place
    monkeypatch.setattr(hashing, "SAMPLE", 1)
    monkeypatch.setattr(hashing, "SAMPLES", 1)  # so that its hash is of the ends alone
    first = read_table(VectorFile(path), WANTED, cache, "tokens")
    assert (first.words, first.vectors.tolist(), first.malformed) == (["good", "better"], [[1, 2], [5, 6]], 1)
    assert "tokens    t.txt: read 2 rows of use in" in capsys.readouterr().out
    path.write_bytes(b"g" + b"x" * (len(CONTENT) - 2) + b"\n")  # would be an error if it were read
    assert_same(read_table(VectorFile(path), WANTED, cache, "infer"), first)
    assert "infer     t.txt: 2 rows of use, as read before" in capsys.readouterr().out


def test_other_bytes_or_other_words_are_read_anew(place):
    path, cache = place
    read_table(VectorFile(path), WANTED, cache, "tokens")
    assert read_table(VectorFile(path), {"bad"}, cache, "tokens").words == ["bad"]
    path.write_bytes(CONTENT.replace(b"1 2", b"7 8") + b"\n")
    assert read_table(VectorFile(path), WANTED, cache, "tokens").vectors.tolist() == [[7, 8], [5, 6]]
    assert len(list(cache.iterdir())) == 3


def test_the_same_bytes_elsewhere_are_known(place, tmp_path, capsys):
    path, cache = place
    first = read_table(VectorFile(path), WANTED, cache, "tokens")
    path.rename(tmp_path / "moved.txt")
    again = read_table(VectorFile(tmp_path / "moved.txt"), WANTED, cache, "tokens")
    assert "as read before" in capsys.readouterr().out
    assert again.name == "moved.txt"
    assert again.vectors.tobytes() == first.vectors.tobytes()


def test_no_word_of_use_is_remembered_too(place, capsys):
    path, cache = place
    first = read_table(VectorFile(path), {"absent"}, cache, "tokens")
    assert first.words == []
    assert_same(read_table(VectorFile(path), {"absent"}, cache, "tokens"), first)
    assert "as read before" in capsys.readouterr().out


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda _: b"", lambda _: None])
def test_a_damaged_cache_is_made_again(place, damage):
    path, cache = place
    first = read_table(VectorFile(path), WANTED, cache, "tokens")
    (rows,) = cache.iterdir()
    content = damage(rows.read_bytes())
    rows.unlink()
    if content is not None:
        rows.write_bytes(content)
    for _ in range(2):
        assert_same(read_table(VectorFile(path), WANTED, cache, "tokens"), first)


def test_those_used_longest_ago_go(place, monkeypatch):
    path, cache = place
    monkeypatch.setattr(module, "KEPT", 2)
    tables = {word: read_table(VectorFile(path), {word}, cache, "tokens") for word in ("good", "bad")}
    files = set(cache.glob("*.safetensors"))
    for file in files:
        os.utime(file, ns=(0, 0))  # the clock of a file system is coarse
    read_table(VectorFile(path), {"good"}, cache, "tokens")  # used again
    (oldest,) = (file for file in files if file.stat().st_mtime_ns)
    (other,) = files - {oldest}
    read_table(VectorFile(path), {"better"}, cache, "tokens")
    assert oldest.exists()
    assert not other.exists()
    assert np.array_equal(read_table(VectorFile(path), {"bad"}, cache, "tokens").vectors, tables["bad"].vectors)
