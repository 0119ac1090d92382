"""What `--engine`, `--ray-address` and `--checkpoints` ask for. Nothing here loads Ray, which takes a second."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from foldwise.console import say
from foldwise.errors import InputError, did_you_mean

if TYPE_CHECKING:  # loading torch takes seconds, which a run that keeps every fold should not pay
    from foldwise.running.placement import Placement

REQUIREMENTS = "requirements-ray.txt"
ENGINES = ("local", "ray")


@dataclass(frozen=True)
class RayEngine:
    """Where folds train; called once it is known which.

    Args:
        address: of the cluster, "auto" for the one that this machine is a node of, None for one of our own.
        checkpoints: URL of a folder that all nodes reach, for the states of folds; None for the driver's disk.
    """

    address: str | None = None
    checkpoints: str | None = None

    def __call__(self, jobs: list[Any], device: Any, at_home: "Callable[[], Placement]") -> "Placement":
        """Connect to the cluster, or start one; as many folds at once as its nodes hold, each asking for what it has
        at home.
        """
        from foldwise.cluster.driver import run_on_ray
        from foldwise.cluster.nodes import Cluster
        from foldwise.cluster.resources import Resources, gpu_share
        from foldwise.running.placement import Placement

        share = gpu_share(device, at_home().workers)
        cluster = Cluster.connect(self.address)
        asked = [Resources.of_job(job, share) for job in jobs]
        try:
            workers = sum(cluster.count(asked))
        except InputError:
            cluster.close()
            raise
        names = ", ".join(node.name for node in cluster.nodes.values())
        say("train", f"on a Ray cluster of {len(cluster.nodes)} node{'s' * (len(cluster.nodes) > 1)}: {names}")
        return Placement(
            workers, engine=partial(run_on_ray, cluster=cluster, share=share, checkpoints=self.checkpoints)
        )


def choose_engine(name: str, address: str | None = None, checkpoints: str | None = None) -> RayEngine | None:
    """The engine of these options, None for this machine's own; `InputError` for one that there is not."""
    if name not in ENGINES:
        raise InputError(f"--engine {name!r}: no such engine; {did_you_mean(name, ENGINES, 'choose local or ray')}")
    options = {"--ray-address": address, "--checkpoints": checkpoints}
    if name == "local":
        if given := [option for option, value in options.items() if value is not None]:
            raise InputError(f"{given[0]}: only with --engine ray; add that, or take {given[0]} away")
        return None
    if importlib.util.find_spec("ray") is None:
        raise InputError(f"--engine ray needs Ray: pip install -r {REQUIREMENTS}")
    if address not in (None, "auto") and not is_host_and_port(address):
        raise InputError(f"--ray-address {address!r}: give HOST:PORT, such as 10.0.0.1:6379, or auto")
    if checkpoints is not None:
        from foldwise.cluster.checkpoints import check_url

        check_url(checkpoints)
    return RayEngine(address, checkpoints)


def is_host_and_port(text: str) -> bool:
    """Whether a text is an address as `ray start` shows it.

    >>> is_host_and_port("10.0.0.1:6379"), is_host_and_port("ray://10.0.0.1:10001"), is_host_and_port("10.0.0.1")
    (True, False, False)
    >>> is_host_and_port("10.0.0.1:65536")
    False
    """
    host, _, port = text.rpartition(":")
    return bool(host) and "/" not in host and port.isdecimal() and int(port) < 1 << 16
