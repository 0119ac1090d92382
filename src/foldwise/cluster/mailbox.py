"""An actor on the driver's machine: what tasks tell while they run, and the word to stop on its way to them."""

from typing import Any

from foldwise.clock import Clock


class Mailbox:
    """Messages by the number of the attempt that sent them; of states only the last of each is kept."""

    def __init__(self) -> None:
        self.events: list[tuple[int, Any]] = []
        self.states: dict[int, Any] = {}
        self.is_stopping = False

    def now(self) -> float:
        """The driver's clock: that of its machine."""
        return Clock.now()

    def post(self, attempt: int, events: list[Any]) -> bool:
        """Take in events; → whether all should save and end."""
        self.events += [(attempt, event) for event in events]
        return self.is_stopping

    def post_state(self, attempt: int, files: Any) -> None:
        """Take in the saved state of a fold: files by name."""
        self.states[attempt] = files

    def take(self) -> tuple[list[tuple[int, Any]], dict[int, Any]]:
        """For the driver: all events in order, and states, since it last asked."""
        taken = self.events, self.states
        self.events, self.states = [], {}
        return taken

    def stop(self) -> None:
        """Ask all that run to save and end."""
        self.is_stopping = True
