"""The classic to beat: TF-IDF of word and character n-grams with logistic regression, on the same folds.

    .venv/bin/python tests/benchmarks/tfidf.py

Scored exactly as foldwise scores its own: out of fold, each fold cut at the other folds' best threshold.
"""

import sys
import time
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from foldwise.config import load_config
from foldwise.data.competition import load_competition, read_solution
from foldwise.data.splits import read_folds
from foldwise.ensembling import cross_fitted_scores
from foldwise.metrics import METRICS, best_threshold, score
from foldwise.paths import resolve


def main() -> None:
    """Fit and score for a few strengths of regularisation; the best is the figure to beat."""
    paths = resolve("movie-reviews", None, None, None)
    config = load_config(paths.config, [])
    competition = load_competition(config, paths)
    folds = read_folds(paths.folds, competition.train_ids, config.recipe.folds.n, paths.slug)
    solution = read_solution(config, paths, competition.sample, competition.targets.names)
    assert solution is not None
    texts, y = np.array(competition.train_texts, dtype=object), competition.targets.y
    metric = METRICS[config.competition.metric]
    for strength in (1.0, 3.0, 10.0):
        start = time.perf_counter()
        oof, test = np.zeros(len(y)), np.zeros(len(competition.test_texts))
        for fold in range(config.recipe.folds.n):
            inside = folds == fold
            words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
            characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=3, sublinear_tf=True)
            model = make_pipeline(make_union(words, characters), LogisticRegression(C=strength, max_iter=300))
            model.fit(texts[~inside], y[~inside, 0])
            oof[inside] = model.predict_proba(texts[inside])[:, 1]
            test += model.predict_proba(competition.test_texts)[:, 1] / config.recipe.folds.n
        pooled, _ = cross_fitted_scores(metric, "binary", y, oof[:, None], folds)
        threshold = best_threshold(metric, "binary", y, oof[:, None])
        leaderboard = score(metric, "binary", solution.y, test[:, None], threshold)
        seconds = time.perf_counter() - start
        print(f"C={strength:<4g} out of fold {pooled:.4f}, leaderboard {leaderboard:.4f}, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
