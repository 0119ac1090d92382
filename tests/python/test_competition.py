"""The stages from Python, on real tables: the bytes of the command line, DataFrames, errors, Ctrl-C."""

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.pandas import column, data_frames, range_indexes

import foldwise as fw
from conftest import COMPETITIONS, script_environment
from foldwise.data.table import read_table
from foldwise.python.tables import write_table
from reliability.in_process import results

QUICK = {"epochs": 1, "folds": {"n": 2}, "vectors": ["none"], "dimension": 8, "hidden": 4, "size": 4}
NAMES = ("train", "test", "sample_submission")


def frames_of(slug: str) -> list[pd.DataFrame]:
    """A competition's three tables, as somebody has read them."""
    return [pd.read_csv(COMPETITIONS / slug / f"{name}.csv") for name in NAMES]


def places(root: Path) -> dict[str, Path]:
    return {name: root / name for name in ("folds", "output")}


@pytest.fixture(scope="module")
def walked(tmp_path_factory) -> tuple[Path, fw.Competition, fw.Result]:
    """A contest of DataFrames that has run once."""
    root = tmp_path_factory.mktemp("walked")
    frames = frames_of("twin-binary")
    contest = fw.Competition(*frames, name="mine", metric="f1", input=root / "input", **places(root))
    return root, contest, contest.run(fw.Recipe(**QUICK))


def test_the_bytes_are_those_of_the_command_line(cli_here, workspace):
    cli_here("all", "-c", "twin-regression", "--set", "training.epochs=1", "--seed", "3")
    contest = fw.Competition.open(
        workspace / "input" / "twin-regression", folds=workspace / "folds", output=workspace / "again"
    )
    run = contest.run(fw.Recipe(epochs=1), seed=3)
    by_command = results(workspace / "output" / "twin-regression", "*/fold*/*.safetensors")
    assert results(run.folder, "*/fold*/*.safetensors") == by_command
    assert len(by_command) > 8


def test_dataframes_to_submission(walked):
    root, contest, run = walked
    train, _, sample = frames_of("twin-binary")
    assert run.folder == root / "output" / "mine"
    assert run.scores["metric"] == "f1"
    assert {"cv", "folds", "members", "ensemble", "seconds"} <= run.scores.keys()
    assert not {"inputs", "outputs"} & run.scores.keys()
    assert run.oof["id"].tolist() == train["id"].astype(str).tolist()
    assert run.oof["target"].tolist() == train["target"].tolist()
    assert run.oof["prediction"].between(0, 1).all()
    assert list(run.submission.columns) == list(sample.columns)
    assert run.submission["id"].tolist() == sample["id"].astype(str).tolist()
    assert set(run.submission.iloc[:, 1]) <= {0, 1}
    assert set(run.history["member"]) == {"bilstm", "linear"}
    assert run.history.groupby(["member", "fold"])["best"].any().all()
    assert "f1" in repr(run)
    assert str(root) in repr(contest)


def test_what_is_up_to_date_is_kept_and_one_fold_trains_anew(walked, capsys):
    root, contest, run = walked
    before = results(run.folder, "*/fold*/*.json", "*/fold*/*.safetensors")
    same = fw.Competition(*frames_of("twin-binary"), name="mine", metric="f1", input=root / "input", **places(root))
    capsys.readouterr()
    assert same.run(fw.Recipe(**QUICK)).scores == run.scores
    assert "kept submission.csv" in capsys.readouterr().out
    again = contest.run(fw.Recipe(**QUICK), fold=np.int64(1))
    after = results(run.folder, "*/fold*/*.json", "*/fold*/*.safetensors")
    assert after.keys() == before.keys()
    assert {name.split("/")[1] for name in after if after[name] != before[name]} == {"fold1"}
    assert again.scores["cv"] == run.scores["cv"]


def test_torch_is_left_as_it_was_and_a_file_that_another_run_has_made_not_taken_for_this_ones(walked):
    _, contest, _ = walked
    run, threads, drawn = contest.run(fw.Recipe(**QUICK)), torch.get_num_threads(), torch.get_rng_state()
    debug = contest.run(fw.Recipe(**QUICK), debug=True)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), drawn)
    assert not torch.are_deterministic_algorithms_enabled()
    assert debug.folder.name == "mine-debug"
    kept = run.made.paths.oof.read_bytes()
    run.made.paths.oof.write_bytes(debug.made.paths.oof.read_bytes() + b"\n")
    with pytest.raises(fw.RunError, match=r"oof\.csv: is no longer that of this run"):
        _ = run.oof
    run.made.paths.oof.write_bytes(kept)


