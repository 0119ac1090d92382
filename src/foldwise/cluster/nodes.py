"""The nodes of a Ray cluster that folds may train on, how much room each has, and those that are refused."""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import ray
import torch
from ray._private import worker as ray_worker
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from foldwise.cluster.resources import Resources
from foldwise.cluster.versions import differing, make_probe
from foldwise.console import say, warn
from foldwise.errors import InputError
from foldwise.interrupts import SIGNALS
from foldwise.running.local import HUGE_PAGES
from foldwise.running.placement import count_cores

STORE = 500 << 20  # bytes of the object store of a cluster of our own; what does not fit goes to the disk
ANSWER = 60.0  # seconds that a node has to say which versions it has
REACHED = 10.0  # seconds that a cluster has to take a connection
LOOK_AGAIN = 1.0  # seconds between two looks for nodes that have come or gone
DOUBT = 30.0  # seconds in which a node gets no job after one died there: it may be lost, and nobody knows it yet


@dataclass
class Node:
    """A machine of the cluster."""

    id: str
    name: str
    free: Resources
    doubted: float = 0.0  # until when, on the monotonic clock


class Cluster:
    """The nodes of a cluster that this process is connected to."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.asked: dict[str, Any] = {}  # answers that nodes owe, by their id
        self.refused: dict[str, str] = {}  # why, by id
        self.own, self.probe = make_probe()(), ray.remote(make_probe())
        self.looked = 0.0

    @classmethod
    def connect(cls, address: str | None) -> "Cluster":
        """Connect to a cluster, or start one on this machine, whose nodes must have this machine's versions.

        Raises:
            InputError: no cluster there, or a node that is refused.
        """
        connect(address)
        cluster = cls()
        cluster.look()
        ray.wait(list(cluster.asked.values()), num_returns=len(cluster.asked), timeout=ANSWER)
        cluster.take_answers()
        silent = [name_of(entry) for entry in ray.nodes() if entry["NodeID"] in cluster.asked]
        refused = [*cluster.refused.values(), *(f"node {name} does not answer" for name in silent)]
        if refused:
            cluster.close()
            fix = "install the same there as here, foldwise on its PYTHONPATH among it, or take the node out"
            raise InputError(f"--engine ray: {'; '.join(refused)}; {fix}")
        return cluster

    def close(self) -> None:
        """Leave the cluster; one of our own ends."""
        ray.shutdown()

    def look(self) -> None:
        """Take in which nodes are there; new ones are asked for their versions before they get a job."""
        self.looked = time.monotonic()
        alive = {entry["NodeID"]: entry for entry in ray.nodes() if entry["Alive"]}
        for gone in self.nodes.keys() - alive.keys():
            del self.nodes[gone]
        for gone in self.asked.keys() - alive.keys():
            del self.asked[gone]
        for node in alive.keys() - self.nodes.keys() - self.asked.keys() - self.refused.keys():
            self.asked[node] = self.probe.options(num_cpus=0, max_retries=0, scheduling_strategy=only_on(node)).remote()

    def take_answers(self) -> None:
        """Accept or refuse the nodes that have answered."""
        entries = {entry["NodeID"]: entry for entry in ray.nodes()}
        answered = ray.wait(list(self.asked.values()), num_returns=len(self.asked), timeout=0)[0] if self.asked else []
        for node, answer in list(self.asked.items()):
            if answer in answered:
                del self.asked[node]
                with suppress(ray.exceptions.RayError):  # it was lost since, or will be asked again
                    if difference := differing(self.own, ray.get(answer)):
                        self.refused[node] = f"node {name_of(entries[node])} has {difference}"
                    else:
                        self.nodes[node] = Node(node, name_of(entries[node]), resources_of(entries[node]))

    def update(self) -> None:
        """Now and then: nodes that have come get jobs from now on, unless their versions differ, which is said."""
        if time.monotonic() - self.looked < LOOK_AGAIN:
            return
        before, refused = set(self.nodes), set(self.refused)
        self.look()
        self.take_answers()
        for node in self.nodes.keys() - before:
            say("train", f"node {self.nodes[node].name} has joined")
        for node in self.refused.keys() - refused:
            warn(f"{self.refused[node]}; it gets no folds")

    def count(self, asked: Sequence[Resources]) -> list[int]:
        """How many of the largest of these jobs each node holds at once.

        Raises:
            InputError: there is a job that no node holds.
        """
        counts = []
        largest = Resources(*(max(getattr(one, name) for one in asked) for name in ("cpus", "gpus", "memory")))
        for node in self.nodes.values():
            free, count = node.free, 0
            while free.holds(largest):
                free, count = free - largest, count + 1
            counts.append(count)
        if not any(counts):
            have = "; ".join(f"{node.name} has {node.free}" for node in self.nodes.values())
            raise InputError(
                f"--engine ray: a fold asks for {largest}, and no node has as much ({have or 'there is none'}); add a "
                "larger node, or raise recipe.folds.n, which gives each fold fewer threads"
            )
        return counts

    def find(self, asked: Resources) -> Node | None:
        """The node with most room that holds a job now; one that a job died on only if it is the only one left."""
        now = time.monotonic()
        nodes = [node for node in self.nodes.values() if node.doubted < now] or list(self.nodes.values())
        return max((node for node in nodes if node.free.holds(asked)), key=lambda node: node.free.cpus, default=None)


def only_on(node: str) -> NodeAffinitySchedulingStrategy:
    """That a task runs on this node and nowhere else."""
    return NodeAffinitySchedulingStrategy(node, soft=False)


def name_of(entry: dict[str, Any]) -> str:
    """What people call a node."""
    return str(entry.get("NodeName") or entry["NodeManagerAddress"])


def resources_of(entry: dict[str, Any]) -> Resources:
    """What a node has in all."""
    found = entry["Resources"]
    return Resources(found.get("CPU", 0.0), found.get("GPU", 0.0), found.get("memory", 0.0))


def connect(address: str | None) -> None:
    """`ray.init`, in silence; an `InputError` where no cluster is found."""
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    logging.getLogger("ray").setLevel(logging.ERROR)
    # What a raylet says of itself, such as that a node is lost, has no option: it would stand among the folds' bars.
    ray_worker.print_worker_logs = lambda *_: None
    with as_a_library():
        try:
            if address is None:
                gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
                own = {"num_cpus": count_cores(), "num_gpus": gpus, "object_store_memory": STORE}
                ray.init(address="local", include_dashboard=False, **own, **quiet)
            else:
                if address != "auto":  # Ray would wait for two minutes
                    host, _, port = address.rpartition(":")
                    socket.create_connection((host, int(port)), REACHED).close()
                ray.init(address=address, **quiet)
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            first = str(error).strip().splitlines()[0].rstrip(".")
            if address is None:
                raise InputError(f"--engine ray: no cluster starts here: {first}; take --engine ray away") from error
            raise InputError(
                f"--ray-address {address}: no cluster that this machine is a node of ({first}); run `ray start --head` "
                "on one machine, and on this one, if it is another, `ray start --address HOST:PORT`"
            ) from error
        except SystemExit as error:  # SIGTERM, which is Ray's own for this moment
            raise KeyboardInterrupt from error


@contextmanager
def as_a_library() -> Iterator[None]:
    """Around the start of Ray: it takes over a signal, reads the environment, and would tell its makers of its use."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    paths = os.pathsep.join(dict.fromkeys(path for path in sys.path if path))
    ours = {"PYTHONPATH": paths, "RAY_USAGE_STATS_ENABLED": "0", HUGE_PAGES[0]: HUGE_PAGES[1]}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        for number, handler in handlers.items():
            signal.signal(number, handler)
