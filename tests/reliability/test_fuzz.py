"""A few hundred inputs of the fuzzer: what a change breaks at once. The soak is `fuzz.py --inputs 10000`."""

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from foldwise.data import tokenizer
from foldwise.data.inspect_texts import LINK
from foldwise.errors import InputError
from reliability.fuzz import fuzz
from reliability.fuzz_targets import targets

LETTERS = st.text(st.sampled_from("aZ1_-'’nt中文〇 .@:/w\u0301\u0e01é\n"), max_size=30)


def test_no_input_breaks_a_parser():
    counts, failed = fuzz(300)
    assert not failed, failed[0].what
    assert counts["read"] + counts["refused"] == 300


def test_the_valid_files_that_it_starts_from_are_read(tmp_path):
    refused = set()
    for target in targets(tmp_path):
        for content in target.seeds:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    target.parse(content, Path(folder))
                except InputError:
                    refused.add(target.name)
    assert refused == {"tables/other packing", "--set"}  # formats that are named, and a key that is not of the recipe


@pytest.mark.parametrize(
    ("name", "part", "instead"),
    [  # found by guided_fuzz.py
        ("own tokenizer.json", b'"unk_token":"[UNK]"', b'"unk_token":"[yNK]"'),
        ("bundle", b'"precision"', b'"precisi*n"'),
    ],
)
def test_what_shows_late_is_refused_too(name, part, instead, tmp_path):
    target = next(target for target in targets(tmp_path / "shared") if target.name == name)
    assert part in target.seeds[0]
    with pytest.raises(InputError):
        target.parse(target.seeds[0].replace(part, instead), tmp_path)


def pieces(pattern: str, text: str) -> list[str]:
    splitter = pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True)
    return [piece for piece, _ in splitter.pre_tokenize_str(text)]


@given(LETTERS)
@example("中文don't x́y中don't 〇n't")
def test_tokens_of_a_run_are_as_when_each_letter_looked_to_its_end(text):
    quick = next(part for part in tokenizer.TOKEN.split("|") if part.startswith("(?<!"))
    slow = tokenizer.TOKEN.replace(quick[: quick.index(r"\p{L}+?")], "", 1)
    assert slow != tokenizer.TOKEN
    assert pieces(tokenizer.TOKEN, text) == pieces(slow, text)


@given(LETTERS)
def test_links_are_found_as_when_each_character_might_begin_one(text):
    assert LINK.sub(" ", text) == re.sub(LINK.pattern.replace(r"(?<!\S)", ""), " ", text)
