"""One fold of the linear member, in the form in which a network's fold comes out."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from foldwise.config import Recipe, Task
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore
from foldwise.errors import RunError
from foldwise.learners.ngrams import check_linear, fit_linear
from foldwise.metrics import Metric, best_score
from foldwise.models import Shape
from foldwise.time_budget.budget import Clock
from foldwise.training.fold import FoldResult, fold_seed
from foldwise.training.fold_data import FoldData
from foldwise.training.snapshots import Event

SAMPLE = 1_000  # rows of a trial fit
SAFETY = 1.5  # a fit takes somewhat longer than in proportion to its rows


def train_linear_fold(
    data: FoldData,
    words: Sequence[str],
    recipe: Recipe,
    member: str,
    fold: int,
    metric: Metric,
    report: Callable[[Event], object],
) -> FoldResult:
    """Fit on every fold but `fold`, predict `fold` and the test rows.

    Args:
        words: V words in id order: the texts are put together from their tokens, as the networks see them.
        report: takes the progress, as `train_fold` gives it.

    Raises:
        InputError: settings that do not fit the task.
        RunError: the score is not finite.
    """
    targets = data.targets
    train_rows, valid_rows = np.flatnonzero(data.folds != fold), np.flatnonzero(data.folds == fold)
    test_rows = np.arange(len(data.folds), len(data.store))
    started = time.perf_counter()
    report({"event": "start", "steps": 2})
    weights = None if targets.weights is None else targets.weights[train_rows].astype(np.float64)
    seed = fold_seed(recipe.seed, member, fold)
    y = learnt(targets, train_rows)
    texts = texts_of(data.store, words, train_rows)
    model = fit_linear(texts, y, targets.task, recipe.linear, weights, seed, targets.outputs)
    report({"event": "steps", "steps": 1})
    oof, test = (model.predict(texts_of(data.store, words, rows)) for rows in (valid_rows, test_rows))
    report({"event": "steps", "steps": 1})
    valid_score = best_score(metric, targets.task, targets.truth[valid_rows], oof)
    if not np.isfinite(valid_score):
        raise RunError(f"fold {fold} of {member}: its {len(valid_rows)} rows have no finite score; fewer folds help")
    record = {"epoch": 1.0, "step": 1, "loss": None, "score": valid_score, "best": True, "learning_rate": 0.0}
    record |= {"padding": 0.0, "train_seconds": round(time.perf_counter() - started, 3)}
    arrays, ngrams = model.to_arrays()
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    return FoldResult(valid_rows, oof, test, [tensors], [record], ngrams)


def time_linear(data: FoldData, words: Sequence[str], recipe: Recipe, fold: int) -> float:
    """About how many seconds `train_linear_fold` takes: one fit and prediction on a part of the rows, scaled up."""
    train_rows = np.flatnonzero(data.folds != fold)
    sample = train_rows[:: max(1, len(train_rows) // SAMPLE)]
    started, targets = Clock.now(), data.targets
    y = learnt(targets, sample)
    texts = texts_of(data.store, words, sample)
    fit_linear(texts, y, targets.task, recipe.linear, None, 0, targets.outputs).predict(texts)
    return SAFETY * (Clock.now() - started) * len(data.store) / len(sample)


def learnt(targets: Targets, rows: np.ndarray) -> np.ndarray:
    """What a linear model learns of some rows: class numbers, or float64."""
    y = targets.y[rows]
    return y if targets.task == "multiclass" else y.astype(np.float64)


def texts_of(store: TokenStore, words: Sequence[str], rows: np.ndarray) -> list[str]:
    """The tokens of each row, joined by blanks."""
    return [" ".join([words[token] for token in store.row(row).tolist()]) for row in rows.tolist()]


def explain_linear(recipe: Recipe, task: Task, shape: Shape) -> str:
    """What the model is, in words, as it has no layers to show.

    Raises:
        InputError: settings that do not fit the task.
    """
    settings = recipe.linear
    check_linear(task, settings)
    kinds = [(settings.word_ngrams, "words", 1), (settings.char_ngrams, "characters", min(2, settings.char_ngrams))]
    grams = " and ".join(f"{shortest} to {longest} {kind}" for longest, kind, shortest in kinds if longest)
    weighed = "TF-IDF" if settings.weighting == "tfidf" else "TF-IDF times the log-count ratio of naive Bayes"
    if task in ("regression", "ordinal"):
        fit = f"ridge regression (alpha = {1 / settings.C:g}), one for each of {shape.outputs} targets"
    elif task == "multiclass" and settings.weighting == "tfidf":
        fit = f"logistic regression (C = {settings.C:g}) over {shape.outputs} classes"
    else:
        fit = f"logistic regression (C = {settings.C:g}), one for each of {shape.outputs} outputs"
    return (
        f"No layers: scikit-learn, not a network. {weighed} of n-grams of {grams} that stand in {settings.min_count} "
        f"or more training texts\n→ {fit}."
    )
