"""Lengths of time as people write them."""

import pytest

from foldwise.clock import STARTED, Clock
from foldwise.errors import InputError
from foldwise.time_budget.budget import TimeBudget, parse_budget


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("1.5h", 5400), ("1h 30m", 5400), ("40min", 2400), ("2m5s", 125), ("90s", 90)]
)
def test_units(text, seconds):
    assert parse_budget(text).seconds == seconds


@pytest.mark.parametrize("text", ["", "2", "two hours", "2 days", "-2h", "0s", "h", "2h until noon"])
def test_what_is_no_length_of_time(text):
    with pytest.raises(InputError, match="give a length of time with units, such as 2h"):
        parse_budget(text)


def test_a_twentieth_is_kept_in_hand(monkeypatch):
    monkeypatch.setattr(Clock, "now", staticmethod(lambda: 130.0))
    given = TimeBudget(200.0, started=100.0)
    assert (given.deadline, given.used) == (290.0, 30.0)
    assert parse_budget("1h").deadline > STARTED
