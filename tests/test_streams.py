"""Standard output and error that are closed, full, broken, ASCII or not waited for."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conftest import command, environment
from foldwise.streams import LossyFile

SCRIPT = r"""
from foldwise.streams import open_streams
open_streams()
import sys
file = open("result", "w", encoding="utf-8")
for _ in range(3):
    print("line \u00fc \U0001f600 \ud800", flush=True)
print("at the end", file=sys.stderr)
file.write("whole")
file.close()
"""


def run(folder: Path, redirection: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A program that writes a result, prints before and prints after, in bash."""
    (folder / "script.py").write_text(SCRIPT)
    line = f'"{sys.executable}" -P script.py {redirection}'
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment() | variables, capture_output=True, check=False
    )
    assert (folder / "result").read_text() == "whole"
    assert b"Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&- >&- 2>&-", "<&- 2>&-", ">/dev/full", "2>/dev/full"])
def test_closed_and_full_files_cost_nothing(tmp_path, redirection):
    done = run(tmp_path, redirection)
    assert done.returncode == 0
    if redirection == ">/dev/full":
        lines = done.stderr.decode().splitlines()
        assert lines == ["warning: standard output: No space left on device; the rest of it is not shown", "at the end"]


def test_a_reader_that_has_enough_is_no_error(tmp_path):
    done = run(tmp_path, '| head -n 1; exit "${PIPESTATUS[0]}"')
    assert done.returncode == 0
    assert done.stdout.decode() == "line ü 😀 \\ud800\n"
    assert done.stderr.decode() == "at the end\n"


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"PYTHONIOENCODING": "ascii"}, "line \\xfc \\U0001f600 \\ud800"),
        ({"PYTHONIOENCODING": "latin-1"}, "line ü \\U0001f600 \\ud800"),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "line \\xfc \\U0001f600 \\ud800"),
        ({"PYTHONUNBUFFERED": "1"}, "line ü 😀 \\ud800"),
    ],
)
def test_characters_that_cannot_be_shown_are_escaped(tmp_path, variables, line):
    encoding = "latin-1" if "latin-1" in variables.values() else "utf-8"
    assert run(tmp_path, "", **variables).stdout.decode(encoding).splitlines()[0] == line


def test_a_pipe_that_is_full_is_waited_for():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    received = bytearray()

    def drain() -> None:
        while part := os.read(reading, 65536):
            received.extend(part)

    reader = threading.Thread(target=drain)
    content = b"0123456789" * 100_000
    with LossyFile(writing, "w") as file:
        reader.start()
        assert file.write(content) == len(content)
    reader.join()
    os.close(reading)
    assert received == content


def test_a_whole_run_without_any_output(workspace):
    """Its files get none of the numbers that were closed, and nothing is printed into them."""
    line = subprocess.list2cmdline(command(workspace, "all", "-c", "twin-binary"))
    done = subprocess.run(
        ["bash", "-c", f"{line} <&- >&- 2>&-"], env=environment() | {"PYTHONIOENCODING": "ascii"}, check=False
    )
    assert done.returncode == 0
    output = workspace / "output" / "twin-binary"
    assert (output / "submission.csv").read_bytes().startswith(b"id,prediction\n")
    assert b"train     " not in b"".join(path.read_bytes() for path in output.rglob("*") if path.is_file())
