"""N-grams of words and characters, and their TF-IDF, which the linear learner fits."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from foldwise.config import Linear
from foldwise.errors import InputError

SHORTEST_CHARS = 2  # single characters say little


def fit_ngrams(texts: Sequence[str], settings: Linear) -> tuple[list[dict[str, Any]], np.ndarray, Any]:
    """The n-grams of words and characters as `LinearModel` has them, their (F,) idf, and the (n, F) TF-IDF of texts."""
    kinds = [("word", 1, settings.word_ngrams), ("char_wb", SHORTEST_CHARS, settings.char_ngrams)]
    ngrams, idf, parts, reason = [], [], [], ""
    for analyzer, shortest, longest in kinds:
        if not longest:
            continue
        lengths = (min(shortest, longest), longest)
        try:
            counts, terms = count_ngrams(texts, analyzer, lengths)
        except ValueError as error:  # no n-grams: nothing else in texts can be wrong
            reason = str(error)
            continue
        frequent = np.flatnonzero(counts.count_nonzero(axis=0) >= settings.min_count)
        if len(frequent):
            part, idf_of_part = weigh_ngrams(counts[:, frequent])
            parts.append(part)
            idf.append(idf_of_part)
            ngrams.append({"analyzer": analyzer, "lengths": lengths, "terms": [terms[place] for place in frequent]})
    if not ngrams:
        raise InputError(
            f"recipe.linear.min_count = {settings.min_count}: no n-gram stands in so many of the {len(texts)} training "
            f"texts; lower it, or, if it is 1, see whether the texts are empty{reason and f' ({reason})'}"
        )
    return ngrams, np.concatenate(idf), sparse.hstack(parts).tocsr()


def count_ngrams(
    texts: Sequence[str], analyzer: str, lengths: Sequence[int], terms: list[str] | None = None
) -> tuple[Any, list[str]]:
    """(n, F) how often each n-gram stands in each text, and the n-grams, which are `terms` if these are given.

    Words are what stands between blanks, punctuation too. N-grams of characters never cross a blank, so that those of a
    text are those of its words: each different word is cut up once, which takes a tenth of the time.

    Raises:
        ValueError: there is no n-gram.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    options = {"ngram_range": tuple(lengths), "vocabulary": terms, "lowercase": False}
    if analyzer == "word":
        vectorizer = CountVectorizer(token_pattern=r"\S+", **options)
        counts = vectorizer.fit_transform(texts)
    else:
        number_of: dict[str, int] = {}
        split = [text.split() for text in texts]
        numbers = [number_of.setdefault(word, len(number_of)) for words in split for word in words]
        ends = np.cumsum([0, *map(len, split)])
        in_texts = sparse.csr_matrix((np.ones(len(numbers), np.int64), numbers, ends), (len(texts), len(number_of)))
        vectorizer = CountVectorizer(analyzer=analyzer, **options)
        counts = in_texts @ vectorizer.fit_transform(number_of)
    counts.sort_indices()
    return counts, vectorizer.get_feature_names_out().tolist()


def weigh_ngrams(counts: Any, idf: np.ndarray | None = None) -> tuple[Any, np.ndarray]:
    """(n, F) TF-IDF, with logarithmic counts and rows of length 1, and the (F,) idf, fitted unless it is given."""
    from sklearn.feature_extraction.text import TfidfTransformer

    transformer = TfidfTransformer(sublinear_tf=True)
    if idf is None:
        transformer.fit(counts)
    else:
        transformer.idf_ = idf
    return transformer.transform(counts), transformer.idf_
