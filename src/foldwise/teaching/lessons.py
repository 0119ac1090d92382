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
    training = job.recipe.training
    lesson = whole_lesson(run, fold_of_row, job) if training.from_members or training.extra_weight else None
    return replace(job, lesson=lesson, first=extra_lesson(run, job) if training.extra_epochs else None)


def blank(targets: Targets, rows: np.ndarray) -> Targets:
    """The targets, with zeros for the (N,) bool rows: what a fit is not given it cannot learn."""
    blanked: dict[str, Any] = {}
    for name, part in vars(targets).items():
        if isinstance(part, np.ndarray):
            blanked[name] = part.copy()
            blanked[name][rows] = 0
    return replace(targets, **blanked)


def whole_lesson(run: Run, fold_of_row: np.ndarray, job: FoldJob) -> Lesson:
    """The job's training rows, and maybe the test rows, by their predictions, and the extra ones.

    Targets of training rows are (1 - w) · label + w · prediction. Where members teach, all targets are (n, C):
    probabilities, shares of columns, or values in the target's own units; else labels in the task's form of y.
    """
    training, recipe, targets = job.recipe.training, run.config.recipe, job.targets
    competition, fit = run.competition, Fit(job.member, job.fold, job.without)
    rows = np.flatnonzero((job.folds != job.fold) & (job.folds != HIDDEN))
    y = to_soft(targets, targets.y) if training.from_members else targets.y
    if distilled := distilled_fits(recipe, fit):
        predicted = y.copy()  # rows that are only trained on keep their labels: every teacher has seen them
        for other in distilled:
            of_fold = np.flatnonzero(fold_of_row == other.fold)
            ids = [competition.train_ids[row] for row in of_fold]
            predicted[of_fold] = read_predictions(run.paths.fold(*other) / FOLD_OOF, ids)
        mixed = (1 - training.distill_weight) * y + training.distill_weight * predicted
        y = np.where(np.isnan(y), predicted, mixed)  # where no label is known the teacher's word is all there is
    weights = None if targets.weights is None else targets.weights[rows]
    usual = 1.0 if weights is None else weights.mean(dtype=np.float64)  # weight of a training row
    lessons = [Lesson(rows, y[rows], weights)]
    if labelling := labelling_fits(recipe, fit):
        files = [run.paths.fold(*other) / FOLD_TEST for other in labelling]
        labels = np.mean([read_predictions(path, competition.test_ids) for path in files], axis=0)
        test_rows = len(fold_of_row) + np.arange(len(labels))
        lessons.append(Lesson(test_rows, labels, np.full(len(labels), training.pseudo_labels * usual, np.float32)))
    if training.extra_weight and (extra := extra_lesson(run, job)):
        each = np.ones(len(extra.rows)) if extra.weights is None else extra.weights
        labels = to_soft(targets, extra.targets) if training.from_members else extra.targets
        lessons.append(Lesson(extra.rows, labels, (training.extra_weight * usual * each).astype(np.float32)))
    lesson = join_lessons(lessons)
    soft = training.from_members and targets.spec.y != "values"
    return replace(lesson, targets=lesson.targets.astype(np.float32)) if soft else lesson


def to_soft(targets: Targets, y: np.ndarray) -> np.ndarray:
    """(n, C) float64 of labels in the task's form of y: probabilities where these are numbers of classes."""
    return np.eye(targets.outputs)[y] if targets.spec.y == "classes" else y.astype(np.float64)


def join_lessons(lessons: list[Lesson]) -> Lesson:
    """One lesson of all rows; rows of a lesson without weights weigh 1."""
    if len(lessons) == 1:
        return lessons[0]
    weights = [np.ones(len(part.rows), np.float32) if part.weights is None else part.weights for part in lessons]
    rows, y = (np.concatenate([getattr(part, name) for part in lessons]) for name in ("rows", "targets"))
    return Lesson(rows, y, np.concatenate(weights))


def extra_lesson(run: Run, job: FoldJob) -> Lesson | None:
    """The extra rows without those that have text or group of a row that the job may not learn from; None for none."""
    competition = run.competition
    assert competition.extra is not None  # `check_teaching` sees to it
    texts = join_texts(competition.train_texts)
    unseen = np.flatnonzero((job.folds == job.fold) | (job.folds == HIDDEN)).tolist()
    left_out = {normalise(texts[row]) for row in unseen}
    kept = np.array([normalise(text) not in left_out for text in join_texts(competition.extra.texts)])
    if competition.groups and competition.extra.groups:
        of_unseen = {competition.groups[row] for row in unseen}
        kept &= np.array([group not in of_unseen for group in competition.extra.groups])
    weights = competition.extra.weights
    if weights is not None:
        kept &= weights > 0
    if not kept.any():
        return None
    first = len(competition.train_ids) + len(competition.test_ids)
    of_kept = None if weights is None else weights[kept]
    return Lesson(first + np.flatnonzero(kept), competition.extra.targets.y[kept], of_kept)
