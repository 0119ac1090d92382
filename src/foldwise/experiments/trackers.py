"""Trackers by name: `--tracker tensorboard`, `mlflow`, `wandb`, or a class of your own as `module:Class`.

A class of your own has the methods of `foldwise.tracking.Tracker` and is made as `Class(folder, name)`: the folder for
trackers below output/SLUG, and a name for this run. A tracker that fails is left out with a warning; the run goes on.
"""

import importlib.util
import pkgutil
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from foldwise.console import warn
from foldwise.errors import InputError, did_you_mean
from foldwise.events import Event
from foldwise.experiments.names import UNNAMED
from foldwise.plugins import as_input_error, describe_error, is_own, load
from foldwise.run import Run
from foldwise.tracking import Tracker

FOLDER = "tracking"  # below output/SLUG
PLACE = "foldwise.experiments.tracker_kinds"
KINDS = {  # the package that each needs, and its class
    "tensorboard": ("tensorboard", f"{PLACE}:TensorBoard"),
    "mlflow": ("mlflow", f"{PLACE}:MLflow"),
    "wandb": ("wandb", f"{PLACE}:WeightsAndBiases"),
}


def open_trackers(run: Run, names: Sequence[str]) -> Tracker:
    """The trackers of these names as one; InputError for one that is not known or not installed."""
    called = f"{run.paths.experiment or UNNAMED}-{datetime.now():%Y%m%d-%H%M%S}"
    opened = {}
    for name in dict.fromkeys(names):
        made = find_tracker(name)
        with as_input_error(f"--tracker {name}: "):
            opened[name] = made(run.paths.home / FOLDER, called)
    return Trackers(opened)


def find_tracker(name: str) -> Any:
    """The class of a tracker."""
    if is_own(name):
        return load(name, "--tracker")
    if name not in KINDS:
        fix = did_you_mean(name, KINDS, f"there are {', '.join(KINDS)}; write a class of your own as module:Class")
        raise InputError(f"--tracker {name}: not known; {fix}")
    package, spec = KINDS[name]
    if importlib.util.find_spec(package) is None:
        raise InputError(f"--tracker {name}: not installed; run `.venv/bin/pip install {package}`")
    return pkgutil.resolve_name(spec)


class Trackers(Tracker):
    """Several, by name; one that fails is left out from then on."""

    def __init__(self, opened: dict[str, Any]) -> None:
        self.opened = opened

    def start(self, facts: dict[str, Any]) -> None:
        """As of `Tracker`."""
        self.tell("start", facts)

    def on_event(self, fold: str, event: Event) -> None:
        """As of `Tracker`."""
        self.tell("on_event", fold, event)

    def finish(self, summary: dict[str, Any]) -> None:
        """As of `Tracker`."""
        self.tell("finish", summary)

    def close(self) -> None:
        """As of `Tracker`."""
        self.tell("close")

    def tell(self, what: str, *about: Any) -> None:
        """Call one method of each."""
        for name, tracker in list(self.opened.items()):
            try:
                getattr(tracker, what)(*about)
            except Exception as error:  # whatever a service or a class of the user's own does
                warn(f"--tracker {name}: {describe_error(error)}; the run goes on without it")
                del self.opened[name]
