"""Searches on the 20-row competitions, by the real command line."""

import json
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conftest import command
from foldwise.lock import only_writer
from foldwise.search.study import JOURNAL
from forked import start_program, start_programs
from reliability.in_process import results

pytest.importorskip("optuna")

from search.journal import add_curves_nobody_reaches, open_study

SLUG = "twin-binary"
SPACE = """
[search]
model.hidden = [2, 3, 5]
model.dropout = { low = 0.0, high = 0.6, step = 0.2 }
training.learning_rate = { low = 1e-3, high = 2e-2, log = true }
"""
SEARCH = ("search", "-c", SLUG, "--set", "training.epochs=2", "--set", "folds.n=4")


@pytest.fixture(autouse=True)
def space(workspace: Path) -> None:
    """What is searched, in competition.toml."""
    path = workspace / "input" / SLUG / "competition.toml"
    path.write_text(f"{path.read_text()}\n{SPACE}")


@pytest.fixture
def output(workspace: Path) -> Path:
    """The competition's folder of results."""
    return workspace / "output" / SLUG


def figures(output: Path) -> dict[str, Any]:
    """What search.json says."""
    return json.loads((output / "search" / "search.json").read_text())


def scores(summary: dict[str, Any]) -> dict[int, float]:
    """Of each fold."""
    return {fold["fold"]: fold["score"] for fold in summary["folds"]}


def read_summary(output: Path, name: str) -> dict[str, Any]:
    """summary.json of an experiment."""
    return json.loads((output / "experiments" / name / "summary.json").read_text())


def test_a_search_finds_compares_and_restores(workspace, cli_here, output):
    shown = cli_here(*SEARCH, "--trials", "12").stdout
    found = figures(output)
    trials = found["trials"]
    assert [trial["number"] for trial in trials] == list(range(12))
    assert trials[0]["set"] == []
    assert found["folds"] == [0, 1]
    finished = [trial for trial in trials if trial["state"] == "finished"]
    assert {trial["state"] for trial in trials} <= {"finished", "pruned"}
    for trial in trials[1:]:
        keys = [setting.partition("=")[0] for setting in trial["set"]]
        assert keys == ["model.hidden", "model.dropout", "training.learning_rate"]
    best = next(trial for trial in trials if trial["name"] == found["best"])
    assert best["score"] == max(trial["score"] for trial in finished) >= trials[0]["score"]

    tried, _, ended = shown.partition("now on its other folds")
    assert {line.split()[0] for line in tried.splitlines()} == {"search", "folds"}  # of a trial two lines, no more
    assert "fold 2: epoch" in ended

    # Experiments: the best and the recipe as it was have all folds, others those that were searched, pruned ones none.
    folders = {path.name for path in (output / "experiments").iterdir()} - {"tokens"}
    assert folders == {trial["name"] for trial in finished}
    for trial in finished:
        whole = trial["name"] in (best["name"], trials[0]["name"])
        known = scores(read_summary(output, trial["name"]))
        assert list(known) == ([0, 1, 2, 3] if whole else [0, 1])
        if not whole:
            assert sum(known.values()) / 2 == pytest.approx(trial["score"])
    rows = json.loads(cli_here("compare", "-c", SLUG, "--json").stdout)
    assert "unnamed" not in str(rows)
    assert all(trial["name"] in str(rows) for trial in finished)
    assert "only 2 of 4 folds are trained" in str(rows)
    assert " (of 2)" in cli_here("compare", "-c", SLUG).stdout
    submission = pd.read_csv(output / "experiments" / best["name"] / "submission.csv")
    sample = pd.read_csv(workspace / "input" / SLUG / "sample_submission.csv")
    assert submission.shape == sample.shape
    if best["number"]:
        by_fold = [scores(read_summary(output, name)) for name in (best["name"], trials[0]["name"])]
        gain = sum(by_fold[0][fold] - by_fold[1][fold] for fold in (2, 3)) / 2
        assert f"on folds 2, 3, not searched: {(by_fold[0][2] + by_fold[0][3]) / 2:.4f}" in shown
        assert f"({gain:+.4f}" in shown
        assert found["unseen_folds"]["score"] - found["unseen_folds"]["default"] == pytest.approx(gain)

    # A fold of a trial has the bytes that `all` with its settings gives, and restore brings them into competition.toml.
    options = [part for setting in best["set"] for part in ("--set", setting)]
    cli_here("all", "--force", *SEARCH[1:], *options)
    parts = ("*/fold*/*.safetensors",)
    assert results(output, *parts) == results(output / "experiments" / best["name"], *parts)
    cli_here("restore", best["name"], "-c", SLUG)
    assert "kept submission.csv" in cli_here("all", "-c", SLUG).stdout

    cli_here("report", "-c", SLUG)
    page = (output / "report.html").read_text()
    assert "Search for a recipe" in page
    assert "which fields matter" in page
    assert best["name"] in page
    assert (f"The best: {found['metric']} on folds 2, 3, not searched: " in page) == bool(best["number"])
    assert (found["unseen_folds"] is None) == (not best["number"])

    # All is there: the same again trains nothing, and more trials come behind those that are there.
    before = results(output / "experiments" / best["name"], *parts)
    again = cli_here(*SEARCH, "--trials", "12").stdout
    assert f"goes on: 12 trials so far, {len(finished)} of them finished" not in again  # [recipe] is another now
    assert results(output / "experiments" / best["name"], *parts) == before


