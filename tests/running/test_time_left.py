"""How long a command still trains, by hand."""

import pytest

from foldwise.console import Progress
from foldwise.running.time_left import TimeLeft

JOBS = [
    (f"{member} fold {fold}", member, epochs) for member, epochs in (("gru", 6), ("linear", 1)) for fold in range(3)
]


class Bar(Progress):
    """A fold that has run for so many seconds."""

    def __init__(self, done: int, seconds: float) -> None:
        super().__init__("train", 100)
        self.done, self.elapsed = done, seconds

    @property
    def seconds(self) -> float:
        return self.elapsed


def test_nothing_is_known_at_first():
    time = TimeLeft(JOBS, 1)
    assert time.left() is None
    time.begin("gru fold 0", Bar(1, 5.0))
    assert time.left() is None  # a hundredth of the steps says nothing


def test_one_after_the_other():
    time = TimeLeft(JOBS, 1)
    time.begin("gru fold 0", Bar(50, 30.0))
    # 30 s of this one, 60 s of the two others, and of linear an epoch each of 10 s.
    assert time.left() == pytest.approx(30 + 2 * 60 + 3 * 10)
    time.end("gru fold 0", 54.0)
    assert time.done == 1
    assert time.left() == pytest.approx(2 * 54 + 3 * 9)
    time.begin("gru fold 1", Bar(0, 4.0))
    assert time.left() == pytest.approx(50 + 54 + 3 * 9)


def test_side_by_side_the_longest_ends_last():
    time = TimeLeft(JOBS[:3], 2)
    time.begin("gru fold 0", Bar(50, 30.0))
    time.begin("gru fold 1", Bar(50, 30.0))
    assert time.left() == pytest.approx((30 + 30 + 60) / 2)
    time.end("gru fold 0", 60.0)
    time.begin("gru fold 2", Bar(0, 0.0))
    time.end("gru fold 1", 60.0)
    assert time.left() == pytest.approx(60)


def test_folds_given_up_and_later_ones():
    time = TimeLeft(JOBS[:3], 1, later=3)
    time.begin("gru fold 0", Bar(0, 1.0))
    time.end("gru fold 0", None)
    assert (time.done, time.left()) == (0, None)
    time.begin("gru fold 1", Bar(0, 1.0))
    time.end("gru fold 1", 10.0)
    assert time.left() == pytest.approx(10 + 3 * 10)
    time.begin("gru fold 2", Bar(0, 1.0))
    time.end("gru fold 2", 10.0)
    assert time.left() == pytest.approx(3 * 10)
    assert TimeLeft([], 1).left() is None
