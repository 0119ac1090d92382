"""The classic to beat: TF-IDF of word and character n-grams with logistic regression, on the same folds.

    .venv/bin/python tests/benchmarks/tfidf.py

Scored exactly as foldwise scores its own: out of fold, each fold cut at the other folds' best threshold.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from foldwise.data.competition import load_competition, read_solution
from foldwise.data.features import join_texts
from foldwise.data.fold_file import read_folds
from foldwise.ensembling.submission import in_sample_order
from foldwise.ensembling.weights import cross_fitted_scores
from foldwise.load_config import load_config
from foldwise.metrics import METRICS, best_thresholds, score
from foldwise.paths import Paths, resolve

# Training texts and (n,) targets or (n, K) columns, texts to predict → (m,) predictions, or (m, C) of classes or columns.
Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

DRAWS = 200  # of test rows


class Figures(NamedTuple):
    """Out-of-fold score, score on solution.csv, and the seconds both took."""

    oof: float
    leaderboard: float
    seconds: float
    error: float = float("nan")  # standard error of the score on solution.csv, by drawing its rows anew


def movie_reviews() -> Paths:
    """The embedded competition."""
    return resolve("movie-reviews", None, None, None)


def cross_validate(fit: Fit, paths: Paths) -> Figures:
    """Fit on each fold's training rows of a contest, predict its other rows and the test rows."""
    config = load_config(paths.config, [])
    paths = replace(paths, stems=config.files.stems)
    competition = load_competition(config, paths)
    targets, metric = competition.targets, METRICS[config.competition.metric]
    folds = read_folds(paths.folds, competition.train_ids, config.recipe.folds.n, paths.slug)
    solution = read_solution(config, paths, competition.sample, targets.names)
    assert solution is not None
    texts, tests = (
        np.array(join_texts(part), dtype=object) for part in (competition.train_texts, competition.test_texts)
    )
    y = targets.y.squeeze(1) if targets.y.shape[1:] == (1,) else targets.y
    start = time.perf_counter()
    oof, test = np.zeros((len(texts), targets.outputs)), np.zeros((len(tests), targets.outputs))
    for fold in range(config.recipe.folds.n):
        inside = folds == fold
        predictions = fit(texts[~inside], y[~inside], np.concatenate([texts[inside], tests]))
        predictions = predictions.reshape(len(predictions), -1)
        known = slice(predictions.shape[1])  # without the last classes where the fold has all of their rows
        oof[inside, known] = predictions[: inside.sum()]
        test[:, known] += predictions[inside.sum() :] / config.recipe.folds.n
    pooled, _ = cross_fitted_scores(metric, targets.task, targets.truth, [oof], folds)
    thresholds = best_thresholds(metric, targets.task, targets.truth, oof)
    test = in_sample_order(competition.sample[config.columns.id], competition.test_ids, test)[solution.rows]
    draws = np.random.default_rng(0).integers(0, len(test), (DRAWS, len(test)))
    scores = [
        score(metric, targets.task, solution.truth[rows], test[rows], thresholds)
        for rows in [np.arange(len(test)), *draws]
    ]
    return Figures(pooled, scores[0], time.perf_counter() - start, float(np.std(scores[1:])))


def tfidf(strength: float) -> Fit:
    """Logistic regression with C = `strength`."""

    def fit(texts: np.ndarray, y: np.ndarray, others: np.ndarray) -> np.ndarray:
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=3, sublinear_tf=True)
        model = make_pipeline(make_union(words, characters), LogisticRegression(C=strength, max_iter=300))
        return model.fit(texts, y).predict_proba(others)[:, 1]

    return fit


def main() -> None:
    """Fit and score for a few strengths of regularisation; the best is the figure to beat."""
    for strength in (1.0, 3.0, 10.0):
        oof, leaderboard, seconds, _ = cross_validate(tfidf(strength), movie_reviews())
        print(f"C={strength:<4g} out of fold {oof:.4f}, leaderboard {leaderboard:.4f}, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