def test_a_killed_search_goes_on_with_the_same_trials(workspace, cli_here, output, tmp_path_factory):
    cli_here(*SEARCH, "--trials", "5")
    whole, (name, *_) = figures(output), [figures(output)["best"]]
    made = results(output / "experiments" / name, "*/fold*/*.safetensors")
    (workspace / "output").rename(workspace / "first")
    (workspace / "folds").rename(workspace / "first-folds")

    # Killed in the second trial, and again in the fourth.
    for number in (1, 3):
        program, seen = start_program(command(workspace, *SEARCH, "--trials", "5")), ""
        for line in program.lines:
            seen += line
            if line.startswith("search") and f"-{number}: " in line:
                break
        program.kill()
        assert program.process.exitcode == -signal.SIGKILL, seen
    journal = output / "search" / JOURNAL
    with journal.open("ab") as file:
        file.write(b'{"op_code": 4, "wor')  # as a stop of the machine leaves it
    shown = cli_here(*SEARCH, "--trials", "5").stdout
    assert "goes on: 4 trials so far, 3 of them finished" in shown
    told = ("name", "state", "score", "set")
    assert [[trial[key] for key in told] for trial in figures(output)["trials"]] == [
        [trial[key] for key in told] for trial in whole["trials"]
    ]
    assert figures(output)["best"] == name
    assert results(output / "experiments" / name, "*/fold*/*.safetensors") == made
    assert not list(output.glob("experiments/*/*/fold*-state"))


def test_several_processes_share_the_trials(workspace, cli_here, output):
    line = command(workspace, *SEARCH, "--trials", "4")
    codes, shown = zip(*(program.end() for program in start_programs(line, line)), strict=True)
    assert codes == (0, 0), shown
    cli_here(*SEARCH, "--trials", "4")  # ends what one left to the other
    trials = figures(output)["trials"]
    assert len(trials) in (4, 5)  # both may begin the last one
    assert {trial["state"] for trial in trials} <= {"finished", "pruned"}
    for trial in trials:  # each was done by one of them
        ended = [f"{trial['name']}: {trial['score']:.4f}," if trial["score"] else f"{trial['name']}: pruned"]
        assert sum(text.count(ended[0]) for text in shown) == 1


def test_a_trial_that_another_process_holds_is_left_to_it(cli_here, output):
    cli_here(*SEARCH, "--trials", "1")
    (name,) = [trial["name"] for trial in figures(output)["trials"]]
    with only_writer(output / "experiments" / name):
        done = cli_here(*SEARCH, "--trials", "1")
    assert f"{name}: another process trains its other folds" in done.stderr


