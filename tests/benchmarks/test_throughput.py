"""`./run.sh bench` on a few rows: every way to train, how they are timed, and the section they are written to."""

import json
import sys
from pathlib import Path
from typing import Any

import competitors
import contest
import numpy as np
import own
import pytest
import section
import throughput
import torch
import variants

from foldwise.data.tokenizer import PAD
from foldwise.running.engine import run_here
from foldwise.running.placement import Placement
from foldwise.training.fold_data import FoldData
from foldwise.training.precision import Runtime, choose_device, why_not

ROWS = 1300  # two batches and a bit in four folds of five


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made: Path = tmp_path_factory.mktemp("contest")
    contest.prepare(made, ROWS)
    return made


@pytest.fixture(scope="module")
def data(folder) -> FoldData:
    return contest.load(folder)


def test_the_contest_holds_its_rows_targets_and_folds(data):
    assert len(data.store) == ROWS + ROWS // 10
    assert len(data.targets.y) == len(data.folds) == ROWS
    assert 0 < data.targets.y.mean() < 0.2
    assert np.unique(data.folds).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_plain_loop_gives_its_figures(folder, data, name, monkeypatch):
    monkeypatch.setattr(competitors, "BATCH", 64)
    found = variants.measure(name, folder, 0.05)
    assert found["tokens"] > found["rows"] > 0
    assert 0.5 < found["padding"] < 1
    if name == "a":
        longest, mean = data.store.lengths.max(), data.store.lengths[:ROWS].mean()
        assert found["padding"] == pytest.approx(1 - mean / longest, abs=0.05)


def test_padding_is_counted_in_cells_of_the_padded_batches(data):
    tokens, lengths, y = competitors.pad_rows(competitors.rows_of(data)[:10])
    assert tokens.shape == (10, int(lengths.max()))
    assert y.shape == (10, 1)
    found = competitors.figures([lengths], [tokens.shape[1]], 2.0)
    assert found["rows"] == 5
    assert found["padding"] == pytest.approx(np.mean(tokens.numpy() == PAD))


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["c", "c16"])
def test_the_trainer_of_hugging_face_gives_its_figures(folder, name, monkeypatch):
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    monkeypatch.setattr(competitors, "BATCH", 64)
    found = variants.measure(name, folder, 0)
    if name == "c16" and (reason := why_not("bf16", choose_device("auto")[0])):
        assert found == {"unavailable": reason}
        return
    assert found["tokens"] > found["rows"] > 0
    assert 0 < found["padding"] < 0.7


def test_what_the_trainer_is_given_computes_a_loss(data):
    tokens, lengths, y = competitors.pad_rows(competitors.rows_of(data)[:4])
    found = competitors.WithLoss(competitors.dense_model(data))(tokens, lengths, y)
    found["loss"].backward()
    assert found["logits"].shape == (4, 1)


def test_foldwise_reports_an_epoch_and_the_limit_its_steps(folder, monkeypatch):
    monkeypatch.setattr(own, "BATCH", 64)
    _, runtime = own.place(folder)
    reported: list[dict[str, Any]] = []
    job = own.Job(folder, 0, runtime, 0.01)
    own.train_one(job, reported.append)
    own.step_one(job, reported.append)
    trained, steps = reported
    assert trained["tokens"] > trained["rows"] > 0
    assert 0 < trained["padding"] < 0.5
    assert steps["tokens"] > steps["rows"] > 0
    assert steps["padding"] == 0


def test_processes_side_by_side_add_up(folder, monkeypatch):
    runtime = Runtime(torch.device("cpu"), "fp32", 1)
    monkeypatch.setattr(own, "find_engine", lambda _: run_here)  # starting processes takes seconds
    monkeypatch.setattr(own, "place", lambda _: (Placement(2), runtime))
    found = own.together(folder, 1.0, report_a_row)
    assert found == {"rows": 2, "tokens": 6, "padding": 0.25, "how": "2 processes of 1 thread, cpu, fp32"}


def report_a_row(job: own.Job, report: own.Report) -> None:
    report({"rows": 1, "tokens": 3, "padding": 0.25})


