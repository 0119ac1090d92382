"""A few rounds of the soak scripts about inputs that change and runs at once, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import script_environment


@pytest.mark.parametrize(("script", "options"), [("changes.py", ["--moments", "5"]), ("pairs.py", ["--rounds", "1"])])
def test_a_few_rounds(script, options):
    path = Path(__file__).with_name(script)
    done = subprocess.run(
        [sys.executable, path, *options],
        env=script_environment() | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
