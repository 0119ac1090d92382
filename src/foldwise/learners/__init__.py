"""What can be a member of an ensemble, behind one interface: a plain dict of kinds, imported when one is used.

`recipe.model.name` names a learner of `LEARNERS`; every other name is a model of the learner "network".
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from foldwise.config import ColumnsSection, Recipe, Task
from foldwise.data.features import only_texts
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore
from foldwise.errors import InputError
from foldwise.extensions import load_extension

if TYPE_CHECKING:  # loading torch takes seconds, which a run that keeps every fold should not pay
    from foldwise.models import Shape
    from foldwise.paths import Paths

LEARNERS = {
    "network": "foldwise.learners.network:Network",
    "linear": "foldwise.learners.linear:LinearLearner",
    "encoder": "foldwise.encoders.learner:EncoderLearner",  # an extension
    "convnet": "foldwise.images.learner:ImageLearner",  # an extension
    "external": "foldwise.external.learner:ExternalLearner",  # an extension
}


@dataclass(frozen=True)
class Trained:
    """What a trained fold needs to know of its training, whatever rows it then predicts."""

    words: int  # V words of the vocabulary at training
    vectors: Path  # file with the (V, E) vectors that training began with, for learners that still need them
    dimension: int  # E
    shape: "Shape"  # of a network, with outputs of auxiliary targets
    targets: Targets  # task and names; of no rows
    files: Mapping[str, Path] = field(default_factory=dict)  # its `packed_files` by their names


@dataclass(frozen=True)
class NewRows:
    """M rows that were not there at training."""

    store: TokenStore  # their tokens, by the vocabulary at training with new words behind it
    words: Sequence[str]  # V + V' in id order, the new ones last
    features: np.ndarray | None  # (M, D) float64 numbers beside the text
    new_vectors: np.ndarray  # (V', E) float32 of the new words
    trained: Trained  # what does not depend on these rows
    own: Path | None = None  # folder of what a learner's `write_tokens` made of these rows, `store` among it


OnRows = Callable[[int], object]  # called with numbers of rows done
Predict = Callable[[NewRows, OnRows], np.ndarray]  # (M, C), or (M, F)
# As `Learner.write_tokens`, of texts, counts and folder.
WriteTokens = Callable[[Sequence[Sequence[str]], Sequence[int], Path], str]


class Loaded(NamedTuple):
    """A trained fold in memory, for any number of tables of new rows."""

    predict: Predict
    embed: Predict | None = None  # the vectors that its head reads; None where there is no such thing


def average(folds: Sequence[Loaded]) -> Loaded:
    """Several as one: the mean of what they give, as their rows come."""

    def mean_of(parts: Sequence[Predict], data: NewRows, on_rows: OnRows) -> np.ndarray:
        return np.mean([part(data, on_rows) for part in parts], axis=0)

    vectors = [fold.embed for fold in folds if fold.embed]
    return Loaded(partial(mean_of, [fold.predict for fold in folds]), partial(mean_of, vectors) if vectors else None)


class Learner(ABC):
    """One kind of member. The methods that train or predict import what they need when they are called."""

    can_be_cut: bool  # a fit may end early, as a time budget asks; else `estimate_seconds` tells its time before
    uses_vectors: bool  # it looks words up in the table of vectors
    reads_texts = False  # it makes tokens of its own from the texts, and does not see those that members share
    sees_whole_texts = False  # where the texts are few enough; else and otherwise they are cut to `tokens.max_length`
    needs_vectors = False  # predicting, too, needs that table, because the weights do not hold it
    starts_from_weights = False  # it reads `training.start_from`
    predicts_new_rows = True  # not so where its predictions are another model's
    small_steps = True  # a GPU spends a training step on starting kernels: a reduced precision is no faster
    epochs = 1  # passes over the data that the recipe asks for

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    @abstractmethod
    def describe(self, task: Task) -> str:
        """What it is, in a sentence without its full stop."""

    @abstractmethod
    def inputs(self) -> dict[str, Any]:
        """The fields of the recipe that it reads: when one changes, its folds are out of date."""

    def own_parts(self) -> dict[str, str]:
        """What of the recipe may name code of the user's own: key of the recipe → its value."""
        return {}

    def find_files(self, paths: "Paths") -> dict[str, Path]:  # noqa: ARG002
        """Files that a learner of tokens of its own reads, by name: when one changes, its folds are out of date.

        Raises:
            InputError: one is not there, or not of a form that can be read.
        """
        return {}

    def choose_columns(self, columns: Sequence[Sequence[str]], named: ColumnsSection) -> Sequence[Sequence[str]]:
        """Of the columns that are read those that its own tokens are made of."""
        return only_texts(columns, named)

    def row_inputs(self, run: Any) -> dict[str, Any]:  # noqa: ARG002
        """What the rows of a `Run` depend on besides the tables, such as files that these name."""
        return {}

    def open_rows(self, job: Any) -> Callable[..., Any] | None:  # noqa: ARG002
        """What makes the `TokenDataset` of a `FoldJob`, where its rows have more than tokens."""
        return None

    def token_settings(self) -> dict[str, Any]:
        """The fields of the recipe that its own tokens depend on."""
        return {}

    def count_work(self, tokens: int, rows: int) -> int:  # noqa: ARG002
        """What it takes to see all rows once, in tokens of a network of texts, by which folds are placed."""
        return tokens

    def packed_files(self) -> Sequence[str]:
        """Names of those of its files that predicting needs beside the weights of a fold."""
        return []

    def write_tokens(
        self,
        texts: Sequence[Sequence[str]],
        counts: Sequence[int],
        files: Mapping[str, Path],
        folder: Path,
        runtime: Any,
        deadline: float | None = None,
    ) -> str:
        """Write its own tokens as a `TokenStore`, and what else it learns from, into an empty folder; → what was made.

        Args:
            texts: of each text column the texts of all rows.
            counts: rows of each table, one table after the other; what a row becomes depends on no other table.
            files: as `find_files` gives them, or the packed ones.
            runtime: a `Runtime`.
            deadline: on `Clock`, of a time budget.

        Raises:
            GivenUpError: it will not be done by then.
        """
        raise NotImplementedError

    def open_texts(self, files: Mapping[str, Path], columns: int, runtime: Any) -> WriteTokens:  # noqa: ARG002
        """`write_tokens` for any number of tables of new rows, with what it needs in memory."""
        return lambda texts, counts, folder: self.write_tokens(texts, counts, files, folder, runtime)

    def trained_model(self, job: Any) -> Any:  # noqa: ARG002
        """Recipe and `BuildModel` that it calls `train_fold` with; None if it trains without."""
        return None

    def take_predictions(self, run: Any, member: str, fold_of_row: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:  # noqa: ARG002
        """(N, C) out-of-fold and (M, C) test predictions that another model made; None where it trains its own.

        Raises:
            InputError: they are not of the rows and folds of a `Run`.
        """
        return None

    def build_example(self, outputs: int, columns: ColumnsSection) -> tuple[Any, Sequence[Sequence[Any]]] | None:  # noqa: ARG002
        """An untrained model, and two batches of random inputs, for `describe`; None where it takes word vectors."""
        return None

    @abstractmethod
    def prepare(self, targets: Targets, texts: int, features: int) -> None:
        """Make what training needs once, on a few rows, so that an error in it shows before hours of training.

        A row has so many texts, and so many numbers beside them.

        Raises:
            InputError: a part of the recipe that does not exist, does not fit the task, or fails.
        """

    @abstractmethod
    def fit(self, data: Any, job: Any, report: Callable[[Any], object]) -> Any:
        """Train one fold: `FoldData`, `FoldJob` → `FoldResult`, whose weights and facts become a checkpoint.

        Args:
            report: takes events as they happen; `Started` must be the first.
        """

    @abstractmethod
    def load(self, checkpoint: Any, trained: Trained, runtime: Any) -> Loaded:
        """A fold's `Checkpoint` in memory, on a `Runtime`, for any number of tables."""

    def predict(self, checkpoint: Any, data: NewRows, runtime: Any, on_rows: OnRows) -> np.ndarray:
        """(M, C) predictions by the `Checkpoint` of one fold: the mean over its files of weights, read one by one.

        Args:
            on_rows: called with numbers of rows done.
        """
        single = [replace(checkpoint, weights=[path]) for path in checkpoint.weights] or [checkpoint]
        return np.mean([self.load(one, data.trained, runtime).predict(data, on_rows) for one in single], axis=0)

    def estimate_seconds(self, data: Any, fold: int) -> float:  # noqa: ARG002
        """About how long `fit` takes on this machine; asked only where it cannot be cut."""
        return 0.0


def check_new_rows(recipe: Recipe, members: Iterable[str]) -> None:
    """Raise an `InputError` that names a member which can predict no other rows than those that were there."""
    chosen = list(members)
    for name in chosen:
        if not learner_for(recipe.of_member(name)).predicts_new_rows:
            left = [other for other in chosen if learner_for(recipe.of_member(other)).predicts_new_rows]
            option = f"--set 'ensemble.members={json.dumps(left)}'"
            without = f"leave it out: `ensemble` and `kernel build` with {option}" if left else "train another member"
            raise InputError(
                f"recipe.members.{name}: its predictions are another model's, from files, so that it has none of other "
                f"rows; {without}"
            )


def learner_for(recipe: Recipe) -> Learner:
    """The learner of a member's recipe."""
    name = recipe.model.name
    found: Learner = load_extension(LEARNERS.get(name, LEARNERS["network"]), f"recipe.model.name = {name!r}")(recipe)
    return found
