"""What a person sees of what takes long, on a terminal and without one."""

import os
import pty
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from foldwise import console
from foldwise.console import FoldProgress, RelayedBar, RowProgress, Timer

WIPE = "\r\x1b[K"  # to the line's start, and empty it
END = "\x03"


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The time, which stands still but for sleeping."""
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(console.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


@pytest.fixture
def terminal(monkeypatch) -> Iterator[Callable[[], str]]:
    """Standard error is a terminal, for this module alone: pytest puts its own there between a fixture and its test."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(console, "sys", SimpleNamespace(stdout=None, stderr=stream))  # nothing goes to stdout

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
    timer = Timer("kernel")
    timer.wait("ada/x RUNNING", 2.5)
    clock[0] = 3600.0
    timer.wait("ada/x RUNNING", 1)
    timer.close()
    shown = ["0.0 s", "1.0 s", "2.0 s", "1 h 00 min"]
    assert terminal() == "".join(f"{WIPE}kernel    ada/x RUNNING, {time}" for time in shown) + WIPE
    assert clock[0] == 3601.0


def test_without_a_terminal_a_line_a_minute_and_at_each_change(clock, capsys):
    timer = Timer("kernel")
    for state, times in (("QUEUED", 2), ("RUNNING", 5)):
        for _ in range(times):
            timer.wait(state, 30)
    timer.close()
    shown = capsys.readouterr()
    times = ["QUEUED, 0.0 s", "RUNNING, 1 min 00 s", "RUNNING, 2 min 00 s", "RUNNING, 3 min 00 s"]
    assert shown.out.splitlines() == [f"kernel    {time}" for time in times]
    assert shown.err == ""


def test_the_bar_of_another_program_moves_in_one_line(clock, terminal):
    bar = RelayedBar("kaggle")
    for text in (" 10%|█         | 1.00M/10.0M", f"100%|{'█' * 90}"):
        bar.update(text)
    bar.close()
    bar.close()
    assert terminal() == f"{WIPE}kaggle     10%|█         | 1.00M/10.0M{WIPE}kaggle    100%|{'█' * 63}{WIPE}"


def test_without_a_terminal_the_bar_speaks_once_a_minute(clock, capsys):
    bar = RelayedBar("kaggle")
    for percent in range(0, 100, 10):
        bar.update(f"{percent}%|")
        clock[0] += 25.0
    bar.close()
    assert capsys.readouterr().out.splitlines() == ["kaggle    30%|", "kaggle    60%|", "kaggle    90%|"]


def test_a_long_epoch_is_not_silent(clock, capsys):
    progress = FoldProgress()
    progress.update(0, "bilstm fold 0", {"event": "start", "steps": 1000})
    for _ in range(20):
        clock[0] += 10.0
        progress.update(0, "bilstm fold 0", {"event": "steps", "steps": 10})
    shown = capsys.readouterr().out.splitlines()
    assert shown == [
        "train     bilstm fold 0: step 70 of 1,000, 15 min 30 s left if not stopped early",
        "train     bilstm fold 0: step 140 of 1,000, 14 min 20 s left if not stopped early",
    ]
    progress.close()


def test_many_rows_are_not_predicted_in_silence(clock, capsys):
    progress = RowProgress("infer", 4000)
    for _ in range(15):
        clock[0] += 10.0
        progress.update(100)
    progress.close()
    assert capsys.readouterr().out.splitlines() == [
        "infer     700 of 4,000 rows, 5 min 30 s left",
        "infer     1,400 of 4,000 rows, 4 min 20 s left",
    ]
