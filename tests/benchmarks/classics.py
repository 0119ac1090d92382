"""The default recipe beside the classics, TF-IDF of plain scikit-learn and fastText, contest by contest, same folds.

    ./run.sh all -c SLUG
    .venv/bin/python tests/benchmarks/classics.py SLUG … [--input DIR] [--folds DIR] [--output DIR]

TF-IDF: n-grams of 1 to 2 words and 2 to 5 characters of the raw texts into logistic or ridge regression, C or 1 / alpha
by 3-fold cross-validation on the training rows of the first fold. fastText, where requirements-bench.txt is installed:
bigrams, learning rate and epochs by a fifth of the same rows; it has no regression. All are scored alike: out of fold,
each fold at the other folds' best thresholds, and on solution.csv. One row of a table a contest.
"""

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from jobs import fasttext_bigrams
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score, train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_union
from tfidf import Fit, cross_validate

from foldwise.files import read_json
from foldwise.load_config import load_config
from foldwise.paths import resolve
from foldwise.tasks import TASKS, Learnt

GRID = [0.25, 1.0, 4.0, 16.0, 64.0]  # of C; of ridges a sixteenth of each
COLUMNS = [
    *("contest", "metric", "default, out of fold", "test", "time", "weights"),
    *("TF-IDF, out of fold", "test", "its standard error", "time", "fastText, out of fold", "test", "time"),
]


def compare(slug: str, folders: dict[str, Path | None]) -> str:
    """One row of the table, from a contest that `all` has been run on."""
    paths = resolve(slug, folders["input"], folders["folds"], folders["output"])
    summary = read_json(paths.summary)
    assert summary is not None, f"{paths.summary} is not there; run `./run.sh all -c {slug}` first"
    competition = load_config(paths.config, []).competition
    learnt = TASKS[competition.task].y
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in summary["ensemble"]["weights"].items())
    ours = [f"{summary['cv']['pooled']:.4f}", f"{summary['leaderboard']:.4f}", f"{summary['seconds']['total']:.0f} s"]
    found = cross_validate(classic(learnt), paths)
    theirs = [f"{found.oof:.4f}", f"{found.leaderboard:.4f}", f"{found.error:.4f}", f"{found.seconds:.0f} s"]
    fast = ["", "", ""]
    if learnt != "values" and find_spec("fasttext"):
        found = cross_validate(fasttext(learnt), paths)
        fast = [f"{found.oof:.4f}", f"{found.leaderboard:.4f}", f"{found.seconds:.0f} s"]
    return table_row([slug, summary["metric"], *ours, weights, *theirs, *fast])


def table_row(cells: Sequence[str]) -> str:
    """A row of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def classic(learnt: Learnt) -> Fit:
    """TF-IDF into a ridge for values, else into a logistic regression; C is chosen at the first call and then kept."""
    chosen: list[float] = []

    def fit(texts: np.ndarray, y: np.ndarray, others: np.ndarray) -> np.ndarray:
        options = {"min_df": 2, "sublinear_tf": True}
        words = TfidfVectorizer(ngram_range=(1, 2), **options)
        grams = make_union(words, TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **options))
        several = y.ndim == 2
        inputs, y = grams.fit_transform(texts), y if learnt == "values" else y.astype(int)
        if not chosen:
            # Rows may be in order of their classes, so that inner folds must be drawn.
            inner = StratifiedKFold if learnt != "values" and not several else KFold
            scoring = {"cv": inner(3, shuffle=True, random_state=0), "scoring": "roc_auc" if several else None}
            found = [cross_val_score(regression(c, learnt, several), inputs, y, **scoring).mean() for c in GRID]
            chosen.append(GRID[int(np.argmax(found))])
        model = regression(chosen[0], learnt, several).fit(inputs, y)
        if learnt == "values":
            return model.predict(grams.transform(others))
        found = model.predict_proba(grams.transform(others))
        if learnt == "columns":
            return found if several else found[:, 1]
        of_classes = np.zeros((len(others), model.classes_.max() + 1))
        of_classes[:, model.classes_] = found
        return of_classes

    return fit


def regression(c: float, learnt: Learnt, several: bool) -> Any:
    """A regression with this C, one for each of several columns."""
    if learnt == "values":
        return Ridge(alpha=16 / c)
    model = LogisticRegression(C=c, max_iter=300)
    return OneVsRestClassifier(model) if several else model


def fasttext(learnt: Learnt) -> Fit:
    """fastText's classifier; learning rate and epochs are chosen at the first call and then kept."""
    chosen: list[tuple[float, int]] = []

    def fit(texts: np.ndarray, y: np.ndarray, others: np.ndarray) -> np.ndarray:
        if not chosen:
            parts = train_test_split(texts, y, test_size=0.2, stratify=y if y.ndim == 1 else None, random_state=0)
            inside, held, y_inside, y_held = parts

            def held_out(pair: tuple[float, int]) -> float:
                found = fasttext_bigrams(learnt, *pair)(inside, y_inside, held)
                if learnt == "columns":
                    return float(roc_auc_score(y_held, found))
                return float((found.argmax(axis=1) == y_held).mean())

            chosen.append(max(product([0.1, 0.5, 1.0], [5, 25]), key=held_out))
        return fasttext_bigrams(learnt, *chosen[0])(texts, y, others)

    return fit


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slugs", nargs="+", metavar="SLUG")
    for name in ("input", "folds", "output"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    print(table_row(COLUMNS), table_row(["---"] * len(COLUMNS)), sep="\n")
    for slug in given.slugs:
        print(compare(slug, {name: getattr(given, name) for name in ("input", "folds", "output")}), flush=True)


if __name__ == "__main__":
    main()
