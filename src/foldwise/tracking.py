"""Who else is told of a run while it goes on, such as TensorBoard; without anybody, this null object."""

from typing import Any

from foldwise.events import Event


class Tracker:
    """Is told what a run does, and does nothing with it. What others do with it changes no byte of the results."""

    def start(self, facts: dict[str, Any]) -> None:
        """The run begins; `facts` are competition, experiment, task, metric, command and recipe, everything decided."""

    def on_event(self, fold: str, event: Event) -> None:
        """A fold, such as "bilstm/fold0", has come so far."""

    def finish(self, summary: dict[str, Any]) -> None:
        """The submission is there, and so is summary.json with all scores."""

    def close(self) -> None:
        """The command ends, whether it has come to its end or not."""


NOBODY = Tracker()
