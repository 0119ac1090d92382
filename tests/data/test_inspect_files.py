from pathlib import Path

import pytest

from foldwise.data.inspect_files import inspect_files
from foldwise.data.inspect_tables import Question
from foldwise.errors import InputError
from foldwise.paths import Paths

TRAIN = "id,text,y\n1,one,0.5\n2,two,1\n"
TEST, SAMPLE = "id,text\n8,eight\n9,nine\n", "id,y\n8,0\n9,0\n"


@pytest.fixture
def inspect(tmp_path):
    """What is found in these files, and the tables; text, or bytes as they are."""

    def run(told=None, **tables: str | bytes):
        for name, content in {"train": TRAIN, "test": TEST, "sample_submission": SAMPLE, **tables}.items():
            (tmp_path / f"{name}.csv").write_bytes(content.encode() if isinstance(content, str) else content)
        none, told = Path("none"), told or {}
        paths = Paths("x", tmp_path, none, none, none, (), {"labels": told["labels"]} if "labels" in told else {})
        read, found = inspect_files(paths, told)
        return {name: value for name, (value, _) in found.items()}, read, found

    return run


def test_usual_files_need_no_setting(inspect):
    assert inspect()[0] == {}
    assert inspect(train=TRAIN.replace("one", "Größe"), solution="id,y\n8,0\n9,1\n")[0] == {}


def test_one_value_where_all_files_agree_or_do_not_show_it(inspect):
    semicolons = {name: text.replace(",", ";") for name, text in {"train": TRAIN, "test": TEST}.items()}
    assert inspect(**semicolons, sample_submission="y\n0\n1\n")[0] == {"separator": ";"}
    assert inspect(**semicolons)[0] == {"separator": {"train": ";", "test": ";"}}
    assert inspect(train=TRAIN.replace("one", "Größe").encode("cp1252"))[0] == {"encoding": "cp1252"}
    both = {"train": TRAIN.replace("one", "Größe").encode("cp1252"), "test": TEST.replace("nine", "é")}
    assert inspect(**both)[0] == {"encoding": {"train": "cp1252"}}


def test_ascii_is_not_read_as_two_bytes_a_letter(inspect):
    found, read, _ = inspect(train=TRAIN.encode("utf-16"))
    assert found == {"encoding": {"train": "utf-16"}}
    assert read.train.column("text") == ["one", "two"]


def test_texts_with_semicolons_leave_commas(inspect):
    assert inspect(train='id,text,y\n1,"a; b; c",0\n2,"d; e",1\n')[0] == {}


def test_a_question_for_letters_that_may_be_several(inspect):
    with pytest.raises(Question, match=r"cannot tell the encoding of train\.csv: .* decide with --encoding gb18030 or"):
        inspect(train="id,text,y\n1,非常好看,1\n2,a,0\n".encode("gb18030"))
    found, read, _ = inspect({"encoding": "gb18030"}, train="id,text,y\n1,非常好看,1\n2,a,0\n".encode("gb18030"))
    assert (found, read.train.column("text")) == ({"encoding": "gb18030"}, ["非常好看", "a"])


def test_decimal_commas_are_found_and_read(inspect):
    files = {"train": "id;text;y\n1;a, b;0,5\n2;b;1,25\n3;c;2\n", "sample_submission": "id;y\n8;0,0\n9;0,0\n"}
    found, read, said = inspect(**files, test=TEST.replace(",", ";"))
    assert found == {"separator": ";", "decimal": ","}
    assert read.train.column("y") == ["0.5", "1.25", "2"]
    assert said["decimal"].reason == "'0,5' in column y of train.csv is a number so; submission.csv has decimal points"
    files["sample_submission"] = "id;y\n8;0.5\n9;0.5\n"
    found, _, _ = inspect(**files, test=TEST.replace(",", ";"))
    assert found == {"separator": ";", "decimal": {"train": ","}}


@pytest.mark.parametrize("values", [("1,000", "2,500"), ("red", "0,5")])
def test_thousands_and_words_are_no_decimals(inspect, values):
    train = f"id;text;y\n1;a;{values[0]}\n2;b;{values[1]}\n"
    assert "decimal" not in inspect(train=train)[0]


def test_numbers_in_a_list_with_commas_are_no_decimals(inspect):
    assert inspect(train='id,text,y\n1,a,"1,2"\n2,b,"3"\n')[0] == {}


def test_labels_are_found_where_train_has_none(inspect):
    found, read, said = inspect(train="id,text\n1,one\n2,two\n", train_labels="id,y\n2,b\n1,a\n", notes="id,y\n5,x\n")
    assert found == {"labels": "train_labels"}
    assert read.train.column("y") == ["a", "b"]
    assert "train_labels.csv has its ids and more" in said["labels"].reason
    with pytest.raises(Question, match="decide with --labels other or --labels train_labels"):
        inspect(train="id,text\n1,one\n2,two\n", other="id,y\n2,b\n1,a\n")
    assert inspect({"labels": "other"}, train="id,text\n1,one\n2,two\n")[0] == {"labels": "other"}
    with pytest.raises(InputError, match=r"line 3, column id: id '2' has no row in other\.csv"):
        inspect({"labels": "other"}, train="id,text\n1,one\n2,two\n", other="id,y\n1,a\n")


def test_what_is_told_is_taken_and_checked(inspect):
    found, read, _ = inspect(
        {"separator": "|"},
        **{n: t.replace(",", "|") for n, t in (("train", TRAIN), ("test", TEST), ("sample_submission", SAMPLE))},
    )
    assert (found, read.train.column("text")) == ({"separator": "|"}, ["one", "two"])
    with pytest.raises(InputError, match=r"separator = ';;': give one character"):
        inspect({"separator": ";;"})
    with pytest.raises(InputError, match=r"encoding = 'klingon': give an encoding that Python knows"):
        inspect({"encoding": "klingon"})


def test_blanks_between_quoted_values_as_r_writes_them(inspect):
    tables = {name: text.replace(",", " ") for name, text in (("test", TEST), ("sample_submission", SAMPLE))}
    assert inspect(train='"id" "text" "y"\n1 "a b" 0\n2 "c" 1\n', **tables)[0] == {"separator": " "}
    with pytest.raises(InputError, match=r"as R's write\.table makes it with row names"):
        inspect(train='"id" "text" "y"\n"1" 1 "a \\"b" 0\n"2" 2 "c" 1\n', **tables)


def test_one_column_of_sentences_has_no_separator(inspect):
    read = inspect(train='text\n"a; b c, d"\ne\n', test="text\nx y\n")[1]
    assert read.train.column("text") == ["a; b c, d", "e"]
