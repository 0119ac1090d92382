"""Three nodes of a Ray cluster, one killed while it trains, one that joins later: the same bytes as at home."""

import os
import re
import shutil

import pytest

from cluster.runs import LONG, PATIENCE, SLUG, start, submission, wait_for_state
from conftest import COMPETITIONS, REPOSITORY, environment
from foldwise.hashing import sha256_of

pytest.importorskip("ray")
pytestmark = pytest.mark.ray

LOSS = "def squared(logits, targets):\n    return ((logits.sigmoid() - targets) ** 2).mean(dim=1)\n"


@pytest.fixture
def cluster(monkeypatch):
    """A cluster on this machine, whose head trains nothing; every node is a set of processes of its own."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield started
    started.shutdown()


def test_a_lost_node_changes_no_byte(cluster, tmp_path, monkeypatch):
    home, away, own = tmp_path / "home", tmp_path / "away", tmp_path / "own"
    own.mkdir()
    (own / "mine.py").write_text(LOSS)
    for root in (home, away):
        shutil.copytree(COMPETITIONS / SLUG, root / "input" / SLUG)

    def add_node(name):
        """One that has a cache of its own, and knows nothing of `mine`."""
        (tmp_path / name).mkdir()
        with monkeypatch.context() as changed:
            changed.setenv("TMPDIR", str(tmp_path / name))
            return cluster.add_node(num_cpus=1, node_name=name)

    def train(root, *arguments):
        with monkeypatch.context() as changed:
            changed.setenv("PYTHONPATH", os.pathsep.join([environment()["PYTHONPATH"], str(own)]))
            return start(root, *LONG, "--set", "training.loss=mine:squared", *arguments)

    # A node that has other code is refused by its name.
    other = tmp_path / "other"
    shutil.copytree(REPOSITORY / "src", other, ignore=shutil.ignore_patterns("__pycache__"))
    (other / "foldwise" / "clock.py").write_text((other / "foldwise" / "clock.py").read_text() + "\n")
    with monkeypatch.context() as changed:
        changed.setenv("PYTHONPATH", os.pathsep.join([str(other), environment()["PYTHONPATH"]]))
        changed_node = add_node("changed")
    refused = train(away, "--engine", "ray", "--ray-address", cluster.address)
    assert refused.wait(PATIENCE) == 2
    assert "node changed has foldwise" in (away / "log").read_text()
    cluster.remove_node(changed_node)

    nodes = {name: add_node(name) for name in ("first", "second", "third")}
    run = train(away, "--engine", "ray", "--ray-address", cluster.address)
    fold = wait_for_state(away, run)
    lost = re.search(f"{fold}: on node (.*)", (away / "log").read_text())[1]
    cached = [path.name for path in tmp_path.glob(f"{lost}/foldwise-*/cache/*[0-9a-f]")]
    cluster.remove_node(nodes[lost], allow_graceful=False)
    add_node("later")
    alone = train(home)
    assert run.wait(PATIENCE) == 0, (away / "log").read_text()
    shown = (away / "log").read_text()
    assert f"{fold}: node {lost} is lost; goes on elsewhere from its last state" in shown
    assert "node later has joined" in shown
    assert "(raylet)" not in shown
    assert shown.count(": goes on from epoch") == 1
    assert f"{fold}: goes on from epoch" in shown
    assert not list((away / "output").rglob("*-state"))
    assert alone.wait(PATIENCE) == 0, (home / "log").read_text()
    assert submission(away) == submission(home)

    # A node has each input once, by its hash, and nothing of jobs that have ended.
    inputs = {sha256_of(path) for path in [*(home / "output" / SLUG / "tokens").iterdir(), own / "mine.py"]}
    assert set(cached) == inputs
    others = [path for name in {"first", "second", "third"} - {lost} for path in tmp_path.glob(f"{name}/*/work/*/*")]
    assert not others
