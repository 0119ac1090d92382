"""Tokenizers of the user's own: code and files, and what is said of those that cannot be used."""

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.trainers import BpeTrainer

from conftest import forget_modules
from foldwise.config import Tokens
from foldwise.data.own_tokenizer import find_splitter, tokenizer_hash
from foldwise.data.tokenizer import tokenize
from foldwise.errors import InputError

TEXTS = ["the film the film", "Gut <sep> bad film", ""]
CODE = """
def split(text):
    return list(text)

class Words:
    def __call__(self, text):
        return text.split()

class Needs:
    def __init__(self, something):
        pass

def numbers(text):
    return [1]

def phrases(text):
    return ["New York"]

def fails(text):
    return text.nothing

number = 3
"""


@pytest.fixture(autouse=True)
def code(tmp_path, monkeypatch):
    (tmp_path / "mine_split.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    forget_modules(tmp_path)


def tokens_of(name: str, folder) -> list[list[str]]:
    settings = Tokens(tokenizer=name)
    store, words, _ = tokenize(TEXTS, 3, settings, lambda _: None, find_splitter(settings, [folder]))
    return [[words[token] for token in store.row(row)] for row in range(len(TEXTS))]


def test_a_function_and_a_class_split_each_column_of_a_text(tmp_path):
    assert tokens_of("mine_split:split", tmp_path) == [[*"thefilmthefilm"], [*"Gut", "<sep>", *"badfilm"], []]
    assert tokens_of("mine_split:Words", tmp_path) == [text.split() for text in TEXTS]


def test_a_file_splits_as_its_library_does(tmp_path):
    made = Tokenizer(BPE(unk_token="?"))
    made.pre_tokenizer = Metaspace()
    made.train_from_iterator(TEXTS, BpeTrainer(vocab_size=40, special_tokens=["?"], show_progress=False))
    made.enable_truncation(2)
    made.save(str(tmp_path / "bpe.json"))
    made.no_truncation()
    first, second, third = tokens_of("bpe.json", tmp_path)
    assert first == made.encode(TEXTS[0]).tokens
    assert len(first) > 2
    assert second == [*made.encode("Gut").tokens, "<sep>", *made.encode("bad film").tokens]
    assert third == []


def test_counts_hold_as_ever(tmp_path):
    settings = Tokens(tokenizer="mine_split:Words", vocabulary="train")
    store, words, counts = tokenize(TEXTS, 1, settings, lambda _: None, find_splitter(settings, [tmp_path]))
    assert store.lengths.tolist() == [4, 4, 0]
    assert dict(zip(words[2:], counts[2:].tolist(), strict=True)) == {"film": 2, "the": 2}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine_split:numbers", "gives '1', which is no string; return a list of strings"),
        ("mine_split:phrases", "gives the token 'New York', which has white space inside; join its parts by _"),
        ("mine_split:fails", "fails on the text 'the film the film': AttributeError"),
        ("mine_split:Needs", "cannot be made without arguments: TypeError"),
        ("mine_split:number", "is no function, and no class with __call__"),
        ("mine_split:nothing", "has no 'nothing'"),
        ("absent:split", "no module 'absent'"),
        ("absent.json", "no such file in"),
        ("broken.json", "not a file of the library tokenizers"),
    ],
)
def test_what_cannot_split_is_named(tmp_path, name, message):
    (tmp_path / "broken.json").write_text("[]")
    with pytest.raises(InputError, match=r"recipe\.tokens\.tokenizer") as error:
        tokens_of(name, tmp_path)
    assert message in str(error.value)


def test_the_hash_is_of_code_or_file(tmp_path):
    assert tokenizer_hash(Tokens(), [tmp_path]) == ""
    of_code = tokenizer_hash(Tokens(tokenizer="mine_split:split"), [tmp_path])
    (tmp_path / "a.json").write_text("1")
    of_file = tokenizer_hash(Tokens(tokenizer="a.json"), [tmp_path])
    assert of_code != of_file
    (tmp_path / "mine_split.py").write_text(CODE + "\n")
    (tmp_path / "a.json").write_text("2")
    assert of_code != tokenizer_hash(Tokens(tokenizer="mine_split:split"), [tmp_path])
    assert of_file != tokenizer_hash(Tokens(tokenizer="a.json"), [tmp_path])
