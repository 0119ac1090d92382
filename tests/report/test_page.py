"""The report: what it reads from oof.csv, by hand, and its plots."""

import base64
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from foldwise.paths import Paths
from foldwise.report import page
from foldwise.report.page import picture, read_oof, worst_rows

PNG = base64.b64encode(b"\x89PNG\r\n").decode()


@pytest.fixture
def run_with(tmp_path):
    """A run that has left this oof.csv."""

    def make(oof: str, task: str, *targets: str, **competition: object) -> SimpleNamespace:
        (tmp_path / "oof.csv").write_text(oof)
        config = SimpleNamespace(
            columns=SimpleNamespace(target=list(targets), separator=None),
            competition=SimpleNamespace(**{"task": task, "soft_cut": None} | competition),
        )
        ids = [line.split(",")[0] for line in oof.splitlines()[1:]]
        _, _, *others = oof.splitlines()[0].split(",")
        names = SimpleNamespace(names=[name.removeprefix("prediction_") for name in others[len(targets) :]])
        texts = SimpleNamespace(train_ids=ids, train_texts=[[f"<text of {row_id}>" for row_id in ids]], targets=names)
        paths = Paths("x", tmp_path, tmp_path / "competition.toml", tmp_path / "folds.csv", tmp_path, ())
        return SimpleNamespace(config=config, paths=paths, competition=texts)

    return make


CLASSES = """id,fold,label,prediction_01,prediction_1,prediction_x
007,0,01,0.5,0.25,0.25
b,1,x,0.125,0.75,0.125
c,1,1,,,
d,0,1,0.0625,0.875,0.0625
"""


def test_a_class_is_one_in_its_own_rows(run_with):
    rows, predictions, truth = read_oof(run_with(CLASSES, "multiclass", "label"))
    assert rows.to_numpy().tolist() == [["007", "01"], ["b", "x"], ["d", "1"]]  # c was predicted by no fold
    assert truth.to_numpy().tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert list(truth) == list(predictions) == ["prediction_01", "prediction_1", "prediction_x"]


def test_the_worst_rows_come_first(run_with):
    assert worst_rows(run_with(CLASSES, "multiclass", "label")) == [
        ("b", "x", "0.125, 0.750, 0.125", "<text of b>"),
        ("007", "01", "0.500, 0.250, 0.250", "<text of 007>"),
        ("d", "1", "0.062, 0.875, 0.062", "<text of d>"),
    ]
    two = "id,fold,a,b,prediction_a,prediction_b\n1,0,1,0,0.9,0.3\n2,0,0,1,0.1,0.4\n"
    assert [row[0] for row in worst_rows(run_with(two, "multilabel", "a", "b"))] == ["2", "1"]


@pytest.mark.parametrize(
    ("oof", "task", "target", "competition"),
    [
        (CLASSES, "multiclass", "label", {}),
        ("id,fold,y,prediction\n1,0,1,0.9\n2,1,0,0.1\n", "binary", "y", {}),
        ("id,fold,y,prediction\n1,0,0.75,0.9\n2,1,0.2,0.1\n", "binary", "y", {"soft_cut": 0.5}),
        ("id,fold,y,prediction\n1,0,1,0.9\n2,1,1,0.1\n", "binary", "y", {}),
        ("id,fold,y,prediction\n1,0,-1.5,0.9\n2,1,3,0.1\n", "regression", "y", {}),
        ("id,fold,y,prediction\n1,0,1,1.25\n2,1,6,4.5\n", "ordinal", "y", {}),
    ],
)
def test_predictions_are_drawn_for_every_task(run_with, oof, task, target, competition):
    assert picture(page.draw_predictions, run_with(oof, task, target, **competition)).startswith(PNG)


def test_a_soft_target_is_cut_where_the_competition_says(run_with):
    drawn = []

    class Axes:
        def hist(self, values, **_):
            drawn.append(np.asarray(values).tolist())

        def set(self, **_): ...
        def legend(self, **_): ...

    soft = "id,fold,y,prediction\n1,0,0.5,0.9\n2,1,0.49,0.1\n3,1,1.0,0.8\n"
    figure: Any = SimpleNamespace(subplots=Axes)
    page.draw_predictions(run_with(soft, "binary", "y", soft_cut=0.5), figure)
    assert drawn == [[0.1], [0.9, 0.8]]


def test_a_plot_is_a_function_and_a_line(cli_here, workspace, monkeypatch):
    settings = ["tokens.dimension=4", "model.hidden=2", "training.epochs=1", "folds.n=2"]
    options = ["-c", "twin-binary", *(part for setting in settings for part in ("--set", setting))]
    without = cli_here("report", *options, code=2).stderr
    assert "no summary.json; run `" in without
    cli_here("all", *options)

    def draw_rows(run, figure) -> None:
        figure.subplots().bar(["rows"], [len(run.competition.train_ids)])

    monkeypatch.setattr(page, "PLOTS", [*page.PLOTS, ("Rows", draw_rows)])
    cli_here("report", *options)
    shown = (workspace / "output" / "twin-binary" / "report.html").read_text(encoding="utf-8")
    assert shown.count("data:image/png;base64,") == 4
    assert "<h2>Rows</h2>" in shown
    assert "<tr><td>fold 0<td>0." in shown
