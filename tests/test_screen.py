"""The lines at the bottom of a terminal, while others go by above them and the window changes."""

import os
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise import screen
from foldwise.console import say, warn, working
from foldwise.interrupts import TOLD
from foldwise.screen import Line, Screen, cut, width
from terminal import Terminal

LINES = ("one " * 30, "two " * 30)


def line_of(text: str) -> Line:
    """A line that shows what fits of a text."""
    return lambda columns: text[:columns]


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    """Standard error and output are one terminal of 100 columns, drawn only when a test asks for it."""
    stream = Terminal(100)
    monkeypatch.setattr(screen, "sys", SimpleNamespace(stderr=stream, modules=sys.modules))
    monkeypatch.setattr("foldwise.console.sys", SimpleNamespace(stderr=stream, stdout=stream))
    monkeypatch.setattr(Screen, "tick", lambda _: None)
    monkeypatch.setattr(Screen, "size", lambda _: (stream.columns, 24))
    return stream


def test_lines_stand_below_what_is_said(terminal):
    shown = screen.current()
    for text in LINES:
        shown.add(line_of(text))
    say("train", "first")
    warn("second")
    drawn = [text[:99].rstrip() for text in LINES]
    assert terminal.screen() == ["train     first", "warning: second", *drawn]
    for line in list(shown.bars):
        shown.remove(line)
    assert terminal.screen() == ["train     first", "warning: second", ""]


@pytest.mark.parametrize("columns", [[70], [120], [40, 100], [70, 40, 20, 70], [7]])
def test_another_width_leaves_nothing_behind(terminal, columns):
    shown = screen.current()
    say("train", "first")
    for text in LINES:
        shown.add(line_of(text))
    for number in columns:
        terminal.resize(number)
        shown.draw()
        wanted = [text[: number - 1].rstrip() for text in LINES]
        assert terminal.screen()[-2:] == wanted
        assert "".join(terminal.rows[:-2]) == "train     first"
    terminal.resize(50)
    say("train", "second")
    assert "".join(terminal.rows[:-2]) == "train     firsttrain     second"


def test_a_low_window_shows_what_fits(terminal, monkeypatch):
    monkeypatch.setattr(Screen, "size", lambda _: (100, 3))
    for number in range(5):
        screen.current().add(line_of(f"line {number}"))
    assert terminal.screen() == ["line 0", "line 1"]


def test_a_status_gives_way_to_bars_and_to_a_newer_one(terminal):
    with working("folds", "reading"):
        assert terminal.screen() == ["folds     reading"]
        with working("train", "loading"):
            assert terminal.screen() == ["train     loading"]
            with screen.current().showing(lambda _: "a bar"):
                assert terminal.screen() == ["a bar"]
        assert terminal.screen() == ["folds     reading"]
    assert terminal.screen() == [""]


def test_an_unfinished_line_of_somebody_else_stays(terminal):
    shown = screen.current()
    with working("folds", "reading"):
        shown.make_room(b"Sure? ")
        terminal.write("Sure? ")
        shown.draw()
        assert terminal.screen() == ["Sure?"]
        shown.make_room(b"\n")
        terminal.write("yes\n")
        shown.draw()
        assert terminal.screen() == ["Sure? yes", "folds     reading"]


def test_below_the_answer_to_a_signal_the_lines_begin_anew(terminal, monkeypatch):
    """The answer is written past everything, wherever the cursor is."""
    monkeypatch.setattr(screen, "TOLD", told := list(TOLD))
    now = ["50%"]
    with screen.current().showing(lambda _: f"fold 0 {now[0]}"):
        terminal.write("^C\nstopping\n")
        told.append(2)
        now[0] = "60%"
        screen.current().draw()
        assert terminal.screen() == ["fold 0 50%^C", "stopping", "fold 0 60%"]
        say("train", "saved")
        assert terminal.screen() == ["fold 0 50%^C", "stopping", "train     saved", "fold 0 60%"]


@pytest.mark.parametrize(("kind", "shown"), [("dumb", False), ("xterm", True)])
def test_a_dumb_terminal_gets_plain_lines_alone(terminal, monkeypatch, kind, shown):
    monkeypatch.setenv("TERM", kind)
    monkeypatch.setattr(screen, "CURRENT", Screen(terminal))
    with working("folds", "reading"):
        say("folds", "made")
    assert ("\x1b" in terminal.getvalue()) == shown
    assert terminal.screen() == ["folds     made", ""]


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_lines_that_come_through_another_program_have_the_terminal_alone(terminal, monkeypatch, tmp_path, kind):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe, (tmp_path / "log").open("w") as file:
        monkeypatch.setattr(screen, "sys", SimpleNamespace(stderr=terminal, stdout={"pipe": pipe, "file": file}[kind]))
        assert Screen(terminal).shown == (kind == "file")


def test_a_terminal_that_is_gone_is_no_error():
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        shown = Screen(stream)
        shown.shown = True
        os.close(reading)
        with shown.showing(lambda _: "a bar"):
            assert not shown.shown


@given(st.text(), st.integers(0, 30))
def test_what_is_cut_fits_and_is_the_beginning(text, columns):
    short = cut(text, columns)
    assert width(short) <= columns
    assert text.startswith(short)
    assert short == text or width(text) > columns


def test_wide_signs_take_two_columns():
    assert (width("映画"), width("ab"), width("e\u0301")) == (4, 2, 1)
    assert cut("映画", 3) == "映"
