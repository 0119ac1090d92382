"""The default recipe beside the classic, TF-IDF of plain scikit-learn, contest by contest and on the same folds.

    ./run.sh all -c SLUG
    .venv/bin/python tests/benchmarks/classics.py SLUG … [--input DIR] [--folds DIR] [--output DIR]

The classic: n-grams of 1 to 2 words and 2 to 5 characters of the raw texts into logistic or ridge regression, C or
1 / alpha by 3-fold cross-validation on the training rows of the first fold. Both are scored alike: out of fold, each
fold at the other folds' best thresholds, and on solution.csv. One row of a table a contest.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_union

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from foldwise.data.competition import read_solution
from foldwise.data.features import join_texts
from foldwise.data.fold_file import read_folds
from foldwise.ensembling.submission import in_sample_order
from foldwise.ensembling.weights import cross_fitted_scores
from foldwise.files import read_json
from foldwise.metrics import best_thresholds, score
from foldwise.options import make_run
from foldwise.tasks import TASKS

GRID = [0.25, 1.0, 4.0, 16.0, 64.0]  # of C; of ridges a sixteenth of each
DRAWS = 200  # of test rows, for the standard error


def compare(slug: str, folders: dict[str, Path | None]) -> str:
    """One row of the table, from a contest that `all` has been run on."""
    run = make_run(slug, input_=folders["input"], folds=folders["folds"], output=folders["output"])
    competition, metric, task = run.competition, run.metric, run.competition.targets.task
    folds = read_folds(run.paths.folds, competition.train_ids, run.config.recipe.folds.n, "./run.sh folds --force")
    solution = read_solution(run.config, run.paths, competition.sample, competition.targets.names)
    assert solution is not None
    started = time.perf_counter()
    texts, tests = (
        np.array(list(join_texts(part)), dtype=object) for part in (competition.train_texts, competition.test_texts)
    )
    oof, test = fit_classic(texts, tests, competition.targets, folds)
    seconds = time.perf_counter() - started
    pooled, _ = cross_fitted_scores(metric, task, competition.targets.truth, [oof], folds)
    thresholds = best_thresholds(metric, task, competition.targets.truth, oof)
    test = in_sample_order(competition.sample[run.config.columns.id], competition.test_ids, test)[solution.rows]
    classic = score(metric, task, solution.truth, test, thresholds)
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(test), len(test)) for _ in range(DRAWS)]
    error = np.std([score(metric, task, solution.truth[rows], test[rows], thresholds) for rows in draws])
    summary: dict[str, Any] = read_json(run.paths.summary) or {}
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in summary["ensemble"]["weights"].items())
    ours = f"{summary['cv']['pooled']:.4f} | {summary['leaderboard']:.4f} | {summary['seconds']['total']:.0f} s"
    return f"| {slug} | {summary['metric']} | {ours} | {weights} | {pooled:.4f} | {classic:.4f} | {error:.4f} | {seconds:.0f} s |"


def fit_classic(texts: np.ndarray, tests: np.ndarray, targets: Any, folds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, C) out-of-fold and (M, C) test predictions of the classic, of contests with one target."""
    values = TASKS[targets.task].y == "values"
    classes = targets.y if TASKS[targets.task].y == "classes" else None
    outputs = targets.outputs
    oof, test, chosen = np.zeros((len(texts), outputs)), np.zeros((len(tests), outputs)), None
    y = classes if classes is not None else targets.y[:, 0].astype(float if values else int)
    for fold in np.unique(folds):
        inside = folds == fold
        options = {"min_df": 2, "sublinear_tf": True}
        grams = make_union(
            TfidfVectorizer(ngram_range=(1, 2), **options),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **options),
        )
        inputs = grams.fit_transform(texts[~inside])
        if chosen is None:
            chosen = max(
                GRID, key=lambda c: cross_val_score(make(c, values), inputs, y[~inside], cv=3, scoring=None).mean()
            )
        model = make(chosen, values).fit(inputs, y[~inside])
        found = slice(None) if classes is None else model.classes_
        for rows, part in ((grams.transform(texts[inside]), oof), (grams.transform(tests), test)):
            predicted = model.predict(rows)[:, None] if values else model.predict_proba(rows)
            predicted = predicted if values or classes is not None else predicted[:, 1:]
            if part is oof:
                oof[np.ix_(inside, np.arange(outputs)[found])] = predicted
            else:
                test[:, found] += predicted / len(np.unique(folds))
    return oof, test


def make(c: float, values: bool) -> Any:
    """A regression with this C."""
    return Ridge(alpha=16 / c) if values else LogisticRegression(C=c, max_iter=300)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slugs", nargs="+", metavar="SLUG")
    for name in ("input", "folds", "output"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    folders = {name: getattr(given, name) for name in ("input", "folds", "output")}
    print(
        "| contest | metric | default, out of fold | test | time | weights | TF-IDF, out of fold | test | its standard error | time |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for slug in given.slugs:
        print(compare(slug, folders), flush=True)


if __name__ == "__main__":
    main()
