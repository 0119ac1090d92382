"""The reading of a large file of vectors, at the size of a small one."""

import sys

import vector_reading

from foldwise.data.tokenizer import SPECIAL


def test_a_file_is_written_read_and_read_from_the_cache(tmp_path):
    path = tmp_path / "vectors.txt"
    vector_reading.write_vectors(path, 200)
    lines = path.read_text().splitlines()
    assert len(lines) == 200
    assert len(lines[0].split(" ")) == 1 + vector_reading.DIMENSION
    first, again = (vector_reading.read(path, 200, 50) for _ in range(2))
    assert first["found"] == again["found"] > 30
    assert 0.8 < first["share"] == again["share"] < 1
    assert first["peak"] > 0


def test_words_and_their_forms_are_different():
    words = list(vector_reading.forms(100))
    assert len(set(words)) == 100
    assert sum(word.isupper() for word in words) == 10
    assert len(set(vector_reading.vocabulary(100, 50))) == 50 + len(SPECIAL)


def test_the_figures_of_both_readings_are_printed(tmp_path, monkeypatch, capsys):
    given = ["--rows", "50", "--vocabulary", "20", "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["vector_reading.py", *given])
    vector_reading.main()
    shown = capsys.readouterr().out.splitlines()
    assert shown[1].startswith("first time: ")
    assert shown[2].startswith("from the cache: ")
    assert not list(tmp_path.iterdir())
