"""Submissions on the way: under a time budget there is a valid one from the first finished fold on.

Beside the submission lies a record of how many models it was made of and for which sample, so that neither a later run
nor one after a kill replaces it by a poorer one, or takes one for valid that was made for another test set.
"""

from pathlib import Path

import numpy as np

from foldwise.clock import Clock
from foldwise.console import say
from foldwise.ensembling.blend import combine, finished_folds, most_models, submit
from foldwise.ensembling.predictions import read_predictions
from foldwise.files import hash_of, read_json, write_json
from foldwise.freshness import submission_form
from foldwise.run import Run

RECORD = "submission.json"


class Submissions:
    """The submission of a run under a time budget."""

    def __init__(self, run: Run, fold_of_row: np.ndarray) -> None:
        self.run, self.fold_of_row = run, fold_of_row
        self.read: dict[Path, np.ndarray] = {}
        self.models = count_models(run)

    def update(self) -> float:
        """Replace the submission if the finished folds make one of more models; seconds that this took."""
        start, run = Clock.now(), self.run
        records = most_models(finished_folds(run)[0])
        if (models := sum(map(len, records.values()))) > self.models:
            submit(run, combine(run, self.fold_of_row, records, self.predictions))
            content = {"submission": hash_of(run.paths.submission), "models": models, "form": submission_form(run)}
            write_json(run.paths.output / RECORD, content)
            self.models = models
            say("ensemble", f"{run.paths.submission.name} is there, of {models} model{'s' * (models > 1)} so far")
        return Clock.now() - start

    def predictions(self, path: Path, ids: list[str]) -> np.ndarray:
        """`read_predictions`, each file once."""
        if path not in self.read:
            self.read[path] = read_predictions(path, ids)
        return self.read[path]


def count_models(run: Run) -> int:
    """How many models the submission that is there was made of; 0 if there is no valid one of this competition."""
    if not run.paths.submission.is_file():
        return 0
    made, form = hash_of(run.paths.submission), submission_form(run)
    record, summary = read_json(run.paths.output / RECORD), read_json(run.paths.summary)
    if record and record["submission"] == made and record["form"] == form:
        return int(record["models"])
    if summary and made in summary.get("outputs", []) and summary.get("form") == form:  # of a run that ended
        return len(summary["folds"]) * len(summary["members"])
    return 0
