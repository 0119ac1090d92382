"""What of a recipe fits into the time that is left: fewer folds, then fewer members, in a fixed order.

1. folds, the last first, down to two;
2. members, the last of the list first, down to one;
3. the second fold.

Folds that are done or have begun stay. Epochs go last of all: on movie-reviews one fold of all epochs beats five of
half of them, in less time (EXPERIMENTS.md). So a fold begins only if it can be trained whole. The first ones, before
anything was measured, end when their time does. Pure: seconds measured so far go in, folds come out.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

FEW = 2  # folds that stay until members are down to one: a fold alone has no others to choose its thresholds by

Fold = tuple[str, int]  # member and number


@dataclass(frozen=True)
class State:
    """What is there to do.

    Attributes:
        members: names, in order of the ensemble.
        folds: K.
        seconds: that a whole fold of each member takes.
        done: folds that are finished.
        running: folds that train now, and the seconds that each still needs.
        workers: folds that train at once.
    """

    members: Sequence[str]
    folds: int
    seconds: Mapping[str, float]
    done: Collection[Fold]
    running: Mapping[Fold, float]
    workers: int

    def begun(self, names: Sequence[str], number: int) -> int:
        """How many of these members have trained a fold, or train it."""
        return sum((name, number) in self.done or (name, number) in self.running for name in names)


@dataclass(frozen=True)
class Plan:
    """What will be trained: members in order, fold numbers rising, and the seconds until the last fold is written."""

    members: tuple[str, ...]
    folds: tuple[int, ...]
    seconds: float

    def holds(self, fold: Fold) -> bool:
        """True if a fold is part of it."""
        return fold[0] in self.members and fold[1] in self.folds


def choose_plan(state: State, seconds: float) -> Plan:
    """The first plan of the order that fits into `seconds`; the smallest one if none does."""
    for members, folds in candidates(state):
        plan = Plan(members, folds, seconds_until_done(state, members, folds))
        if plan.seconds <= seconds:
            return plan
    return plan


def candidates(state: State) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Members and folds of each plan, in order."""
    names = tuple(state.members)
    for count in range(state.folds, fewest(state, names, FEW) - 1, -1):
        yield names, choose_folds(state, names, count)
    for size in range(len(names) - 1, 0, -1):
        yield names[:size], choose_folds(state, names[:size], fewest(state, names[:size], FEW))
    yield names[:1], choose_folds(state, names[:1], fewest(state, names[:1], 1))


def fewest(state: State, names: Sequence[str], wanted: int) -> int:
    """How far the number of folds may go down: not below those that all these members have begun."""
    return min(state.folds, max(wanted, sum(state.begun(names, fold) == len(names) for fold in range(state.folds))))


def choose_folds(state: State, names: Sequence[str], count: int) -> tuple[int, ...]:
    """The folds to keep, rising: those that most of the members have begun, then the first."""
    by_use = sorted(range(state.folds), key=lambda fold: (-state.begun(names, fold), fold))
    return tuple(sorted(by_use[:count]))


def seconds_until_done(state: State, members: Sequence[str], folds: Collection[int]) -> float:
    """Seconds until the last fold is written, when each waiting one goes to the first worker that is free."""
    free = [*state.running.values(), *[0.0] * (state.workers - len(state.running))]
    last = max(free, default=0.0)
    for name in members:
        for fold in folds:
            if (name, fold) not in state.done and (name, fold) not in state.running:
                first = free.index(min(free))
                free[first] += state.seconds[name]
                last = max(last, free[first])
    return last