def test_runs_with_names_are_compared_and_predict(walked):
    _, contest, run = walked
    longer = contest.run(fw.Recipe(**{**QUICK, "epochs": 2}), name="longer")
    assert longer.folder == run.folder / "experiments" / "longer"
    table = contest.compare()
    assert table.index.tolist() == ["unnamed", "longer"]
    assert table.loc["longer", "changes"] == "training.epochs 1 → 2"
    gains = [two["score"] - one["score"] for one, two in zip(run.scores["folds"], longer.scores["folds"], strict=True)]
    assert table.loc["longer", "difference"] == pytest.approx(np.mean(gains))
    model = fw.Model.load(longer.folder, input=contest.folders[0])
    test = frames_of("twin-binary")[1].astype(str).set_index("id")["text"]
    predicted = dict(zip(test.index, model.predict(test.tolist()).tolist(), strict=True))
    assert predicted == dict(longer.submission.itertuples(index=False, name=None))
    assert model.embed(["a text"]).shape[0] == 1


def test_changed_tables_are_written_again_and_edited_settings_kept(tmp_path):
    train, test, sample = frames_of("twin-binary")
    root: Any = {"input": tmp_path / "input", **places(tmp_path)}
    with pytest.raises(fw.InputError, match=r'kind of submission: .*; decide with kind="label" or kind="probability"'):
        fw.Competition(train, test, sample, name="x", **root)
    root["kind"] = "label"
    fw.Competition(train, test, sample, name="x", **root)
    config = tmp_path / "input" / "x" / "competition.toml"
    inferred = config.read_bytes()
    fw.Competition(train, test, sample, test[["id"]].assign(target=0), name="x", **root)
    assert (tmp_path / "input" / "x" / "solution.csv").is_file()
    fw.Competition(train.iloc[:-2], test, sample, name="x", **root)
    assert not (tmp_path / "input" / "x" / "solution.csv").exists()
    assert len(read_table(tmp_path / "input" / "x" / "train.csv").frame) == len(train) - 2
    assert config.read_bytes() == inferred
    edited = inferred.replace(b'metric = "accuracy"', b'metric = "f1"')
    config.write_bytes(edited)
    fw.Competition(train, test, sample, name="x", **root)
    assert config.read_bytes() == edited
    with pytest.raises(fw.InputError, match=r"competition\.toml: was edited, so what it says counts"):
        fw.Competition(train, test, sample, name="x", metric="accuracy", **root)


def test_rows_that_went_need_new_folds(tmp_path):
    train, test, sample = frames_of("twin-binary")
    root: Any = {"input": tmp_path / "input", "name": "x", "kind": "label", **places(tmp_path)}
    recipe = fw.Recipe(**QUICK)
    fw.Competition(train, test, sample, **root).make_folds(recipe)
    contest = fw.Competition(train.iloc[:-2], test, sample, **root)
    with pytest.raises(fw.InputError, match=r"run `contest\.make_folds\(recipe\)` to make new folds"):
        contest.run(recipe)
    contest.make_folds(recipe)
    assert len(read_table(tmp_path / "folds" / "x.csv").frame) == len(train) - 2


def test_a_folder_of_other_files_is_left_alone(workspace):
    with pytest.raises(fw.InputError, match=r"twin-binary: competition\.toml is there, which fw\.Competition has not"):
        fw.Competition(*frames_of("twin-binary"), name="twin-binary", input=workspace / "input")


