import gzip
import zipfile

import pytest

from foldwise.config import Format
from foldwise.data.table import read_table
from foldwise.errors import InputError

TEXT = "id,text\n1,Größe\n2,x\n"


def refusal(path, form: Format | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read_table(path, form or Format())
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "utf-16-le", "utf-8", "utf-8-sig", "gb18030"])
def test_a_file_is_read_in_its_encoding(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT.encode(encoding))
    assert read_table(path, Format(encoding=encoding)).column("text") == ["Größe", "x"]


def test_a_lone_carriage_return_stays_text_in_any_encoding(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("id,text\r\n1,ein\rüber\r\n".encode("utf-16"))
    assert read_table(path, Format(encoding="utf-16")).column("text") == ["ein\rüber"]


@pytest.mark.parametrize(
    ("written", "setting", "expected"),
    [
        ("utf-8", "cp1252", "this is UTF-8, and [files] encoding = 'cp1252' says otherwise"),
        ("utf-8", "utf-16", "this is UTF-8, and [files] encoding = 'utf-16' says otherwise"),
        ("utf-16", "utf-8", 'this is UTF-16; set [files] encoding = "utf-16"'),
        ("utf-16-le", "utf-8", 'this is UTF-16; set [files] encoding = "utf-16-le"'),
        ("cp1252", "gb18030", "line 2: byte 0xf6 is not gb18030, which [files] encoding = 'gb18030' says"),
        ("cp1252", "utf-8", "line 2: byte 0xf6 at position 5 is not UTF-8; say what it is, such as [files] encoding"),
    ],
)
def test_a_file_that_does_not_fit_the_setting_is_refused(tmp_path, written, setting, expected):
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT.replace("ß", " ").encode(written))
    assert expected in refusal(path, Format(encoding=setting))


def test_plain_ascii_fits_every_encoding_that_begins_as_it_does(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,text\n1,a\n")
    for encoding in ("cp1252", "gb18030", "cp932"):
        assert read_table(path, Format(encoding=encoding)).column("text") == ["a"]
    assert "this is UTF-8" in refusal(path, Format(encoding="utf-16"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"PK\x03\x04\x00", "an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1", "an old Excel workbook (.xls)"),
        (gzip.compress(b"id,text\n1,a\n"), "packed by gzip, not the text that a.csv should be; name it a.csv.gz"),
        (b"PAR1\x15\x04", "give its name the ending .parquet"),
        (b"<!DOCTYPE html><html>", "this is a web page, not a table; download it again, signed in"),
        (b"\n <html lang='en'>", "this is a web page"),
        (b'[{"id": 1}]', "this is JSON, not what a.csv should be; give its name the ending .json"),
    ],
)
def test_what_is_no_text_is_named(tmp_path, content, expected):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert expected in refusal(path)


def test_a_workbook_in_a_zip_is_named(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "")
        archive.writestr("[Content_Types].xml", "")
    assert "this is an Excel workbook; open it" in refusal(path)
