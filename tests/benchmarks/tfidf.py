"""The classic to beat: TF-IDF of word and character n-grams with logistic regression, on the same folds.

    .venv/bin/python tests/benchmarks/tfidf.py

Scored exactly as foldwise scores its own: out of fold, each fold cut at the other folds' best threshold.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from foldwise.data.competition import load_competition, read_solution
from foldwise.data.fold_file import read_folds
from foldwise.ensembling.weights import cross_fitted_scores
from foldwise.load_config import load_config
from foldwise.metrics import METRICS, best_thresholds, score
from foldwise.paths import Paths, resolve

# Training texts and (n,) targets, texts to predict → (m,) probabilities.
Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class Figures(NamedTuple):
    """Out-of-fold score, score on solution.csv, and the seconds both took."""

    oof: float
    leaderboard: float
    seconds: float


def movie_reviews() -> Paths:
    """The embedded competition."""
    return resolve("movie-reviews", None, None, None)


def cross_validate(fit: Fit, paths: Paths) -> Figures:
    """Fit on each fold's training rows of a binary competition, predict its other rows and the test rows."""
    config = load_config(paths.config, [])
    competition = load_competition(config, paths)
    folds = read_folds(paths.folds, competition.train_ids, config.recipe.folds.n, paths.slug)
    solution = read_solution(config, paths, competition.sample, competition.targets.names)
    assert solution is not None
    texts, test_texts = (np.array(part, dtype=object) for (part,) in (competition.train_texts, competition.test_texts))
    y, metric = competition.targets.y, METRICS[config.competition.metric]
    start = time.perf_counter()
    oof, test = np.zeros((len(y), 1)), np.zeros((len(test_texts), 1))
    for fold in range(config.recipe.folds.n):
        inside = folds == fold
        predictions = fit(texts[~inside], y[~inside, 0], np.concatenate([texts[inside], test_texts]))
        oof[inside, 0] = predictions[: inside.sum()]
        test[:, 0] += predictions[inside.sum() :] / config.recipe.folds.n
    pooled, _ = cross_fitted_scores(metric, "binary", y, [oof], folds)
    leaderboard = score(metric, "binary", solution.truth, test, best_thresholds(metric, "binary", y, oof))
    return Figures(pooled, leaderboard, time.perf_counter() - start)


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
        oof, leaderboard, seconds = cross_validate(tfidf(strength), movie_reviews())
        print(f"C={strength:<4g} out of fold {oof:.4f}, leaderboard {leaderboard:.4f}, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