def test_a_way_is_timed_in_a_process_of_its_own_and_its_failure_told(tmp_path, monkeypatch):
    (tmp_path / "good.py").write_text("import sys; print('noise'); print('{\"rows\": 2}')")
    (tmp_path / "bad.py").write_text("raise ValueError('no rows')")
    monkeypatch.setattr(throughput, "HERE", tmp_path)
    assert throughput.run_json("good.py", "--rows", 3)["rows"] == 2
    with pytest.raises(SystemExit, match=r"ValueError: no rows[\s\S]*bad.py --rows 3 failed"):
        throughput.run_json("bad.py", "--rows", 3)
    assert 0 <= throughput.busy_cores() <= 1000


def test_a_script_prints_its_figures_last(folder, monkeypatch, capsys):
    monkeypatch.setattr(variants, "measure", lambda *_: {"rows": 1})
    monkeypatch.setattr(sys, "argv", ["variants.py", "--variant", "a", "--data", str(folder)])
    variants.main()
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"rows": 1}


def timed(name: str, repeat: int) -> dict[str, Any]:
    """Figures as a way gives them, with more rows/s at each letter."""
    if name == "c16":
        return {"unavailable": "the processor cannot run an LSTM in it (no such instruction)", "memory": 1}
    rows = 100.0 * (1 + "abcde".index(name)) + repeat
    return {
        "rows": rows,
        "tokens": 15 * rows,
        "padding": 0.1,
        "memory": 1e6,
        "how": "2 processes" if name == "d" else "",
    }


PIECES = {
    "sizes": {
        "512": {
            "batches": {"item by item": 100.0, "foldwise": 2000.0},
            "training": {"item by item": 50.0, "foldwise": 60.0},
        }
    },
    "steps": {"20000": 0.1, "400000": 0.11},
}


def test_the_whole_of_a_quick_run_is_printed(monkeypatch, capsys):
    """All but the scripts themselves: their figures stand for them."""
    given: dict[str, dict[str, Any]] = {
        "contest.py": {"rows": 1000, "mean": 15.0, "longest": 100, "numbers": 8},
        "pieces.py": PIECES,
    }

    def run_json(script: str, *options: object) -> dict[str, Any]:
        return given[script] if script in given else timed(str(options[1]), 0)

    monkeypatch.setattr(throughput, "run_json", run_json)
    monkeypatch.setattr(throughput, "NEEDED", ())
    monkeypatch.setattr(section, "machine", lambda: "a machine")
    monkeypatch.setattr(sys, "argv", ["throughput.py", "--quick"])
    throughput.main()
    shown = capsys.readouterr().out
    assert (
        "`./run.sh bench --quick` on a machine.\n\nEach way once, on 100,000 rows; on a quiet machine the rat" in shown
    )
    assert (
        "| (a) DataLoader, padded to the longest of the data, fp32 | 100 | 1,500 | 10.0% | 1.00 GB | × 4.00 | × 4.00 |"
        in shown
    )
    assert "bf16: the processor cannot run an LSTM in it (no such instruction) | – |" in shown
    assert "| 512, foldwise | 2,000 | 20.00 | 60 | 1.20 |" in shown
    assert "| 400,000 | 110.0 |" in shown


def test_ratios_are_of_the_same_repeat():
    ours, theirs = ([timed(name, repeat) for repeat in (0, 50, 100)] for name in "da")
    found = throughput.summarise(theirs, ours)
    assert found["rows"] == 150
    assert found["rows_ratio"] == pytest.approx(450 / 150)
    assert throughput.summarise([timed("c16", 0)], ours)["unavailable"]


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setattr(throughput, "NEEDED", ("no_such_package",))
    monkeypatch.setattr(sys, "argv", ["throughput.py"])
    with pytest.raises(SystemExit, match="error: no_such_package is not installed"):
        throughput.main()


def test_the_section_is_put_between_its_markers(tmp_path, capsys):
    page, chart = tmp_path / "BENCHMARKS.md", tmp_path / section.CHART
    chart.parent.mkdir(parents=True)
    page.write_text("# Mine\n")
    figures = {name: timed(name, 0) for name in variants.VARIANTS}
    section.write("## Old\n\ntable", figures, tmp_path)
    section.write("## New\n\ntable", figures, tmp_path)
    text = page.read_text()
    assert text.startswith("# Mine\n\n<!-- bench: begin -->\n## New\n\n![")
    assert text.count(section.BEGIN) == text.count(section.END) == 1
    assert "Old" not in text
    assert "not on this processor" in chart.read_text()


def test_the_machine_is_described():
    pytest.importorskip("transformers")
    assert "torch" in section.machine()
