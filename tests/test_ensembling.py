import numpy as np
import pytest

from foldwise.ensembling import assemble_oof, average, cross_fitted_scores, to_ranks
from foldwise.metrics import METRICS, best_threshold, score

RNG = np.random.default_rng(0)
FOLDS = np.repeat([0, 1, 2], 40)
Y = (RNG.random((120, 1)) < 0.4).astype(np.float32)
OOF = np.clip(0.3 * Y + 0.7 * RNG.random((120, 1)), 0, 1)


def test_mean_and_rank_mean_by_hand():
    first, second = np.array([[0.1], [0.2], [0.9]]), np.array([[0.5], [0.5], [0.4]])
    assert average([first, second], "mean") == pytest.approx(np.array([[0.3], [0.35], [0.65]]))
    expected = (np.array([[1], [2], [3]]) + np.array([[2.5], [2.5], [1]])) / 6
    assert average([first, second], "rank_mean") == pytest.approx(expected)


def test_ranks_only_see_the_order():
    assert (to_ranks(OOF) == to_ranks(OOF**3)).all()


def test_oof_comes_back_in_the_order_of_the_table():
    folds = np.array([1, 0, 1, 2, 0])
    rows = np.arange(5.0)[:, None]
    parts = {fold: rows[folds == fold] for fold in (2, 0, 1)}
    assert (assemble_oof(parts, folds, "mean") == rows).all()
    assert assemble_oof(parts, folds, "rank_mean")[:, 0].tolist() == [0.5, 0.5, 1, 1, 1]


@pytest.mark.parametrize("name", ["f1", "accuracy", "mcc"])
def test_a_threshold_is_scored_on_rows_it_has_not_seen(name):
    metric = METRICS[name]
    pooled, scores = cross_fitted_scores(metric, "binary", Y, OOF, FOLDS)
    labels = np.empty_like(Y)
    for fold, found in enumerate(scores):
        inside = fold == FOLDS
        threshold = best_threshold(metric, "binary", Y[~inside], OOF[~inside])
        labels[inside] = OOF[inside] >= threshold
        assert found == score(metric, "binary", Y[inside], OOF[inside], threshold)
    assert pooled == metric.function(Y[:, 0], labels[:, 0])


def test_noise_gains_nothing_from_its_threshold():
    noise = np.random.default_rng(3).random((3000, 1))
    y = (np.random.default_rng(4).random((3000, 1)) < 0.5).astype(np.float32)
    folds = np.arange(3000) % 5
    pooled, _ = cross_fitted_scores(METRICS["accuracy"], "binary", y, noise, folds)
    flattering = score(METRICS["accuracy"], "binary", y, noise, best_threshold(METRICS["accuracy"], "binary", y, noise))
    assert pooled < flattering


def test_metrics_without_labels_are_plain():
    pooled, scores = cross_fitted_scores(METRICS["roc_auc"], "binary", Y, OOF, FOLDS)
    assert pooled == METRICS["roc_auc"].function(Y, OOF)
    assert len(scores) == 3


def test_classes_need_no_threshold():
    y, p = RNG.integers(0, 3, 120), RNG.dirichlet([1, 1, 1], 120)
    assert cross_fitted_scores(METRICS["accuracy"], "multiclass", y, p, FOLDS)[0] == np.mean(y == p.argmax(1))
