import gzip
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from foldwise.errors import InputError
from foldwise.vectors import files as vector_files
from foldwise.vectors import reading
from foldwise.vectors.files import VectorFile
from foldwise.vectors.reading import layout, parse_text, read_dimension, read_vectors

RNG = np.random.default_rng(0)
WORDS = [
    "the",
    ",",
    "Café",
    "naïve",
    "東京",
    "a\u00a0b",
    "next\u0085line",
    "line\u2028end",
    "http://x.y/z",
    "1.5",
    "don't",
]
TABLE = {word: RNG.normal(0, 0.4, 5).astype(np.float16).astype(np.float32) for word in WORDS}
WANTED = {*WORDS[::2], "absent"}


def as_text(table, header=False, end="\n"):
    lines = [f"{len(table)} 5{end}"] if header else []
    lines += [f"{word} {' '.join(repr(float(value)) for value in vector)}{end}" for word, vector in table.items()]
    return "".join(lines).encode()


def as_binary(table, end=b"\n"):
    rows = [word.encode() + b" " + vector.astype("<f4").tobytes() + end for word, vector in table.items()]
    return f"{len(table)} 5\n".encode() + b"".join(rows)


def write(folder, name, content):
    """A file of that content: packed if its name ends in .gz, a member of a .zip if it has a slash."""
    if "/" in name:
        archive, member = name.split("/", 1)
        with zipfile.ZipFile(folder / archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("README.md", "not vectors")
            file.writestr(member, content)
        return VectorFile(folder / archive, member)
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return VectorFile(folder / name)


FORMS = [
    ("glove.txt", as_text(TABLE)),
    ("glove.txt.gz", as_text(TABLE)),
    ("all.zip/glove/glove.txt", as_text(TABLE)),
    ("windows.txt", as_text(TABLE, end="\r\n")),
    ("word2vec.txt", as_text(TABLE, header=True)),
    ("fasttext.vec", as_text(TABLE, header=True, end=" \n")),
    ("fasttext.vec.gz", as_text(TABLE, header=True)),
    ("no-last-line-end.vec", as_text(TABLE, header=True)[:-1]),
    ("word2vec.bin", as_binary(TABLE)),
    ("gensim.bin", as_binary(TABLE, end=b"")),
    ("word2vec.bin.gz", as_binary(TABLE)),
    ("all.zip/GoogleNews/GoogleNews.bin", as_binary(TABLE)),
]


def assert_whole(table, dtype=np.float32):
    """The table is what a plain loop over the rows would give."""
    known = {word: vector for word, vector in TABLE.items() if word in WANTED}
    every = np.stack(list(TABLE.values()))
    assert table.words == list(known)
    assert table.vectors.dtype == dtype
    assert table.vectors.tobytes() == np.stack(list(known.values())).astype(dtype).tobytes()
    assert table.mean.tobytes() == every.mean(axis=0).tobytes()
    assert table.std.tobytes() == every.std(axis=0).tobytes()
    assert (table.malformed, table.first_malformed) == (0, "")


@pytest.mark.parametrize(("name", "content"), FORMS, ids=[name for name, _ in FORMS])
@pytest.mark.parametrize("block", [1, 7, 256 << 10])
def test_every_form_holds_the_same_table(tmp_path, monkeypatch, name, content, block):
    monkeypatch.setattr(vector_files, "BLOCK", block)
    source = write(tmp_path, name, content)
    table = read_vectors(source, WANTED)
    assert_whole(table)
    assert table.name == name.split("/")[-1].removesuffix(".gz")
    assert read_dimension(source) == 5
    assert b"".join(source.blocks()) == content
    assert source.size == (source.path.stat().st_size if name.endswith(".gz") else len(content))


def write_pair(folder, words, vectors):
    save_file({"vectors": vectors}, folder / "pair.safetensors")
    (folder / "pair.txt").write_bytes("\n".join(words).encode() + b"\n")
    return VectorFile(folder / "pair.safetensors")


@pytest.mark.parametrize("rows", [2, 50_000])
def test_a_pair_holds_the_same_table(tmp_path, monkeypatch, rows):
    source = write_pair(tmp_path, TABLE, np.stack(list(TABLE.values())).astype(np.float16))
    assert_whole(read_vectors(source, WANTED), np.float16)
    monkeypatch.setattr(reading, "STD_ROWS", rows)
    first = np.stack(list(TABLE.values())[:rows])
    assert read_vectors(source, WANTED).mean.tobytes() == first.mean(axis=0).tobytes()
    text = read_vectors(write(tmp_path, "t.txt", as_text(TABLE)), WANTED)
    assert text.std.tobytes() == first.std(axis=0).tobytes()


def test_the_first_of_a_word_wins(tmp_path):
    lines = b"a 1 2\nb 3 4\na 5 6\n"
    for source in (
        write(tmp_path, "t.txt", lines),
        write_pair(tmp_path, ["a", "b", "a"], np.arange(1, 7, dtype=np.float16).reshape(3, 2)),
    ):
        table = read_vectors(source, {"a"})
        assert (table.words, table.vectors.tolist()) == (["a"], [[1, 2]])
        assert table.mean.tolist() == [3, 4]


MALFORMED = [
    (b". . . 1 2 3", "5 values after the first space where most lines have 3"),
    (b"few 1 2", "2 values"),
    (b"word", "0 values"),
    (b"", "0 values"),
    (b"caf\xe9 1 2 3", r"b'caf\xe9' is no word in UTF-8"),
    (b" 1 2 3", "b'' is no word in UTF-8"),
    (b"good 1 2 x", "not all values are finite numbers"),
    (b"good 1 2 3x", "not all values are finite numbers"),
    (b"good 1,5 2 3", "not all values are finite numbers"),
    (b"good 1 nan 3", "not all values are finite numbers"),
    (b"good 1 1e999 3", "not all values are finite numbers"),
    (b"good 1 1e39 3", "not all values are finite numbers"),  # too large for float32
    (b"good 1 1e39 x", "not all values are finite numbers"),
    (b"good 1 True 3", "not all values are finite numbers"),
    (b'good 1 "2 3', "not all values are finite numbers"),
]


@pytest.mark.parametrize(("line", "why"), MALFORMED)
@pytest.mark.parametrize("place", [0, 2, 5])
def test_a_malformed_line_is_skipped_counted_and_told(tmp_path, line, why, place):
    lines = [f"w{index} {index} 0.5 -1e-3".encode() for index in range(5)]
    lines.insert(place, line)
    lines.append(b"good 7 8 9")
    table = read_vectors(write(tmp_path, "t.txt", b"\n".join(lines) + b"\n"), {"good", "w3", ".", "few", "word", ""})
    assert table.words == ["w3", "good"]
    assert np.allclose(table.vectors, np.array([[3, 0.5, -1e-3], [7, 8, 9]]))
    assert table.malformed == 1
    assert table.first_malformed.startswith(f"line {place + 1}: ")
    assert why in table.first_malformed


def test_the_first_malformed_line_is_told_though_values_are_looked_at_later(tmp_path):
    table = read_vectors(write(tmp_path, "t.txt", b"a 1 2\nb x 2\nc 1\nd 1 2\n"), {"a", "b"})
    assert table.malformed == 2
    assert table.first_malformed == "line 2: not all values are finite numbers"


def test_extra_spaces_between_values_are_no_error(tmp_path):
    table = read_vectors(write(tmp_path, "t.vec", b"2 3\na 1  2\t3\nb 4 5 6   \n"), {"a", "b"})
    assert (table.vectors.tolist(), table.malformed) == ([[1, 2, 3], [4, 5, 6]], 0)


def test_values_of_binary_rows_that_are_not_finite_are_skipped(tmp_path):
    table = {**TABLE, "bad": np.full(5, np.nan, dtype=np.float32)}
    found = read_vectors(write(tmp_path, "t.bin", as_binary(table)), {*WANTED, "bad"})
    assert found.words == WORDS[::2]
    assert (found.malformed, found.first_malformed) == (1, "word 12: not all values are finite numbers")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"2 3", b"a 1 2 3", b"b 1 2 3"], (3, True)),
        ([b"2 3", b"a 1 2"], (3, True)),  # the header decides a tie
        ([b"12 34", b"a 1 2", b"b 1 2"], (2, False)),  # a word that is a number, or a wrong header
        ([b". . . 1 2", b"a 1 2", b"b 1 2"], (2, False)),
        ([b"a 1"], (1, False)),
        ([b"", b"word"], (1, False)),
    ],
)  # fmt: skip
def test_the_dimension_is_what_most_lines_have(lines, expected):
    assert layout(lines) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", b"", "it has no rows"),
        ("t.txt", b"<html>\n<body>not found</body>\n", "no usable row: line 1: 0 values"),
        ("t.txt", b"a x y\nb x y\n", "no usable row: line 1: not all values are finite numbers"),
        ("t.vec", b"2 300\n", "no usable row: it has no rows"),
        ("t.bin", b"\xba\x16O/\x0c\x00\x00\x00" * 9, "of a fastText model take the .vec file"),
        ("t.bin", as_text(TABLE), "a line 'count dimension'"),
        ("t.bin", as_binary(TABLE)[:-30], "ends within word 10 of 11; fetch it again"),
        ("t.txt", b"a" * (9 << 20), "no usable row: line 1: 0 values"),
    ],
    ids=["empty", "html", "no numbers", "header only", "fasttext model", "text as bin", "cut short", "endless line"],
)
def test_a_file_without_vectors_is_named_with_its_first_error(tmp_path, name, content, message):
    source = write(tmp_path, name, content)
    with pytest.raises(InputError) as caught:
        read_vectors(source, WANTED)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert message in str(caught.value)


