import gzip
import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.data.table import check_unique, read_table
from foldwise.errors import InputError

SCALAR = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8))


def read(tmp_path, content: str, name: str = "a.json"):
    (tmp_path / name).write_text(content, encoding="utf-8")
    return read_table(tmp_path / name)


@given(rows=st.lists(st.fixed_dictionaries({"id": SCALAR, "text": SCALAR}), min_size=1))
def test_an_array_and_an_object_a_line_are_the_same_table(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("json")
    array = read(folder, json.dumps(rows, indent=1))
    lines = read(folder, "\n".join(map(json.dumps, rows)), "a.jsonl")
    expected = [["" if row[name] is None else str(row[name]) for name in rows[0]] for row in rows]
    assert array.frame.to_numpy().tolist() == lines.frame.to_numpy().tolist() == expected
    assert lines.lines.tolist() == array.lines.tolist() == list(range(1, len(rows) + 1))
    assert (array.unit, lines.unit) == ("row", "line")


def test_values_are_as_they_are_written(tmp_path):
    table = read(
        tmp_path,
        '{"id": "007", "x": 0.50, "n": 12345678901234567890123, "b": true, "tags": ["red", "green"], "t": "NA\\nü"}\n'
        '\n{"id": 7, "x": 1e5, "b": null, "tags": [], "later": NaN}\n',
        "a.ndjson",
    )
    assert list(table.frame.columns) == ["id", "x", "n", "b", "tags", "t", "later"]
    assert table.frame.to_numpy().tolist() == [
        ["007", "0.50", "12345678901234567890123", "True", "red|green", "NA\nü", ""],
        ["7", "1e5", "", "", "", "", ""],
    ]
    assert table.lines.tolist() == [1, 3]


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_columns_may_be_left_out(tmp_path, name):
    content = json.dumps([{"id": 1, "text": "a", "no": "b"}]).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert list(read_table(tmp_path / name, without=["no", "absent"]).frame.columns) == ["id", "text"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "no rows; download it again"),
        ("[]", "no rows; download it again"),
        ('{"id": 1}\n{"id": 2\n', "line 2: not JSON: Expecting ',' delimiter at character 9; a table is an array of objects"),
        ('[{"id": 1},\n {"id" 2}]', "line 2: not JSON: Expecting ':' delimiter"),
        ('{"id": {"0": 1}}', "line 1, column id: {'0': '1'} is no text and no number; give its parts columns of their own"),
        ("[1, 2]", "row 1: '1' is no object; a table is an array of objects"),
        ('{\n "id": 1\n}', "line 1: not JSON"),
        ('[{"id": ["a|b"]}]', "row 1, column id: ['a|b'] is no text and no number; a list must hold texts or numbers without |"),
        ('[{"id": [["a"]]}]', "row 1, column id: [['a']] is no text"),
        ("[" * 100_000, "values are nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_named(tmp_path, content, expected):
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert expected in str(caught.value)
    assert all(len(line) <= 500 for line in str(caught.value).splitlines())


def test_places_in_an_array_are_rows(tmp_path):
    table = read(tmp_path, json.dumps([{"id": 1}, {"id": 2}, {"id": 1}]))
    with pytest.raises(InputError, match=r"row 3, column id: id '1' is already on row 1"):
        check_unique(table, "id")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        InputError, match=r"Parquet is read by pyarrow, which is not there; install it \(\.venv/bin/pip"
    ):
        read(tmp_path, "PAR1", "a.parquet")


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "id": ["007", "8", "9"],
        "x": pyarrow.array([0.1, None, 2.5], pyarrow.float32()),
        "n": pyarrow.array([1, None, 3]),
        "b": [True, False, None],
        "tags": [["a", "b"], [], None],
        "kind": pyarrow.array(["u", "v", "u"]).dictionary_encode(),
        "y": np.array([0.1, 1e300, np.nan]),
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet", without=["kind"])
    assert table.frame.to_numpy().tolist() == [
        ["007", "0.1", "1", "True", "a|b", "0.1"],
        ["8", "", "", "False", "", "1e+300"],
        ["9", "2.5", "3", "", "", ""],
    ]
    assert table.unit == "row"
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-20])
    with pytest.raises(InputError, match="is no whole Parquet file"):
        read_table(tmp_path / "a.parquet")
