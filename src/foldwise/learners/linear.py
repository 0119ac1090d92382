"""The learner "linear": n-grams into logistic or ridge regression (`foldwise.learners.ngrams`)."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from foldwise.clock import Clock
from foldwise.config import Task
from foldwise.data.targets import Targets
from foldwise.errors import RunError
from foldwise.events import Evaluated, Started, Stepped
from foldwise.learners import Learner, NewRows
from foldwise.tasks import TASKS

if TYPE_CHECKING:  # scipy and torch take a second and three to load
    from foldwise.data.token_store import TokenStore
    from foldwise.running.job import FoldJob
    from foldwise.training.checkpoint import Checkpoint
    from foldwise.training.fold import FoldResult
    from foldwise.training.fold_data import FoldData

SAMPLE = 1_000  # rows of a trial fit
SAFETY = 1.5  # a fit takes somewhat longer than in proportion to its rows


class LinearLearner(Learner):
    """Sees texts alone, put together from their tokens as the networks see them."""

    can_be_cut = uses_vectors = False

    def describe(self, task: Task) -> str:
        """Its n-grams and its fit."""
        settings = self.recipe.linear
        kinds = [(settings.word_ngrams, "words", 1), (settings.char_ngrams, "characters", min(2, settings.char_ngrams))]
        grams = " and ".join(f"{shortest} to {longest} {kind}" for longest, kind, shortest in kinds if longest)
        weighed = "TF-IDF" if settings.weighting == "tfidf" else "TF-IDF times the log-count ratio of naive Bayes"
        strength = "C chosen by inner cross-validation" if settings.C == "auto" else f"C = {settings.C:g}"
        if TASKS[task].y == "values":
            fit = f"ridge regression ({strength}, alpha = 1 / C), one for each target"
        elif TASKS[task].y == "classes" and settings.weighting == "tfidf":
            fit = f"logistic regression ({strength}) over the classes"
        else:
            fit = f"logistic regression ({strength}), one for each output"
        return (
            f"no layers, by scikit-learn: {weighed} of n-grams of {grams} that stand in {settings.min_count} or more "
            f"training texts → {fit}"
        )

    def inputs(self) -> dict[str, Any]:
        """Of training only what weighs rows."""
        parts: dict[str, Any] = {"seed": True, "model": {"name"}, "linear": True, "training": {"subgroup_weights"}}
        return self.recipe.model_dump(include=parts)

    def prepare(self, targets: Targets, texts: int, features: int) -> None:  # noqa: ARG002
        """Hold the settings against the task."""
        from foldwise.learners.ngrams import check_linear

        check_linear(targets.task, self.recipe.linear)

    def fit(self, data: "FoldData", job: "FoldJob", report: Callable[[Any], object]) -> "FoldResult":
        """Fit on every fold but one, predict that fold and the test rows.

        Raises:
            RunError: the score is not finite.
        """
        import torch

        from foldwise.learners.ngrams import fit_linear
        from foldwise.metrics import best_score, metric_for
        from foldwise.training.fold import FoldResult, fold_seed

        targets, started = data.targets, Clock.now()
        train_rows, valid_rows = data.split(job.fold)
        report(Started(2))
        weights = None if targets.weights is None else targets.weights[train_rows].astype(np.float64)
        seed = fold_seed(self.recipe.seed, job.member, job.fold)
        texts, y = join_tokens(data.store, data.words, train_rows), learnt(targets, train_rows)
        model = fit_linear(texts, y, targets.task, self.recipe.linear, weights, seed, targets.outputs)
        report(Stepped(1))
        oof, test = (model.predict(join_tokens(data.store, data.words, rows)) for rows in (valid_rows, data.test_rows))
        report(Stepped(1))
        metric = metric_for(job.metric, targets.task)
        score = best_score(metric, targets.task, targets.truth[valid_rows], oof)
        if not np.isfinite(score):
            raise RunError(
                f"fold {job.fold} of {job.member}: its {len(valid_rows)} rows have no finite score; fewer folds help"
            )
        seconds = round(Clock.now() - started, 3)
        record = Evaluated(1.0, 1, None, score, True, learning_rate=0.0, padding=0.0, train_seconds=seconds)
        arrays, facts = model.to_arrays()
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
        return FoldResult(valid_rows, oof, test, [tensors], facts, [record])

    def predict(
        self,
        checkpoint: "Checkpoint",
        data: NewRows,
        runtime: Any,  # noqa: ARG002
        on_rows: Callable[[int], object],
    ) -> np.ndarray:
        """(M, C) float64."""
        from safetensors.numpy import load_file

        from foldwise.learners.ngrams import LinearModel

        (weights,) = checkpoint.weights
        model = LinearModel.from_arrays(load_file(weights), checkpoint.read_facts())
        predictions = model.predict(join_tokens(data.store, data.words, np.arange(len(data.store))))
        on_rows(len(data.store))
        return predictions

    def estimate_seconds(self, data: "FoldData", fold: int) -> float:
        """One fit and prediction on a part of the rows, scaled up."""
        from foldwise.learners.ngrams import fit_linear
        from foldwise.learners.regression import FALLBACK_C

        train_rows, _ = data.split(fold)
        sample = train_rows[:: max(1, len(train_rows) // SAMPLE)]
        started, targets = Clock.now(), data.targets
        texts, y = join_tokens(data.store, data.words, sample), learnt(targets, sample)
        least = max(1, self.recipe.linear.min_count * len(sample) // len(train_rows))
        settings, twice = self.recipe.linear.model_copy(update={"min_count": least}), 1
        if settings.C == "auto":  # whose search takes a larger share of a small table's time than of a large one's
            settings, twice = settings.model_copy(update={"C": FALLBACK_C}), 2
        fit_linear(texts, y, targets.task, settings, None, 0, targets.outputs).predict(texts)
        return twice * SAFETY * (Clock.now() - started) * len(data.store) / len(sample)


def learnt(targets: Targets, rows: np.ndarray) -> np.ndarray:
    """What is learnt of some rows: class numbers, or float64."""
    y = targets.y[rows]
    return y if y.dtype.kind == "i" else y.astype(np.float64)


def join_tokens(store: "TokenStore", words: Sequence[str], rows: np.ndarray) -> list[str]:
    """The tokens of each row, joined by blanks."""
    return [" ".join([words[token] for token in store.row(row).tolist()]) for row in rows.tolist()]
