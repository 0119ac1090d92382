"""The table at the end of a run, in windows of every width and in terminals that can show little."""

import io
import sys
from typing import Any

import pytest
from rich.console import Console

from foldwise.ensembling.summary import is_no_better, make_table

FOLD = {"fold": 0, "score": 0.8247, "best_epoch": 3.0, "epochs": 6.0, "seconds": 37.7}
SUMMARY: dict[str, Any] = {
    "competition": "films",
    "metric": "accuracy",
    "cv": {"pooled": 0.829, "mean": 0.829, "std": 0.0091},
    "folds": [FOLD, {**FOLD, "fold": 1}],
    "members": [{"name": "bilstm", "cv": 0.8231}, {"name": "bayes-ünü", "cv": 0.7955}],
    "ensemble": {"method": "mean", "weights": {"bilstm": 0.76, "bayes-ünü": 0.24}},
    "leaderboard": 0.8423,
    "baseline": {"constant": 0.5012, "linear": 0.7955},
}


def rendered(summary: dict[str, Any], width: int, monkeypatch, encoding: str = "utf-8", higher: bool = True) -> str:
    """What standard output of such a terminal gets."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding, "backslashreplace", newline="\n")
    monkeypatch.setattr(sys, "stdout", stream)
    Console(file=stream, width=width, highlight=False, soft_wrap=True).print(make_table(summary, higher, width))
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("width", [36, 40, 63, 64, 70, 80, 120])
def test_the_table_is_straight_and_the_score_whole_at_every_width(width, members, encoding, monkeypatch):
    shown = rendered({**SUMMARY, "members": SUMMARY["members"][:members]}, width, monkeypatch, encoding)
    title, *lines = shown.splitlines()
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines[0]) <= width
    assert title.startswith("films: accuracy (higher" if encoding == "ascii" else "films: accuracy ↑")
    assert ("0.8290 +- 0.0091" if encoding == "ascii" else "0.8290 ± 0.0091") in shown
    for score in ("0.8247", "0.8423", "0.5012", "0.7955", "0.8231")[: 3 + members]:
        assert score in shown
    assert ("seconds" in shown) == (width >= 64)
    assert ("best epoch" in shown) == (width >= 64 and members == 1)


def test_a_baseline_that_has_no_score_is_a_dash(monkeypatch):
    shown = rendered({**SUMMARY, "baseline": {"constant": None, "linear": None}}, 80, monkeypatch, higher=False)
    assert "films: accuracy ↓" in shown
    assert "linear" not in shown
    line = next(line for line in shown.splitlines() if "constant prediction" in line)
    assert line.split("│")[2].strip() == "–"


@pytest.mark.parametrize(
    ("constant", "higher", "expected"),
    [(0.5, True, False), (0.829, True, True), (0.9, True, True), (0.9, False, False), (0.5, False, True)],
)
def test_no_better_than_a_constant(constant, higher, expected):
    assert is_no_better({**SUMMARY, "baseline": {"constant": constant, "linear": None}}, higher) == expected


def test_without_a_constants_score_nothing_is_said():
    assert not is_no_better({**SUMMARY, "baseline": {"constant": None, "linear": None}}, True)
    assert not is_no_better({key: value for key, value in SUMMARY.items() if key != "baseline"}, True)
