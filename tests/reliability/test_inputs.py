"""A few rounds of the soak script about inputs that change."""

import sys

from reliability import changes


def test_inputs_that_change_at_a_few_moments(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    try:
        counts = changes.try_moments(5)
    finally:
        changes.WATCHING.clear()
    assert counts.total() == 5
