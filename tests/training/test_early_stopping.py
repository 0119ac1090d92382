import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

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
        (False, 2, 0.0, [math.inf, 1.0], [False, True], None),
    ],
)
def test_direction_patience_threshold_and_nan(greater, patience, min_delta, scores, improved, stops_after):
    stopping = EarlyStopping(greater, patience, min_delta)
    stopped = None
    found = []
    for number, score in enumerate(scores, start=1):
        stopping.update(score, dict)
        found.append(stopping.misses == 0)
        if stopping.should_stop and stopped is None:
            stopped = number
    assert found == improved
    assert stopped == stops_after


@given(
    scores=st.lists(st.integers(0, 6).map(float) | st.just(NAN), max_size=20),
    keep=st.integers(1, 4),
    greater=st.booleans(),
)
def test_the_weights_of_the_best_scores_are_kept_the_earlier_of_equal_ones(scores, keep, greater):
    stopping = EarlyStopping(greater, patience=99, keep=keep)
    best = [stopping.update(score, partial(dict, n=torch.tensor(n))) for n, score in enumerate(scores)]
    finite = [n for n, score in enumerate(scores) if not math.isnan(score)]
    ranked = sorted(finite, key=lambda n: (-scores[n] if greater else scores[n], n))
    assert [int(weights["n"]) for weights in stopping.weights] == ranked[:keep]
    assert [n for n, is_best in enumerate(best) if is_best][-1:] == ranked[:1]