def test_packed_files_that_were_cut_short_are_errors(tmp_path):
    many = as_text({f"{word}{index}": vector for index in range(99) for word, vector in TABLE.items()})
    packed = write(tmp_path, "t.txt.gz", many)
    packed.path.write_bytes(packed.path.read_bytes()[:-50])
    archive = write(tmp_path, "t.zip/t.txt", many)
    content = bytearray(archive.path.read_bytes())
    content[len(content) // 2] ^= 255
    archive.path.write_bytes(content)
    for source in (packed, archive):
        with pytest.raises(InputError, match=r"(t\.txt\.gz|t\.zip: t\.txt): cut short or damaged .*; fetch it again"):
            read_vectors(source, WANTED)


@pytest.mark.parametrize(
    ("words", "vectors", "message"),
    [
        (["a", "b"], {"vectors": np.zeros((3, 2), np.float16)}, r"pair\.txt: 2 words where .* shape \(3, 2\)"),
        (["a"], {"table": np.zeros((1, 2), np.float16)}, "not a safetensors file with an array `vectors`"),
    ],
)
def test_a_pair_that_does_not_fit(tmp_path, words, vectors, message):
    save_file(vectors, tmp_path / "pair.safetensors")
    (tmp_path / "pair.txt").write_text("\n".join(words) + "\n")
    with pytest.raises(InputError, match=message):
        read_vectors(VectorFile(tmp_path / "pair.safetensors"), WANTED)


def test_rows_of_a_pair_that_are_no_vectors_of_a_word_are_skipped(tmp_path):
    vectors = np.array([[1, 2], [3, 4], [np.nan, 5], [6, 7]], dtype=np.float16)
    source = write_pair(tmp_path, ["a", "", "b", "c"], vectors)
    source.paths[1].write_bytes(source.paths[1].read_bytes().replace(b"c", b"caf\xe9"))
    table = read_vectors(source, {"a", "b", "c"})
    assert (table.words, table.vectors.tolist(), table.malformed) == (["a"], [[1, 2]], 3)
    assert table.first_malformed == "line 2: b'' is no word in UTF-8"


numbers = st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr) | st.sampled_from(
    ["1", "-.5", "+2", "3."]
)


@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=9))
@settings(max_examples=50)
def test_numbers_are_read_as_python_reads_them(rows):
    expected = np.array([[float(value) for value in row] for row in rows]).astype(np.float32)
    found = parse_text([" ".join(row).encode() for row in rows])
    np.testing.assert_array_max_ulp(found, expected, 1)  # pandas before 3 may be off by one


def test_an_error_in_one_row_leaves_the_others_as_they_are():
    rows = [" ".join(f"{value:.5f}" for value in RNG.normal(size=300)).encode() for _ in range(20)]
    expected = parse_text(rows)
    rows[7] = rows[7].replace(b".", b",", 1)
    found = parse_text(rows)
    assert np.isnan(found[7]).all()
    assert np.delete(found, 7, axis=0).tobytes() == np.delete(expected, 7, axis=0).tobytes()
