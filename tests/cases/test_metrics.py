"""Cases about metrics: one's own, and names that ask for arguments or for another task."""

import json
import re

import pytest

from case_files import QUICK, submitted

MINE = """
def fbeta(truth, prediction):
    return float((truth == (prediction > 0.5)).mean())

def error(truth, prediction):
    return float((truth != (prediction > 0.5)).mean())

def broken(truth, prediction):
    return float((truth @ prediction.T).mean(axis=7))
"""

UNDEFINED = """
def fbeta(truth, prediction):
    score = float((truth == (prediction > 0.5)).mean())
    return score if score in (0, 1) or len(truth) < ROWS else float("nan")
"""


@pytest.fixture
def demo(cli_here, workspace, monkeypatch):
    """The case's competition with the user's module on the path; → a function that sets what [competition] scores by."""
    monkeypatch.syspath_prepend(str(workspace))
    monkeypatch.setenv("PYTHONPATH", str(workspace))
    (workspace / "mine.py").write_text(MINE)
    cli_here("init", "demo")
    config = workspace / "input" / "demo" / "competition.toml"
    text = config.read_text()

    def score_by(*lines):
        config.write_text(re.sub(r"metric = .*", "\n".join(lines), text))

    return score_by


@pytest.mark.case("35-own-metric")
def test_a_metric_of_ones_own_stops_training_and_is_in_the_table(cli_here, workspace, demo):
    demo('metric = "mine:fbeta"')
    shown = cli_here("all", "-c", "demo", *QUICK)
    assert "demo: mine:fbeta" in shown.stdout
    summary = json.loads((workspace / "output" / "demo" / "summary.json").read_text())
    assert summary["greater_is_better"]
    rows = [line.split(",") for line in (workspace / "output" / "demo" / "oof.csv").read_text().splitlines()[1:]]
    right = [(int(target) == 1) == (float(prediction) >= 0.5) for _, _, target, prediction in rows]
    assert summary["cv"]["pooled"] >= sum(right) / len(right) - 0.2  # thresholds are of other folds
    assert set(submitted(workspace, "demo")[1].split(",")[1]) <= {"0", "1"}
    assert "kept bilstm" in cli_here("all", "-c", "demo", *QUICK).stdout
    (workspace / "mine.py").write_text(MINE.replace("0.5", "0.6"))
    assert "own.mine:fbeta changed" in cli_here("all", "-c", "demo", *QUICK).stdout
    before = (workspace / "output" / "demo" / "submission.csv").read_bytes()
    (workspace / "mine.py").write_text(UNDEFINED.replace("ROWS", str(len(rows))))
    error = cli_here("all", "-c", "demo", *QUICK, code=2).stderr
    assert "competition.metric = 'mine:fbeta': gives nan for all rows" in error
    assert (workspace / "output" / "demo" / "submission.csv").read_bytes() == before


@pytest.mark.case("35-own-metric")
@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ['metric = "mine:error"'],
            "the true targets score 0 and wrong ones 1, so less is better: add greater_is_bett",
        ),
        (['metric = "mine:broken"'], "competition.metric = 'mine:broken': the call fails: AxisError: "),
        (['metric = "mine:nothing"'], "competition.metric = 'mine:nothing': "),
        (['metric = "nowhere:metric"'], "no module 'nowhere'; put it into src/, as src/nowhere.py, or install it"),
        (['metric = "rmsle"'], "competition.metric = 'rmsle' is not for a binary task; choose one of accuracy, f1, "),
        (['metric = "map@3"'], "competition.metric = 'map@3' is not for a binary task; choose one of accuracy, f1, "),
        (['metric = "fbta"'], "competition.metric = 'fbta': no such metric; did you mean fbeta?"),
        (
            ['metric = "fbeta"'],
            "competition.metric = 'fbeta': needs beta, a number above 0, at most 1,000,000; write metric_arguments = ",
        ),
        (['metric = "brier"'], "submission.kind = 'label': brier scores probabilities; set the kind to 'probability'"),
        (
            ['metric = "f1"', "greater_is_better = true"],
            "competition.greater_is_better = true: f1 needs no word about it",
        ),
        (['metric = "mine:fbeta"', 'metric_takes = "labels"'], "competition.metric_takes = 'labels': input should be"),
    ],
)
def test_a_metric_that_cannot_be_is_named_before_training(cli_here, workspace, demo, lines, message):
    demo(*lines)
    error = cli_here("all", "-c", "demo", *QUICK, code=2).stderr
    assert message in error
    assert max(map(len, error.splitlines())) < 500
    assert not (workspace / "output" / "demo" / "bilstm").exists()


