"""A few rounds of the soak scripts about kills and about runs at once."""

import re
import subprocess
import sys

from conftest import script_environment

# All of them fork, which a process can once it has loaded torch, and as long as it has no threads: not this one.
FORKING = """
import sys, tempfile
from pathlib import Path
from reliability import file_operations, kills, pairs
from reliability.small_contest import Contest

pairs.run_pairs(1)
with tempfile.TemporaryDirectory() as folder:
    print(kills.soak(Path(folder), kills=5, rows=160, epochs=3, folds=2, each=5, start=Contest.fork))
sys.argv = ["file_operations.py", "--every", "220", "--force"]
file_operations.main()
"""


def test_a_pair_of_runs_five_kills_and_one_at_a_file_operation_change_no_byte_and_leave_nothing():
    line = [sys.executable, "-c", FORKING]
    variables = script_environment() | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(line, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 pairs: {" in done.stdout
    found = re.search(r"Found\(kills=5, in_training=\d, rounds=(\d), equal=(\d), leftovers=\[\],", done.stdout)
    assert found and found[1] == found[2], done.stdout  # noqa: PT018
    assert re.search(r"[12] kills, wrong results after none", done.stdout)
