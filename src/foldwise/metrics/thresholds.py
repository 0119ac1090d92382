"""The thresholds of predictions that score best.

A threshold between two neighbouring predictions gives the same labels wherever it lies between them, so one sort lists
every threshold there is, and running counts give the confusion matrix of each: all of a million take a second.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from foldwise.metrics.registry import Metric
from foldwise.metrics.scoring import neutral_thresholds, score
from foldwise.tasks import TASKS

TRIED = 200  # places for a threshold at once, before the best of them are looked at more closely
TIE = 1e-12  # scores nearer than this are the same

Scores = Callable[[np.ndarray], np.ndarray]


class Places(NamedTuple):
    """Every place for a threshold of one column, rising.

    Attributes:
        levels: (L,) float64 distinct predictions.
        thresholds: (L + 1,) one for each place: at the lowest level, halfway between two, above the highest.
        below: (L + 1, K) int64 rows of each class that lie below it.
    """

    levels: np.ndarray
    thresholds: np.ndarray
    below: np.ndarray

    def of(self, thresholds: np.ndarray) -> np.ndarray:
        """The places that give the same labels as `thresholds`."""
        return np.searchsorted(self.levels, thresholds)

    def confusions(self, chosen: np.ndarray) -> np.ndarray:
        """(n, K - 1) rising places → (n, K, K) confusion matrices."""
        edges = np.zeros((len(chosen), self.below.shape[1] + 1, self.below.shape[1]), dtype=np.int64)
        edges[:, 1:-1], edges[:, -1] = self.below[chosen], self.below[-1]
        return np.diff(edges, axis=1).swapaxes(1, 2)


def places_of(truth: np.ndarray, predictions: np.ndarray, classes: int) -> Places:
    """Sort (N,) predictions once, with the (N,) class numbers counted along."""
    levels, place = np.unique(predictions.astype(np.float64), return_inverse=True)
    counts = np.bincount(place.reshape(-1) * classes + truth.astype(np.int64), minlength=len(levels) * classes)
    below = np.zeros((len(levels) + 1, classes), dtype=np.int64)
    np.cumsum(counts.reshape(-1, classes), axis=0, out=below[1:])
    between = (levels[1:] + levels[:-1]) / 2
    between = np.where(between > levels[:-1], between, levels[1:])  # no float lies between two neighbours
    return Places(levels, np.concatenate([levels[:1], between, np.nextafter(levels[-1:], np.inf)]), below)


def best_thresholds(metric: Metric, task: str, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """The thresholds that score best on these rows; the neutral ones where there is nothing to choose.

    Thresholds of 0/1 columns are the best of all there are; those between ordered classes are the best that moving one
    at a time finds. Never worse than the neutral ones. Of places that score alike the middle one is taken: the ends of
    a plateau are where chance decides. The order of rows plays no part.

    Args:
        truth: (N, C) of 0 and 1, or (N,) class numbers.
        predictions: (N, C) probabilities, or (N, 1) values of an ordinal task.

    Returns:
        (C,) thresholds of 0/1 columns, (K - 1,) rising ones between K ordered classes up to the highest in `truth`;
        nothing for other tasks.
    """
    spec, neutral = TASKS[task], neutral_thresholds(task, truth, predictions)
    if metric.prediction_type != "label" or not len(neutral) or not np.isfinite(predictions).all():
        return neutral
    if spec.thresholds == "rising":
        return rising_thresholds(metric.function, truth, predictions[:, 0], neutral)
    columns = [places_of(true, p, 2) for true, p in zip(truth.T, predictions.T, strict=True)]
    if spec.truth == "columns" and metric.pooled:
        return micro_f1_thresholds(columns, neutral)
    function = metric.of_column if spec.truth == "columns" else metric.function
    assert function is not None  # every metric of labels that fits columns
    return np.array([best_threshold(function, places) for places in columns])


def best_score(metric: Metric, task: str, truth: np.ndarray, predictions: np.ndarray) -> float:
    """The score at the best thresholds of these very rows, as a fold is judged while it trains.

    Which thresholds to use on other rows is the ensemble's decision.
    """
    return score(metric, task, truth, predictions, best_thresholds(metric, task, truth, predictions))


def middle_of_best(scores: np.ndarray, tie: float = TIE) -> int:
    """Of the places with the highest score the middle one; NaN is below all."""
    scores = np.where(np.isnan(scores), -np.inf, scores) if scores.dtype.kind == "f" else scores
    best = np.flatnonzero(scores >= scores.max() - tie)
    return int(best[len(best) // 2])


def best_threshold(function: Scores, places: Places) -> float:
    """The best threshold of a 0/1 column; 0.5 where all score the same."""
    scores = function(places.confusions(np.arange(len(places.thresholds))[:, None]))
    place = middle_of_best(scores)
    return 0.5 if (scores >= scores[place] - TIE).all() else float(places.thresholds[place])


def micro_f1_thresholds(columns: list[Places], neutral: np.ndarray) -> np.ndarray:
    """The thresholds of all columns whose summed counts have the highest F1.

    F1 = a / b with a = 2 TP and b = 2 TP + FP + FN, both sums over columns. Where a / b is the best so far, the columns
    part: each maximises its own share of b_best · a - a_best · b, until that gains nothing (Dinkelbach 1967). Whole
    numbers throughout, so that the best is the best.
    """
    positives = [places.below[-1, 1] for places in columns]
    if not sum(positives):
        return neutral
    hits = [count - places.below[:, 1] for count, places in zip(positives, columns, strict=True)]
    tops = [2 * hit for hit in hits]
    bottoms = [
        hit + (places.below[-1, 0] - places.below[:, 0]) + count
        for hit, places, count in zip(hits, columns, positives, strict=True)
    ]
    chosen = [int(places.of(threshold)) for places, threshold in zip(columns, neutral, strict=True)]
    while True:
        top = sum(part[place] for part, place in zip(tops, chosen, strict=True))
        bottom = sum(part[place] for part, place in zip(bottoms, chosen, strict=True))
        gains = [bottom * a - top * b for a, b in zip(tops, bottoms, strict=True)]
        chosen = [middle_of_best(gain, tie=0) for gain in gains]
        if sum(gain[place] for gain, place in zip(gains, chosen, strict=True)) <= 0:
            return np.array([places.thresholds[place] for places, place in zip(columns, chosen, strict=True)])


def rising_thresholds(function: Scores, truth: np.ndarray, predictions: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """Coordinate ascent, once from where classes get their true shares of the rows, once from the neutral ones."""
    if np.ptp(truth) == 0:
        return neutral
    places = places_of(truth, predictions, len(neutral) + 1)
    shares = np.cumsum(places.below[-1])[:-1]
    starts = np.searchsorted(places.below.sum(axis=1), shares), places.of(neutral)
    found = [ascend(function, places, start) for start in starts]
    best, _ = max(found, key=lambda pair: pair[1])
    return places.thresholds[best]


def ascend(function: Scores, places: Places, start: np.ndarray) -> tuple[np.ndarray, float]:
    """Move one threshold at a time to its best place between its neighbours, until a round gains nothing.

    Returns:
        (K - 1,) places and their score.
    """
    chosen, highest = start.copy(), len(places.levels)

    def scores_of(index: int, tried: np.ndarray) -> np.ndarray:
        many = np.tile(chosen, (len(tried), 1))
        many[:, index] = tried
        return function(places.confusions(many))

    best = float(np.nan_to_num(scores_of(0, chosen[:1])[0], nan=-np.inf))

    def round_gains(least: float) -> bool:
        """Move each threshold where that gains `least`; True if one moved."""
        nonlocal best
        moved = False
        for index in range(len(chosen)):
            low = int(chosen[index - 1]) if index else 0
            high = int(chosen[index + 1]) if index + 1 < len(chosen) else highest
            place, score = best_place(partial(scores_of, index), low, high)
            if score >= best + least:
                chosen[index], best, moved = place, max(best, score), True
        return moved

    round_gains(-TIE)
    while round_gains(2 * TIE):
        round_gains(-TIE)  # as good will do: it may lie nearer the middle of its plateau
    return chosen, best


def best_place(scores_of: Scores, low: int, high: int) -> tuple[int, float]:
    """The best of the places from `low` to `high`: of some spread evenly, then of those round the best, and so on."""
    while True:
        tried = np.unique(np.linspace(low, high, min(TRIED, high - low + 1)).round().astype(np.int64))
        scores = scores_of(tried)
        middle = middle_of_best(scores)
        if len(tried) > high - low:
            return int(tried[middle]), float(scores[middle])
        low, high = int(tried[max(middle - 1, 0)]), int(tried[min(middle + 1, len(tried) - 1)])
