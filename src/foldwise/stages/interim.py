"""Submissions on the way: under a time budget there is a valid one from the first finished fold on."""

from pathlib import Path

import numpy as np

from foldwise.budget import Clock
from foldwise.console import say
from foldwise.files import hash_of, read_json
from foldwise.stages.blend import check_folds, combine, count_models, submission_of
from foldwise.stages.run import Run
from foldwise.stages.train import read_predictions
from foldwise.submission import write_submission


class Submissions:
    """The submission of a run under a time budget: there from the first finished fold on, and never a poorer one.

    Args:
        assigned: (N,) fold of each training row.
    """

    def __init__(self, run: Run, assigned: np.ndarray) -> None:
        self.run, self.assigned = run, assigned
        self.read: dict[Path, np.ndarray] = {}
        self.models = models_of_submission(run)

    def update(self) -> float:
        """Replace the submission if the finished folds make one of more models; seconds that this took."""
        start = Clock.now()
        records = check_folds(self.run)
        if (models := count_models(records)) > self.models:
            blend = combine(self.run, self.assigned, records, self.predictions)
            write_submission(self.run.paths.submission, submission_of(self.run, blend)[1])
            self.models = models
            noun = "models" if models > 1 else "model"
            say("ensemble", f"{self.run.paths.submission.name} is there, of {models} {noun} so far")
        return Clock.now() - start

    def predictions(self, path: Path, ids: list[str]) -> np.ndarray:
        """`read_predictions`, each file once."""
        if path not in self.read:
            self.read[path] = read_predictions(path, ids)
        return self.read[path]


def models_of_submission(run: Run) -> int:
    """How many models the submission that is there was made of; 0 if there is none, or it is not from here."""
    summary = read_json(run.paths.output / "summary.json")
    if summary is None or not run.paths.submission.is_file():
        return 0
    same = summary.get("outputs", [None])[0] == hash_of(run.paths.submission)
    return len(summary["members"]) * len(summary["folds"]) if same else 0
