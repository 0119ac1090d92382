"""A table in parts against the same table as a whole."""

import csv
import gzip
import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.config import Format
from foldwise.data.parts import line_parts, read_parts
from foldwise.data.table import read_table
from foldwise.errors import InputError

CELL = st.text(st.sampled_from("ab \"',;\n\r\0é\\|😀"), max_size=6)
ROWS = st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8)


def joined(path, form=Format(), rows=2) -> tuple[pd.DataFrame, list[int]]:  # noqa: B008
    """All parts together: rows, and where they start."""
    parts = list(read_parts(path, form, rows))
    assert all(len(part) <= rows for part in parts)
    return pd.concat([part.frame for part in parts], ignore_index=True), np.concatenate(
        [p.lines for p in parts]
    ).tolist()


def same(path, form=Format(), rows=2) -> None:  # noqa: B008
    whole = read_table(path, form)
    frame, lines = joined(path, form, rows)
    assert frame.to_numpy().tolist() == whole.frame.to_numpy().tolist()
    assert list(frame.columns) == list(whole.frame.columns)
    assert lines == whole.lines.tolist()


@given(rows=ROWS, size=st.integers(1, 4), separator=st.sampled_from(",;\t"), end=st.sampled_from(["\n", "\r\n"]))
def test_parts_of_delimited_rows_are_the_table(tmp_path_factory, rows, size, separator, end):
    path = tmp_path_factory.mktemp("parts") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(
            [("id", "text", "x"), *rows]
        )
    same(path, Format(separator=separator), size)


@given(
    rows=st.lists(st.dictionaries(st.sampled_from(["id", "text", "x"]), st.text(max_size=4), min_size=1), min_size=1)
)
def test_parts_of_objects_a_line(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("parts") / "a.jsonl"
    rows[0] = {"id": "", "text": "", "x": "", **rows[0]}  # of a part that lacks a key it is an empty value
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    same(path)


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("a.csv", b"id,text\n1,a\n2,b\n,\n,\n", Format()),  # rows that a spreadsheet left behind
        ("a.csv", b"id,text\n,\n2,b\n,\n3,\n", Format()),
        ("a.csv", b"\xef\xbb\xbfid,text\r1,a\r2,b\r", Format()),  # the line ends of old Macs
        ("a.csv", b'id,text\n1,a\rb\n2,"c\r\nd"\n', Format()),
        ("a.csv", b"sep=;\nid;text\n1;a\n2;b\n3;c\n", Format(separator=";")),
        ("a.csv", b'id,text\n1,"a \\" b, C:\\new"\n2,c\n3,d', Format(escape="\\")),
        ("a.tsv", b'id\ttext\n1\t5" wide\n2\t"a\\"b"\n3\tc\n', Format(quotes="literal")),
        ("a.csv", "id,text\n1,é\n2,b\n3,c\n".encode("cp1252"), Format(encoding="cp1252")),
        ("a.csv", "id,text\n1,é\n2,b\n3,c\n".encode("utf-16"), Format(encoding="utf-16")),
        ("a.csv", b"id,text,\n1,a,\n2,b,\n3,c,\n", Format()),  # a column without a name
        ("a.json", b'[{"id": 1, "text": "a"}, {"id": 2, "text": "b"}, {"id": 3}]', Format()),
        ("a.jsonl", '{"id": "é"}\n{"id": 2}\n{"id": 3}'.encode("utf-16"), Format(encoding="utf-16")),
    ],
)
def test_files_as_people_have_them(tmp_path, name, content, form):
    path = tmp_path / name
    path.write_bytes(content)
    same(path, form)
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    same(tmp_path / f"{name}.gz", form)
    with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
        archive.writestr(name, content)
    same(tmp_path / f"{name}.zip", form)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"id,text\n", "a header and no rows"),
        ("a.csv", b"id,text\n1,a\n2,b\n3\n", "line 4: 1 fields where the header has 2"),
        ("a.csv", b'id,text\n1,a\n2,b\n3,"c\n', "a quote"),
        ("a.csv", b"id,text\n1,a\n2,\xff\n", "line 3: byte 0xff at position 3 is not UTF-8"),
        ("a.csv", b"id,text\n" + b"1,a\n" * 300_000 + b"2,\xff\n", "behind line [0-9,]+: invalid start byte"),
        ("a.csv", b"PK\x03\x04", "this is a .zip archive"),
        ("a.csv", b'[{"id": 1}]', "this is JSON"),
        ("a.csv.gz", b"id,text\n", "cannot be read: Not a gzipped file"),
        ("a.csv.zip", b"id,text\n", "cannot be read: File is not a zip file"),
        ("a.jsonl", b'{"id": 1}\n{"id": 2}\n{"id": }\n', "line 3: not JSON"),
        ("a.jsonl", b"", "no rows"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        joined(tmp_path / name, rows=100_000)


def test_parts_of_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table(
        {"id": [1, 2, 3], "text": ["a", None, "c"], "x": pyarrow.array([0.1, 1, 2], pyarrow.float32())}
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    same(tmp_path / "a.parquet")


def test_texts_a_line():
    def parts(content: bytes, columns=("text",), rows=2):
        return [part.frame.to_numpy().tolist() for part in line_parts(io.BytesIO(content), columns, rows)]

    assert parts(b"a\n\n\tb \r\nc\rd\0") == [[["a"], [""]], [["\tb "], ["c\rd\0"]]]
    assert parts(b"a\tb\n\t\n", ("title", "body")) == [[["a", "b"], ["", ""]]]
    with pytest.raises(InputError, match="standard input: empty; give it a text a line"):
        parts(b"")
    with pytest.raises(InputError, match=r"line 2: 1 text where there are 2 columns \(title, body\); put a tab"):
        parts(b"a\tb\nc\n", ("title", "body"))
    with pytest.raises(InputError, match="line 3: byte 0xff at position 2 is not UTF-8"):
        parts(b"a\nb\nc\xff\n")