def test_no_time_for_a_trial_leaves_it_to_the_next_command(cli_here, output):
    told = cli_here(*SEARCH, "--time-budget", "1s", code=1)
    assert "no time is left for it; the same command goes on with it" in told.stdout
    assert told.stderr.endswith(
        "the time is over before a trial was finished; run the same command with more, it goes on\n"
    )
    assert [trial["state"] for trial in figures(output)["trials"]] == ["running"]
    shown = cli_here(*SEARCH, "--time-budget", "1h", "--trials", "1").stdout
    assert "goes on: 1 trials so far, 0 of them finished" in shown
    assert [trial["state"] for trial in figures(output)["trials"]] == ["finished"]


def test_a_pruned_trial_looks_like_no_experiment(workspace, cli_here, output):
    cli_here(*SEARCH, "--trials", "1")
    found = figures(output)
    add_curves_nobody_reaches(output)
    shown = cli_here(*SEARCH, "--trials", "6").stdout
    states = [trial["state"] for trial in figures(output)["trials"]]
    assert states == [*["finished"] * 4, "pruned", "pruned"]
    assert "is behind the others" in shown
    assert {path.name for path in (output / "experiments").iterdir()} == {"tokens", found["best"]}


def test_what_the_run_without_a_name_has_trained_is_not_trained_again(cli_here, output):
    cli_here("all", *SEARCH[1:])
    told = cli_here(*SEARCH, "--trials", "1").stdout
    (trial,) = figures(output)["trials"]
    assert f"train     took bilstm folds 2, 3 over from {'the run without a name'}" in told
    copy = output / "experiments" / trial["name"]
    for fold in range(4):
        assert (copy / f"bilstm/fold{fold}/fold.json").read_bytes() == (
            output / f"bilstm/fold{fold}/fold.json"
        ).read_bytes()
    made = json.loads((output / "summary.json").read_text())
    assert trial["seconds"] == pytest.approx(made["seconds"]["train"] / 2)
    (kept,) = open_study(output).trials
    assert max(kept.intermediate_values) == 10  # its curve is known, and others are held against it


def test_a_journal_is_cut_before_a_line_that_is_none(cli_here, output):
    cli_here(*SEARCH, "--trials", "1")
    journal = output / "search" / JOURNAL
    before = journal.read_bytes()
    journal.write_bytes(before + b'{"op_code": 4, "wor\nand what came after it\n')
    done = cli_here(*SEARCH, "--trials", "1")
    assert f"{JOURNAL}: damaged; trials from there on are tried anew" in done.stderr
    assert "goes on: 1 trials so far, 1 of them finished" in done.stdout
    assert (output / "search" / f"{JOURNAL}.damaged").read_bytes().startswith(before)


def test_a_journal_of_other_lines_is_refused(cli_here, output):
    cli_here(*SEARCH, "--trials", "1")
    journal = output / "search" / JOURNAL
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 99, "worker_id": "x"}\n')
    errors = cli_here(*SEARCH, "--trials", "1", code=2).stderr
    assert f"{JOURNAL}: damaged" in errors
    assert "move it away" in errors


def test_the_default_space_is_of_the_task(cli_here):
    shown = cli_here("search", "-c", "twin-multiclass", "--trials", "1", "--set", "training.epochs=2").stdout
    assert "by default, as there is no [search] in competition.toml" in shown
    assert 'training.loss: "auto", "label_smoothing"' in shown
    assert "training.epochs: 1 to 4" in shown
    linear = cli_here(
        *("search", "-c", "twin-regression", "--trials", "1", "--search-folds", "1"),
        *("--set", 'ensemble.members=["linear"]'),
    ).stdout
    assert "linear.C: 0.5 to 64.0, log" in linear
    assert "training.learning_rate" not in linear
