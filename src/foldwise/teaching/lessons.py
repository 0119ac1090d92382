"""What a fold trains on beside or instead of its labels, read from the predictions of its teachers.

Distillation: G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network", 2015; here without a
temperature, as a teacher may have no logits. Pseudo-labels: D.-H. Lee, "Pseudo-Label: The Simple and Efficient
Semi-Supervised Learning Method for Deep Neural Networks", 2013; here probabilities, not the likeliest class.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from foldwise.data.features import join_texts
from foldwise.data.splits import HIDDEN, normalise
from foldwise.data.targets import Targets, weigh_by_subgroups
from foldwise.ensembling.predictions import read_predictions
from foldwise.freshness import Fit
from foldwise.paths import FOLD_OOF, FOLD_TEST
from foldwise.run import Run
from foldwise.running.job import FoldJob
from foldwise.teaching.fits import distilled_fits, labelling_fits
from foldwise.training.fold_data import Lesson


def add_lessons(run: Run, fold_of_row: np.ndarray, job: FoldJob) -> FoldJob:
    """The job, blind to the folds in `job.without`, and with all that its recipe lets it learn from.

    Its teachers must have been fitted.

    Args:
        fold_of_row: (N,) fold of each training row.
    """
    if job.without:
        hidden = np.isin(fold_of_row, job.without)
        targets = blank(run.competition.targets, hidden)
        if job.recipe.training.subgroup_weights:  # whose mean is of all rows
            targets = weigh_by_subgroups(targets)
        job = replace(job, folds=np.where(hidden, HIDDEN, fold_of_row), targets=targets)
    lesson = soft_lesson(run, fold_of_row, job) if job.recipe.training.from_members else None
    return replace(job, lesson=lesson, first=extra_lesson(run, job) if job.recipe.training.extra_epochs else None)


def blank(targets: Targets, rows: np.ndarray) -> Targets:
    """The targets, with zeros for the (N,) bool rows: what a fit is not given it cannot learn."""
    blanked: dict[str, Any] = {}
    for name, part in vars(targets).items():
        if isinstance(part, np.ndarray):
            blanked[name] = part.copy()
            blanked[name][rows] = 0
    return replace(targets, **blanked)


def soft_lesson(run: Run, fold_of_row: np.ndarray, job: FoldJob) -> Lesson:
    """The job's training rows with targets (1 - w) · label + w · prediction, and maybe the test rows, by predictions.

    Targets are (n, C): probabilities, shares of columns, or values in the target's own units.
    """
    training, recipe, targets = job.recipe.training, run.config.recipe, job.targets
    competition, fit = run.competition, Fit(job.member, job.fold, job.without)
    rows = np.flatnonzero((job.folds != job.fold) & (job.folds != HIDDEN))
    y = np.eye(targets.outputs)[targets.y] if targets.spec.y == "classes" else targets.y.astype(np.float64)
    weights = targets.weights
    if distilled := distilled_fits(recipe, fit):
        predicted = y.copy()  # of rows that are only trained on no teacher is ignorant: they keep their labels
        for other in distilled:
            of_fold = np.flatnonzero(fold_of_row == other.fold)
            ids = [competition.train_ids[row] for row in of_fold]
            predicted[of_fold] = read_predictions(run.paths.fold(*other) / FOLD_OOF, ids)
        y = (1 - training.distill_weight) * y + training.distill_weight * predicted
    y, of_rows = y[rows], None if weights is None else weights[rows]
    if labelling := labelling_fits(recipe, fit):
        files = [run.paths.fold(*other) / FOLD_TEST for other in labelling]
        labels = np.mean([read_predictions(path, competition.test_ids) for path in files], axis=0)
        of_rows = np.ones(len(rows), np.float32) if of_rows is None else of_rows
        weight = training.pseudo_labels * of_rows.mean(dtype=np.float64)  # beside a usual row
        of_rows = np.concatenate([of_rows, np.full(len(labels), weight, np.float32)])
        y, rows = np.vstack([y, labels]), np.concatenate([rows, len(fold_of_row) + np.arange(len(labels))])
    return Lesson(rows, y if targets.spec.y == "values" else y.astype(np.float32), of_rows)


def extra_lesson(run: Run, job: FoldJob) -> Lesson | None:
    """The extra rows, but for those with the text of a row that the job may not learn from; None if none are left."""
    competition = run.competition
    assert competition.extra is not None  # `check_teaching` sees to it
    texts = join_texts(competition.train_texts)
    unseen = np.flatnonzero((job.folds == job.fold) | (job.folds == HIDDEN)).tolist()
    left_out = {normalise(texts[row]) for row in unseen}
    kept = np.array([normalise(text) not in left_out for text in join_texts(competition.extra.texts)])
    first = len(competition.train_ids) + len(competition.test_ids)
    return Lesson(first + np.flatnonzero(kept), competition.extra.targets.y[kept]) if kept.any() else None
