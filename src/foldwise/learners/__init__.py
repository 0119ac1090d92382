"""What can be a member of an ensemble, behind one interface: a plain dict of kinds, imported when one is used.

`recipe.model.name` names a learner of `LEARNERS`; every other name is a model of the learner "network".
"""

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from foldwise.config import Recipe, Task
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore

if TYPE_CHECKING:  # loading torch takes seconds, which a run that keeps every fold should not pay
    from foldwise.models import Shape

LEARNERS = {
    "network": "foldwise.learners.network:Network",
    "linear": "foldwise.learners.linear:LinearLearner",
}


@dataclass(frozen=True)
class NewRows:
    """M rows that were not there at training.

    Attributes:
        store: their tokens, by the vocabulary at training with new words behind it.
        words: V + V' words in id order, the new ones last.
        features: (M, D) float64 numbers beside the text, None where there are none.
        new_vectors: (V', E) float32 of the new words.
        vectors: file with the (V, E) vectors that training began with, for learners that still need them.
        dimension: E.
        shape: of a network, with outputs of auxiliary targets.
        targets: task and names; of no rows.
    """

    store: TokenStore
    words: Sequence[str]
    features: np.ndarray | None
    new_vectors: np.ndarray
    vectors: Path
    dimension: int
    shape: "Shape"
    targets: Targets


class Learner(ABC):
    """One kind of member. The methods that train or predict import what they need when they are called.

    Attributes:
        can_be_cut: whether a fit may end early, as a time budget asks; else `estimate_seconds` tells its time before.
        uses_vectors: whether it looks words up in the table of vectors, and trains on a GPU where there is one.
        needs_vectors: whether predicting, too, needs that table, because the weights do not hold it.
        epochs: passes over the data that the recipe asks for.
    """

    can_be_cut: bool
    uses_vectors: bool
    needs_vectors = False
    epochs = 1

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

    @abstractmethod
    def prepare(self, targets: Targets, texts: int, features: int) -> None:
        """Make what training needs once, on a few rows, so that an error in it shows before hours of training.

        Args:
            targets: of the training rows.
            texts: K of a row.
            features: D numbers beside them.

        Raises:
            InputError: a part of the recipe that does not exist, does not fit the task, or fails.
        """

    @abstractmethod
    def fit(self, data: Any, job: Any, report: Callable[[Any], object]) -> Any:
        """Train one fold.

        Args:
            data: `foldwise.training.fold_data.FoldData`.
            job: `foldwise.running.job.FoldJob`.
            report: takes events as they happen; `Started` must be the first.

        Returns:
            `foldwise.training.fold.FoldResult`, whose weights and facts become a checkpoint.
        """

    @abstractmethod
    def predict(self, checkpoint: Any, data: NewRows, runtime: Any, on_rows: Callable[[int], object]) -> np.ndarray:
        """(M, C) predictions.

        Args:
            checkpoint: `foldwise.training.checkpoint.Checkpoint` of one fold.
            runtime: where, and in which number format.
            on_rows: called with numbers of rows done.
        """

    def estimate_seconds(self, data: Any, fold: int) -> float:  # noqa: ARG002
        """About how long `fit` takes on this machine; asked only where it cannot be cut."""
        return 0.0


def learner_for(recipe: Recipe) -> Learner:
    """The learner of a member's recipe."""
    found: Learner = pkgutil.resolve_name(LEARNERS.get(recipe.model.name, LEARNERS["network"]))(recipe)
    return found
