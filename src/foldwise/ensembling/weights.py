"""From the predictions of folds and members to one per row: mixtures of members, and scores that do not flatter."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Literal

import numpy as np
from scipy.optimize import minimize, nnls
from scipy.special import softmax

from foldwise.ensembling.calibration import PRIOR, TINY, calibrate, fit_calibration
from foldwise.metrics import Metric, best_score, best_thresholds, score, score_labels
from foldwise.metrics.formulas import mean_ranks
from foldwise.tasks import TASKS

Method = Literal["mean", "rank_mean"]
GAIN = 1e-4  # in the score, that makes a member alone worth taking


def to_ranks(predictions: np.ndarray) -> np.ndarray:
    """Ranks of each column in (0, 1], ties shared, which make models of unlike spread comparable."""
    return np.stack([mean_ranks(column) for column in predictions.T], axis=1) / len(predictions)


def assemble_oof(parts: dict[int, np.ndarray], folds: np.ndarray, method: Method) -> np.ndarray:
    """(N, C) out-of-fold predictions from each fold's (n, C), in the order of train.csv; NaN where there are none.

    Ranks are taken inside each fold: the models of two folds may place theirs differently.
    """
    oof = np.full((len(folds), next(iter(parts.values())).shape[1]), np.nan)
    for fold, part in parts.items():
        oof[folds == fold] = to_ranks(part) if method == "rank_mean" else part
    return oof


@dataclass(frozen=True)
class Mixture:
    """How the predictions of M members become one: each calibrated, then their weighted mean."""

    weights: np.ndarray  # (M,) together 1
    calibrations: list[np.ndarray] = field(default_factory=list)  # (2, C) of each member; none where not fitted

    def apply(self, task: str, predictions: Sequence[np.ndarray]) -> np.ndarray:
        """(n, C) of the members' (n, C)."""
        if self.calibrations:
            pairs = zip(predictions, self.calibrations, strict=True)
            predictions = [calibrate(task, values, calibration) for values, calibration in pairs]
        return np.average(predictions, axis=0, weights=self.weights)


ALONE = repeat(Mixture(np.ones(1)))  # one member as it is, for any number of folds


def fit_mixture(metric: Metric, task: str, truth: np.ndarray, oofs: Sequence[np.ndarray], folds: np.ndarray) -> Mixture:
    """Calibrate M members and weigh them, both by their out-of-fold predictions; one member alone stays as it is.

    Only probabilities are calibrated: ridges shrink their values on purpose. The weights make the log loss, or the
    squared error, of the mean smallest, which every row has a say in; a score of labels jumps when single rows cross a
    threshold. Where a member alone scores higher by the metric itself, by more than one standard error of the
    difference over the folds, it is taken alone.
    """
    if len(oofs) == 1:
        return Mixture(np.ones(1))
    values = TASKS[task].y == "values"
    calibrations = [] if values else [fit_calibration(task, truth, oof) for oof in oofs]
    members = oofs if values else [calibrate(task, *pair) for pair in zip(oofs, calibrations, strict=True)]
    fitted = least_squares_weights(truth, members) if values else likelihood_weights(task, truth, members)
    candidates = [fitted, *np.eye(len(oofs))]
    scores = [
        scores_by_fold(metric, task, truth, Mixture(weights).apply(task, members), folds) for weights in candidates
    ]
    chosen = candidates[surely_best(np.array(scores) - scores[0])]
    return Mixture(chosen, calibrations)


def scores_by_fold(
    metric: Metric, task: str, truth: np.ndarray, predictions: np.ndarray, folds: np.ndarray
) -> np.ndarray:
    """(folds,) the score of each, at its own best thresholds; the more the better, whatever the metric's direction."""
    direction = 1 if metric.greater_is_better else -1
    parts = [folds == fold for fold in np.unique(folds)]
    return np.array([direction * best_score(metric, task, truth[rows], predictions[rows]) for rows in parts])


def surely_best(gains: np.ndarray) -> int:
    """The row of (candidates, folds) gains over the first row whose mean, less its standard error, is the largest."""
    folds = gains.shape[1]
    if folds == 1 or not np.isfinite(gains).all():
        return 0
    sure = gains.mean(axis=1) - gains.std(axis=1, ddof=1) / np.sqrt(folds)
    return int(np.argmax(sure)) if sure.max() > GAIN else 0


