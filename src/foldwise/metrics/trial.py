"""A trial of the metric on a few rows before any training: it runs, tells good from bad, and points the right way."""

import numpy as np

from foldwise.errors import InputError
from foldwise.metrics.registry import WANTED, Metric, score, score_labels
from foldwise.tasks import TASKS

ROWS = 50  # and the first of each class
SURE = 0.9  # probability of the class that a made-up prediction is for


def try_metric(metric: Metric, name: str, task: str, truth: np.ndarray, classes: int) -> str:
    """Score the true targets of some rows, and wrong ones; → a warning, "" where all is well.

    Args:
        name: as competition.toml has it; only a user's own function can fail or point the wrong way.
        classes: C, the numbers that a model predicts for a row.

    Raises:
        InputError: targets that the metric has no meaning for, a function that fails or gives no finite number, or one
            that scores the truth worse than its opposite where nobody has said that less is better.
    """
    if metric.wants and (unfit := ~WANTED[metric.wants](truth) & ~np.isnan(truth)).any():
        shown = f"{truth[unfit][0]:g} is the first of {unfit.sum():,} that are not"
        raise InputError(f"competition.metric = {name!r}: needs targets that are {metric.wants}; {shown}")
    if not metric.own:
        return ""
    first = np.unique(truth, return_index=True, axis=0)[1][:ROWS]
    some = np.linspace(0, len(truth) - 1, min(len(truth), ROWS)).astype(np.int64)
    truth = truth[np.unique(np.concatenate([first, some]))]
    right = score_targets(metric, task, truth, truth, classes)
    wrong = score_targets(metric, task, truth, opposite(task, truth), classes)
    where, scores = f"competition.metric = {name!r}", f"the true targets score {right:g} and wrong ones {wrong:g}"
    if not np.isfinite([right, wrong]).all():
        raise InputError(f"{where}: of {len(truth)} rows {scores}; it must give a finite number")
    if right == wrong:
        return f"{where}: of {len(truth)} rows {scores}, so it cannot tell good predictions from bad ones"
    if (right > wrong) == metric.greater_is_better:
        return ""
    if metric.greater_is_better:
        raise InputError(f"{where}: {scores}, so less is better: add greater_is_better = false to [competition]")
    return f"{where}: {scores}, though competition.greater_is_better = false says that less is better"


def opposite(task: str, truth: np.ndarray) -> np.ndarray:
    """Targets that are as wrong as can be, in the same form."""
    if TASKS[task].named:
        return truth.max() - truth if TASKS[task].ordered else (truth + 1) % (truth.max() + 1)
    return 1 - truth if TASKS[task].y == "columns" else np.nanmax(truth, axis=0) + np.nanmin(truth, axis=0) - truth


def score_targets(metric: Metric, task: str, truth: np.ndarray, targets: np.ndarray, classes: int) -> float:
    """Score of predictions that say `targets`, the probable ones with probability `SURE`."""
    if metric.prediction_type == "label":
        return score_labels(metric, task, truth, targets)
    spec = TASKS[task]
    if spec.y == "classes":
        rest = (1 - SURE) / max(classes - 1, 1)
        return score(metric, task, truth, rest + (SURE - rest) * np.eye(classes)[targets])
    if spec.y == "columns" and metric.prediction_type == "probability":
        return score(metric, task, truth, 1 - SURE + (2 * SURE - 1) * targets)
    return score(metric, task, truth, targets.reshape(len(targets), -1).astype(np.float64))
