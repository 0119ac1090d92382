"""The learner "external": a member that is not trained here; its predictions are another model's, from two tables.

[recipe.members.deberta]
model.name = "external"
external.oof = "deberta_oof.csv"
external.test = "deberta_test.csv"
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from foldwise.clock import Clock
from foldwise.config import Task
from foldwise.console import warn
from foldwise.data.splits import units_of
from foldwise.data.targets import Targets
from foldwise.errors import InputError
from foldwise.events import Started, Stepped
from foldwise.external.leaks import better_than_on_test, check_folds, describe_shared, is_truth
from foldwise.external.tables import find_table, open_predictions, read_values
from foldwise.learners import Learner, Loaded, Trained
from foldwise.learners.linear import result_of_fit

if TYPE_CHECKING:
    from foldwise.paths import Paths
    from foldwise.running.job import FoldJob
    from foldwise.training.fold import FoldResult
    from foldwise.training.fold_data import FoldData


class ExternalLearner(Learner):
    """Has no weights: a fold of it holds predictions alone."""

    can_be_cut = uses_vectors = predicts_new_rows = False

    def describe(self, task: Task) -> str:  # noqa: ARG002
        """Its files."""
        files = self.recipe.external
        return f"predictions of another model: {files.oof} out of fold, {files.test} of the test rows"

    def inputs(self) -> dict[str, Any]:
        """What its files are called does not matter, only what is in them."""
        return self.recipe.model_dump(include={"model": {"name"}})

    def find_files(self, paths: "Paths") -> dict[str, Path]:
        """The two tables."""
        files = self.recipe.external
        return {name: find_table(name, getattr(files, name), paths) for name in ("oof", "test")}

    def prepare(self, targets: Targets, texts: int, features: int) -> None:
        """Nothing is made of rows here; `take_predictions` checks the tables, before any member trains."""

    def take_predictions(self, run: Any, member: str, fold_of_row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The (N, C) and (M, C) float64 predictions of the two tables; warns of what looks like a leak.

        Raises:
            InputError: ids, folds or values that do not fit, or predictions that are the truth itself.
        """
        competition, spec, files = run.competition, run.competition.targets.spec, self.find_files(run.paths)
        trained = run.config.recipe.folds_of(member)
        needed = np.isin(fold_of_row, trained)
        oof_table = open_predictions(files["oof"], run)
        more = f"set members.{member}.folds to the folds that it has"
        oof = read_values(oof_table, competition.train_ids, run, needed, fold_of_row, more)
        units = units_of(competition.contents, competition.groups)
        theirs = check_folds(oof_table, run, fold_of_row, trained, units)
        test = read_values(open_predictions(files["test"], run), competition.test_ids, run)
        if is_truth(competition.targets, oof, needed):
            raise InputError(
                f"{files['oof']}: its predictions are the targets themselves, in all {needed.sum():,} rows; give what "
                f"models predict that have not seen the row, or leave {member} out"
            )
        if theirs is None:
            warn(
                f"{files['oof']}: no column {oof_table.fold!r}, so it cannot be told whether {member} predicted each "
                "row without having learnt from it, or from the same text: leaks cannot be ruled out; train it on "
                f"the folds of {run.paths.folds}, and write the fold of each row beside its prediction"
            )
        elif shared := describe_shared(units, theirs, competition.train_ids):
            warn(f"{files['oof']}: a leak: {shared}")
        if better := better_than_on_test(spec, competition.targets.truth[needed], oof[needed], test):
            warn(f"{files['oof']}: looks like a leak: {better}")
        return oof, test

    def fit(self, data: "FoldData", job: "FoldJob", report: Callable[[Any], object]) -> "FoldResult":
        """Pass on what was taken for the fold, with its score."""
        started = Clock.now()
        assert job.taken is not None
        report(Started(1))
        _, rows = data.split(job.fold)
        result = result_of_fit(job, data.targets, (rows, *job.taken), {}, {}, started)
        report(Stepped(1))
        return replace(result, weights=[])

    def load(self, checkpoint: Any, trained: Trained, runtime: Any) -> Loaded:  # noqa: ARG002
        """It cannot; `foldwise.learners.check_new_rows` says so before, and names the member."""
        raise InputError("recipe.model.name = 'external': has predictions of the rows in its files, and of no others")
