"""The member "linear": n-grams of words and characters into logistic or ridge regression, by scikit-learn.

A few seconds a fold, and hard to beat on small tables; beside a recurrent net it errs on other rows, which is what an
ensemble lives on. scikit-learn is imported where it is needed: other members do not pay for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse
from scipy.special import expit, softmax

from foldwise.config import Linear, Task
from foldwise.errors import InputError

Link = Literal["sigmoid", "shares", "softmax", "identity"]
SHORTEST_CHARS = 2  # single characters say little
ITERATIONS = 1000  # of a logistic regression, many more than it takes


@dataclass(frozen=True)
class LinearModel:
    """A fitted linear member.

    Attributes:
        vectorizers: scikit-learn's, each fitted; their F n-grams stand side by side.
        coef: (C, F) float64.
        intercept: (C,) float64.
        link: what turns a score into a prediction.
    """

    vectorizers: list[Any]
    coef: np.ndarray
    intercept: np.ndarray
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
            {
                "analyzer": vectorizer.analyzer,
                "lengths": list(vectorizer.ngram_range),
                "terms": sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__),
            }
            for vectorizer in self.vectorizers
        ]
        idf = np.concatenate([vectorizer.idf_ for vectorizer in self.vectorizers])
        return {"coef": self.coef, "intercept": self.intercept, "idf": idf}, {"link": self.link, "ngrams": grams}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], record: dict[str, Any]) -> "LinearModel":
        """The model that `to_arrays` was called on."""
        vectorizers, start = [], 0
        for grams in record["ngrams"]:
            shortest, longest = grams["lengths"]
            vectorizer = make_vectorizer(grams["analyzer"], (shortest, longest), vocabulary=grams["terms"])
            vectorizer.idf_ = arrays["idf"][start : start + len(grams["terms"])]
            start += len(grams["terms"])
            vectorizers.append(vectorizer)
        return cls(vectorizers, arrays["coef"], arrays["intercept"], record["link"])


def check_linear(task: Task, settings: Linear) -> None:
    """Whether a linear member can be fitted at all; asks nothing of the data.

    Raises:
        InputError: no n-grams, or a weighting that the task has no meaning for.
    """
    if settings.word_ngrams == settings.char_ngrams == 0:
        raise InputError("recipe.linear: word_ngrams and char_ngrams are both 0; give at least one a length, such as 2")
    if settings.weighting == "nb" and task in ("regression", "ordinal"):
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

    A target between 0 and 1 is the share of raters who said 1: the row counts twice, as a 1 with weight y and as a 0
    with weight 1 - y, which is the cross entropy with y.

    Args:
        texts: n texts, their tokens joined by blanks; taken as they are, without another lower-casing.
        y: (n, C), or (n,) of one column; (n,) class numbers of a multiclass task.
        settings: `[linear]` of the recipe.
        sample_weight: (n,), or None for 1 each.
        seed: for solvers that draw; today's draw nothing.
        outputs: C of a multiclass task, in case the last class is in none of the rows; a class without rows gets
            probability 0.

    Raises:
        InputError: settings that do not fit the task, or no n-gram stands in `min_count` texts.
    """
    check_linear(task, settings)
    vectorizers = []
    if settings.word_ngrams:
        vectorizers.append(make_vectorizer("word", (1, settings.word_ngrams), settings.min_count))
    if settings.char_ngrams:
        shortest = min(SHORTEST_CHARS, settings.char_ngrams)
        vectorizers.append(make_vectorizer("char_wb", (shortest, settings.char_ngrams), settings.min_count))
    try:
        inputs = sparse.hstack([vectorizer.fit_transform(texts) for vectorizer in vectorizers]).tocsr()
    except ValueError as error:  # nothing else in texts can be wrong
        raise InputError(
            f"recipe.linear.min_count = {settings.min_count}: too few n-grams stand in so many of the {len(texts)} "
            f"training texts; lower it, or set word_ngrams or char_ngrams to 0 ({error})"
        ) from error
    link: Link = "sigmoid"
    if task in ("regression", "ordinal"):
        return LinearModel(vectorizers, *fit_ridge(inputs, y, settings, sample_weight, seed), link="identity")
    if task == "multiclass":
        classes = outputs or int(y.max()) + 1
        if settings.weighting == "tfidf":
            weights = fit_softmax(inputs, y, classes, settings, sample_weight, seed)
            return LinearModel(vectorizers, *weights, link="softmax")
        y, link = np.eye(classes)[y], "shares"
    columns = y.reshape(len(y), -1).T
    pairs = [fit_column(inputs, column, settings, sample_weight, seed) for column in columns]
    coef, intercept = np.stack([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    if task == "multiclass":
        intercept[columns.sum(axis=1) == 0] = -np.inf
    return LinearModel(vectorizers, coef, intercept, link)


def make_vectorizer(
    analyzer: str, lengths: tuple[int, int], min_count: int = 1, vocabulary: list[str] | None = None
) -> Any:
    """TF-IDF of n-grams with logarithmic counts; words are what stands between blanks, punctuation too."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    pattern = {"token_pattern": r"\S+"} if analyzer == "word" else {}
    return TfidfVectorizer(
        analyzer=analyzer,
        ngram_range=lengths,
        min_df=min_count,
        vocabulary=vocabulary,
        lowercase=False,
        sublinear_tf=True,
        **pattern,
    )


def fit_ridge(
    inputs: Any, y: np.ndarray, settings: Linear, sample_weight: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(C, F) and (C,) of a ridge regression for each column, in the target's own units."""
    from sklearn.linear_model import Ridge

    ridge = Ridge(alpha=1 / settings.C, random_state=seed)
    fit_on_one_thread(ridge, inputs, y.reshape(len(y), -1), sample_weight)
    return np.atleast_2d(ridge.coef_), np.atleast_1d(ridge.intercept_)


def fit_softmax(
    inputs: Any, y: np.ndarray, classes: int, settings: Linear, sample_weight: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(C, F) and (C,) of a softmax regression; a class without rows has the intercept -inf."""
    coef, intercept = np.zeros((classes, inputs.shape[1])), np.full(classes, -np.inf)
    found = np.unique(y)
    intercept[found] = 0
    if len(found) > 1:
        model = fit_on_one_thread(logistic(settings, seed), inputs, y, sample_weight)
        rows = found if len(found) > 2 else found[1:]  # of two classes scikit-learn weighs the second against the first
        coef[rows], intercept[rows] = model.coef_, model.intercept_
    return coef, intercept


def fit_column(
    inputs: Any, y: np.ndarray, settings: Linear, sample_weight: np.ndarray | None, seed: int
) -> tuple[np.ndarray, float]:
    """(F,) weights and the intercept of one 0/1 column, or one of shares.

    A column of one value throughout has nothing to learn from: all rows get (ones + 1) / (rows + 2), by weight.
    """
    ratio = log_count_ratio(inputs, y, sample_weight) if settings.weighting == "nb" else np.ones(inputs.shape[1])
    if settings.weighting == "nb":
        inputs = (inputs @ sparse.diags_array(ratio)).tocsr()
    if ((y > 0) & (y < 1)).any():
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        sample_weight = np.concatenate([weight * y, weight * (1 - y)])
        counts = np.flatnonzero(sample_weight > 0)  # of most rows only one side
        inputs, y = sparse.vstack([inputs, inputs]).tocsr()[counts], np.repeat([1, 0], len(y))[counts]
        sample_weight = sample_weight[counts]
    if (y == y[0]).all():
        total = len(y) if sample_weight is None else float(sample_weight.sum())
        return np.zeros(inputs.shape[1]), float(np.log1p(total) * (1 if y[0] == 1 else -1))
    model = fit_on_one_thread(logistic(settings, seed), inputs, y, sample_weight)
    return model.coef_[0] * ratio, float(model.intercept_[0])


def logistic(settings: Linear, seed: int) -> Any:
    """An unfitted logistic regression."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=settings.C, max_iter=ITERATIONS, random_state=seed)


def fit_on_one_thread(model: Any, inputs: Any, y: np.ndarray, sample_weight: np.ndarray | None) -> Any:
    """The model, fitted. Sums in another order have other last bits, and folds side by side fight for the cores."""
    from threadpoolctl import threadpool_limits  # what scikit-learn itself uses

    with threadpool_limits(1):
        return model.fit(inputs, y, sample_weight=sample_weight)


def log_count_ratio(inputs: Any, y: np.ndarray, sample_weight: np.ndarray | None) -> np.ndarray:
    """(F,) how much likelier each n-gram stands in a row of 1 than in one of 0 (Wang & Manning 2012, "Baselines and
    bigrams").

    r = log((p / |p|) / (q / |q|)), p and q being 1 + the number of rows of 1 and of 0 that an n-gram stands in, |·| the
    sum over n-grams. Rows count by their weight and, as shares, y for p and 1 - y for q. Training rows only.
    """
    present = (inputs != 0).astype(np.float64)
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    ones, zeros = (1 + present.T @ (weight * part) for part in (y, 1 - y))
    return np.log(ones / ones.sum()) - np.log(zeros / zeros.sum())
