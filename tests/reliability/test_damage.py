"""A sample of the soak; `python tests/reliability/damage.py` takes all cases."""

from pathlib import Path

from reliability.damage import soak

CASES = 6


def test_no_damage_is_passed_over_in_silence(tmp_path: Path) -> None:
    outcomes = dict(soak(tmp_path, CASES))
    assert len(outcomes) == CASES
    assert set(outcomes.values()) <= {"whole", "whole, and named", "named"}, outcomes
