import csv
import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.data.table import check_columns, check_unique, read_table
from foldwise.errors import InputError

CELL = st.text(
    alphabet=st.one_of(st.sampled_from(list("\",\n\r\t'; #NA0\0\ufeff")), st.characters(codec="utf-8")), max_size=12
)


def write(path: Path, rows: list[list[str]], **options: Any) -> Path:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, **{"quoting": csv.QUOTE_ALL, **options}).writerows(rows)
    path.write_bytes(buffer.getvalue().encode())
    return path


@given(
    rows=st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1)),
    lineterminator=st.sampled_from(["\n", "\r\n"]),
)
def test_what_was_written_is_what_is_read(tmp_path_factory, rows, lineterminator):
    path = tmp_path_factory.mktemp("table") / "train.csv"
    header = [f"column{index}" for index in range(len(rows[0]))]
    table = read_table(write(path, [header, *rows], lineterminator=lineterminator))
    assert list(table.frame.columns) == header
    assert table.frame.to_numpy().tolist() == rows
    # Where each row starts: line breaks inside earlier cells count as lines, as in an editor.
    breaks = [sum(len(io.StringIO(cell, newline="").readlines()) - (not cell.endswith(("\n", "\r"))) for cell in row if cell)
              for row in rows]  # fmt: skip
    if not any("\r" in cell for row in rows for cell in row):
        assert table.lines.tolist() == [2 + index + sum(breaks[:index]) for index in range(len(rows))]


def test_values_stay_as_written(tmp_path):
    values = ["007", "NA", "null", "None", "nan", "", " x ", "1e5", "12345678901234567890123", "true", "-", "#1"]
    path = write(tmp_path / "a.csv", [["id", "text"], *([value, value] for value in values)], quoting=csv.QUOTE_MINIMAL)
    table = read_table(path)
    assert table.column("id") == table.column("text") == values


def test_a_column_alone_may_hold_white_space(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'text\n \n\n""\nb\n')
    table = read_table(tmp_path / "a.csv")
    assert (table.column("text"), table.lines.tolist()) == ([" ", "", "b"], [2, 4, 5])


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.csv.zip", "a.tsv"])
def test_every_form(tmp_path, name):
    text = "\ufeffid,text\n1,Ünï\n2,x\n".replace(",", "\t" if name.endswith("tsv") else ",")
    path = tmp_path / name
    if name.endswith("gz"):
        path.write_bytes(gzip.compress(text.encode()))
    elif name.endswith("zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.csv", text)
    else:
        path.write_text(text, encoding="utf-8")
    assert read_table(path).frame.to_numpy().tolist() == [["1", "Ünï"], ["2", "x"]]


@pytest.mark.parametrize("content", [b"id,text\n1,a", b'id,text\n1,"a\nb"', b"id,text\r\n1,a"])
def test_the_last_line_may_lack_its_end(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert read_table(path).column("id") == ["1"]


def test_a_lone_carriage_return_is_text_unless_it_ends_every_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,text\n1,one\rtwo\n2,three\n")
    assert read_table(path).column("text") == ["one\rtwo", "three"]
    path.write_bytes(b"id,text\r1,one\r2,two\r")
    assert read_table(path).column("text") == ["one", "two"]
    path.write_bytes(b"id,text\r\n1,one\rtwo\r\n2,three\r\n")
    assert read_table(path).column("text") == ["one\rtwo", "three"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ["the file is empty"]),
        (b"\n\n", ["the file is empty"]),
        (b"id,text\n", ["a header and no rows"]),
        (b"id,text\n1,a\n2,b,c\n3\n", ["2 errors", "line 3: 3 fields where the header has 2", "line 4: 1 fields"]),
        (b'id,text\n1,"a\nb"\n2,b,c\n', ["line 4: 3 fields where the header has 2 (row begins '2')"]),
        (b"id,text\n1,a,x\n2,b,y\n", ["line 2: 3 fields", "line 3: 3 fields"]),
        (b'id,text\n1,a\n2,"b\n3,c\n', ["line 3", "never closed"]),
        (b'id,text,y\n1,"open,1\n2,"a quoted text",0\n3,c,1\n', ["line 2", "one not closed"]),
        (b'id,text\r1,"a\nb"\r2,c\r', ["1 error"]),
        ("id,text\n1,a\n".encode("utf-16"), ["this is UTF-16"]),
        (b"id;text\n1;a\n", ["line 1", "separated by ';'"]),
        (b"id,text\n1,\xff\n2,ok\n3,\xe9t\xe9\n", ["line 2: byte 0xff at position 3", "line 4: byte 0xe9", "UTF-8"]),
        (b"id,id\n1,a\n", ["the header names 2 columns 'id'"]),
    ],
)
def test_faults_name_line_and_mend(tmp_path, content, expected):
    path = tmp_path / "train.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    for phrase in expected:
        assert phrase in str(caught.value)


def test_ten_faults_are_listed_and_the_rest_counted(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("id,text\n" + "1,a,b,c\n" * 25)
    with pytest.raises(InputError, match="25 errors") as caught:
        read_table(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 12
    assert lines[1].strip().startswith("line 2:")
    assert lines[-1].strip() == "… and 15 more"


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zip"])
def test_a_broken_archive_is_a_fault(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"id,text\n1,a\n")[:-6])
    with pytest.raises(InputError, match="download it again"):
        read_table(path)


def test_missing_extra_and_repeated(tmp_path):
    table = read_table(
        write(tmp_path / "a.csv", [["id", "txt", "extra"], ["1", "a", ""], ["2", "b", ""], ["1", "c", ""]])
    )
    with pytest.raises(InputError, match="2 errors") as caught:
        check_columns(table, ["id", "text"], ignored=["txt"])
    assert "no column 'text'; did you mean 'txt'?" in str(caught.value)
    assert "column 'extra' is not expected here" in str(caught.value)
    check_columns(table, ["id", "txt"], ignored=["extra", "absent"])
    with pytest.raises(InputError, match=r"line 4, column id: id '1' is already on line 2"):
        check_unique(table, "id")
    with pytest.raises(InputError, match="empty id"):
        check_unique(table, "extra")
