"""What the report finds in rows and labels, each against a plain reference."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.stats import mannwhitneyu, norm, spearmanr
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score, precision_score, roc_auc_score

from foldwise.data.token_store import TokenStore
from foldwise.report.charts import Axis, line, span, ticks
from foldwise.report.classes import fractions, threshold_curve
from foldwise.report.duplicates import ALIKE, near_pairs
from foldwise.report.leaks import area_leak, rank_leak, tell_apart
from foldwise.report.results import Problem
from foldwise.report.words import parts_of, row_without
from foldwise.report.worst import confident_errors


def joint_by_hand(labels, chances):
    """Northcutt et al. 2021, equations 1 and 2, in loops; without rows whose label is the most probable class."""
    k = chances.shape[1]
    thresholds = [chances[labels == j, j].mean() if (labels == j).any() else np.inf for j in range(k)]
    found = {}
    for row, (p, label) in enumerate(zip(chances, labels, strict=True)):
        confident = [j for j in range(k) if p[j] >= thresholds[j]]
        if confident and (other := max(confident, key=lambda j: p[j])) != label != p.argmax():
            found[row] = other
    return found


@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 60))
def test_confident_learning_is_the_published_formula(seed, classes, rows):
    rng = np.random.default_rng(seed)
    labels, chances = rng.integers(0, classes, rows), rng.dirichlet(np.ones(classes), rows)
    places, others = confident_errors(labels, chances)
    assert dict(zip(places, others, strict=True)) == joint_by_hand(labels, chances)
    own = chances[places, labels[places]]
    assert (np.diff(own) >= 0).all()


def test_planted_errors_come_first():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 500)
    chances = 0.1 + 0.7 * np.eye(3)[truth] + rng.random((500, 3)) * 0.005
    chances /= chances.sum(axis=1, keepdims=True)
    labels = truth.copy()
    labels[:20] = (labels[:20] + 1) % 3
    places, others = confident_errors(labels, chances)
    assert sorted(places) == list(range(20))
    assert others == truth[places].tolist()


def jaccard_by_hand(rows):
    """All pairs of sets that are alike enough."""
    return {
        (a, b)
        for a in range(len(rows))
        for b in range(a + 1, len(rows))
        if rows[a] and rows[b] and len(rows[a] & rows[b]) / len(rows[a] | rows[b]) >= ALIKE
    }


@pytest.mark.parametrize("seed", range(5))
def test_near_pairs_are_those_of_all_comparisons(seed):
    rng, rows = np.random.default_rng(seed), []
    for _ in range(150):
        words = set(rng.integers(0, 400, rng.integers(0, 25)).tolist())
        rows.append(words)
        if len(words) > 12:
            rows.append({*sorted(words)[1:]})  # at least 0.92 alike
    matrix = sparse.lil_matrix((len(rows), 400), dtype=bool)
    for number, words in enumerate(rows):
        matrix[number, sorted(words)] = True
    found = near_pairs(matrix.tocsr(), np.arange(len(rows)))
    assert {(int(a), int(b)) for a, b, _ in found} == jaccard_by_hand(rows)
    for a, b, alike in found:
        both = rows[int(a)], rows[int(b)]
        assert alike == pytest.approx(len(both[0] & both[1]) / len(both[0] | both[1]))


def test_a_bucket_of_all_rows_costs_no_more_than_others():
    matrix = sparse.csr_matrix(np.ones((3000, 5), dtype=bool))
    assert len(near_pairs(matrix, np.arange(3000))) <= 3000 * 5 * 10


@pytest.mark.parametrize(("moved", "low", "high"), [(False, 0.4, 0.6), (True, 0.9, 1.0)])
def test_adversarial_validation_tells_only_what_differs(moved, low, high):
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(50)]
    texts = [" ".join(rng.choice(words, 12)) for _ in range(600)]
    if moved:
        texts[400:] = [f"{text} {rng.choice(['new', 'newer'])}" for text in texts[400:]]
    vectorizer = TfidfVectorizer()
    auc, _, told = tell_apart(vectorizer.fit_transform(texts), 400, vectorizer.get_feature_names_out().tolist())
    assert low < auc <= high
    if moved:
        assert {word for word, side, *_ in told[:2]} == {"new", "newer"}
        assert told[0][1] == "test"
        assert told[0][2:] == pytest.approx((0.0, 0.5), abs=0.1)


def test_leaks_are_measured_as_scipy_and_scikit_learn_measure_them():
    rng = np.random.default_rng(0)
    values, ones = np.arange(200), (rng.random(200) < np.linspace(0.2, 0.8, 200)).astype(float)
    auc, errors = area_leak(values, ones)
    assert auc == pytest.approx(roc_auc_score(ones, values))
    p = mannwhitneyu(values[ones == 1], values[ones == 0], use_continuity=False, method="asymptotic").pvalue
    assert 2 * norm.sf(abs(errors)) == pytest.approx(p)
    ones[::7] = np.nan
    assert np.isfinite(area_leak(values, ones)).all()
    true = values + rng.normal(0, 100, 200)
    assert rank_leak(values, true)[0] == pytest.approx(spearmanr(values, true).statistic)
    assert np.isnan(area_leak(values, np.zeros(200))[0])


def test_a_threshold_curve_holds_the_figures_at_its_thresholds():
    rng = np.random.default_rng(0)
    one = rng.random(300)
    truth = (rng.random(300) < one).astype(int)
    hits, called = float((truth & (one >= 0.4)).sum()), float((one >= 0.4).sum())
    precision, _, f1 = fractions(hits, truth.sum(), called)
    assert float(precision) == pytest.approx(precision_score(truth, one >= 0.4))
    assert float(f1) == pytest.approx(f1_score(truth, one >= 0.4))
    problem = Problem(
        "", ["0", "1"], np.arange(300), truth, (one > 0.4).astype(int), np.column_stack([1 - one, one]), "1", 0.4
    )
    metric = SimpleNamespace(prediction_type="label", function=None, of_column=None, own=False)
    spec = SimpleNamespace(truth="columns")
    results = SimpleNamespace(run=SimpleNamespace(metric=metric), targets=SimpleNamespace(spec=spec))
    assert "1 at 0.4000" in threshold_curve(results, problem)


def test_a_row_loses_the_tokens_it_is_asked_to_from_whichever_text():
    store = TokenStore(np.arange(10, 20, dtype=np.int32), np.array([0, 2, 5, 5, 10]), columns=2)
    assert [text.tolist() for text in row_without(store, 0, 1, 3)] == [[10], [13, 14]]
    assert [text.tolist() for text in row_without(store, 1, 0, 0)] == [[], [15, 16, 17, 18, 19]]
    for length in (0, 1, 63, 64, 5000):
        parts = parts_of(length)
        assert [place for start, stop in parts for place in range(start, stop)] == list(range(length))


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e6))
def test_ticks_lie_on_their_axis(low, share):
    width = share * (1 + abs(low))
    axis = Axis("", low, low + width)
    found = ticks(axis)
    assert 1 <= len(found) <= 12
    assert all(axis.low - 1e-6 * width <= value <= axis.high + 1e-6 * width for value in found)


def test_lines_break_where_a_value_is_missing():
    x, y = span("", [0.0, 3.0]), span("", [1.0, float("nan"), 2.0])
    assert line(x, y, [0, 1, 2, 3], [1, float("nan"), 2, 1]).count("M") == 2
    assert (y.low, y.high) == (1, 2)
