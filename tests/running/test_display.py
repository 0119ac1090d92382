"""Folds side by side, on a terminal and without one."""

import io
import time
from types import SimpleNamespace

import pytest

from foldwise import console
from foldwise.events import Evaluated, Finished, Started, Stepped
from foldwise.running.display import FoldDisplay

EVALUATED = Evaluated(0.5, 10, loss=0.456, score=0.70123, best=True, learning_rate=1e-3, padding=0.1, train_seconds=1.0)
FINISHED = Finished(score=0.8, best_epoch=1.5, epochs=2.0, seconds=65.0, rows_per_second=1234, padding=0.031)


class Terminal(io.StringIO):
    """A screen of 80 columns: what stands in it after all control characters."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        rows, row, column = [""], 0, 0
        for character in self.getvalue().replace("\x1b[A", "\x01"):
            if character == "\n":
                row, column = row + 1, 0
                rows += [""] * (row + 1 - len(rows))
            elif character == "\r":
                column = 0
            elif character == "\x01":
                row -= 1
            else:
                rows[row] = rows[row].ljust(column)[:column] + character + rows[row][column + 1 :]
                column += 1
        return [line.rstrip() for line in rows]


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    screen = Terminal()
    monkeypatch.setattr(console, "sys", SimpleNamespace(stdout=None, stderr=screen))
    monkeypatch.setenv("COLUMNS", "80")
    return screen


def test_a_long_epoch_is_not_silent(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    display = FoldDisplay()
    display.update(0, "bilstm fold 0", Started(1000))
    for _ in range(20):
        now[0] += 10.0
        display.update(0, "bilstm fold 0", Stepped(10))
    start = "train     bilstm fold 0:"
    unit = "steps (fewer if it stops early)"
    assert capsys.readouterr().out.splitlines() == [
        f"{start} 60 of 1,000 {unit}, 15 min 40 s left",
        f"{start} 120 of 1,000 {unit}, 14 min 40 s left",
        f"{start} 180 of 1,000 {unit}, 13 min 40 s left",
    ]
    display.close()


def test_without_a_terminal_each_evaluation_and_the_end_have_a_line(capsys):
    display = FoldDisplay()
    display.update(1, "bilstm fold 1", Started(10))
    display.update(1, "bilstm fold 1", EVALUATED)
    display.update(1, "bilstm fold 1", Evaluated(1.0, 20, None, None, False, 5e-4, padding=0.1, train_seconds=2.0))
    display.update(1, "bilstm fold 1", FINISHED)
    display.update(1, "bilstm fold 2", Started(10))
    display.update(1, "bilstm fold 2", Finished(0.8, 1.5, 2.0, 65.0, 1234, 0.031, written=False))
    shown = capsys.readouterr()
    end = "0.8000 at epoch 1.50 of 2.00, 3.1% padding, 1,234 rows/s, 1 min 05 s"
    assert shown.out.splitlines() == [
        "train     bilstm fold 1: epoch 0.50 loss 0.46 score 0.7012 lr 1e-03 best",
        "train     bilstm fold 1: epoch 1.00 score none lr 5e-04",
        f"train     bilstm fold 1: {end}",
        f"train     bilstm fold 2: {end}; the one that is there was trained longer and stays",
    ]
    assert shown.err == ""


def test_two_folds_are_two_bars_that_go_when_they_end(terminal):
    display = FoldDisplay()
    for slot, steps in ((0, 100), (1, 200)):
        display.update(slot, f"bilstm fold {slot}", Started(steps))
        display.update(slot, f"bilstm fold {slot}", EVALUATED)
        display.update(slot, f"bilstm fold {slot}", Stepped(50))
        display.bars[slot].bar.refresh()
    first, second = terminal.screen()
    assert first.startswith("bilstm fold 0  50%|")
    assert second.startswith("bilstm fold 1  25%|")
    for line in (first, second):
        assert line.endswith(", ep 0.50 loss 0.46 score 0.7012 lr 1e-03")
        assert len(line) <= 80
    display.remove(1)
    assert terminal.screen()[0].startswith("bilstm fold 0  50%|")
    assert terminal.screen()[1:] == [""]
    display.close()
    assert terminal.screen() == ["", ""]
    assert terminal.getvalue().endswith("\r")


def test_other_events_show_nothing(capsys):
    FoldDisplay().update(0, "bilstm fold 0", {"rows": [1, 2]})
    assert capsys.readouterr().out == ""
