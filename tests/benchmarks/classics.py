"""The default recipe beside the classic, TF-IDF of plain scikit-learn, contest by contest and on the same folds.

    ./run.sh all -c SLUG
    .venv/bin/python tests/benchmarks/classics.py SLUG … [--input DIR] [--folds DIR] [--output DIR]

The classic: n-grams of 1 to 2 words and 2 to 5 characters of the raw texts into logistic or ridge regression, C or
1 / alpha by 3-fold cross-validation on the training rows of the first fold. Both are scored alike: out of fold, each
fold at the other folds' best thresholds, and on solution.csv. One row of a table a contest.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_union
from tfidf import Fit, cross_validate

from foldwise.files import read_json
from foldwise.load_config import load_config
from foldwise.paths import resolve
from foldwise.tasks import TASKS, Learnt

GRID = [0.25, 1.0, 4.0, 16.0, 64.0]  # of C; of ridges a sixteenth of each
HEADER = """\
| contest | metric | default, out of fold | test | time | weights | TF-IDF, out of fold | test | its standard error | time |
|---|---|---|---|---|---|---|---|---|---|"""


def compare(slug: str, folders: dict[str, Path | None]) -> str:
    """One row of the table, from a contest that `all` has been run on."""
    paths = resolve(slug, folders["input"], folders["folds"], folders["output"])
    summary = read_json(paths.summary)
    assert summary is not None, f"{paths.summary} is not there; run `./run.sh all -c {slug}` first"
    competition = load_config(paths.config, []).competition
    found = cross_validate(classic(TASKS[competition.task].y), paths)
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in summary["ensemble"]["weights"].items())
    ours = f"{summary['cv']['pooled']:.4f} | {summary['leaderboard']:.4f} | {summary['seconds']['total']:.0f} s"
    theirs = f"{found.oof:.4f} | {found.leaderboard:.4f} | {found.error:.4f} | {found.seconds:.0f} s"
    return f"| {slug} | {summary['metric']} | {ours} | {weights} | {theirs} |"


def classic(learnt: Learnt) -> Fit:
    """TF-IDF into a ridge for values, else into a logistic regression; C is chosen at the first call and then kept."""
    chosen: list[float] = []
    values = learnt == "values"

    def fit(texts: np.ndarray, y: np.ndarray, others: np.ndarray) -> np.ndarray:
        options = {"min_df": 2, "sublinear_tf": True}
        words = TfidfVectorizer(ngram_range=(1, 2), **options)
        grams = make_union(words, TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **options))
        inputs, y = grams.fit_transform(texts), y if values else y.astype(int)
        if not chosen:
            chosen.append(max(GRID, key=lambda c: cross_val_score(regression(c, values), inputs, y, cv=3).mean()))
        model = regression(chosen[0], values).fit(inputs, y)
        if values:
            return model.predict(grams.transform(others))
        found = model.predict_proba(grams.transform(others))
        if learnt == "columns":
            return found[:, 1]
        of_classes = np.zeros((len(others), model.classes_.max() + 1))
        of_classes[:, model.classes_] = found
        return of_classes

    return fit


def regression(c: float, values: bool) -> Any:
    """A regression with this C."""
    return Ridge(alpha=16 / c) if values else LogisticRegression(C=c, max_iter=300)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slugs", nargs="+", metavar="SLUG")
    for name in ("input", "folds", "output"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    print(HEADER)
    for slug in given.slugs:
        print(compare(slug, {name: getattr(given, name) for name in ("input", "folds", "output")}), flush=True)


if __name__ == "__main__":
    main()
