"""The soak scripts of kills, with few rounds."""

import re
import subprocess
import sys
from pathlib import Path

from conftest import script_environment
from reliability.kills import soak


def test_five_kills_change_no_byte_and_leave_nothing(tmp_path):
    found = soak(tmp_path, kills=5, rows=160, epochs=3, folds=2, each=5)
    assert found.kills == 5
    assert found.equal == found.rounds
    assert not found.leftovers


def test_a_kill_at_a_file_operation_changes_no_byte():
    """In a process of its own, which forks: this one has threads by now."""
    script = Path(__file__).parent / "file_operations.py"
    line = [sys.executable, str(script), "--every", "220", "--force"]
    done = subprocess.run(line, env=script_environment(), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[12] kills, wrong results after none", done.stdout)
