"""The table of tasks: its entries fit together, and another task or metric is one more entry."""

import csv
import typing

import numpy as np
import pytest
from pydantic import TypeAdapter

from foldwise.config import MetricName, Task
from foldwise.errors import InputError
from foldwise.metrics import METRICS, metric_for
from foldwise.tasks import TASKS
from foldwise.training.loss_functions import LOSSES
from foldwise.training.losses import ACTIVATIONS


@pytest.mark.parametrize("task", TASKS)
def test_entries_fit_together(task):
    spec = TASKS[task]
    assert spec.y in LOSSES[spec.loss]
    assert spec.activation in ACTIVATIONS
    assert set(spec.ranks_as) <= set(spec.kinds)
    for kind, name in spec.usual_metrics.items():
        assert metric_for(name, task).prediction_type in (kind, "label")
    if "label" in spec.kinds:
        assert spec.kinds[0] == "label"


def test_the_configuration_knows_tasks_and_metrics_by_their_tables():
    assert list(TASKS) == list(typing.get_args(Task))
    names = [name.replace("@k", "@3") for name in METRICS]
    assert [TypeAdapter(MetricName).validate_python(name) for name in names] == names


def test_labels_by_their_thresholds():
    steps, two = np.array([0, 3, 1]), np.zeros((3, 2))
    assert TASKS["binary"].neutral_thresholds(two[:, :1], two[:, :1]).tolist() == [0.5]
    assert TASKS["multilabel"].neutral_thresholds(two, two).tolist() == [0.5, 0.5]
    assert TASKS["ordinal"].neutral_thresholds(steps, two[:, :1]).tolist() == [0.5, 1.5, 2.5]
    assert not len(TASKS["multiclass"].neutral_thresholds(steps, two))
    assert not len(TASKS["regression"].neutral_thresholds(two, two))
    columns = TASKS["multilabel"].to_labels(np.array([[0.2, 0.2], [0.3, 0.6]]), np.array([0.1, 0.6]))
    assert columns.tolist() == [[1, 0], [1, 1]]
    assert columns.dtype == np.float32
    steps = TASKS["ordinal"].to_labels(np.array([[-3], [0.49], [0.5], [1.2], [9]]), np.array([0.5, 1.5]))
    assert steps.tolist() == [0, 0, 1, 1, 2]
    assert steps.dtype == np.int64
    assert TASKS["multiclass"].to_labels(np.array([[0.2, 0.8], [0.6, 0.4]]), np.empty(0)).tolist() == [1, 0]


def test_strata_by_form_of_the_targets():
    assert TASKS["multiclass"].strata(np.array([0, 2]), 3).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert TASKS["ordinal"].strata(np.array([1, 0]), 2).tolist() == [[0, 1], [1, 0]]
    with_subgroup = np.array([[0.4, 1], [0.5, 0]])
    assert TASKS["binary"].strata(with_subgroup, 1).tolist() == [[0], [1]]
    values = np.random.default_rng(0).normal(size=(100, 2))
    assert TASKS["regression"].strata(values, 2).sum(axis=0).tolist() == [10] * 10


ADDITIONS = """
from foldwise.metrics.registry import METRICS, Metric
from foldwise.tasks import TASKS, TaskSpec

TASKS["counts"] = TaskSpec(
    y="values", truth="values", activation="identity", loss="smooth_l1",
    several=False, named=False, thresholds="none", usual_metrics={"value": "largest_error"},
)
METRICS["largest_error"] = Metric(lambda truth, values: float(abs(truth - values).max()), False, "value", ("values",))
"""


def test_another_task_and_another_metric_are_an_entry_each(cli, workspace, monkeypatch):
    """Entries made before anything else is imported, as if they stood in the tables."""
    (workspace / "sitecustomize.py").write_text(ADDITIONS)
    monkeypatch.setenv("PYTHONPATH", str(workspace))
    folder = workspace / "input" / "twin-regression"
    cli("init", "twin-regression", "--force", "--task", "counts")
    assert 'metric = "largest_error"\n' in (folder / "competition.toml").read_text()
    settings = ("folds.n=2", "tokens.vectors=none", 'ensemble.members=["bilstm"]')
    shown = cli("all", "-c", "twin-regression", *(part for each in settings for part in ("--set", each))).stdout
    assert "twin-regression: largest_error" in shown
    with (workspace / "output" / "twin-regression" / "oof.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    target = next(name for name in rows[0] if name not in ("id", "fold", "prediction"))
    largest = max(abs(float(row[target]) - float(row["prediction"])) for row in rows)
    assert f"{largest:.4f}" in shown


def test_a_metric_of_no_task_is_refused():
    with pytest.raises(InputError, match="'nothing' is not for an ordinal task; choose one of accuracy"):
        metric_for("nothing", "ordinal")
