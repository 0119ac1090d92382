"""What of a recipe fits into the time that is left: fewer folds, members or epochs, in a fixed order.

1. folds, the last first, down to two;
2. members, the last of the list first, down to one;
3. the second fold;
4. epochs, down to three quarters, to end folds that train already;
5. once a whole fold is there: those that train and would not become nearly whole are given up;
6. before that: epochs, down to a part of one; the learning rate still goes its whole way.

Epochs are worth most: on movie-reviews one fold of all epochs beats five of half of them, in less time, and folds of
half the epochs in the mean spoil it (EXPERIMENTS.md). Pure: seconds measured so far go in, a plan comes out.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

NEARLY = 0.75  # share of the epochs that is as good as whole
FEW = 2  # folds that stay until members are down to one: a fold alone has no others to choose its thresholds by
# Of the epochs. A plan may raise them again: what was measured beside other work can have been too slow.
SHARES = [part / 32 for part in range(32, 0, -1)] + [1 / 64, 1 / 128, 1 / 256]


@dataclass(frozen=True)
class Cost:
    """Seconds that a fold of a member takes.

    Attributes:
        start: before its first step.
        epoch: of training, with the validations of an epoch.
        end: after the last validation.
    """

    start: float
    epoch: float
    end: float


@dataclass(frozen=True)
class Length:
    """How long a member trains by its recipe: its epochs, and whether fewer are possible."""

    epochs: int
    divisible: bool = True

    def at(self, share: float) -> float:
        """Epochs of a share of the training."""
        return self.epochs * share if self.divisible else float(self.epochs)


Fold = tuple[str, int]  # member and number


@dataclass(frozen=True)
class Running:
    """A fold that trains now, and how many epochs of it are done."""

    fold: Fold
    done: float


@dataclass(frozen=True)
class State:
    """What is there to do.

    Attributes:
        members: by name, in order of the ensemble.
        folds: K.
        costs: of the members.
        done: folds that are finished.
        running: folds that train now.
        workers: folds that train at once.
        whole: whether one of those finished has as good as all its epochs.
    """

    members: Mapping[str, Length]
    folds: int
    costs: Mapping[str, Cost]
    done: Collection[Fold]
    running: Sequence[Running]
    workers: int
    whole: bool = False

    def finished(self, names: Sequence[str], fold: int) -> int:
        """How many of these members have trained a fold."""
        return sum((name, fold) in self.done for name in names)

    def begun(self, names: Sequence[str], fold: int) -> int:
        """How many of these members have trained a fold, or train it."""
        running = {running.fold for running in self.running}
        return self.finished(names, fold) + sum((name, fold) in running for name in names)


@dataclass(frozen=True)
class Plan:
    """What will be trained.

    Attributes:
        share: of the recipe's epochs.
        members: names, in order.
        folds: numbers, rising.
        seconds: from now until the last fold is written.
    """

    share: float
    members: tuple[str, ...]
    folds: tuple[int, ...]
    seconds: float

    def holds(self, fold: Fold) -> bool:
        """True if a fold is part of it."""
        return fold[0] in self.members and fold[1] in self.folds


def choose_plan(state: State, seconds: float) -> Plan:
    """The first plan of the order that fits; the last one if none does.

    Args:
        seconds: that are left for training.
    """
    for share, members, folds in candidates(state):
        plan = Plan(share, members, folds, seconds_of(state, share, members, folds))
        if plan.seconds <= seconds:
            return plan
    return plan


def candidates(state: State) -> Iterator[tuple[float, tuple[str, ...], tuple[int, ...]]]:
    """Share of the epochs, members and folds of each plan, in order."""
    names = tuple(state.members)
    first = names[:1]
    for count in range(state.folds, fewest(state, names, FEW) - 1, -1):
        yield 1.0, names, chosen_folds(state, names, count)
    for size in range(len(names) - 1, 0, -1):
        yield 1.0, names[:size], chosen_folds(state, names[:size], fewest(state, names[:size], FEW))
    begun = chosen_folds(state, first, fewest(state, first, 1))
    for share in SHARES:
        if share >= NEARLY or not state.whole:
            yield share, first, begun
    if state.whole:
        yield 1.0, first, tuple(fold for fold in range(state.folds) if state.finished(first, fold))


def fewest(state: State, names: Sequence[str], wanted: int) -> int:
    """How far the number of folds may go down: not below those that all these members have begun."""
    return max(wanted, sum(state.begun(names, fold) == len(names) for fold in range(state.folds)))


def chosen_folds(state: State, names: Sequence[str], count: int) -> tuple[int, ...]:
    """The folds to keep, rising: those that most of the members have finished or begun, then the first."""

    def rank(fold: int) -> tuple[int, int, int]:
        return -state.finished(names, fold), -state.begun(names, fold), fold

    return tuple(sorted(sorted(range(state.folds), key=rank)[:count]))


def seconds_of(state: State, share: float, members: Sequence[str], folds: Collection[int]) -> float:
    """Seconds until the last fold of a plan is written, when each waiting one goes to the first worker that is free."""
    free = []
    for running in state.running:
        name, fold = running.fold
        cost, left = state.costs[name], state.members[name].at(share) - running.done
        kept = name in members and fold in folds
        free.append(max(0.0, left) * cost.epoch + cost.end if kept else 0.0)
    free += [0.0] * (state.workers - len(free))
    ends = [0.0, *free[: len(state.running)]]
    begun = {*state.done, *(running.fold for running in state.running)}
    for name in members:
        cost = state.costs[name]
        whole = cost.start + state.members[name].at(share) * cost.epoch + cost.end
        for fold in folds:
            if (name, fold) not in begun:
                first = free.index(min(free))
                free[first] += whole
                ends.append(free[first])
    return max(ends)
