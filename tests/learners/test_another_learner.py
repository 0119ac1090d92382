"""Another learner is one module and one entry of LEARNERS: here one that predicts the mean, through the command line."""

# ruff: noqa: ARG002

import json

import numpy as np
import pandas as pd
import torch

from foldwise import learners
from foldwise.events import Evaluated, Started
from foldwise.learners import Learner
from foldwise.metrics import metric_for
from foldwise.metrics.thresholds import best_score
from foldwise.training.fold import FoldResult


class Mean(Learner):
    """Every row gets the mean of the training rows' targets."""

    can_be_cut = uses_vectors = False

    def describe(self, task):
        return "the mean of the training rows"

    def inputs(self):
        return {"model": {"name": self.recipe.model.name}}

    def prepare(self, targets, texts, features):
        assert targets.y.ndim == 2

    def fit(self, data, job, report):
        train_rows, valid_rows = data.split(job.fold)
        report(Started(1))
        mean = data.targets.y[train_rows].mean(axis=0)
        oof, test = (np.tile(mean, (len(rows), 1)) for rows in (valid_rows, data.test_rows))
        metric = metric_for(job.metric, data.targets.task)
        score = best_score(metric, data.targets.task, data.targets.truth[valid_rows], oof)
        record = Evaluated(1.0, 1, None, score, True, learning_rate=0.0, padding=0.0, train_seconds=0.1)
        return FoldResult(valid_rows, oof, test, [{"mean": torch.from_numpy(mean)}], {}, [record])

    def load(self, checkpoint, trained, runtime):
        raise NotImplementedError


def test_one_entry_makes_it_a_member(cli_here, workspace, monkeypatch):
    monkeypatch.setitem(learners.LEARNERS, "mean", f"{__name__}:Mean")
    alone = ["--set", "model.name=mean", "--set", 'ensemble.members=["mean"]']
    shown = cli_here("all", "-c", "twin-regression", *alone).stdout
    assert "made submission.csv" in shown
    output = workspace / "output" / "twin-regression"
    summary = json.loads((output / "summary.json").read_text())
    assert [member["name"] for member in summary["members"]] == ["mean"]
    oof = pd.read_csv(output / "oof.csv")
    truth = oof.columns[2]
    for fold in (0, 1):
        inside = oof.fold == fold
        assert np.allclose(oof.prediction[inside], oof[truth][~inside].mean())
    assert "kept mean folds 0, 1" in cli_here("all", "-c", "twin-regression", *alone).stdout
