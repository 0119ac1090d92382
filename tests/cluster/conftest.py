"""A Ray cluster that tests add nodes to."""

import pytest

from conftest import environment


@pytest.fixture
def cluster(monkeypatch):
    """A cluster on this machine, whose head trains nothing; every node is a set of processes of its own."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield started
    started.shutdown()
