"""How long a command will still train: what the folds that are done took, and how far the running ones are."""

from collections.abc import Sequence

import numpy as np

from foldwise.console import Progress

ENOUGH = 0.02  # share of a fold's steps from which on they tell how long it takes


class TimeLeft:
    """An estimate for folds that train some at a time.

    A fold takes as long as those of its member that are done, as a running one of it will take, or, where there is
    neither, as long for an epoch as the others on average.

    Args:
        jobs: names of all folds, with that of their member and the epochs that it trains at most.
        at_once: how many train side by side.
        later: folds that may come after these.
    """

    def __init__(self, jobs: Sequence[tuple[str, str, float]], at_once: int, later: int = 0) -> None:
        self.member_of = {name: member for name, member, _ in jobs}
        self.epochs = {member: epochs for _, member, epochs in jobs}
        self.at_once, self.later, self.waiting = at_once, later, list(self.member_of)
        self.running: dict[str, Progress] = {}
        self.took: dict[str, list[float]] = {}  # seconds of each fold that is done, by member
        self.done = 0
        self.begun = False

    def begin(self, name: str, progress: Progress) -> None:
        """A fold trains from now on."""
        self.running[name], self.begun = progress, True
        if name in self.waiting:
            self.waiting.remove(name)

    def end(self, name: str, seconds: float | None) -> None:
        """It took so long, or was given up."""
        self.running.pop(name, None)
        if seconds is not None:
            self.done += 1
            self.took.setdefault(self.member_of.get(name, ""), []).append(seconds)

    def left(self) -> float | None:
        """Seconds until all are done; None as long as nothing tells."""
        running, took = self.running.copy(), self.took.copy()  # the screen asks from a thread of its own
        known = {member: float(np.mean(seconds)) for member, seconds in took.items()}
        rest: dict[str, float] = {}
        for name, progress in running.items():
            told = progress.left
            if told is not None and progress.total and progress.done >= ENOUGH * progress.total:
                rest[name] = told
                known.setdefault(self.member_of.get(name, ""), progress.seconds + told)
        if not known:
            return None
        epoch = float(np.mean([seconds / self.epochs.get(member, 1.0) for member, seconds in known.items()]))
        whole = {member: known.get(member, epoch * epochs) for member, epochs in self.epochs.items()}
        for name, progress in running.items():
            if name not in rest:
                rest[name] = max(whole.get(self.member_of.get(name, ""), 0.0) - progress.seconds, 0.0)
        waiting = sum(whole[self.member_of[name]] for name in self.waiting.copy())
        waiting += self.later * float(np.mean(list(whole.values()) or [0.0]))
        return max([*rest.values(), (waiting + sum(rest.values())) / self.at_once])