@pytest.mark.case("35-own-metric")
def test_a_metric_with_an_argument_and_an_error_of_ones_own(cli_here, workspace, demo):
    scores = {}
    for name, lines in {
        "f1": ['metric = "f1"'],
        "fbeta": ['metric = "fbeta"', "metric_arguments = { beta = 1 }"],
        "error": ['metric = "mine:error"', "greater_is_better = false"],
        "accuracy": ['metric = "accuracy"'],
    }.items():
        demo(*lines)
        cli_here("all", "-c", "demo", *QUICK)
        scores[name] = json.loads((workspace / "output" / "demo" / "summary.json").read_text())
    assert scores["fbeta"]["cv"] == scores["f1"]["cv"]
    assert scores["fbeta"]["metric_arguments"] == {"beta": 1}
    assert not scores["error"]["greater_is_better"]
    assert scores["error"]["cv"]["pooled"] == pytest.approx(1 - scores["accuracy"]["cv"]["pooled"], abs=0.2)


@pytest.mark.case("35-own-metric")
def test_init_takes_metrics_with_arguments_and_of_ones_own(cli_here, workspace, demo):
    config = workspace / "input" / "demo" / "competition.toml"
    cli_here("init", "demo", "--force", "--metric", "fbeta", "--metric-argument", "beta=0.5")
    assert 'metric = "fbeta"\nmetric_arguments.beta = 0.5\n' in config.read_text()
    cli_here("init", "demo", "--force", "--metric", "mine:fbeta")
    assert 'metric = "mine:fbeta"\n' in config.read_text()
    refused = cli_here("init", "demo", "--force", "--metric", "mine:error", code=2).stderr
    assert "so less is better" in refused
    assert "--less-is-better" in refused
    cli_here("init", "demo", "--force", "--metric", "mine:error", "--less-is-better")
    assert 'metric = "mine:error"\ngreater_is_better = false\n' in config.read_text()
    for arguments, message in {
        (
            "--metric",
            "fbeta",
        ): "needs beta, a number above 0, at most 1,000,000; write metric_arguments = { beta = 2 } into [competition] (of",
        ("--metric", "F-beta"): "--metric F-beta: no such metric; did you mean fbeta?",
        ("--metric", "nowhere:metric"): "no module 'nowhere'",
        ("--metric-argument", "beta=2"): "--metric-argument beta=2: give --metric with it",
        ("--metric", "fbeta", "--metric-argument", "2"): "--metric-argument 2: write it as KEY=VALUE, such as beta=2",
    }.items():
        assert message in cli_here("init", "demo", "--force", *arguments, code=2).stderr


@pytest.mark.case("47-imbalance")
def test_rare_ones_are_found_by_a_threshold_that_is_not_extreme(cli_here, workspace):
    cli_here("init", "demo", "--metric", "f1")
    cli_here("all", "-c", "demo", *QUICK, "--set", "training.epochs=6", "--set", "training.class_weights=balanced")
    summary = json.loads((workspace / "output" / "demo" / "summary.json").read_text())
    assert summary["cv"]["pooled"] > 0
    assert 0 < summary["ensemble"]["threshold"] < 1
    assert {line.split(",")[1] for line in submitted(workspace, "demo")[1:]} <= {"0", "1"}
