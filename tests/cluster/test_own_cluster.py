"""`--engine ray` with a cluster on this machine: the same bytes, stopped and gone on with, here or at home; searches."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from cluster.runs import LONG, PATIENCE, SLUG, start, submission, wait_for_state
from conftest import COMPETITIONS, environment
from foldwise.files import read_json

pytest.importorskip("ray")
pytestmark = pytest.mark.ray


def test_ctrl_c_saves_and_the_same_bytes_come_of_it_at_home(tmp_path):
    home, away = tmp_path / "home", tmp_path / "away"
    for root in (home, away):
        shutil.copytree(COMPETITIONS / SLUG, root / "input" / SLUG)
    shared = away / "shared"
    run = start(away, *LONG, "--engine", "ray", "--checkpoints", shared.as_uri())
    wait_for_state(away, run, f"shared/{SLUG}/*")
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: all processes of the group have it
    assert run.wait(PATIENCE) == -signal.SIGINT, (away / "log").read_text()
    shown = (away / "log").read_text()
    assert "stopping: training finishes its step" in shown
    assert "on from epoch" in shown

    alone, again = start(home, *LONG), start(away, *LONG)
    assert again.wait(PATIENCE) == 0, (away / "log").read_text()
    assert ": goes on from epoch" in (away / "log").read_text()
    assert alone.wait(PATIENCE) == 0, (home / "log").read_text()
    assert submission(away) == submission(home)


def test_an_address_where_no_cluster_is(cli, workspace):
    cli("tokens", "-c", SLUG)
    done = cli("train", "-c", SLUG, "--engine", "ray", "--ray-address", "127.0.0.1:1", code=2)
    assert "error: --ray-address 127.0.0.1:1: no cluster that this machine is a node of" in done.stderr


def test_time_budget_and_single_folds(tmp_path, cli, workspace):
    done = cli("all", "-c", SLUG, "--engine", "ray", "--time-budget", "10m")
    assert "on a Ray cluster of 1 node" in done.stdout
    folder = workspace / "output" / SLUG
    assert read_json(folder / "summary.json")["budget"]["dropped_folds"] == []
    whole, weights = submission(workspace), (folder / "bilstm" / "fold1" / "weights.safetensors").read_bytes()
    done = cli("train", "-c", SLUG, "--engine", "ray", "--fold", "1", "--member", "bilstm")
    assert "bilstm fold 1: asked for with --fold" in done.stdout
    assert (folder / "bilstm" / "fold1" / "weights.safetensors").read_bytes() == weights
    cli("ensemble", "-c", SLUG)
    assert submission(workspace) == whole


def test_a_search_gives_the_trials_of_one_at_home(cli, workspace):
    pytest.importorskip("optuna")
    path, output = workspace / "input" / SLUG / "competition.toml", workspace / "output" / SLUG
    path.write_text(f"{path.read_text()}\n[search]\nmodel.hidden = [2, 3, 5]\n")
    found = []
    for engine in ("local", "ray"):
        done = cli("search", "-c", SLUG, "--trials", "2", "--engine", engine)
        assert ("on a Ray cluster of 1 node" in done.stdout) == (engine == "ray")
        figures = read_json(output / "search" / "search.json")
        trials = [[trial[name] for name in ("set", "state", "score")] for trial in figures["trials"]]
        found.append((trials, (output / "experiments" / figures["best"] / "submission.csv").read_bytes()))
        shutil.rmtree(output)
    assert found[0] == found[1]


@pytest.fixture
def head(monkeypatch):
    """A cluster as `ray start --head` starts it, which `--ray-address auto` finds."""
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as place:  # names of sockets must be short
        for name, value in {"RAY_TMPDIR": place, "RAY_USAGE_STATS_ENABLED": "0", **environment()}.items():
            monkeypatch.setenv(name, value)
        options = ["--head", "--block", "--port=0", "--node-ip-address=127.0.0.1", "--num-cpus=2"]
        ray = [sys.executable, "-P", "-m", "ray.scripts.scripts", "start", *options, "--include-dashboard=false"]
        log = Path(place, "log")
        with log.open("wb") as output, subprocess.Popen(ray, stdout=output, stderr=subprocess.STDOUT) as started:
            try:
                while b"Next steps" not in log.read_bytes():
                    with suppress(subprocess.TimeoutExpired):
                        started.wait(0.1)
                    assert started.poll() is None, log.read_text()
                yield
            finally:
                started.terminate()
                started.wait(PATIENCE)


def test_a_search_at_an_address_prunes_and_goes_on(head, cli, workspace):
    pytest.importorskip("optuna")
    from search.journal import add_curves_nobody_reaches

    path, output = workspace / "input" / SLUG / "competition.toml", workspace / "output" / SLUG
    path.write_text(f"{path.read_text()}\n[search]\nmodel.hidden = {{ low = 2, high = 64 }}\n")
    there = ("search", "-c", SLUG, "--time-budget", "1h", "--engine", "ray", "--ray-address", "auto")
    assert "on a Ray cluster of 1 node: " in cli(*there, "--trials", "1").stdout
    add_curves_nobody_reaches(output)
    shown = cli(*there, "--trials", "6").stdout
    found = read_json(output / "search" / "search.json")
    assert [trial["state"] for trial in found["trials"]] == [*["finished"] * 4, "pruned", "pruned"]
    assert "is behind the others" in shown
    assert "6 trials: 4 finished, 2 pruned, 0 failed" in shown
    assert {path.name for path in (output / "experiments").iterdir()} == {"tokens", found["best"]}
