import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.config import Format
from foldwise.data.table import read_table
from foldwise.errors import InputError

CELL = st.text(alphabet=st.sampled_from(list("\"\\,;n\n' aé")), max_size=8)


@given(
    rows=st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1),
    separator=st.sampled_from([",", ";", "\t", "|", "，"]),
)
def test_backslashes_before_quotes_and_separators_are_taken_back(tmp_path_factory, rows, separator):
    """What Python writes with an escape, in quotes or without, is read as it was."""
    for quoting in (csv.QUOTE_ALL, csv.QUOTE_NONE):
        buffer = io.StringIO(newline="")
        writer = csv.writer(
            buffer, delimiter=separator, escapechar="\\", doublequote=False, quoting=quoting, lineterminator="\n"
        )
        writer.writerows([["a", "b"], *rows, ["last", "row"]])
        path = tmp_path_factory.mktemp("table") / "a.csv"
        path.write_bytes(buffer.getvalue().encode())
        table = read_table(path, Format(separator=separator, escape="\\"))
        assert table.frame.to_numpy().tolist() == [*rows, ["last", "row"]]


def read(tmp_path, content: str, form: Format | None = None):
    (tmp_path / "a.csv").write_text(content, encoding="utf-8", newline="")
    return read_table(tmp_path / "a.csv", form or Format())


def refusal(tmp_path, content: str, form: Format | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, content, form)
    return str(caught.value)


def test_a_backslash_that_escapes_nothing_stays(tmp_path):
    table = read(tmp_path, 'id,text\n1,"C:\\new \\"x\\" \\\\ ""y"""\n2,a\\,b\n', Format(escape="\\"))
    assert table.column("text") == ['C:\\new "x" \\ "y"', "a,b"]


def test_excels_first_line(tmp_path):
    table = read(tmp_path, "\ufeffsep=;\r\nid;text\r\n1;a,b\r\n", Format(separator=";"))
    assert table.frame.to_numpy().tolist() == [["1", "a,b"]]
    assert table.lines.tolist() == [3]
    assert read(tmp_path, "sep=,\nid,text\n1,a\n").column("text") == ["a"]
    message = refusal(tmp_path, "sep=;\nid;text\n1;a\n")
    assert (
        "line 1: this line of Excel's says that columns are separated by ';': set [files] separator = \";\"" in message
    )


def test_what_spreadsheets_save_of_cells_once_used_is_left_out(tmp_path):
    table = read(tmp_path, "id;text;;\r\n1;a;;\r\n2;;;\r\n;;;\r\n;;;\r\n", Format(separator=";"))
    assert list(table.frame.columns) == ["id", "text"]
    assert table.frame.to_numpy().tolist() == [["1", "a"], ["2", ""]]
    assert "line 1: 2 columns have no name and yet values" in refusal(tmp_path, "id,,\n1,a,b\n")
    assert list(read(tmp_path, ",id\n0,a\n").frame.columns) == ["", "id"]


def test_empty_rows_before_the_end_stay(tmp_path):
    assert read(tmp_path, "id,text\n,\n1,a\n").frame.to_numpy().tolist() == [["", ""], ["1", "a"]]


def test_row_names_of_r_are_named(tmp_path):
    message = refusal(tmp_path, '"id","text"\n"1",7,"a"\n"2",8,"b"\n')
    assert "every row has one field more than the header, as R's write.table makes it with row names" in message
    assert "line 2: 3 fields where the header has 2" in message
    assert "R's" not in refusal(tmp_path, "id,text\n1,a,b\n2,c\n")


@pytest.mark.parametrize("separator", [";", "|", "\t", "，", "；"])
def test_another_separator_is_named(tmp_path, separator):
    message = refusal(tmp_path, f"id{separator}text\n1{separator}a\n")
    shown = "\\t" if separator == "\t" else separator
    assert f'set [files] separator = "{shown}"; `./run.sh init' in message
