import math

import pytest

from foldwise.training.early_stopping import EarlyStopping

NAN = math.nan


@pytest.mark.parametrize(
    ("greater", "patience", "min_delta", "scores", "improved", "stops_after"),
    [
        (True, 2, 0.0, [1, 2, 2, 2], [True, True, False, False], 4),
        (False, 2, 0.0, [2, 1, 3, 0.5, 1, 1], [True, True, False, True, False, False], 6),
        (True, 2, 0.5, [1.0, 1.5, 1.6, 1.0], [True, False, True, False], None),
        (True, 1, 0.0, [1, 0], [True, False], 2),
        (True, 2, 0.0, [NAN, 0.1, NAN, NAN], [False, True, False, False], 4),
        (False, 2, 0.0, [NAN, 0.1, NAN, -1], [False, True, False, True], None),
        (True, 3, 0.0, [NAN, NAN, NAN], [False, False, False], 3),
        (False, 2, 0.0, [math.inf, 1.0], [True, True], None),
    ],
)
def test_direction_patience_threshold_and_nan(greater, patience, min_delta, scores, improved, stops_after):
    stopping = EarlyStopping(greater, patience, min_delta)
    stopped = None
    found = []
    for number, score in enumerate(scores, start=1):
        found.append(stopping.improved(score))
        if stopping.should_stop and stopped is None:
            stopped = number
    assert found == improved
    assert stopped == stops_after


def test_best_is_never_nan_after_a_number():
    stopping = EarlyStopping(greater_is_better=True, patience=9)
    for score in (NAN, 0.5, NAN, 0.7, 0.6):
        stopping.improved(score)
    assert stopping.best == 0.7