def test_open_infers_what_no_file_says(workspace):
    folder = workspace / "input" / "twin-binary"
    with pytest.raises(fw.InputError, match=r"competition\.toml: is there, so what it says counts; say metric in it"):
        fw.Competition.open(folder, metric="f1")
    (folder / "competition.toml").unlink()
    with pytest.raises(fw.InputError, match=r"metrik = .f1.: unknown key; did you mean metric\?"):
        fw.Competition.open(folder, metrik="f1")  # type: ignore[call-arg]
    with pytest.raises(fw.InputError, match=r"task = .binry.: .*; did you mean binary\?"):
        fw.Competition.open(folder, task="binry")
    contest = fw.Competition.open(folder, metric="f1", text="text", group=None)
    with pytest.raises(fw.InputError, match=r"the recipe is a dict; give fw\.Recipe"):
        contest.run({"epochs": 4})
    assert 'metric = "f1"' in (folder / "competition.toml").read_text(encoding="utf-8")
    with pytest.raises(fw.InputError, match=r"no-contest: no such folder"):
        fw.Competition.open(workspace / "input" / "no-contest")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda train: train.to_dict(), "train = .*: dict, not a pandas.DataFrame"),
        (lambda train: train.rename(columns={"text": 0}), "train: column 0 is int"),
        (lambda train: train.assign(text=[["a"]] * len(train)), r"column text, row 0: \['a'\] is list; give texts"),
        (lambda train: train.assign(text="\ud800"), r"column text, row 0: .* is no whole Unicode text"),
        (lambda train: train.assign(target=0.5), "target"),
    ],
)
def test_frames_that_cannot_be(tmp_path, change, message):
    train, test, sample = frames_of("twin-binary")
    with pytest.raises(fw.InputError, match=message):
        fw.Competition(change(train), test, sample, name="x", input=tmp_path)


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1) | st.sampled_from(
    ['"', "a\nb", "NA", "1,5"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(
    data_frames(
        [column("id", elements=st.integers(0, 9)), column("a", elements=TEXTS, dtype=object), column("b", dtype=float)],
        index=range_indexes(min_size=1, max_size=5),
    )
)
def test_a_table_reads_back_as_it_was(tmp_path, frame):
    write_table(tmp_path / "t.csv", frame)
    found = read_table(tmp_path / "t.csv").frame
    assert found["id"].tolist() == [str(number) for number in frame["id"]]
    assert found["a"].tolist() == frame["a"].tolist()
    numbers = found["b"].replace("", "nan").astype(float)
    assert np.array_equal(numbers, frame["b"], equal_nan=True)


def test_ctrl_c_saves_and_the_same_call_goes_on(workspace, monkeypatch, capsys, request):
    (workspace / "pressed.py").write_text(
        "import os, signal\nfrom pathlib import Path\nfrom foldwise.models.textcnn import TextCNN\n"
        "from foldwise.config import Model\nfrom foldwise.models import Shape\n"
        "class Pressed(TextCNN):\n"
        "    steps = 0\n"
        "    def __init__(self, vocabulary_size, vectors, outputs):\n"
        "        super().__init__(vectors, Shape(outputs), Model(channels=4))\n"
        "    def forward(self, *inputs):\n"
        "        Pressed.steps += self.training and len(inputs[1]) > 2\n"
        f"        if Pressed.steps == 9 and not Path({str(workspace / 'pressed')!r}).exists():\n"
        f"            Path({str(workspace / 'pressed')!r}).touch()\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "        return super().forward(*inputs)\n"
    )
    monkeypatch.syspath_prepend(workspace)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell has it ignored
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    recipe = fw.Recipe(name="pressed:Pressed", epochs=3, r_drop=0.0, members={"mine": {}})

    def contest(place: str) -> fw.Competition:
        where = {"folds": workspace / "folds", "output": workspace / place}
        return fw.Competition.open(workspace / "input" / "twin-binary", **where)

    with pytest.raises(KeyboardInterrupt, match=r"goes on from epoch .*; the same call goes on"):
        contest("a").run(recipe)
    capsys.readouterr()
    gone_on = contest("a").run(recipe)
    assert "goes on from epoch" in capsys.readouterr().out
    whole = contest("b").run(recipe)
    assert results(gone_on.folder, "*/fold*/*.safetensors") == results(whole.folder, "*/fold*/*.safetensors")


def test_outside_of_the_main_thread(walked):
    _, contest, run = walked
    found = []
    thread = threading.Thread(target=lambda: found.append(contest.run(fw.Recipe(**QUICK)).scores["cv"]))
    thread.start()
    thread.join()
    assert found == [run.scores["cv"]]


def test_a_script_without_a_guard_starts_its_workers_once(tmp_path):
    script = tmp_path / "plain.py"
    script.write_text(
        "from foldwise.running.local import run_in_processes\n"
        "from running.test_local import count\n"
        "print('begins')\n"
        "run_in_processes(range(2), count, 2, lambda slot, job, event: print(job, event['number']))\n"
    )
    done = subprocess.run(
        [sys.executable, script], env=script_environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == [*(f"{job} {n}" for job in range(2) for n in range(3)), "begins"]


def test_import_is_quick_and_a_name_that_is_none_says_what_there_is():
    probe = "import sys, foldwise; print(sorted({'torch', 'pandas', 'pydantic', 'numpy'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", probe], env=script_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    with pytest.raises(AttributeError, match=r"no attribute 'Competitor'; it gives Competition"):
        _ = fw.Competitor  # type: ignore[attr-defined]
    assert set(fw.__all__) <= set(fw.EXPORTS) <= set(dir(fw))
