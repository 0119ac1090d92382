"""A few rounds of the soak script `disk.py`."""

from reliability.disk import soak, try_disks, try_operations, try_sizes


def test_errors_of_the_system_at_operations_all_over_a_run():
    assert soak(8, [try_operations]) == []


def test_files_and_disks_that_are_full():
    assert soak(2, [try_sizes, try_disks]) == []
