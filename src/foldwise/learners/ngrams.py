"""N-grams of words and characters, and their TF-IDF, which the linear learner fits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from foldwise.config import Linear
from foldwise.data.tokenizer import UNSPACED
from foldwise.errors import InputError

SHORTEST_CHARS, LONGEST_CHARS = 2, 5  # single characters say little
BETWEEN_CHARACTERS = re.compile(f"(?<=[{UNSPACED}]) (?=[{UNSPACED}])")
MANY_WORDS = 2_000_000  # of which n-grams of characters take 34 million places, and more than a gigabyte with copies


@dataclass(frozen=True)
class Words:
    """Texts as word numbers; words are what stands between blanks, punctuation too."""

    known: list[str]  # W different ones
    numbers: np.ndarray  # (k,) int64, all texts one after the other
    ends: np.ndarray  # (n + 1,) int64 where each text begins, and the last one ends

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Words":
        """The words of texts, numbered by their first occurrence."""
        number_of: dict[str, int] = {}
        split = [text.split() for text in texts]
        numbers = [number_of.setdefault(word, len(number_of)) for words in split for word in words]
        return cls(list(number_of), np.array(numbers, np.int64), np.cumsum([0, *map(len, split)]))

    def counts(self) -> Any:
        """(n, W) how often each word stands in each text."""
        ones = np.ones(len(self.numbers), np.int64)
        return sparse.csr_matrix((ones, self.numbers, self.ends), (len(self.ends) - 1, len(self.known)))


def fit_ngrams(texts: Sequence[str], settings: Linear) -> tuple[list[dict[str, Any]], np.ndarray, Any]:
    """The n-grams of words and characters as `LinearModel` has them, their (F,) idf, and the (n, F) TF-IDF of texts."""
    words, kinds = Words.of(texts), []
    longest = longest_chars(settings, len(words.numbers))
    if settings.word_ngrams:
        kinds.append(("word", (1, settings.word_ngrams), count_words(words, settings.word_ngrams, settings.min_count)))
    if longest and len(words.known):
        lengths = (min(SHORTEST_CHARS, longest), longest)
        kinds.append(
            ("char_wb", lengths, count_characters(Words.of(join_characters(texts)), lengths, settings.min_count))
        )
    ngrams, idf, parts = [], [], []
    for analyzer, lengths, (counts, terms) in kinds:
        if terms:
            part, idf_of_part = weigh_ngrams(counts)
            parts.append(part)
            idf.append(idf_of_part)
            ngrams.append({"analyzer": analyzer, "lengths": lengths, "terms": terms})
    if not ngrams:
        raise InputError(
            f"recipe.linear.min_count = {settings.min_count}: no n-gram stands in so many of the {len(texts)} training "
            "texts; lower it, or, if it is 1, see whether the texts are empty"
        )
    return ngrams, np.concatenate(idf), sparse.hstack(parts).tocsr()


def join_characters(texts: Sequence[str]) -> list[str]:
    """The texts with the characters of scripts without blanks, each a word of its own, put together again."""
    return [text if text.isascii() else BETWEEN_CHARACTERS.sub("", text) for text in texts]


def longest_chars(settings: Linear, words: int) -> int:
    """The longest n-gram of characters for so many words; 0 for none."""
    if settings.char_ngrams == "auto":
        return LONGEST_CHARS if words <= MANY_WORDS or not settings.word_ngrams else 0
    return settings.char_ngrams


def count_words(words: Words, longest: int, min_count: int) -> tuple[Any, list[str]]:
    """(n, F) how often each n-gram of words stands in each text, and the n-grams, which rise; the rare ones left out.

    An n-gram has a number: that of its beginning, one word shorter, and of its last word decide it.
    """
    row_of = np.repeat(np.arange(len(words.ends) - 1), np.diff(words.ends))
    starts, begun = np.arange(len(row_of)), np.zeros(len(row_of), np.int64)
    parts, terms = [], []
    for more in range(longest):
        inside = starts + more < len(row_of)
        inside[inside] &= row_of[starts[inside] + more] == row_of[starts[inside]]
        starts = starts[inside]
        keys = begun[inside] * len(words.known) + words.numbers[starts + more]
        _, first, begun = np.unique(keys, return_index=True, return_inverse=True)
        ones = np.ones(len(starts), np.int64)
        counts = sparse.csr_matrix((ones, (row_of[starts], begun)), (len(words.ends) - 1, len(first)))
        counts, frequent = drop_rare(counts, min_count)
        parts.append(counts)
        places = words.numbers[starts[first[frequent]][:, None] + np.arange(more + 1)].tolist()
        terms += [" ".join([words.known[number] for number in numbers]) for numbers in places]
    order = sorted(range(len(terms)), key=terms.__getitem__)
    counts = sparse.hstack(parts).tocsr()[:, order]
    counts.sort_indices()
    return counts, [terms[place] for place in order]


def count_characters(words: Words, lengths: Sequence[int], min_count: int) -> tuple[Any, list[str]]:
    """The same of characters. They never cross a blank, so that a text has those of its words: each is cut up once."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer="char_wb", ngram_range=tuple(lengths), lowercase=False)
    counts, frequent = drop_rare(words.counts() @ vectorizer.fit_transform(words.known), min_count)
    counts.sort_indices()
    return counts, vectorizer.get_feature_names_out()[frequent].tolist()


def drop_rare(counts: Any, min_count: int) -> tuple[Any, np.ndarray]:
    """The columns that at least `min_count` rows have, and which these are."""
    frequent = np.flatnonzero(np.bincount(counts.indices, minlength=counts.shape[1]) >= min_count)
    return counts[:, frequent], frequent


def make_counter(analyzer: str, lengths: Sequence[int], terms: list[str]) -> Any:
    """A `CountVectorizer` of these n-grams, for any number of texts."""
    from sklearn.feature_extraction.text import CountVectorizer

    words = {"token_pattern": r"\S+"} if analyzer == "word" else {}
    return CountVectorizer(analyzer=analyzer, ngram_range=tuple(lengths), vocabulary=terms, lowercase=False, **words)


def find_ngrams(texts: Sequence[str], counter: Any) -> Any:
    """(n, F) how often each n-gram of a counter stands in each text."""
    if counter.analyzer == "word":
        counts = counter.transform(texts)
    else:
        words = Words.of(join_characters(texts))
        counts = words.counts() @ counter.transform(words.known)
    counts.sort_indices()
    return counts


def weigh_ngrams(counts: Any, idf: np.ndarray | None = None) -> tuple[Any, np.ndarray]:
    """(n, F) TF-IDF, with logarithmic counts and rows of length 1, and the (F,) idf, fitted unless it is given."""
    from sklearn.feature_extraction.text import TfidfTransformer

    transformer = TfidfTransformer(sublinear_tf=True)
    if idf is None:
        transformer.fit(counts)
    else:
        transformer.idf_ = idf
    return transformer.transform(counts), transformer.idf_
