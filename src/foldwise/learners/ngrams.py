"""The member "linear": n-grams of words and characters into logistic or ridge regression, by scikit-learn.

It takes seconds a fold, is hard to beat on small tables, and errs on other rows than a recurrent network does, which
helps an ensemble. scikit-learn is imported where it is needed, so that other members do not pay for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse
from scipy.special import expit, softmax

from foldwise.config import Linear, Task
from foldwise.errors import InputError
from foldwise.learners.regression import fit_column, fit_ridge, fit_softmax
from foldwise.tasks import TASKS

Link = Literal["sigmoid", "shares", "softmax", "identity"]
SHORTEST_CHARS = 2  # single characters say little


@dataclass(frozen=True)
class LinearModel:
    """A fitted linear member.

    Attributes:
        vectorizers: scikit-learn's, each fitted; their F n-grams stand side by side.
        coef: (C, F) float64.
        intercept: (C,) float64.
        chosen: C of the softmax, or of each column; 0 where there was nothing to learn.
        link: what turns a score into a prediction.
    """

    vectorizers: list[Any]
    coef: np.ndarray
    intercept: np.ndarray
    chosen: list[float]
    link: Link

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """(n, C) float64 probabilities, or the values of a regression."""
        inputs = sparse.hstack([vectorizer.transform(texts) for vectorizer in self.vectorizers]).tocsr()
        scores = inputs @ self.coef.T + self.intercept
        if self.link == "softmax":
            return softmax(scores, axis=1)
        if self.link == "identity":
            return scores
        shares = expit(scores)
        return shares / shares.sum(axis=1, keepdims=True) if self.link == "shares" else shares

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays for a safetensors file and a record for a JSON file: all that a later prediction needs."""
        grams = [
            {"analyzer": each.analyzer, "lengths": each.ngram_range, "terms": each.get_feature_names_out().tolist()}
            for each in self.vectorizers
        ]
        idf = np.concatenate([each.idf_ for each in self.vectorizers])
        arrays = {"coef": self.coef, "intercept": self.intercept, "idf": idf}
        return arrays, {"link": self.link, "C": self.chosen, "ngrams": grams}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], record: dict[str, Any]) -> "LinearModel":
        """The model that `to_arrays` was called on."""
        vectorizers, start = [], 0
        for grams in record["ngrams"]:
            terms, (shortest, longest) = grams["terms"], grams["lengths"]
            vectorizers.append(make_vectorizer(grams["analyzer"], (shortest, longest), vocabulary=terms))
            vectorizers[-1].idf_ = arrays["idf"][start : start + len(terms)]
            start += len(terms)
        return cls(vectorizers, arrays["coef"], arrays["intercept"], record["C"], record["link"])


def check_linear(task: Task, settings: Linear) -> None:
    """Raise InputError where there are no n-grams, or the task has no meaning for the weighting; needs no data."""
    if settings.word_ngrams == settings.char_ngrams == 0:
        raise InputError("recipe.linear: word_ngrams and char_ngrams are both 0; give at least one a length, such as 2")
    if settings.weighting == "nb" and TASKS[task].y == "values":
        raise InputError(
            f"recipe.linear.weighting = 'nb': its ratios compare classes, of which a {task} task has none; use 'tfidf'"
        )


def fit_linear(
    texts: Sequence[str],
    y: np.ndarray,
    task: Task,
    settings: Linear,
    sample_weight: np.ndarray | None,
    seed: int,
    outputs: int | None = None,
) -> LinearModel:
    """Fit on a fold's training rows. Binary and multilabel: logistic regression for each column.

    Multiclass: one softmax regression; by naive Bayes each class against the rest, since each weighs n-grams its own
    way, and the probabilities then divided by their sum. Regression and ordinal: a ridge for each column.

    Args:
        texts: n texts, their tokens joined by blanks; taken as they are, without another lower-casing.
        y: (n, C), or (n,) of one column, where 0 … 1 are shares of raters; (n,) class numbers of a multiclass task.
        settings: `[linear]` of the recipe.
        sample_weight: (n,), or None for 1 each.
        seed: of the inner folds and the search for C; the last fit draws nothing.
        outputs: C of a multiclass task, in case the last class is in none of the rows; a class without rows gets
            probability 0.

    Raises:
        InputError: settings that do not fit the task, or no n-gram stands in `min_count` texts.
    """
    from threadpoolctl import threadpool_limits  # what scikit-learn itself uses

    check_linear(task, settings)
    vectorizers, inputs = fit_vectorizers(texts, settings)
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    link: Link = "sigmoid"
    # Sums in another order have other last bits, and folds side by side would fight for the cores.
    with threadpool_limits(1):
        if TASKS[task].y == "values":
            weights = fit_ridge(inputs, y.reshape(len(y), -1), sample_weight, settings, seed)
            return LinearModel(vectorizers, *weights, link="identity")
        if TASKS[task].y == "classes":
            classes = outputs or int(y.max()) + 1
            if settings.weighting == "tfidf":
                weights = fit_softmax((inputs, y, weight), classes, settings, seed)
                return LinearModel(vectorizers, *weights, link="softmax")
            y, link = np.eye(classes)[y], "shares"
        columns = y.reshape(len(y), -1).T
        fits = [fit_column((inputs, column, weight), settings, seed) for column in columns]
    coef, intercept = np.stack([fit[0] for fit in fits]), np.array([fit[1] for fit in fits])
    if TASKS[task].y == "classes":
        intercept[columns.sum(axis=1) == 0] = -np.inf
    return LinearModel(vectorizers, coef, intercept, [fit[2] for fit in fits], link)


def fit_vectorizers(texts: Sequence[str], settings: Linear) -> tuple[list[Any], Any]:
    """Vectorizers of words and characters, without one that finds no n-grams, and the (n, F) TF-IDF of the texts."""
    kinds = [("word", 1, settings.word_ngrams), ("char_wb", SHORTEST_CHARS, settings.char_ngrams)]
    vectorizers, parts, reason = [], [], ""
    for analyzer, shortest, longest in kinds:
        if longest:
            vectorizer = make_vectorizer(analyzer, (min(shortest, longest), longest), settings.min_count)
            try:
                parts.append(vectorizer.fit_transform(texts))
                vectorizers.append(vectorizer)
            except ValueError as error:  # no n-grams: nothing else in texts can be wrong
                reason = str(error)
    if not vectorizers:
        raise InputError(
            f"recipe.linear.min_count = {settings.min_count}: no n-gram stands in so many of the {len(texts)} training "
            f"texts; lower it, or, if it is 1, see whether the texts are empty ({reason})"
        )
    return vectorizers, sparse.hstack(parts).tocsr()


def make_vectorizer(
    analyzer: str, lengths: tuple[int, int], min_count: int = 1, vocabulary: list[str] | None = None
) -> Any:
    """TF-IDF of n-grams with logarithmic counts; words are what stands between blanks, punctuation too."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    options: dict[str, Any] = {"ngram_range": lengths, "min_df": min_count, "vocabulary": vocabulary}
    if analyzer == "word":
        options["token_pattern"] = r"\S+"
    return TfidfVectorizer(analyzer=analyzer, lowercase=False, sublinear_tf=True, **options)
