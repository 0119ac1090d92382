"""Calibration: what makes the predictions of unlike members comparable before they are averaged.

A network that is too sure of itself, or a linear model that is not sure enough, would get a wrong weight, and a wrong
say in every row. Two numbers an output mend that, fitted on out-of-fold predictions:

| learnt             | calibrated prediction            | source                                     |
|--------------------|----------------------------------|--------------------------------------------|
| columns of 0 and 1 | sigmoid(slope · logit(p) + offset) | Platt 1999, "Probabilistic outputs for SVMs" |
| classes            | softmax(slope · log p)           | Guo et al. 2017, temperature scaling       |
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, log_softmax, logit, softmax

from foldwise.tasks import TASKS

TINY = 1e-7  # probabilities nearer to 0 or 1 count as this far away
PRIOR = 25.0  # strength of the pull towards no change, so that a few rows do not decide
ROWS = 200_000  # that are enough for two numbers; of more, every n-th


def fit_calibration(task: str, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(2, C) slopes and offsets that fit (n, C) probabilities to the truth of their rows."""
    step = max(1, len(predictions) // ROWS)
    truth, predictions = truth[::step], predictions[::step]
    outputs = predictions.shape[1]
    if TASKS[task].y == "classes":
        slope = fit_temperature(truth, to_scores(task, predictions))
        return np.stack([np.full(outputs, slope), np.zeros(outputs)])
    truth = truth.reshape(len(truth), -1)[:, :outputs]  # further columns are subgroups
    return np.stack([fit_sigmoid(*pair) for pair in zip(truth.T, to_scores(task, predictions).T, strict=True)], axis=1)


def calibrate(task: str, predictions: np.ndarray, calibration: np.ndarray) -> np.ndarray:
    """(n, C) probabilities as `calibration` corrects them."""
    slope, offset = calibration
    scores = slope * to_scores(task, predictions) + offset
    return expit(scores) if TASKS[task].y == "columns" else softmax(scores, axis=1)


def to_scores(task: str, predictions: np.ndarray) -> np.ndarray:
    """Probabilities of columns as log odds, of classes as logarithms."""
    if TASKS[task].y == "columns":
        return logit(np.clip(predictions, TINY, 1 - TINY))
    return np.log(np.maximum(predictions, TINY))


def fit_sigmoid(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Slope and offset of the smallest log loss, for one column; rows whose truth is NaN say nothing."""
    known = np.isfinite(truth)
    truth, scores = truth[known], scores[known]

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        slope, offset = line
        logits = slope * scores + offset
        error, away = expit(logits) - truth, line - [1, 0]
        value = -(truth * log_expit(logits) + (1 - truth) * log_expit(-logits)).sum()
        return value + PRIOR / 2 * away @ away, np.array([error @ scores, error.sum()]) + PRIOR * away

    return minimize(loss, [1.0, 0.0], jac=True, method="L-BFGS-B").x


def fit_temperature(truth: np.ndarray, scores: np.ndarray) -> float:
    """Slope, 1 / temperature, of the smallest log loss; truth is (n,) class numbers."""
    rows = np.arange(len(truth))

    def loss(slope: np.ndarray) -> tuple[float, np.ndarray]:
        logs, away = log_softmax(slope * scores, axis=1), slope - 1
        gradient = (np.exp(logs) * scores).sum() - scores[rows, truth].sum()
        return -logs[rows, truth].sum() + PRIOR / 2 * away @ away, gradient + PRIOR * away

    return float(minimize(loss, [1.0], jac=True, method="L-BFGS-B").x[0])
