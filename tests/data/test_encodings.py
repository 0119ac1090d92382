from pathlib import Path

import pytest

from foldwise.data.encodings import guess_encoding
from foldwise.errors import InputError

PATH = Path("train.csv")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Le café crème est très bon à Paris\nIl a été déçu par l'hôtel, où tout était cassé\n"),
        ("cp1252", "Größe über alles schön\nwir müssen Äpfel essen, “gut”\n"),
        ("cp1252", "¿Qué pasó? El niño comió en el jardín\n"),
        ("cp1252", "it’s “fine” – really…\n£5\n"),
        ("cp1252", "rødgrød med fløde på æblegård\n"),
        ("cp1252", "perché così più città è università\n"),
        ("cp1250", "Zażółć gęślą jaźń, świetny film i łatwy\nbył bardzo dobry, że się śmiałem\n"),
        ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy\nfilm byl velmi dobrý, děkuji\n"),
        ("cp1251", "Это был очень хороший фильм, мне понравилось\n"),
        ("koi8_r", "Это был очень хороший фильм, мне понравилось\n"),
        ("cp1253", "Ήταν μια πολύ καλή ταινία και μου άρεσε\n"),
        ("cp1255", "הסרט היה טוב מאוד ואהבתי אותו\n"),
        ("cp1256", "كان الفيلم جيدا جدا وأعجبني كثيرا\n"),
        ("cp874", "หนังเรื่องนี้ดีมากและสนุกมาก\n"),
        ("gb18030", "1,这部电影非常好看，我很喜欢,1\n2,太无聊了，不推荐大家去看,0\n"),
        ("big5", "這部電影非常好看，我很喜歡\n太無聊了，不推薦大家去看\n"),
        ("cp932", "この映画はとても面白かったです。\n"),
        ("euc_jp", "この映画はとても面白かったです。\n"),
        ("cp949", "이 영화는 정말 재미있었습니다. 배우들의 연기도 좋았다\n"),
        ("utf-16", "any text\n"),
        ("utf-16-le", "any text\n"),
        ("utf-16-be", "any text\n"),
        ("utf-8", "é\n"),
        ("utf-8-sig", "any text\n"),
    ],
)
def test_letters_tell_the_encoding(encoding, text):
    expected = "utf-8" if encoding == "utf-8-sig" else encoding
    assert guess_encoding(PATH, text.encode(encoding)).names == [expected]


def test_plain_ascii_tells_nothing():
    assert guess_encoding(PATH, b"id,text\n1,a\n").names == []


def test_the_reason_counts_lines_and_shows_one():
    guess = guess_encoding(PATH, "id\nein\nGröße\ngroß\n".encode("cp1252"))
    assert guess.reason == "2 of 4 lines of train.csv are not UTF-8; line 3 is 'Größe' in cp1252"
    assert "'…gsnotiz,a Maß'" in guess_encoding(PATH, "a\nVerkostungsnotiz,a Maß\n".encode("cp1252")).reason


def test_what_may_be_several_is_left_open():
    guess = guess_encoding(PATH, "1,非常好看,1\n".encode("gb18030"))
    assert guess.names[0] == "gb18030"
    assert len(guess.names) > 1
    assert "line 1 is '1,非常好看,1' in gb18030" in guess.reason


def test_two_encodings_in_one_file_are_refused():
    with pytest.raises(
        InputError, match=r"1 of 3 lines of train\.csv are not UTF-8, and 2 with letters beyond ASCII are; line 3"
    ):
        guess_encoding(PATH, "é\nü\n".encode() + "ö\n".encode("cp1252"))
