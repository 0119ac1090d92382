"""Whole runs on a terminal: what stands in it, whatever its width and kind, and while its window changes."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import command, environment
from foldwise.interrupts import STOPPING
from reliability.signals import heed_all
from terminal import Terminal


class Window:
    """A run whose terminal is a window of so many columns; `text` is everything that it wrote so far."""

    def __init__(self, root: Path, columns: int, kind: str, *arguments: str, **variables: str) -> None:
        self.ours, theirs = pty.openpty()
        self.columns, self.text, self.screen = 0, "", Terminal(columns)
        self.resize(columns)

        def take_terminal() -> None:
            heed_all()
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        known = {
            name: value
            for name, value in environment().items()
            if name not in ("COLUMNS", "NO_COLOR", "PYTHONUNBUFFERED")
        }
        self.process = subprocess.Popen(
            command(root, *arguments),
            env=known | variables | {"TERM": kind} | ({"NO_COLOR": "1"} if kind == "dumb" else {}),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=take_terminal,  # noqa: PLW1509 - no thread here
        )
        os.close(theirs)

    def resize(self, columns: int) -> None:
        """Make the window so wide."""
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        if self.columns:
            self.screen.resize(columns)
        self.columns = columns

    def read_until(self, seen: Callable[[str], object]) -> None:
        """Take what it writes until that is seen, or it has ended."""
        while not seen(self.text):
            try:
                part = os.read(self.ours, 65536).decode("utf-8", "replace")
            except OSError:  # it has ended
                break
            self.text += part
            self.screen.write(part)

    def end(self) -> int:
        """Wait for the end; → the exit code."""
        self.read_until(lambda _: False)
        code = self.process.wait()
        os.close(self.ours)  # not before: that would hang up
        return code


def plain(text: str) -> str:
    """Text without colours and line ends."""
    return re.sub("\x1b\\[[0-9;]*m|[\r\n]", "", text)


def test_a_run_in_a_window_that_is_made_narrower_leaves_plain_lines_alone(workspace, cli):
    window = Window(workspace, 100, "xterm", "all", "-c", "twin-binary", "--set", "training.epochs=40")
    window.read_until(lambda text: re.search("bilstm fold 0 +[1-9][0-9]*%", text))
    window.resize(70)
    assert window.end() == 0
    signs = ("starting", "train     loading torch", "0 of 4 folds done, ", "1 of 4 folds done, ", " left", "score 0.")
    for sign in signs:
        assert sign in window.text, sign
    rows = window.screen.screen()
    assert not [row for row in rows if "folds done" in row or "%|" in row or "loading" in row]
    left = plain("".join(window.screen.rows))
    for line in ("folds     made twin-binary.csv: 20 rows", "train     4 folds in ", "submission: "):
        assert left.count(line) == 1, line
    table = [row for row in rows if row and row[0] in "┏┃┡│├└"]
    assert {len(row) for row in table} == {len(table[0])}
    assert len(table[0]) <= 70

    window = Window(workspace, 40, "dumb", "all", "-c", "twin-binary", "--set", "training.epochs=40")
    assert window.end() == 0
    assert "\x1b" not in window.text
    assert "starting" not in window.text
    table = [row for row in window.screen.screen() if row and row[0] in "┏┃┡│├└"]
    assert {len(row) for row in table} == {len(table[0])}
    assert len(table[0]) <= 40
    assert " ± " in window.text


@pytest.mark.parametrize("variables", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_an_error_stands_below_the_lines_that_were_there(workspace, variables):
    """Without the variable standard error is buffered, and its message comes while "starting" is shown."""
    window = Window(workspace, 100, "xterm", "all", "-c", "nowhere", **variables)
    assert window.end() == 2, window.text
    rows = [row for row in window.screen.screen() if row]
    assert re.match("error: .*nowhere", rows[0])
    assert "starting" not in "".join(rows)


def test_ctrl_c_is_no_error_and_its_answer_stands_whole(workspace):
    long = ("training.epochs=300", "training.patience=300", "training.evaluations_per_epoch=1")
    settings = [part for setting in long for part in ("--set", setting)]
    window = Window(workspace, 70, "xterm", "all", "-c", "twin-binary", *settings)
    window.read_until(lambda text: "score" in text.rpartition("the table is stricter")[2])
    os.write(window.ours, b"\x03")
    assert window.end() == -signal.SIGINT, window.text
    rows = window.screen.screen()
    assert STOPPING.decode().strip() in "".join(window.screen.rows)
    assert "stopped; what was finished is kept, and bilstm fold " in "".join(window.screen.rows)
    assert not re.search("error|Traceback", window.text)
    assert not [
        row for row in rows[rows.index(next(row for row in rows if row.startswith("stopped;"))) :] if "%|" in row
    ]
