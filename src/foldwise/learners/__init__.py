"""What can be a member of an ensemble, behind one interface: a plain dict of kinds, imported when one is used.

`recipe.model.name` names a learner of `LEARNERS`; every other name is a model of the learner "network".
"""

import importlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from foldwise.config import Recipe, Task
from foldwise.data.targets import Targets

LEARNERS = {
    "network": "foldwise.learners.network:Network",
    "linear": "foldwise.learners.linear:LinearLearner",
}


class Learner(Protocol):
    """One kind of member. The methods that train or predict import what they need when they are called.

    Attributes:
        recipe: of the member.
        can_be_cut: whether a fit may end early, as a time budget asks; else `estimate_seconds` tells its time before.
        reads_texts: whether it wants the words of the vocabulary beside the tokens.
        uses_vectors: whether it looks words up in the table of vectors, and trains on a GPU where there is one.
    """

    recipe: Recipe
    can_be_cut: bool
    reads_texts: bool
    uses_vectors: bool

    def __init__(self, recipe: Recipe) -> None: ...

    @property
    def epochs(self) -> int:
        """Passes over the data that the recipe asks for."""
        ...

    @property
    def phrase(self) -> str:
        """What it is, in half a sentence."""
        ...

    @property
    def holds_vectors(self) -> bool:
        """Whether its weights hold all word vectors, so that predicting needs no others."""
        ...

    def inputs(self) -> dict[str, Any]:
        """The fields of the recipe that it reads: when one changes, its folds are out of date."""
        ...

    def own_parts(self) -> dict[str, str]:
        """What of the recipe may name code of the user's own: key of the recipe → its value."""
        ...

    def prepare(self, targets: Targets, texts: int, features: int) -> None:
        """Make what training needs once, on a few rows, so that an error in it shows before hours of training.

        Args:
            targets: of the training rows.
            texts: K of a row.
            features: D numbers beside them.

        Raises:
            InputError: a part of the recipe that does not exist, does not fit the task, or fails.
        """
        ...

    def fit(self, data: Any, job: Any, report: Callable[[Any], object]) -> Any:
        """Train one fold.

        Args:
            data: `foldwise.training.fold_data.FoldData`.
            job: `foldwise.running.job.FoldJob`.
            report: takes events as they happen.

        Returns:
            `foldwise.training.fold.FoldResult`, whose weights and facts become a checkpoint.
        """
        ...

    def predict(self, checkpoint: Any, data: Any, runtime: Any, on_rows: Callable[[int], object]) -> np.ndarray:
        """(M, C) predictions of rows that were not there at training.

        Args:
            checkpoint: `foldwise.training.checkpoint.Checkpoint` of one fold.
            data: `foldwise.learners.new_rows.NewRows`.
            runtime: where, and in which number format.
            on_rows: called with numbers of rows done.
        """
        ...

    def estimate_seconds(self, data: Any, fold: int) -> float:
        """About how long `fit` takes on this machine; 0 where it can be cut."""
        ...

    def describe(self, task: Task, outputs: int) -> str:
        """What it is, in words; "" of a network, whose layers say it."""
        ...


def learner_for(recipe: Recipe) -> Learner:
    """The learner of a member's recipe."""
    module, _, name = LEARNERS.get(recipe.model.name, LEARNERS["network"]).partition(":")
    found: Learner = getattr(importlib.import_module(module), name)(recipe)
    return found
