"""What of a recipe fits into the time that is left: fewer folds, then fewer members, in a fixed order.

1. folds, the last first, down to two;
2. members, the last of the list first, down to one;
3. the second fold.

Folds that are done or have begun stay. Epochs go last of all: on movie-reviews one fold of all epochs beats five of
half of them, in less time (EXPERIMENTS.md). So a fold begins only if it can be trained whole. The first ones, before
anything was measured, end when their time does. Pure: seconds measured so far go in, folds come out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

FEW = 2  # folds that stay until members are down to one: a fold alone has no others to choose its thresholds by

Fold = tuple[str, int]  # member and number


@dataclass(frozen=True)
class State:
    """What is there to do."""

    members: Sequence[str]  # in order of the ensemble
    folds: int  # K
    seconds: Mapping[str, float]  # that a whole fold of each member takes
    done: set[Fold]
    running: Mapping[Fold, float]  # folds that train now, and the seconds that each still needs
    workers: int  # folds that train at once
    asked: Mapping[str, Collection[int]] = field(default_factory=dict)  # folds of members that are not to train all

    def asks(self, name: str, number: int) -> bool:
        """True if a member is to train this fold."""
        return number in self.asked.get(name, (number,))


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
    names = tuple(state.members)
    steps = [(names, count) for count in range(state.folds, FEW, -1)]
    steps += [(names[:size], FEW) for size in range(len(names), 0, -1)]
    steps += [(names[:1], 1)]
    for members, count in steps:
        folds = choose_folds(state, members, count)
        plan = Plan(members, folds, seconds_until_done(state, members, folds))
        if plan.seconds <= seconds:
            break
    return plan


def choose_folds(state: State, names: Sequence[str], count: int) -> tuple[int, ...]:
    """So many folds, or all that each of the members has begun; those that most have begun, then the first; rising.

    Before others come those that most members are to train: by the rows of common folds they are weighed.
    """
    begun = state.done | state.running.keys()
    asking = [[name for name in names if state.asks(name, number)] for number in range(state.folds)]
    uses = [sum((name, number) in begun for name in group) for number, group in enumerate(asking)]
    by_use = sorted(range(state.folds), key=lambda number: (-len(asking[number]), -uses[number], number))
    complete = sum(0 < use == len(group) for use, group in zip(uses, asking, strict=True))
    return tuple(sorted(by_use[: max(count, complete)]))


def seconds_until_done(state: State, members: Sequence[str], folds: Collection[int]) -> float:
    """Seconds until the last fold is written, when each waiting one goes to the first worker that is free."""
    free = [*state.running.values(), *[0.0] * (state.workers - len(state.running))]
    last = max(free, default=0.0)
    for name in members:
        for fold in folds:
            if state.asks(name, fold) and not {(name, fold)} & (state.done | state.running.keys()):
                first = free.index(min(free))
                free[first] += state.seconds[name]
                last = max(last, free[first])
    return last
