"""A few rounds of the soak scripts about inputs that change, runs at once and kills at file operations."""

import re
import subprocess
import sys

from conftest import script_environment
from reliability import changes

# Both fork from a process that has loaded torch once, and no threads yet: not from this one.
FORKING = """
import sys
from reliability.file_operations import main
from reliability.pairs import run_pairs

run_pairs(1)
sys.argv = ["file_operations.py", "--every", "220", "--force"]
main()
"""


def test_inputs_that_change_at_a_few_moments(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    try:
        counts = changes.try_moments(5)
    finally:
        changes.WATCHING.clear()
    assert counts.total() == 5


def test_a_pair_of_runs_at_once_and_a_kill_at_a_file_operation_change_no_byte():
    line = [sys.executable, "-c", FORKING]
    variables = script_environment() | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(line, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 pairs: {" in done.stdout
    assert re.search(r"[12] kills, wrong results after none", done.stdout)
