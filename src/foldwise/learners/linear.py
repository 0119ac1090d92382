"""The learner "linear": n-grams of words and characters into logistic or ridge regression, by scikit-learn.

It takes seconds a fold, is hard to beat on small tables, and errs on other rows than a recurrent network does, which
helps an ensemble. scikit-learn and torch are imported where they are needed: they take seconds to load.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from foldwise.clock import Clock
from foldwise.config import Linear, Task
from foldwise.data.targets import Targets
from foldwise.data.token_store import check_mapped
from foldwise.errors import InputError, RunError
from foldwise.events import Evaluated, Started, Stepped
from foldwise.learners import Learner, Loaded, NewRows, Trained
from foldwise.learners.linear_model import LinearFacts, LinearModel
from foldwise.learners.ngrams import MANY_WORDS, SHORTEST_CHARS, fit_ngrams, longest_chars
from foldwise.learners.regression import FALLBACK_C, fit_columns, fit_ridge, fit_softmax
from foldwise.metrics import best_score, metric_for
from foldwise.tasks import TASKS

if TYPE_CHECKING:
    from foldwise.running.job import FoldJob
    from foldwise.training.checkpoint import Checkpoint
    from foldwise.training.fold import FoldResult
    from foldwise.training.fold_data import FoldData

SAMPLE = 1_000  # rows of a trial fit
SAFETY = 1.5  # a fit takes somewhat longer than in proportion to its rows


class LinearLearner(Learner):
    """Sees texts alone, put together from their tokens as the networks see them."""

    can_be_cut = uses_vectors = False
    sees_whole_texts = True

    def describe(self, task: Task) -> str:
        """Its n-grams and its fit."""
        settings, y = self.recipe.linear, TASKS[task].y
        auto, chars = settings.char_ngrams == "auto", longest_chars(settings, 0)
        few = f" (where the training rows have at most {MANY_WORDS:,} words)" if auto else ""
        kinds = [(settings.word_ngrams, "words", 1), (chars, f"characters{few}", SHORTEST_CHARS)]
        grams = " and ".join(f"{min(least, most)} to {most} {kind}" for most, kind, least in kinds if most)
        weighed = (
            "TF-IDF" if weighting_for(task, settings) == "tfidf" else "TF-IDF times the log-count ratio of naive Bayes"
        )
        strength = "C chosen by inner cross-validation" if settings.C == "auto" else f"C = {settings.C:g}"
        fit = f"ridge regression ({strength}, alpha = 1 / C)" if y == "values" else f"logistic regression ({strength})"
        together = y == "classes" and weighting_for(task, settings) == "tfidf"
        return (
            f"no layers, by scikit-learn: {weighed} of n-grams of {grams} that stand in {settings.min_count} or more "
            f"training texts → {fit}{' over the classes' if together else ', one for each output'}"
        )

    def inputs(self) -> dict[str, Any]:
        """Of training only what weighs rows."""
        parts: dict[str, Any] = {
            "seed": True,
            "model": {"name"},
            "linear": True,
            "training": {"subgroup_weights", "extra_weight"},
        }
        return self.recipe.model_dump(include=parts)

    def prepare(self, targets: Targets, texts: int, features: int) -> None:  # noqa: ARG002
        """Hold the settings against the task."""
        check_linear(targets.task, self.recipe.linear)

    def fit(self, data: "FoldData", job: "FoldJob", report: Callable[[Any], object]) -> "FoldResult":
        """Fit on every fold but one, predict that fold and the test rows."""
        from foldwise.training.fold import fold_seed

        targets, started = data.targets, Clock.now()
        _, valid_rows = data.split(job.fold)
        train_rows, y, weights = data.learnt(job.fold)
        report(Started(2))
        seed = fold_seed(self.recipe.seed, job.member, job.fold)
        texts = join_tokens(data, train_rows)
        model = fit_linear(texts, y, targets.task, self.recipe.linear, weights, seed, targets.outputs)
        report(Stepped(1))
        oof, test = (model.predict(join_tokens(data, rows)) for rows in (valid_rows, data.test_rows))
        report(Stepped(1))
        arrays = {"coef": model.coef, "intercept": model.intercept, "idf": model.idf}
        facts = {"link": model.link, "C": model.C, "ngrams": model.ngrams}
        return result_of_fit(job, targets, (valid_rows, oof, test), arrays, facts, started)

    def load(self, checkpoint: "Checkpoint", trained: Trained, runtime: Any) -> Loaded:  # noqa: ARG002
        """The n-grams and their weights in memory."""
        arrays = checkpoint.read_arrays({"coef": 2, "intercept": 1, "idf": 1})
        model = LinearModel(**arrays, **checkpoint.read_facts(LinearFacts).model_dump())

        def predict(data: NewRows, on_rows: Callable[[int], object]) -> np.ndarray:
            predictions = model.predict(join_tokens(data, np.arange(len(data.store))))
            on_rows(len(data.store))
            return predictions

        return Loaded(predict)

    def estimate_seconds(self, data: "FoldData", fold: int) -> float:
        """One fit and prediction on a part of the rows, scaled up."""
        # Loading them takes seconds, which do not grow with the rows.
        import sklearn.feature_extraction.text
        import sklearn.linear_model  # noqa: F401

        train_rows, _ = data.split(fold)
        sample = train_rows[:: max(1, len(train_rows) // SAMPLE)]
        started, targets = Clock.now(), data.targets
        texts, y = join_tokens(data, sample), targets.y[sample]
        least = max(1, self.recipe.linear.min_count * len(sample) // len(train_rows))
        longest = longest_chars(self.recipe.linear, int(data.store.lengths[train_rows].sum()))
        settings, twice = self.recipe.linear.model_copy(update={"min_count": least, "char_ngrams": longest}), 1
        if settings.C == "auto":  # whose search takes a larger share of a small table's time than of a large one's
            settings, twice = settings.model_copy(update={"C": FALLBACK_C}), 2
        model, fitted = fit_linear(texts, y, targets.task, settings, None, 0, targets.outputs), Clock.now()
        model.predict(texts)
        fit, prediction = fitted - started, Clock.now() - fitted
        whole = twice * fit * len(train_rows) + prediction * (len(data.store) - len(train_rows))
        return SAFETY * whole / len(sample)


def result_of_fit(
    job: "FoldJob",
    targets: Targets,
    predicted: tuple[np.ndarray, np.ndarray, np.ndarray],
    arrays: dict[str, np.ndarray],
    facts: dict[str, Any],
    started: float,
) -> "FoldResult":
    """The `FoldResult` of a fit without epochs, with one evaluation at its end.

    Args:
        predicted: validation rows, their predictions, those of the test rows.
        arrays, facts: become weights and facts of the checkpoint.
        started: when, on `Clock`.

    Raises:
        RunError: the metric has no finite value on the validation rows.
    """
    import torch

    from foldwise.training.fold import FoldResult

    rows, oof, test = predicted
    metric, truth = metric_for(job.metric, targets.task), targets.truth[rows]
    score = best_score(metric, targets.task, truth, oof) if len(rows) else None  # of a fit on all rows
    if score is not None and not np.isfinite(score):
        raise RunError(f"fold {job.fold} of {job.member}: its {len(rows)} rows have no finite score; fewer folds help")
    seconds = max(0.001, round(Clock.now() - started, 3))
    record = Evaluated(1.0, 1, None, score, True, learning_rate=0.0, padding=0.0, train_seconds=seconds)
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    return FoldResult(rows, oof, test, [tensors], facts, [record])


def join_tokens(data: "FoldData | NewRows", rows: np.ndarray) -> list[str]:
    """The tokens of each row, joined by blanks."""
    check_mapped(data.store.tokens, data.store.offsets)
    return [" ".join([data.words[token] for token in data.store.row(row).tolist()]) for row in rows.tolist()]


def check_linear(task: Task, settings: Linear) -> None:
    """Raise InputError where there are no n-grams, or the task has no meaning for the weighting; needs no data."""
    if settings.word_ngrams == settings.char_ngrams == 0:
        raise InputError("recipe.linear: word_ngrams and char_ngrams are both 0; give at least one a length, such as 2")
    if settings.weighting == "nb" and TASKS[task].y == "values":
        raise InputError(
            f"recipe.linear.weighting = 'nb': its ratios compare classes, of which a {task} task has none; use 'tfidf'"
        )


def weighting_for(task: Task, settings: Linear) -> str:
    """The weighting that "auto" means for a task: naive Bayes gains where columns are 0 and 1 (EXPERIMENTS.md)."""
    if settings.weighting != "auto":
        return settings.weighting
    return "nb" if TASKS[task].y == "columns" else "tfidf"


def fit_linear(
    texts: Sequence[str],
    y: np.ndarray,
    task: Task,
    settings: Linear,
    sample_weight: np.ndarray | None,
    seed: int,
    outputs: int | None = None,
) -> LinearModel:
    """Fit on a fold's training rows. Binary and multilabel: logistic regression for each column.

    Multiclass: one softmax regression; by naive Bayes each class against the rest, since each weighs n-grams its own
    way, and the probabilities then divided by their sum. Regression and ordinal: a ridge for each column.

    Args:
        texts: n texts, their tokens joined by blanks; taken as they are, without another lower-casing.
        y: (n, C), or (n,) of one column, where 0 … 1 are shares of raters; (n,) class numbers of a multiclass task.
        sample_weight: (n,), or None for 1 each.
        seed: of the inner folds and the search for C; the last fit draws nothing.
        outputs: C of a multiclass task; a class without rows gets probability 0.

    Raises:
        InputError: settings that do not fit the task, or no n-gram stands in `min_count` texts.
    """
    from threadpoolctl import threadpool_limits  # what scikit-learn itself uses

    check_linear(task, settings)
    settings = settings.model_copy(update={"weighting": weighting_for(task, settings)})
    ngrams, idf, inputs = fit_ngrams(texts, settings)
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    # Sums in another order have other last bits, and folds side by side would fight for the cores.
    with threadpool_limits(1):
        if TASKS[task].y == "classes":
            classes = outputs or int(y.max()) + 1
            if settings.weighting == "tfidf":
                fit = fit_softmax((inputs, y, weight), classes, settings, seed)
                return LinearModel(*fit, "softmax", idf, ngrams)
            coef, intercept, chosen = fit_columns((inputs, np.eye(classes)[y], weight), settings, seed)
            intercept[np.bincount(y, minlength=classes) == 0] = -np.inf
            return LinearModel(coef, intercept, chosen, "shares", idf, ngrams)
        columns = y.astype(np.float64).reshape(len(y), -1)
        if TASKS[task].y == "values":
            fit = fit_ridge(inputs, columns, sample_weight, settings, seed)
            return LinearModel(*fit, "identity", idf, ngrams)
        fit = fit_columns((inputs, columns, weight), settings, seed)
        return LinearModel(*fit, "sigmoid", idf, ngrams)
