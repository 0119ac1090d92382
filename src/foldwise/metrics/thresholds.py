"""The thresholds of predictions that score best.

A threshold between two neighbouring predictions gives the same labels wherever it lies between them, so one sort lists
every threshold there is, and running counts give the confusion matrix of each: all of a million take a second.
"""

from collections.abc import Callable
from itertools import cycle
from typing import NamedTuple

import numpy as np

from foldwise.metrics.registry import Metric, score
from foldwise.tasks import TASKS

TRIED = 200  # places for a threshold at once, before the best of them are looked at more closely
TIE = 1e-12  # scores nearer than this are the same

Scores = Callable[[np.ndarray], np.ndarray]


class Places(NamedTuple):
    """Every place for a threshold of one column, rising."""

    levels: np.ndarray  # (L,) float64 distinct predictions
    thresholds: np.ndarray  # (L + 1,) one a place: at the lowest level, halfway between two, above the highest
    below: np.ndarray  # (L + 1, K) int64 rows of each class that lie below it

    def confusions(self, chosen: np.ndarray) -> np.ndarray:
        """(n, K - 1) rising places → (n, K, K) confusion matrices."""
        edges = np.zeros((len(chosen), self.below.shape[1] + 1, self.below.shape[1]), dtype=np.int64)
        edges[:, 1:-1], edges[:, -1] = self.below[chosen], self.below[-1]
        return np.diff(edges, axis=1).swapaxes(1, 2)


def find_places(truth: np.ndarray, predictions: np.ndarray, classes: int) -> Places:
    """Sort (N,) predictions once, with the (N,) class numbers counted along, but for those that are NaN."""
    levels, place = np.unique(predictions.astype(np.float64), return_inverse=True)
    known = np.isfinite(truth)
    cells = place.reshape(-1)[known] * classes + truth[known].astype(np.int64)
    counts = np.bincount(cells, minlength=len(levels) * classes)
    below = np.zeros((len(levels) + 1, classes), dtype=np.int64)
    np.cumsum(counts.reshape(-1, classes), axis=0, out=below[1:])
    between = (levels[1:] + levels[:-1]) / 2
    between = np.where(between > levels[:-1], between, levels[1:])  # no float lies between two neighbours
    return Places(levels, np.concatenate([levels[:1], between, np.nextafter(levels[-1:], np.inf)]), below)


def best_thresholds(metric: Metric, task: str, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """The thresholds that score best on these rows; the neutral ones where there is nothing to choose.

    The (C,) thresholds of 0/1 columns are the best of all there are; the (K - 1,) rising ones between K ordered classes
    up to the highest in `truth` are the best that moving one at a time finds. Never worse than the neutral ones. Of
    places that score alike the middle one is taken: the ends of a plateau are where chance decides. The order of rows
    plays no part. Nothing for other tasks.
    """
    spec, neutral = TASKS[task], TASKS[task].neutral_thresholds(truth, predictions)
    if metric.prediction_type != "label" or not len(neutral) or not np.isfinite(predictions).all():
        return neutral
    if spec.thresholds == "rising":
        return rising_thresholds(metric.function, truth, predictions[:, 0], neutral)
    columns = [find_places(true, p, 2) for true, p in zip(truth.T, predictions.T, strict=True)]
    if spec.truth == "columns" and metric.pooled:
        return micro_f1_thresholds(columns, neutral)
    function = metric.of_column if spec.truth == "columns" else metric.function
    assert function is not None  # every metric of labels that fits columns
    return np.array([best_threshold(function, places) for places in columns])


def best_score(metric: Metric, task: str, truth: np.ndarray, predictions: np.ndarray) -> float:
    """The score at the best thresholds of these very rows, as a fold is judged while it trains."""
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
    above = [places.below[-1] - places.below for places in columns]  # (L + 1, 2): labelled 1
    tops = [2 * rows[:, 1] for rows in above]
    bottoms = [rows.sum(axis=1) + rows[0, 1] for rows in above]  # 2 TP + FP + FN: labelled 1, and are 1
    if not sum(rows[0, 1] for rows in above):
        return neutral
    chosen = [int(np.searchsorted(places.levels, start)) for places, start in zip(columns, neutral, strict=True)]
    while True:
        top, bottom = (sum(part[place] for part, place in zip(of, chosen, strict=True)) for of in (tops, bottoms))
        gains = [bottom * a - top * b for a, b in zip(tops, bottoms, strict=True)]
        chosen = [middle_of_best(gain, tie=0) for gain in gains]
        if sum(gain[place] for gain, place in zip(gains, chosen, strict=True)) <= 0:
            return np.array([places.thresholds[place] for places, place in zip(columns, chosen, strict=True)])


def rising_thresholds(function: Scores, truth: np.ndarray, predictions: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """Coordinate ascent, once from where classes get their true shares of the rows, once from the neutral ones."""
    if np.ptp(truth) == 0:
        return neutral
    places = find_places(truth, predictions, len(neutral) + 1)
    shares = np.searchsorted(places.below.sum(axis=1), np.cumsum(places.below[-1])[:-1])
    found = [ascend(function, places, start) for start in (shares, np.searchsorted(places.levels, neutral))]
    return places.thresholds[max(found, key=lambda pair: pair[1])[0]]


def ascend(function: Scores, places: Places, start: np.ndarray) -> tuple[np.ndarray, float]:
    """(K - 1,) places and their score: one at a time moves to its best between the others, until that gains nothing."""
    chosen, last = start.copy(), len(places.levels)
    best = float(np.nan_to_num(function(places.confusions(chosen[None]))[0], nan=-np.inf))
    for least in cycle((-TIE, 2 * TIE)):  # each other round as good will do: it may lie nearer its plateau's middle
        moved = False
        for index in range(len(chosen)):
            low, high = [0, *chosen][index], [*chosen, last][index + 1]
            place, score = best_place(function, places, chosen, index, low, high)
            if score >= best + least:
                chosen[index], best, moved = place, max(best, score), True
        if least > 0 and not moved:
            break
    return chosen, best


def best_place(
    function: Scores, places: Places, chosen: np.ndarray, index: int, low: int, high: int
) -> tuple[int, float]:
    """Where between `low` and `high` threshold `index` scores best beside the others as they are `chosen`.

    Some places spread evenly are tried, then those round the best of them, and so on.
    """
    while True:
        tried = np.unique(np.linspace(low, high, min(TRIED, high - low + 1)).round().astype(np.int64))
        many = np.tile(chosen, (len(tried), 1))
        many[:, index] = tried
        scores = function(places.confusions(many))
        middle = middle_of_best(scores)
        if len(tried) > high - low:
            return int(tried[middle]), float(scores[middle])
        low, high = int(tried[max(middle - 1, 0)]), int(tried[min(middle + 1, len(tried) - 1)])