def likelihood_weights(task: str, truth: np.ndarray, members: Sequence[np.ndarray]) -> np.ndarray:
    """(M,) weights of the smallest log loss of the mean, pulled to equal ones by `PRIOR` rows."""
    if TASKS[task].y == "classes":
        chances = np.stack([member[np.arange(len(truth)), truth] for member in members], axis=1)
        counts = np.ones(len(truth))
    else:
        ones = np.stack([member.ravel() for member in members], axis=1)
        truth = truth.reshape(len(truth), -1)[:, : members[0].shape[1]].ravel()
        chances, counts = np.concatenate([ones, 1 - ones]), np.concatenate([truth, 1 - truth])
        chances, counts = chances[counts > 0], counts[counts > 0]  # not so of a truth that is NaN

    def loss(logits: np.ndarray) -> tuple[float, np.ndarray]:
        weights = softmax(logits)
        means, away = np.maximum(chances @ weights, TINY), weights - 1 / len(weights)
        slopes = PRIOR * away - (counts / means) @ chances
        return PRIOR / 2 * away @ away - (counts * np.log(means)).sum(), weights * (slopes - weights @ slopes)

    return softmax(minimize(loss, np.zeros(len(members)), jac=True, method="L-BFGS-B").x)


def least_squares_weights(truth: np.ndarray, members: Sequence[np.ndarray]) -> np.ndarray:
    """(M,) weights, none negative, of the smallest squared error of the mean, pulled to equal ones by `PRIOR` rows."""
    truth = truth.reshape(len(truth), -1)
    known = np.isfinite(truth)
    errors = np.stack([(member - truth)[known] for member in members], axis=1)
    products = errors.T @ errors
    if not products.any():  # nothing to tell exact members apart by
        return np.full(len(members), 1 / len(members))
    pull = PRIOR * products.trace() / errors.size
    # The mean's error is that of the weighted errors where weights sum to 1, which a heavy row sees to.
    heavy = 1e3 * np.sqrt(products.trace())
    root = np.linalg.cholesky(products + pull * np.eye(len(members))).T
    equal = np.linalg.solve(root.T, np.full(len(members), pull / len(members)))
    weights, _ = nnls(np.vstack([root, np.full(len(members), heavy)]), np.append(equal, heavy))
    return weights / weights.sum()


def fit_mixtures(
    metric: Metric, task: str, truth: np.ndarray, oofs: Sequence[np.ndarray], folds: np.ndarray
) -> list[Mixture]:
    """For each fold the mixture that the rows of the *other* folds ask for, which it is scored with."""
    outside = [outside_of(folds, fold) for fold in np.unique(folds)]
    return [fit_mixture(metric, task, truth[rows], [oof[rows] for oof in oofs], folds[rows]) for rows in outside]


def outside_of(folds: np.ndarray, fold: int) -> np.ndarray:
    """(N,) bool which rows are of other folds; all of them where there is no other."""
    outside = folds != fold
    return outside if outside.any() else ~outside


def cross_fitted_scores(
    metric: Metric,
    task: str,
    truth: np.ndarray,
    oofs: Sequence[np.ndarray],
    folds: np.ndarray,
    mixtures: Iterable[Mixture] = ALONE,
) -> tuple[float, list[float]]:
    """Score of mixed members on all rows at once, and of each fold, at the thresholds best on the *other* folds.

    Thresholds and mixtures flatter on the rows they were chosen on; this is what a new row can expect. A fold that is
    alone takes the thresholds that are best on itself.

    Args:
        mixtures: one for each fold, as `fit_mixtures` gives them; not needed of one member alone.
    """
    numbers, by_labels = np.unique(folds), metric.prediction_type == "label"
    scores, parts = [], []
    for fold, mixture in zip(numbers, mixtures, strict=False):
        inside, others = folds == fold, outside_of(folds, fold)
        oof = mixture.apply(task, oofs)
        thresholds = best_thresholds(metric, task, truth[others], oof[others])
        scores.append(score(metric, task, truth[inside], oof[inside], thresholds))
        parts.append(TASKS[task].to_labels(oof[inside], thresholds) if by_labels else oof[inside])
    in_order = truth[np.argsort(folds, kind="stable")]  # fold after fold, as the parts are
    return (score_labels if by_labels else score)(metric, task, in_order, np.concatenate(parts)), scores
