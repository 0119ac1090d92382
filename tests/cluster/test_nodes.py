"""Which node gets a job, and what is said where none holds it; no cluster is started."""

import time

import pytest

from foldwise.errors import InputError

pytest.importorskip("ray")
pytestmark = pytest.mark.ray

from foldwise.cluster.nodes import Cluster, Node  # noqa: E402 - after the check that Ray is there
from foldwise.cluster.resources import Resources  # noqa: E402

GIB = 1 << 30


@pytest.fixture
def cluster():
    made = Cluster()
    made.nodes = {
        "a": Node("a", "small", Resources(2, 0, 4 * GIB)),
        "b": Node("b", "large", Resources(8, 1, 16 * GIB)),
    }
    return made


def test_as_many_at_once_as_cpus_gpus_and_memory_hold(cluster):
    assert cluster.count([Resources(1, 0, GIB)]) == [2, 8]
    assert cluster.count([Resources(1, 0, GIB), Resources(2, 0, 3 * GIB)]) == [1, 4]
    assert cluster.count([Resources(1, 0.5, GIB)]) == [0, 2]


def test_a_job_that_fits_nowhere_names_what_there_is(cluster):
    with pytest.raises(
        InputError, match=r"asks for 16 cpus, 1.0 GiB.*small has 2 cpus, 4.0 GiB; large has 8 cpus, 1 G"
    ):
        cluster.count([Resources(16, 0, GIB)])


def test_the_node_with_most_room_comes_first_and_one_in_doubt_last(cluster):
    asked = Resources(1, 0, GIB)
    assert cluster.find(asked).id == "b"
    cluster.nodes["b"].doubted = time.monotonic() + 60
    assert cluster.find(asked).id == "a"
    cluster.nodes["a"].doubted = time.monotonic() + 60
    assert cluster.find(asked).id == "b"
    assert cluster.find(Resources(9, 0, GIB)) is None
