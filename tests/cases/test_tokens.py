"""Cases about how texts are split."""

import json

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from case_files import QUICK, submitted

LEARNT = [
    "--set",
    "folds.n=2",
    "--set",
    "tokens.vectors=none",
    "--set",
    "training.epochs=8",
    "--set",
    "model.hidden=16",
]


def score_of(workspace, slug: str) -> float:
    return json.loads((workspace / "output" / slug / "summary.json").read_text())["cv"]["pooled"]


@pytest.mark.case("22-chinese")
@pytest.mark.parametrize("member", ["bilstm", "linear"])
def test_chinese_is_learnt(cli_here, workspace, member):
    cli_here("init", "demo")
    cli_here("all", "-c", "demo", *LEARNT, "--set", f'ensemble.members=["{member}"]')
    assert score_of(workspace, "demo") > 0.9


@pytest.mark.case("36-own-tokenizer")
def test_a_tokenizer_of_ones_own(cli_here, workspace, monkeypatch):
    """By code, of which a change makes new tokens; by a file; by names that mean neither."""
    (workspace / "mine_characters.py").write_text("def split(text):\n    return list(text)\n")
    monkeypatch.syspath_prepend(workspace)
    cli_here("init", "demo")
    own = ["--set", "tokens.tokenizer=mine_characters:split"]
    done = cli_here("tokens", "-c", "demo", *QUICK, *own)
    vocabulary = json.loads((workspace / "output" / "demo" / "tokens" / "vocab.json").read_text())
    assert all(len(word) == 1 for word in list(vocabulary)[2:])
    (workspace / "mine_characters.py").write_text("def split(text):\n    return text.split()[:1]\n")
    done = cli_here("all", "-c", "demo", *QUICK, *own)
    assert "tokenizer changed" in done.stdout
    assert "half of the texts have at most 2 tokens" in done.stderr
    assert len(submitted(workspace, "demo")) > 1

    tokenizer = Tokenizer(WordLevel({"coat": 0, "<unk>": 1}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(workspace / "input" / "demo" / "few.json"))
    cli_here("tokens", "-c", "demo", *QUICK, "--set", "tokens.tokenizer=few.json")
    vocabulary = json.loads((workspace / "output" / "demo" / "tokens" / "vocab.json").read_text())
    assert set(vocabulary) == {"<pad>", "<unk>", "coat"}
    done = cli_here("tokens", "-c", "demo", "--set", "tokens.tokenizer=spacy", code=2)
    assert 'give code of your own as "module:function", or the name of a tokenizer.json' in done.stderr
    done = cli_here("tokens", "-c", "demo", "--set", "tokens.split=mine:split", code=2)
    assert "tokens.split" in done.stderr


@pytest.mark.case("32-same-text-oov")
def test_words_without_vectors_are_said_aloud(cli_here):
    cli_here("init", "oov")
    done = cli_here("tokens", "-c", "oov")
    assert "word vectors cover 0.0% of the tokens" in done.stderr
    cli_here("init", "demo")
    done = cli_here("folds", "-c", "demo", code=2)
    assert "5 folds need at least 5 texts or groups that differ, and there are 1" in done.stderr
