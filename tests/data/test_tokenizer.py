import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldwise.config import Tokens
from foldwise.data import tokenizer as module
from foldwise.data.tokenizer import PAD, UNK, build_tokenizer, length_limit, tokenize, tokenize_further


def pieces(text: str, **settings: str) -> list[str]:
    tokenizer = build_tokenizer(Tokens.model_validate(settings), {})
    return [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't you?", ["do", "n't", "you", "?"]),
        ("can’t WON'T don´t", ["ca", "n't", "wo", "n't", "do", "n't"]),
        (
            "it's we're I'm they'd you've she'll",
            ["it", "'s", "we", "'re", "i", "'m", "they", "'d", "you", "'ve", "she", "'ll"],
        ),
        ("the 90's rock'n'roll", ["the", "90", "'s", "rock", "'", "n", "'", "roll"]),
        ("over-the-top, 3.5 of 1,000...", ["over-the-top", ",", "3.5", "of", "1,000", "..."]),
        ("''quoted'' “too”", ['"', "quoted", '"', '"', "too", '"']),
        ("ﬁne Ｆilm café", ["fine", "film", "café"]),
        ("2nd a_b :-) 😀", ["2nd", "a_b", ":", "-", ")", "😀"]),
        ("我买了iPhone 15，价3.5元2024年。", [*"我买了", "iphone", "15", ",", "价", "3.5", "元", "2024", "年", "。"]),
        ("スーパー々ﾃｽﾄ ひらがな", [*"スーパー々テスト", *"ひらがな"]),
        ("ฉันรัก ๒๕๖๗", ["ฉั", "น", "รั", "ก", "๒๕๖๗"]),
        ("ລາວ ខ្មែរ မြန်မာ", ["ລ", "າ", "ວ", "ខ្", "មែ", "រ", "မြ", "န်", "မာ"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("می‌خواهم ශ්‍රී ന്‍റെ मुझे مُحَمَّد", ["می‌خواهم", "ශ්‍රී", "ന്‍റെ", "मुझे", "مُحَمَّد"]),
        ("👍🏽👨‍👩‍👧🇩🇪🇫🇷❤️ok 1️⃣ ❤️‍🔥 ©", ["👍🏽", "👨‍👩‍👧", "🇩🇪", "🇫🇷", "❤️", "ok", "1️⃣", "❤️‍🔥", "©"]),
        ("", []),
        (" \t\n", []),
    ],
)
def test_split_as_glove(text, expected):
    assert pieces(text) == expected


def test_case_policy():
    assert pieces("Good FILM", case="keep") == ["Good", "FILM"]


TEXTS = ["the film the film the", "a film", "", "unseen words film"]


def words_of(store, words, row):
    return [words[token] for token in store.row(row)]


def test_tokens_read_back_and_counts_hold():
    store, words, counts = tokenize(TEXTS, 2, Tokens(), lambda _: None)
    assert words[:4] == ["<pad>", "<unk>", "film", "the"]
    assert [words_of(store, words, row) for row in range(4)] == [text.split() for text in TEXTS]
    assert dict(zip(words, counts.tolist(), strict=True))["film"] == 4
    assert counts[PAD] == counts[UNK] == 0
    assert store.tokens.dtype == np.int32
    assert store.offsets.tolist() == [0, 5, 7, 7, 10]


def test_cuts_keep_the_part_asked_for_and_a_share_gives_the_limit():
    texts = ["a b c d e f g", "a b c", "", "x y z u v w"]
    kept = {}
    whole, words, _ = tokenize(texts, 3, Tokens(), lambda _: None)
    for cut in ("head", "tail", "head+tail"):
        store = whole.cut(3, cut)
        kept[cut] = [" ".join(words_of(store, words, row)) for row in range(4)]
    assert kept["head"] == ["a b c", "a b c", "", "x y z"]
    assert kept["tail"] == ["e f g", "a b c", "", "u v w"]
    assert kept["head+tail"] == ["a b g", "a b c", "", "x y w"]
    for share, longest in (("100%", 7), ("67%", 7), ("66%", 3), ("33%", 1)):  # of the 3 training texts: 0, 3 and 7
        assert length_limit(Tokens(max_length=share), whole, 3) == longest
        assert whole.cut(longest, "head").lengths.tolist() == [min(length, longest) for length in (7, 3, 0, 6)], share
    assert length_limit(Tokens(max_length=5), whole, 3) == 5
    assert whole.cut(7, "head") is whole


def test_columns_are_parted_by_a_token_of_its_own():
    assert pieces("First one <sep> second") == ["first", "one", "<sep>", "second"]


def test_train_only_vocabulary_does_not_know_test_words():
    store, words, counts = tokenize(TEXTS, 2, Tokens(vocabulary="train"), lambda _: None)
    assert set(words) == {"<pad>", "<unk>", "the", "film", "a"}
    assert words_of(store, words, 3) == ["<unk>", "<unk>", "film"]
    assert counts.sum() == 7  # tokens of the training rows


def test_cuts_by_count_and_size_keep_the_most_frequent():
    _, words, counts = tokenize(TEXTS, 2, Tokens(min_count=2), lambda _: None)
    assert words == ["<pad>", "<unk>", "film", "the"]
    assert counts.tolist() == [0, 3, 4, 3]
    _, words, _ = tokenize(TEXTS, 2, Tokens(max_size=1), lambda _: None)
    assert words == ["<pad>", "<unk>", "film"]


# Characters at which splitting could go wrong: marks, quotes, contractions, joined and wide forms, odd white space.
ODD = "ab'’`\"nNtT-_.,:3½Ａﬁ¨\u0301\u0130ßΣ \t\n\u00a0\u2003\u200b\u3000😀"


@given(texts=st.lists(st.text(ODD, max_size=30), min_size=1, max_size=4))
@settings(max_examples=300)
def test_runs_put_together_are_the_texts_split_whole(texts):
    store, words, _ = tokenize(texts, len(texts), Tokens(), lambda _: None)
    assert [words_of(store, words, row) for row in range(len(texts))] == [pieces(text) for text in texts]


def test_chunks_do_not_matter_and_progress_counts_all(monkeypatch):
    whole = tokenize(TEXTS, 2, Tokens(), lambda _: None)
    monkeypatch.setattr(module, "CHUNK", 1)
    seen: list[int] = []
    parts = tokenize(TEXTS, 2, Tokens(), seen.append)
    assert whole[1] == parts[1]
    assert whole[0].tokens.tolist() == parts[0].tokens.tolist()
    assert sum(seen) == 2 * len(TEXTS)


@given(
    texts=st.lists(st.text("ab cd", max_size=12), min_size=1, max_size=6),
    vocabulary=st.sampled_from(["train", "train+test"]),
    min_count=st.integers(1, 2),
    max_size=st.integers(1, 9),
)
def test_texts_that_the_vocabulary_was_made_with_are_the_same_when_they_come_again(
    texts, vocabulary, min_count, max_size
):
    settings = Tokens(vocabulary=vocabulary, min_count=min_count, max_size=max_size)
    store, words, _ = tokenize(["a b", *texts], 1, settings, lambda _: None)
    again, new, counts = tokenize_further(texts, words, settings, lambda _: None)
    assert (new, counts.tolist()) == ([], [])
    assert again.tokens.tolist() == store.tokens[store.offsets[1] :].tolist()
    assert again.offsets.tolist() == (store.offsets[1:] - store.offsets[1]).tolist()


def test_new_words_follow_the_known_ones_as_far_as_settings_let_them():
    words = ["<pad>", "<unk>", "film", "the"]
    texts = ["unseen film unseen", "b a <pad> the", ""]
    both = [*words, "unseen", "a", "b"]
    store, new, counts = tokenize_further(texts, words, Tokens(), lambda _: None)
    assert [*words, *new] == both
    assert counts.tolist() == [2, 1, 1]
    assert [words_of(store, both, row) for row in range(3)] == [text.replace("pad", "unk").split() for text in texts]
    at_home, known, _ = tokenize(texts, 0, Tokens(), lambda _: None)  # which takes <pad> in a text for the same
    assert [words_of(at_home, known, row) for row in range(3)] == [words_of(store, both, row) for row in range(3)]
    for kept, chosen in (
        (["unseen"], Tokens(min_count=2)),
        (["unseen", "a"], Tokens(max_size=4)),
        ([], Tokens(max_size=2)),
        ([], Tokens(vocabulary="train")),
    ):
        store, new, _ = tokenize_further(texts, words, chosen, lambda _: None)
        assert new == kept
        expected = [word if word in [*words, *kept] else "<unk>" for word in texts[0].split()]
        assert words_of(store, both, 0) == expected
