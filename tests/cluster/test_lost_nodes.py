"""Three nodes of a Ray cluster, one killed while it trains, one that joins later: the same bytes as at home."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import COMPETITIONS, REPOSITORY, command, environment

pytest.importorskip("ray")
pytestmark = pytest.mark.ray

SLUG = "twin-binary"
LONG = ["training.epochs=900", "training.patience=9999", "training.evaluations_per_epoch=1", "folds.n=3"]
ARGUMENTS = [part for setting in ['ensemble.members=["bilstm"]', *LONG] for part in ("--set", setting)]
PATIENCE = 100.0  # seconds for a moment to come, on a busy machine


@pytest.fixture
def cluster(monkeypatch):
    """A cluster on this machine, whose head trains nothing; every node is a set of processes of its own."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield started
    started.shutdown()


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    """The real command line, whose output goes to a file."""
    line = command(root, "all", "-c", SLUG, *ARGUMENTS, *arguments)
    with (root / "log").open("w") as log:
        return subprocess.Popen(line, env=environment(), stdout=log, stderr=subprocess.STDOUT, text=True)


def submission(root: Path) -> bytes:
    return (root / "output" / SLUG / "submission.csv").read_bytes()


def wait_for(root: Path, process: subprocess.Popen[str], pattern: str, count: int) -> None:
    """Until so many files are there."""
    deadline = time.monotonic() + PATIENCE
    while len(list((root / "output" / SLUG).glob(pattern))) < count:
        assert process.poll() is None, (root / "log").read_text()
        assert time.monotonic() < deadline, (root / "log").read_text()


def test_a_lost_node_changes_no_byte(cluster, tmp_path, monkeypatch):
    home, away = tmp_path / "home", tmp_path / "away"
    for root in (home, away):
        shutil.copytree(COMPETITIONS / SLUG, root / "input" / SLUG)
    alone = start(home)

    # A node that has other code is refused by its name.
    other = tmp_path / "other"
    shutil.copytree(REPOSITORY / "src", other, ignore=shutil.ignore_patterns("__pycache__"))
    (other / "foldwise" / "clock.py").write_text((other / "foldwise" / "clock.py").read_text() + "\n")
    with monkeypatch.context() as changed:
        changed.setenv("PYTHONPATH", f"{other}:{environment()['PYTHONPATH']}")
        older = cluster.add_node(num_cpus=1, node_name="older")
    refused = start(away, "--engine", "ray", "--ray-address", cluster.address)
    assert refused.wait(PATIENCE) == 2
    assert "node older has foldwise" in (away / "log").read_text()
    cluster.remove_node(older)

    names = ["first", "second", "third"]
    nodes = [cluster.add_node(num_cpus=1, node_name=name) for name in names]
    run = start(away, "--engine", "ray", "--ray-address", cluster.address)
    wait_for(away, run, "bilstm/fold*-state/state.json", 3)
    cluster.remove_node(nodes[1], allow_graceful=False)
    cluster.add_node(num_cpus=1, node_name="later")
    code = run.wait(PATIENCE)
    shown = (away / "log").read_text()
    print(shown)
    assert code == 0
    assert "node second is lost; goes on elsewhere from its last state" in shown
    assert "node later has joined" in shown
    assert ": goes on from epoch" in shown
    assert not list((away / "output").rglob("*-state"))
    assert alone.wait(PATIENCE) == 0
    assert submission(away) == submission(home)
