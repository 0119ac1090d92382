"""What a person sees of what takes long, on a terminal and without one."""

import os
import pty
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import ClassVar

import pytest

from foldwise import console, screen
from foldwise.console import Progress, say, silent, warn, working

END = "\x03"


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The time, which stands still but for sleeping."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(console, "LAST_LINE", [0.0])
    return now


def lines_drawn(shown: str) -> list[str]:
    """What stood in the last line at each moment, without what wipes it."""
    return [line.rstrip() for line in re.split("[\r\n]|\x1b\\[J", shown) if line.strip()]


def assert_line_is_empty(shown: str) -> None:
    """The last line was wiped, and the cursor stands at its start."""
    assert shown.endswith("\r\x1b[J")


@pytest.fixture
def terminal(monkeypatch) -> Iterator[Callable[[], str]]:
    """Standard error is a terminal, for this module alone: pytest puts its own there between a fixture and its test."""
    ours, theirs = pty.openpty()
    monkeypatch.setenv("COLUMNS", "80")
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(screen, "sys", SimpleNamespace(stderr=stream, modules=sys.modules))

        def shown() -> str:
            """Everything so far: what was written may take a moment to come out."""
            print(END, end="", file=stream, flush=True)
            text = ""
            while not text.endswith(END):
                text += os.read(ours, 65536).decode()
            return text.removesuffix(END)

        yield shown
    os.close(ours)


def test_a_clock_ticks_on_a_terminal_and_leaves_no_line(clock, terminal):
    with Progress("kernel") as progress:
        progress.wait("ada/x RUNNING", 2.5)
        clock[0] = 3600.0
        progress.wait("ada/x RUNNING", 1)
    shown = terminal()
    times = ["0.0 s", "1.0 s", "2.0 s", "1 h 00 min"]
    assert lines_drawn(shown) == [f"kernel    ada/x RUNNING, {time}" for time in times]
    assert_line_is_empty(shown)
    assert clock[0] == 3601.0


def test_without_a_terminal_a_line_a_minute_and_at_each_change(clock, capsys):
    with Progress("kernel") as progress:
        for state, count in (("QUEUED", 2), ("RUNNING", 5)):
            for _ in range(count):
                progress.wait(state, 30)
    shown = capsys.readouterr()
    times = ["QUEUED, 0.0 s", "RUNNING, 1 min 00 s", "RUNNING, 2 min 00 s", "RUNNING, 3 min 00 s"]
    assert shown.out.splitlines() == [f"kernel    {time}" for time in times]
    assert shown.err == ""


def test_a_long_wait_is_not_silent(clock, capsys):
    with Progress("kernel") as progress:
        progress.wait("QUEUED", 150)
    times = ["0.0 s", "1 min 00 s", "2 min 00 s"]
    assert capsys.readouterr().out.splitlines() == [f"kernel    QUEUED, {time}" for time in times]
    assert clock[0] == 150.0


def test_waiting_no_time_shows_the_state_once(clock, capsys):
    with Progress("kernel") as progress:
        progress.wait("QUEUED", 0)
        progress.wait("QUEUED", 0)
    assert capsys.readouterr().out == "kernel    QUEUED, 0.0 s\n"


def test_the_bar_of_another_program_moves_in_one_line(clock, terminal):
    with Progress("kaggle") as progress:
        for text in ("10%|█         | 1.00M/10.0M", f"100%|{'█' * 90}"):
            progress.show(text)
    shown = terminal()
    assert lines_drawn(shown) == ["kaggle    10%|█         | 1.00M/10.0M", f"kaggle    100%|{'█' * 64}"]
    assert "\n" not in shown
    assert_line_is_empty(shown)


def test_an_empty_text_clears_the_line_for_what_comes(clock, terminal):
    with Progress("kaggle") as progress:
        progress.show("10%|█")
        progress.show("")
        assert_line_is_empty(terminal())
        progress.show("20%|██")
    assert lines_drawn(terminal()) == ["kaggle    20%|██"]


