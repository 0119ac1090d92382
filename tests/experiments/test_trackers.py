import importlib.util
import json

import pytest

from conftest import REPOSITORY
from experiments.conftest import settings
from foldwise.files import read_json
from reliability.in_process import results

MODULE = """
import json

class Writes:
    def __init__(self, folder, name):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "told.jsonl"
        self.tell(name=name)
    def start(self, facts):
        self.tell(start=facts)
    def on_event(self, fold, event):
        self.tell(fold=fold, event=type(event).__name__, facts=vars(event))
    def finish(self, summary):
        self.tell(finish=summary["cv"])
    def close(self):
        self.tell(close=True)
    def tell(self, **facts):
        with self.path.open("a") as file:
            file.write(json.dumps(facts) + "\\n")

class Fails(Writes):
    def on_event(self, fold, event):
        raise ValueError("no line\\nto the service")

class Cannot:
    def __init__(self, folder, name):
        raise RuntimeError("no licence")
"""


@pytest.fixture
def own(trained, monkeypatch):
    """A module with trackers."""
    (trained / "own").mkdir()
    (trained / "own" / "told.py").write_text(MODULE)
    monkeypatch.syspath_prepend(trained / "own")


def test_a_tracker_is_told_everything_and_changes_no_byte(own, foldwise, output):
    said = foldwise(
        "all", "--force", "--name", "told", *settings("net"), "--tracker", "told:Fails", "--tracker", "told:Writes"
    )
    assert "warning: --tracker told:Fails: ValueError: no line to the service" in said
    everything = "*/fold*/*.safetensors"
    assert results(output / "experiments" / "told", everything) == results(output / "experiments" / "net", everything)
    lines = [json.loads(line) for line in (output / "tracking" / "told.jsonl").read_text().splitlines()]
    assert lines[0]["name"].startswith("told-")
    (start,) = [line["start"] for line in lines[3:] if "start" in line]
    assert start["recipe"]["training"]["epochs"] == 1
    assert start["experiment"] == "told"
    for fold in ("bilstm/fold0", "bilstm/fold1"):
        events = [line for line in lines if line.get("fold") == fold]
        assert [events[0]["event"], events[-1]["event"]] == ["Started", "Finished"]
        history = (output / "experiments" / "told" / fold / "history.jsonl").read_text().splitlines()
        assert [line["facts"] for line in events if line["event"] == "Evaluated"] == [json.loads(x) for x in history]
    summary = read_json(output / "experiments" / "told" / "summary.json")
    assert [line.get("finish") for line in lines[-2:]] == [summary["cv"], None]
    assert lines[-1] == {"close": True}


def test_trackers_that_there_are_not(own, foldwise):
    assert "--tracker tensorbord: not known; did you mean tensorboard?" in foldwise(
        "all", "--tracker", "tensorbord", code=2
    )
    assert "--tracker x: not known; there are tensorboard, mlflow, wandb" in foldwise("all", "--tracker", "x", code=2)
    assert "no licence" in foldwise("all", "--tracker", "told:Cannot", code=2)
    assert "has no 'None'" in foldwise("train", "--tracker", "told:None", code=2)


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_a_tracker_that_is_not_installed_says_what_to_do(name, foldwise):
    if importlib.util.find_spec(name):
        pytest.skip("installed")
    message = foldwise("all", "--tracker", name, code=2)
    assert message == f"error: --tracker {name}: not installed; run `.venv/bin/pip install {name}`\n"


@pytest.mark.filterwarnings("ignore")  # theirs
def test_tensorboard_has_a_curve_for_each_fold(foldwise, output):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    foldwise("all", "--force", "--name", "told", *settings("net"), "--tracker", "tensorboard")
    (run,) = (output / "tracking" / "tensorboard").iterdir()
    events = accumulator.EventAccumulator(str(run / "bilstm" / "fold0"))
    events.Reload()
    history = (output / "experiments" / "told" / "bilstm" / "fold0" / "history.jsonl").read_text().splitlines()
    assert [point.step for point in events.Scalars("score")] == [json.loads(line)["step"] for line in history]


@pytest.mark.filterwarnings("ignore")  # theirs
def test_mlflow_has_recipe_and_scores(foldwise, output):
    mlflow = pytest.importorskip("mlflow")
    foldwise("all", "--force", "--name", "told", *settings("net"), "--tracker", "mlflow")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{output / 'tracking' / 'mlflow.db'}")
    (run,) = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert run.data.params["training.epochs"] == "1"
    summary = read_json(output / "experiments" / "told" / "summary.json")
    assert run.data.metrics["cv_mean"] == summary["cv"]["mean"]
    assert run.info.status == "FINISHED"


@pytest.mark.filterwarnings("ignore")  # theirs
def test_weights_and_biases_stays_at_home(foldwise, output):
    pytest.importorskip("wandb")
    foldwise("all", "--force", "--name", "told", *settings("net"), "--tracker", "wandb")
    assert list((output / "tracking" / "wandb").glob("offline-run-*/*.wandb"))


def test_the_tracker_of_the_readme(foldwise, trained, output, monkeypatch):
    section = (REPOSITORY / "src" / "README.md").read_text(encoding="utf-8").partition("## Your own tracker")[2]
    (trained / "lines").mkdir()
    (trained / "lines" / "tracker_of_the_readme.py").write_text(section.partition("```python\n")[2].partition("```")[0])
    monkeypatch.syspath_prepend(trained / "lines")
    foldwise("all", "--force", "--name", "told", *settings("net"), "--tracker", "tracker_of_the_readme:Lines")
    (path,) = (output / "tracking").iterdir()
    lines = path.read_text().splitlines()
    assert lines[0] == "1 epochs"
    assert lines[1].startswith("bilstm/fold0 epoch 0.50: 0.")
    assert lines[-1].startswith("cv 0.")
