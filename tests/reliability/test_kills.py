"""The soak script of kills, with few rounds; those at file operations are in `test_inputs_and_pairs.py`."""

from reliability.kills import soak


def test_five_kills_change_no_byte_and_leave_nothing(tmp_path):
    found = soak(tmp_path, kills=5, rows=160, epochs=3, folds=2, each=5)
    assert found.kills == 5
    assert found.equal == found.rounds
    assert not found.leftovers
