import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from foldwise.errors import InputError
from foldwise.metrics import METRICS, best_threshold, metric_for, score

RNG = np.random.default_rng(0)
Y = (RNG.random((200, 1)) < 0.3).astype(np.float32)
P = np.clip(Y * 0.3 + RNG.random((200, 1)) * 0.7, 0.01, 0.99)
CLASSES = RNG.integers(0, 3, 200)
CLASS_P = RNG.dirichlet([1, 1, 1], 200)
LABELS = (RNG.random((200, 3)) < [0.2, 0.5, 0.7]).astype(np.float32)
LABEL_P = RNG.random((200, 3))
VALUES = RNG.normal(size=(200, 2))
GUESSES = VALUES + RNG.normal(size=(200, 2))


def of_columns(function, y, p):
    return np.mean([function(y[:, column], p[:, column]) for column in range(y.shape[1])])


@pytest.mark.parametrize(
    ("name", "task", "y", "p", "expected"),
    [
        ("accuracy", "binary", Y, P, sk.accuracy_score(Y, P >= 0.5)),
        ("accuracy", "multiclass", CLASSES, CLASS_P, sk.accuracy_score(CLASSES, CLASS_P.argmax(1))),
        ("f1", "binary", Y, P, sk.f1_score(Y, P >= 0.5)),
        ("f1", "multilabel", LABELS, LABEL_P, sk.f1_score(LABELS, LABEL_P >= 0.5, average="micro")),
        ("macro_f1", "multiclass", CLASSES, CLASS_P, sk.f1_score(CLASSES, CLASS_P.argmax(1), average="macro")),
        ("mcc", "binary", Y, P, sk.matthews_corrcoef(Y[:, 0], P[:, 0] >= 0.5)),
        ("log_loss", "binary", Y, P, sk.log_loss(Y, P)),
        ("log_loss", "multiclass", CLASSES, CLASS_P, sk.log_loss(CLASSES, CLASS_P)),
        ("log_loss", "multilabel", LABELS, LABEL_P, of_columns(sk.log_loss, LABELS, LABEL_P)),
        ("roc_auc", "binary", Y, P, sk.roc_auc_score(Y, P)),
        ("roc_auc", "multiclass", CLASSES, CLASS_P, sk.roc_auc_score(CLASSES, CLASS_P, multi_class="ovr")),
        ("roc_auc", "multilabel", LABELS, LABEL_P, sk.roc_auc_score(LABELS, LABEL_P, average="macro")),
        ("rmse", "regression", VALUES, GUESSES, np.sqrt(((VALUES - GUESSES) ** 2).mean(axis=0)).mean()),
        ("mae", "regression", VALUES, GUESSES, np.abs(VALUES - GUESSES).mean()),
        ("r2", "regression", VALUES, GUESSES, sk.r2_score(VALUES, GUESSES)),
        ("spearman", "regression", VALUES, GUESSES, of_columns(
            lambda a, b: np.corrcoef(a.argsort().argsort(), b.argsort().argsort())[0, 1], VALUES, GUESSES)),
    ],
)  # fmt: skip
def test_against_references(name, task, y, p, expected):
    assert score(metric_for(name, task), task, y, p) == pytest.approx(expected, abs=1e-9)


def test_certain_and_wrong_costs_much_and_stays_finite():
    assert 30 < score(METRICS["log_loss"], "binary", np.ones((1, 1)), np.zeros((1, 1))) < 40


def test_predictions_that_are_not_finite_score_nan():
    for metric in METRICS.values():
        assert np.isnan(score(metric, metric.tasks[0], Y, np.full_like(P, np.nan)))


def test_undefined_is_nan_not_a_guess():
    assert np.isnan(score(METRICS["roc_auc"], "binary", np.ones((3, 1)), np.array([[0.1], [0.2], [0.3]])))
    assert np.isnan(score(METRICS["spearman"], "regression", VALUES[:3], np.ones((3, 2))))


def test_a_metric_of_another_task_is_refused():
    with pytest.raises(InputError, match="not for a regression task; choose one of rmse, mae, r2, spearman"):
        metric_for("f1", "regression")


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10)), min_size=2, max_size=60))
def test_best_threshold_beats_every_other_cut(rows):
    y = np.array([[float(positive)] for positive, _ in rows])
    p = np.array([[level / 10] for _, level in rows])
    for name in ("accuracy", "f1"):
        best = score(METRICS[name], "binary", y, p, best_threshold(METRICS[name], "binary", y, p))
        inner = [cut for cut in np.linspace(-0.05, 1.05, 12) if p.min() <= cut <= p.max()]
        assert all(best >= score(METRICS[name], "binary", y, p, cut) - 1e-12 for cut in inner)


def test_threshold_of_many_rows_is_near_the_true_one():
    p = np.random.default_rng(1).random((20_000, 1))
    y = (p >= 0.37).astype(np.float32)
    assert best_threshold(METRICS["accuracy"], "binary", y, p) == pytest.approx(0.37, abs=0.01)
