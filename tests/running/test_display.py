"""Folds side by side, on a terminal and without one."""

import sys
import time
from types import SimpleNamespace

import pytest

from foldwise import clock, screen
from foldwise.console import Progress
from foldwise.events import Evaluated, Finished, Started, Stepped
from foldwise.running.display import FoldDisplay, fold_line
from terminal import Terminal

EVALUATED = Evaluated(0.5, 10, loss=0.456, score=0.70123, best=True, learning_rate=1e-3, padding=0.1, train_seconds=1.0)
FINISHED = Finished(score=0.8, best_epoch=1.5, epochs=2.0, seconds=65.0, rows_per_second=1234, padding=0.031)


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    """Standard error is a terminal of 80 columns that stands still but where it is drawn."""
    stream = Terminal()
    monkeypatch.setattr(screen, "sys", SimpleNamespace(stderr=stream, modules=sys.modules))
    monkeypatch.setattr(screen.Screen, "tick", lambda _: None)
    monkeypatch.setattr(screen.Screen, "size", lambda _: (stream.columns, 24))
    return stream


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
        screen.current().draw()
    first, second = terminal.screen()
    assert first.startswith("bilstm fold 0  50%|")
    assert second.startswith("bilstm fold 1  25%|")
    for line in (first, second):
        assert line.endswith(" ep 0.50 loss 0.46 score 0.7012 lr 1e-03")
        assert len(line) <= 80
    display.remove(1)
    assert terminal.screen()[0].startswith("bilstm fold 0  50%|")
    assert len(terminal.screen()) == 1
    display.close()
    assert terminal.screen() == [""]
    assert terminal.column == 0


def test_the_fold_of_the_first_worker_stands_above_however_late_it_begins(terminal):
    display = FoldDisplay([("a fold 0", "a", 1.0), ("a fold 1", "a", 1.0)], 2)
    for slot in (1, 0):
        display.update(slot, f"a fold {slot}", Started(10))
    assert [row[:8] for row in terminal.screen()] == ["0 of 2 f", "a fold 0", "a fold 1"]
    display.close()


def test_other_events_show_nothing(capsys):
    FoldDisplay().update(0, "bilstm fold 0", {"rows": [1, 2]})
    assert capsys.readouterr().out == ""


RESULTS = ["", "ep 0.50 loss 0.46 score 0.7012 lr 1e-03", "ep 1.00 score none lr 0e+00"]


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("name", ["bilstm fold 0", "a-very-long-name-of-a-member-s3 fold 11 without 3, 4"])
@pytest.mark.parametrize("width", [20, 39, 69, 99, 119, 200])
def test_whatever_the_width_the_score_is_whole_and_nothing_longer(terminal, width, name, result):
    bar = Progress("train", 100, "steps", name, line=fold_line)
    bar.done, bar.result = 42, result
    line = fold_line(bar, width)
    assert len(line) <= width
    if "score" in result:
        score = result.split("score ")[1].split()[0]
        assert f"score {score}" in line
    if name == "bilstm fold 0" and width >= 39:
        assert line.startswith("bilstm fold 0  42%|")
        assert len(line.split("|")[1]) >= 5
    if name == "bilstm fold 0" and width >= 69:
        assert len(line.split("|")[1]) >= 10
        assert all(part in line for part in result.split()[:2])
    bar.close()


def test_a_line_of_all_folds_stands_above_their_bars(terminal, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(clock, "STARTED", 90.0)
    jobs = [(f"gru fold {fold}", "gru", 1.0) for fold in range(4)]
    display = FoldDisplay(jobs, 1, before=2, later=1)
    assert terminal.screen() == ["2 of 7 folds done, 10 s used, the first ones are starting"]
    display.update(0, "gru fold 0", Started(10))
    now[0] += 5.0
    display.update(0, "gru fold 0", Stepped(5))
    screen.current().draw()
    first, second = terminal.screen()
    assert first == "2 of 7 folds done, 15 s used, about 45 s left"
    assert second.startswith("gru fold 0  50%|")
    now[0] += 5.0
    terminal.resize(40)
    screen.current().draw()
    assert terminal.screen()[0] == "2/7 folds, 0:20 used, 1:30 left"
    terminal.resize(24)
    screen.current().draw()
    assert terminal.screen()[0] == "2/7 folds, 1:30 left"
    display.close()
    assert terminal.screen() == [""]


def test_with_a_time_budget_what_is_left_of_it(terminal):
    budget = SimpleNamespace(seconds=600.0, used=90.0)
    display = FoldDisplay([("gru fold 0", "gru", 1.0)], budget=budget)
    assert terminal.screen() == ["0 of 1 folds done, 1 min 30 s used, at most 8 min 30 s left"]
    budget.used = 601.0
    display.update(0, "gru fold 0", Started(1))
    assert terminal.screen()[0] == "0 of 1 folds done, 10 min 01 s used, at most 0 s left"


def test_a_terminal_without_blocks_draws_a_bar_all_the_same(monkeypatch):
    bar = Progress("train", 100, "steps", "bilstm fold 0")
    for encoding, half, whole in (("ascii", "|###    |", "|#######|"), ("utf-8", "|███▌   |", "|███████|")):
        monkeypatch.setattr(bar, "screen", SimpleNamespace(stream=SimpleNamespace(encoding=encoding)))
        bar.result = "score 0.7012"
        for done, drawn in ((50, half), (120, whole)):  # more steps than were planned
            bar.done = done
            assert drawn in fold_line(bar, 40)