def test_without_a_terminal_the_bar_speaks_once_a_minute(clock, capsys):
    with Progress("kaggle") as progress:
        for percent in range(0, 100, 10):
            progress.show(f"{percent}%|")
            progress.show("")
            clock[0] += 25.0
    assert capsys.readouterr().out.splitlines() == ["kaggle    30%|", "kaggle    60%|", "kaggle    90%|"]


def test_silent_stages_still_warn_and_give_a_sign_of_life(clock, capsys):
    with silent(), Progress("train", 100, "steps", "bilstm fold 0") as progress:
        say("folds", "made some.csv")
        warn("odd")
        for _ in range(3):
            progress.note("epoch 1.00 score 0.5", short="ep 1.00")
            clock[0] += 25.0
            progress.update(10)
    say("train", "1 fold")
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "train     bilstm fold 0: 30 of 100 steps, 2 min 55 s left",
        "train     1 fold",
    ]
    assert told.err == "warning: odd\n"


def test_many_rows_are_not_predicted_in_silence(clock, capsys):
    with Progress("infer", 4000, "rows") as progress:
        progress.update(0)
        for _ in range(15):
            clock[0] += 10.0
            progress.update(100)
    assert capsys.readouterr().out.splitlines() == [
        "infer     600 of 4,000 rows, 5 min 40 s left",
        "infer     1,200 of 4,000 rows, 4 min 40 s left",
    ]


def test_rows_are_a_bar_on_a_terminal_that_goes_at_the_end(clock, terminal):
    with Progress("infer", 4000, "rows") as progress:
        progress.update(1000)
        progress.screen.draw()
        shown = terminal()
        assert lines_drawn(shown)[-1].startswith("infer:  25%|██")
        assert "1.00k/4.00k" in shown
    assert_line_is_empty(terminal())


def test_the_bar_goes_also_after_an_error(clock, terminal):
    with pytest.raises(OSError, match="gone"), Progress("unpack", 100, "bytes"):
        raise OSError("gone")
    assert_line_is_empty(terminal())


def test_a_long_warning_keeps_its_beginning_and_its_end(capsys):
    warn(f"classes {', '.join(map(str, range(400)))} have too few rows; lower folds.n\nsecond line")
    first, second = capsys.readouterr().err.splitlines()
    assert len(first) == 500
    assert first.startswith("warning: classes 0, 1, 2, ")
    assert first.endswith("have too few rows; lower folds.n")
    assert second == "second line"


class Moments:
    """An event whose waits end one after the other, each as much later as it was to wait, and in the end at once."""

    def __init__(self, clock: list[float], count: int) -> None:
        self.clock, self.count, self.ended = clock, count, threading.Lock()
        self.ended.acquire()

    def wait(self, seconds: float) -> bool:
        self.clock[0] += seconds
        self.count -= 1
        if self.count < 0:
            self.ended.release()
        return self.count < 0

    def set(self) -> None:
        """The block has ended."""


def test_without_a_terminal_work_in_silence_says_so_once_a_minute(clock, capsys, monkeypatch):
    moments = Moments(clock, 3)
    monkeypatch.setattr(console, "threading", SimpleNamespace(Event=lambda: moments, Thread=threading.Thread))
    with working("tokens", "making them"):
        moments.ended.acquire()
    lines = [f"tokens    making them, {minutes} min 00 s" for minutes in (1, 2, 3)]
    assert capsys.readouterr().out.splitlines() == lines


def test_nor_does_it_speak_below_a_bar_or_newer_work(clock, capsys, monkeypatch):
    for beside in (lambda: Progress("train", 10), lambda: screen.current().showing(lambda _: "", status=True)):
        moments = Moments(clock, 3)
        monkeypatch.setattr(console, "threading", SimpleNamespace(Event=lambda moments=moments: moments, Thread=Later))
        with working("all", "working"), beside():
            Later.begun.pop().run()
    assert capsys.readouterr().out == ""


class Later(threading.Thread):
    """A thread that the test runs."""

    begun: ClassVar[list["Later"]] = []

    def start(self) -> None:
        self.begun.append(self)
