"""Whole runs under a time budget, on a clock that only the model moves: no second of it is spent waiting."""

import importlib
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from foldwise.clock import Clock
from foldwise.running.placement import Placement

SLOW = '''
import torch
from torch import nn

import slow_clock


class Slow(nn.Module):
    """A mean of word vectors that takes `seconds` for a batch, and `later` for each after the first `after` batches."""

    def __init__(self, vocabulary_size, vectors, outputs, seconds, later=None, after=0):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(vectors, freeze=False, sparse=True)
        self.head = nn.Linear(vectors.shape[1], outputs)
        self.seconds, self.later, self.after = seconds, seconds if later is None else later, after

    def forward(self, tokens, lengths):
        slow_clock.batches += 1
        slow_clock.time += self.later if slow_clock.batches > self.after else self.seconds
        slow_clock.look()
        return self.head(self.embedding(tokens).sum(dim=1))
'''
SETTINGS = [
    "folds.n=5",
    "training.epochs=4",
    "training.evaluations_per_epoch=2",
    "training.patience=99",
    "model.name=slow:Slow",
]

ALONE = 'ensemble.members=["Slow"]'


@pytest.fixture
def clock(tmp_path, monkeypatch) -> SimpleNamespace:
    """What the model imports as `slow_clock` and all of foldwise takes the time from; a look at it costs a moment."""
    (tmp_path / "slow.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    slow_clock = SimpleNamespace(time=0.0, batches=0, look=lambda: None)

    def now() -> float:
        slow_clock.time += 0.001
        return slow_clock.time

    monkeypatch.setitem(sys.modules, "slow_clock", slow_clock)
    monkeypatch.setattr(Clock, "now", staticmethod(now))
    monkeypatch.setattr("foldwise.clock.STARTED", 0.0)
    return slow_clock


def run(cli_here, budget: str | None, *settings: str):
    options = [part for setting in [*SETTINGS, *settings] for part in ("--set", setting)]
    return cli_here("all", "-c", "twin-binary", *options, *(["--time-budget", budget] if budget else []))


def is_valid(submission: Path) -> bool:
    """Ids, columns and labels as the contest wants them, read without foldwise."""
    sample = pd.read_csv(submission.parents[2] / "input" / "twin-binary" / "sample_submission.csv", dtype=str)
    frame = pd.read_csv(submission, dtype=str)
    return list(frame) == list(sample) and list(frame.id) == list(sample.id) and set(frame.iloc[:, 1]) <= {"0", "1"}


SPEEDS = {  # arguments of the model, fewest folds, fewest epochs of one
    "everything fits": ("seconds=0.1", 5, 4),
    "some folds": ("seconds=0.8", 3, 4),
    "one fold, fewer epochs": ("seconds=2", 1, 0),
    "hardly anything": ("seconds=5", 1, 0),
    "slower later": ("seconds=0.3, later=2.5, after=45", 1, 0),
    "at once very slow": ("seconds=0.1, later=3, after=15", 1, 0),
    "quicker later": ("seconds=2, later=0.1, after=9", 5, 4),
}


@pytest.mark.parametrize("speed", SPEEDS)
def test_the_budget_is_kept_and_a_valid_submission_stands_from_the_first_fold_on(cli_here, workspace, clock, speed):
    arguments, least_folds, least_epochs = SPEEDS[speed]
    output = workspace / "output" / "twin-binary"
    submission = output / "submission.csv"
    standing = []

    def look() -> None:
        folds = len(list(output.glob("Slow/fold*/fold.json")))
        if folds > 1:  # the newest may have been written this moment
            assert submission.is_file()
        if submission.is_file():
            assert is_valid(submission)
            standing.append(folds)

    clock.look = look
    done = run(cli_here, "100s", f"model.arguments={{{arguments}}}")
    assert clock.time <= 100
    assert is_valid(submission)
    summary = json.loads((output / "summary.json").read_text())
    facts = summary["budget"]
    used = [fold["fold"] for fold in summary["folds"]]
    assert len(used) >= least_folds
    assert used + facts["dropped_folds"] == [0, 1, 2, 3, 4]
    assert all(fold["epochs"] >= least_epochs for fold in summary["folds"])
    cut = [fold["fold"] for fold in summary["folds"] if fold["epochs"] < 4]
    assert [fold["fold"] for fold in facts["shortened"]] == cut
    assert len(standing) > 0 or len(used) == 1
    shown = "time budget 1 min 40 s, 5% of it reserved" in done.stdout
    assert shown == bool(facts["dropped_folds"])
    assert ("used; nothing was left out" in done.stdout) == (not facts["dropped_folds"] and not facts["shortened"])
    oof = pd.read_csv(output / "oof.csv")
    assert oof.prediction.notna().tolist() == oof.fold.isin(used).tolist()
    assert len(oof) == 20


def test_with_time_enough_the_bytes_are_those_of_a_run_without_a_budget(cli_here, workspace, clock):
    run(cli_here, "10h", "model.arguments={seconds=0.1}")
    submission = workspace / "output" / "twin-binary" / "submission.csv"
    timed = submission.read_bytes()
    shutil.rmtree(workspace / "output")
    run(cli_here, None, "model.arguments={seconds=0.1}")
    assert submission.read_bytes() == timed


def summary_of(workspace: Path) -> dict[str, Any]:
    return json.loads((workspace / "output" / "twin-binary" / "summary.json").read_text())


def options_of(*settings: str) -> list[str]:
    return [part for setting in [*SETTINGS, *settings] for part in ("--set", setting)]


def test_a_budget_run_goes_on_where_it_stopped_and_a_free_one_makes_all_of_it_whole(cli_here, workspace, clock):
    slow = "model.arguments={seconds=4}"
    options = options_of(slow)
    run(cli_here, "100s", slow)
    output, aside = workspace / "output" / "twin-binary", workspace / "aside"
    first = summary_of(workspace)
    assert [fold["fold"] for fold in first["folds"]] == [0]
    (shortened,) = first["budget"]["shortened"]
    assert shortened["of"] == 4
    assert shortened["epochs"] < 4

    submission = (output / "submission.csv").read_bytes()
    (output / "submission.csv").unlink()
    cli_here("ensemble", "-c", "twin-binary", *options)
    assert (output / "submission.csv").read_bytes() == submission
    assert summary_of(workspace)["budget"] == first["budget"]
    cli_here("report", "-c", "twin-binary", *options)
    assert "fold 0" in (output / "report.html").read_text(encoding="utf-8")

    shutil.copytree(output, aside)
    shutil.rmtree(output / "Slow" / "fold0")  # not one that the budget left out
    done = cli_here("ensemble", "-c", "twin-binary", *options, code=2)
    assert "Slow/fold0: missing" in done.stderr

    for budget, least in (("300s", [0, 1]), ("10h", [0, 1, 2, 3, 4])):
        shutil.rmtree(output)
        shutil.copytree(aside, output)
        clock.time = 0.0
        again = run(cli_here, budget, slow)
        assert "Slow fold 0: ended early by the last time budget; again if this one leaves time" in again.stdout
        folds = summary_of(workspace)["folds"]
        assert [fold["fold"] for fold in folds][: len(least)] == least
        assert folds[0]["epochs"] >= shortened["epochs"]
    assert {fold["epochs"] for fold in folds} == {4}
    assert "used; nothing was left out" in again.stdout

    shutil.rmtree(output)
    shutil.copytree(aside, output)
    whole = run(cli_here, None, slow)
    assert f"a time budget had ended it at epoch {shortened['epochs']:.3g} of 4" in whole.stdout
    last = summary_of(workspace)
    assert [fold["epochs"] for fold in last["folds"]] == [4] * 5
    assert "budget" not in last


def test_a_whole_fold_is_never_replaced_by_one_that_a_budget_cut(cli_here, workspace, clock):
    slow = "model.arguments={seconds=1.5}"
    run(cli_here, None, slow)
    submission = workspace / "output" / "twin-binary" / "submission.csv"
    whole = submission.read_bytes()
    clock.time = 0.0
    done = cli_here("all", "-c", "twin-binary", *options_of(slow), "--time-budget", "40s", "--force")
    assert "the one that is there was trained longer and stays" in done.stdout
    assert submission.read_bytes() == whole
    assert {fold["epochs"] for fold in summary_of(workspace)["folds"]} == {4}


def test_a_fold_that_would_not_become_whole_beside_whole_ones_is_given_up(cli_here, workspace, clock):
    """Two folds fit; the third begins, the machine becomes slow, and the mean is better without it."""
    done = run(cli_here, "100s", "model.arguments={seconds=0.7, later=5.0, after=60}")
    assert clock.time <= 100
    assert "given up, there is no time for its epochs" in done.stdout
    summary = summary_of(workspace)
    assert {fold["epochs"] for fold in summary["folds"]} == {4}
    assert summary["budget"]["shortened"] == []


def test_the_same_command_with_too_little_time_leaves_the_whole_folds_as_they_are(cli_here, workspace, clock):
    slow = "model.arguments={seconds=1.2}"
    run(cli_here, "100s", slow)
    first, submission = summary_of(workspace), workspace / "output" / "twin-binary" / "submission.csv"
    assert {fold["epochs"] for fold in first["folds"]} == {4}
    before = submission.read_bytes()
    clock.time = 0.0
    run(cli_here, "25s", slow)
    assert clock.time <= 25
    assert submission.read_bytes() == before
    assert summary_of(workspace)["folds"] == first["folds"]


def test_a_submission_for_another_test_set_does_not_stand(cli_here, workspace, clock):
    run(cli_here, None, "model.arguments={seconds=0.01}")
    for name in ("test", "sample_submission"):
        (path,) = (workspace / "input" / "twin-binary").glob(f"{name}*")
        path.write_text(path.read_text().replace("movie-", "hidden-"))
    submission, valid = workspace / "output" / "twin-binary" / "submission.csv", []
    clock.time = 0.0
    clock.look = lambda: valid.append(is_valid(submission))
    run(cli_here, "1000s", "model.arguments={seconds=0.2}")
    assert valid[-1]
    assert valid.index(True) < len(valid) // 2  # from the first of five folds on


def test_a_summary_of_an_older_version_says_nothing_of_its_submission(cli_here, workspace, clock):
    run(cli_here, None, "model.arguments={seconds=0.01}", ALONE)
    path = workspace / "output" / "twin-binary" / "summary.json"
    summary = json.loads(path.read_text())
    del summary["form"]
    path.write_text(json.dumps(summary))
    done = run(cli_here, "1000s", "model.arguments={seconds=0.2}", ALONE)
    assert "submission.csv is there, of 1 model so far" in done.stdout


def test_what_was_there_at_a_kill_is_not_replaced_by_less(cli_here, workspace, clock):
    output, quick = workspace / "output" / "twin-binary", "model.arguments={seconds=0.1}"

    def stop() -> None:
        if len(list(output.glob("Slow/fold*/fold.json"))) == 3:
            raise KeyboardInterrupt

    clock.look = stop
    cli_here("all", "-c", "twin-binary", *options_of(quick, ALONE), "--time-budget", "1h", code=143)
    clock.look = lambda: None
    again = cli_here("all", "-c", "twin-binary", *options_of(quick, ALONE), "--seed", "7", "--time-budget", "1h")
    so_far = [line for line in again.stdout.splitlines() if "submission.csv is there" in line]
    assert [line.split(" of ")[1] for line in so_far] == ["4 models so far", "5 models so far"]


def test_the_time_that_submissions_take_is_kept_for_the_last_one(cli_here, workspace, clock, monkeypatch):
    """A disk on which each takes 6 s: the folds must end so much earlier."""
    from foldwise.ensembling import blend
    from foldwise.ensembling.submission import write_submission

    real = write_submission

    def slowly(*arguments) -> None:
        clock.time += 6
        real(*arguments)

    monkeypatch.setattr(blend, "write_submission", slowly)
    run(cli_here, "100s", "model.arguments={seconds=0.7}")
    assert clock.time <= 100
    assert len(summary_of(workspace)["folds"]) >= 2


@pytest.mark.parametrize(("seconds", "kept"), [(0.2, ["first", "linear"]), (4.0, ["first"])])
def test_a_linear_fold_begins_only_if_it_fits(cli_here, workspace, clock, monkeypatch, seconds, kept):
    """Its fit, of so many seconds a text, cannot be cut."""
    from foldwise.learners import linear

    real = linear.fit_linear

    def slowly(texts, *others):
        clock.time += seconds * len(texts)
        return real(texts, *others)

    monkeypatch.setattr(linear, "fit_linear", slowly)
    monkeypatch.setattr(linear, "SAMPLE", 4)
    both = ["members.first.seed=1", "members.linear.model.name=linear", "members.linear.linear.min_count=1"]
    run(cli_here, "100s", *both, "model.arguments={seconds=0.2}")
    assert clock.time <= 100
    assert [member["name"] for member in summary_of(workspace)["members"]] == kept


def test_a_poorer_submission_never_takes_the_place_of_a_better_one_on_the_way(cli_here, workspace, clock):
    quick, slow = "model.arguments={seconds=0.01}", "model.arguments={seconds=1.2}"
    run(cli_here, None, quick, ALONE)
    submission = workspace / "output" / "twin-binary" / "submission.csv"
    whole, seen = submission.read_bytes(), []
    clock.time = 0.0
    clock.look = lambda: seen.append(submission.read_bytes() == whole)
    done = run(cli_here, "100s", slow, ALONE)
    assert all(seen)
    assert len(seen) > 20
    assert "submission.csv is there" not in done.stdout
    summary = json.loads((workspace / "output" / "twin-binary" / "summary.json").read_text())
    assert len(summary["folds"]) < 5  # of this run, as it was asked for


def test_members_give_way_after_folds(cli_here, workspace, clock):
    run(cli_here, "100s", "members.first.seed=1", "members.second.seed=2", "model.arguments={seconds=1.2}")
    output = workspace / "output" / "twin-binary"
    summary = json.loads((output / "summary.json").read_text())
    assert [member["name"] for member in summary["members"]] == ["first"]
    assert summary["budget"]["dropped_members"] == ["second"]
    assert [fold["fold"] for fold in summary["folds"]] == [0, 1]
    assert {fold["epochs"] for fold in summary["folds"]} == {4}


def test_a_budget_that_is_over_before_the_first_fold(cli_here, clock):
    clock.time = 96.0
    done = cli_here("all", "-c", "twin-binary", "--time-budget", "100s", code=1)
    assert "the time budget of 1 min 40 s is over before a fold could begin; give more" in done.stderr


def test_a_budget_that_is_none(cli_here):
    done = cli_here("all", "-c", "twin-binary", "--time-budget", "soon", code=2)
    assert "--time-budget 'soon': give a length of time with units" in done.stderr


@pytest.mark.usefixtures("forked_workers")
def test_a_quicker_second_member_may_be_first_with_a_fold(cli_here, workspace, monkeypatch):
    """Three workers and two folds: one of them has the second member, whose fold is done long before the others."""
    monkeypatch.setattr("foldwise.running.placement.WORTH_PROCESSES", 0)
    monkeypatch.setattr("foldwise.running.placement.count_cores", lambda: 3)
    settings = ["folds.n=2", "members.a.training.epochs=60", "members.b.training.epochs=1"]
    more = ["training.patience=999", "training.evaluations_per_epoch=1"]
    options = [part for setting in [*settings, *more] for part in ("--set", setting)]
    done = cli_here("all", "-c", "twin-binary", *options, "--time-budget", "10h")
    assert "submission.csv is there, of 1 model so far" in done.stdout
    assert [member["name"] for member in summary_of(workspace)["members"]] == ["a", "b"]


CLOCKS = '''
"""A clock for processes side by side, called `slow_clock` as the one above: each has a time that its own model moves.

Whoever started them takes the latest for the time.
"""

import os
from pathlib import Path

from foldwise.clock import Clock

FOLDER = Path(__file__).parent / "times"
time, batches, is_worker = 0.0, 0, False


def look():
    """Show how late it is here."""
    if is_worker:
        shown = FOLDER / f".{os.getpid()}"
        shown.write_text(str(time))
        shown.replace(FOLDER / f"{os.getpid()}")


def now():
    global time
    time = max([time, *(float(path.read_text()) for path in FOLDER.glob("[!.]*") if not is_worker)]) + 0.001
    look()
    return time


def start(slot):
    """What a worker does before its first job."""
    global is_worker
    is_worker, Clock.now = True, staticmethod(now)
'''


@pytest.fixture
def clocks(tmp_path_factory, monkeypatch) -> Any:
    """The module, of which workers import their own; outside of the workspace, whose modules are imported anew."""
    folder = tmp_path_factory.mktemp("clocks")
    (folder / "slow.py").write_text(SLOW)
    (folder / "slow_clock.py").write_text(CLOCKS)
    (folder / "times").mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "slow", raising=False)
    module = importlib.import_module("slow_clock")
    monkeypatch.setattr(Clock, "now", staticmethod(module.now))
    monkeypatch.setattr("foldwise.clock.STARTED", 0.0)
    yield module
    for name in ("slow", "slow_clock"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("forked_workers")
def test_folds_side_by_side_end_in_time_by_themselves(cli_here, workspace, monkeypatch, clocks):
    """Two processes, of which nobody tells the other anything: each reads its clock."""
    monkeypatch.setattr("foldwise.running.folds.place_on_cpu", lambda *_: Placement(2, clocks.start))
    endless = ["training.epochs=9999", "training.evaluations_per_epoch=1", "training.patience=9999"]
    run(cli_here, "100s", *endless, "model.arguments={seconds=0.5}", ALONE)
    times = [float(path.read_text()) for path in clocks.FOLDER.iterdir()]
    assert len(times) == 2
    assert all(80 < time < 95 for time in times)  # neither too late, nor much too early
    assert clocks.time <= 100
    summary = summary_of(workspace)
    assert [fold["fold"] for fold in summary["folds"]] == [0, 1]
    assert all(1 <= fold["epochs"] < 9999 for fold in summary["folds"])
    assert np.isfinite(summary["cv"]["pooled"])
