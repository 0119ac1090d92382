"""The metric that competition.toml asks for: names, arguments, functions of the user's own."""

import re

import numpy as np
import pytest

from conftest import REPOSITORY
from foldwise.errors import InputError
from foldwise.metrics import METRICS, MetricChoice, best_score, check_name, metric_for, score, submitted_values
from foldwise.metrics.choice import meaning, own_metric
from foldwise.tasks import TASKS

MINE = """
def share(truth, labels, power=1):
    return ((truth == labels).mean()) ** power

def shapes(truth, predictions):
    raise ValueError(f"{truth.shape} {predictions.shape}")

def changes(truth, predictions):
    predictions[:] = 0
    return 1

def table(truth, predictions):
    return {"score": 1}

number = 3
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of the user's own; → its name."""
    (tmp_path / "mine_of_choice.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "mine_of_choice"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rmle", "no such metric; did you mean rmsle?"),
        ("map@k", "give k as a number, such as map@3"),
        ("map", "no such metric; did you mean mape?"),
        ("map@0", "no such metric; did you mean map@3?"),
        ("Zzz", "no such metric; input/README.md lists all (F2 is fbeta with beta = 2); your own function is"),
    ],
)
def test_a_name_that_is_none(name, message):
    with pytest.raises(ValueError, match=r"no such metric|give k") as caught:
        check_name(name)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (
            "fbeta",
            {},
            "competition.metric = 'fbeta': needs beta, a number above 0, at most 1,000,000; write metric_arguments = { beta = 2 }",
        ),
        ("fbeta", {"beta": 0}, "competition.metric_arguments.beta = 0: give a number above 0"),
        ("fbeta", {"beta": "2"}, "competition.metric_arguments.beta = '2': give a number above 0"),
        ("fbeta", {"beta": True}, "competition.metric_arguments.beta = True: give a number above 0"),
        ("fbeta", {"beta": 2, "k": 3}, "competition.metric_arguments.k = 3: fbeta takes beta"),
        ("f1", {"beta": 2}, "competition.metric_arguments.beta = 2: f1 takes no arguments"),
        ("map@3", {}, "competition.metric = 'map@3' is not for a binary task; choose one of accuracy, f1, macro_f1"),
    ],
)
def test_arguments_that_do_not_fit(name, arguments, message):
    with pytest.raises(InputError) as caught:
        metric_for(MetricChoice(name, arguments), "binary")
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 500


def test_k_is_said_once():
    with pytest.raises(InputError, match="k stands there; take it out of metric_arguments"):
        metric_for(MetricChoice("map@3", {"k": 4}), "multiclass")


def test_an_own_metric_takes_labels_of_one_column_or_of_several(mine):
    truth, p = np.array([[1.0], [0], [1]], dtype=np.float32), np.array([[0.9], [0.2], [0.3]])
    metric = metric_for(MetricChoice(f"{mine}:share", {"power": 2}), "binary")
    assert score(metric, "binary", truth, p) == pytest.approx(4 / 9)
    assert best_score(metric, "binary", truth, p) == 1
    for task, shape in (("binary", "(3,) (3,)"), ("multiclass", "(3,) (3,)"), ("ordinal", "(3,) (3,)")):
        classes = truth[:, 0].astype(int) if task != "binary" else truth
        two = np.hstack([1 - p, p]) if task == "multiclass" else p
        with pytest.raises(InputError) as caught:
            score(metric_for(MetricChoice(f"{mine}:shapes"), task), task, classes, two)
        assert f"competition.metric = '{mine}:shapes': the call fails: ValueError: {shape}" in str(caught.value)
    asked = MetricChoice(f"{mine}:shapes", takes="probability")
    with pytest.raises(InputError, match=r"ValueError: \(3,\) \(3, 2\).* it was given truth and probabilities, int64"):
        score(metric_for(asked, "multiclass"), "multiclass", truth[:, 0].astype(int), np.hstack([1 - p, p]))


def test_what_an_own_metric_may_not_be(mine):
    truth = np.array([[1.0], [0]], dtype=np.float32)
    for name, phrase in (("changes", "read-only"), ("table", "must return a number")):
        kept = truth.copy()
        with pytest.raises(InputError, match=phrase):
            score(own_metric(MetricChoice(f"{mine}:{name}"), "binary"), "binary", truth, truth)
        assert (truth == kept).all()
    with pytest.raises(InputError, match=f"competition.metric = '{mine}:number': int is not a function"):
        metric_for(MetricChoice(f"{mine}:number"), "binary")
    with pytest.raises(InputError, match=f"competition.metric = '{mine}:shares': .* did you mean share"):
        metric_for(MetricChoice(f"{mine}:shares"), "binary")
    with pytest.raises(InputError, match=r"competition\.metric_takes = 'label': regression has none; one of value"):
        metric_for(MetricChoice(f"{mine}:share"), "regression")


def test_values_are_submitted_as_the_metric_scores_them():
    values = np.array([[-1.0, 2.4], [0.5, 2.6]])
    assert submitted_values("rmsle", "regression", values).tolist() == [[0, 2.4], [0.5, 2.6]]
    assert submitted_values("quadratic_kappa", "regression", values).tolist() == [[-1, 2], [0, 3]]
    assert submitted_values("rmse", "regression", values) is values
    assert submitted_values("mine:metric", "regression", values) is values
    assert submitted_values("quadratic_kappa", "ordinal", values) is values
    assert METRICS["rmsle"].submitted is not None


def test_the_table_of_the_documentation_has_every_metric_of_each_task():
    text = (REPOSITORY / "input" / "README.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.split("## Metrics")[1].splitlines() if line.startswith("| ")]
    shown = {task: set(re.findall(r"[a-z_0-9@]+", " ".join(names))) for task, *names in rows[1:]}
    for task, spec in TASKS.items():
        names = {name.replace("@k", "@3") for name, metric in METRICS.items() if meaning(metric, spec.truth)}
        # Metrics of values score a binary or multilabel task only where targets are shares.
        optional = (
            {"rmse", "mcrmse", "mae", "pinball", "r2", "pearson", "spearman"} if spec.y == "columns" else {"mcrmse"}
        )
        assert names - optional <= shown[task] <= names, task
