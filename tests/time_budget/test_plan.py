"""Plans that fit, and the order in which things are given up."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.time_budget.plan import NEARLY, Cost, Length, Running, State, choose_plan, seconds_of

LENGTHS = {"a": Length(4), "b": Length(6)}


def state(members=("a",), epoch=10.0, done=(), running=(), workers=2, start=1.0, end=2.0) -> State:
    lengths = {name: LENGTHS[name] for name in members}
    return State(lengths, 5, dict.fromkeys(members, Cost(start, epoch, end)), set(done), list(running), workers)


def begun(*folds, done=1.0):
    return [Running(("a", fold), done) for fold in folds]


def test_seconds_of_a_plan_by_hand():
    # Two folds run with 3 of 4 epochs left: free after 32 s. Three more of 43 s: one worker has two of them.
    assert seconds_of(state(running=begun(0, 1)), 1.0, ["a"], range(5)) == 32 + 43 + 43
    assert seconds_of(state(running=begun(0, 1)), 1.0, ["a"], [0, 1]) == 32
    # Half of the epochs, where one is done already.
    assert seconds_of(state(running=begun(0, 1)), 0.5, ["a"], [0, 1]) == 12
    assert seconds_of(state(done=[("a", 0)], workers=1), 1.0, ["a"], [0, 1]) == 43
    assert seconds_of(state(), 1.0, ["a"], []) == 0


@pytest.mark.parametrize(
    ("members", "seconds", "share", "kept", "folds"),
    [
        (("a",), 118, 1, "a", [0, 1, 2, 3, 4]),
        (("a",), 117, 1, "a", [0, 1, 2, 3]),
        (("a",), 74, 1, "a", [0, 1]),
        (("a",), 32, 1, "a", [0, 1]),
        (("a",), 31, 31 / 32, "a", [0, 1]),
        (("a",), 12, 16 / 32, "a", [0, 1]),
        (("a",), 7, 12 / 32, "a", [0, 1]),
        (("a", "b"), 264, 1, "ab", [0, 1, 2, 3, 4]),
        (("a", "b"), 263, 1, "ab", [0, 1, 2, 3]),
        (("a", "b"), 32 + 63, 1, "ab", [0, 1]),
        (("a", "b"), 32 + 62, 1, "a", [0, 1]),
    ],
)
def test_what_is_given_up_in_order(members, seconds, share, kept, folds):
    plan = choose_plan(state(members, running=begun(0, 1)), seconds)
    assert (plan.share, "".join(plan.members), list(plan.folds)) == (share, kept, folds)
    assert plan.seconds <= seconds


def test_the_second_fold_goes_after_the_members_and_before_the_epochs():
    alone = state(("a", "b"), running=begun(0), workers=1)
    assert choose_plan(alone, 32 + 43).folds == (0, 1)
    assert choose_plan(alone, 32 + 43).members == ("a",)
    assert choose_plan(alone, 32 + 42).folds == (0,)
    assert choose_plan(alone, 32 + 42).share == 1


def test_less_than_a_part_of_an_epoch():
    plan = choose_plan(state(running=begun(0, 1, done=0.0), end=0.0), 1.3)
    assert LENGTHS["a"].at(plan.share) == 0.125  # of an epoch of 10 s; 1 / 32 of four


def test_what_does_not_fit_at_all_is_as_little_as_can_be():
    plan = choose_plan(state(running=begun(3)), 0.5)
    assert plan.folds == (3,)
    assert plan.seconds > 0.5
    assert plan.share == 1 / 256


def test_a_linear_member_has_no_epochs_to_give_up():
    lengths = {"a": Length(4), "linear": Length(1, divisible=False)}
    costs = {"a": Cost(1.0, 10.0, 2.0), "linear": Cost(1.0, 5.0, 0.0)}
    now = State(lengths, 2, costs, set(), begun(0, 1, done=0.0), 2)
    assert seconds_of(now, 0.5, ["a", "linear"], [0, 1]) == 22 + 6


def test_folds_of_a_member_from_before_do_not_hold_up_those_of_a_new_one():
    there = [("b", fold) for fold in range(5)]
    now = state(("a", "b"), done=there, workers=1)
    assert choose_plan(now, 43 * 3).folds == (0, 1, 2)
    plan = choose_plan(now, 43)
    assert (plan.share, plan.members, plan.folds) == (1, ("a",), (0,))


folds = st.sets(st.integers(0, 4), max_size=5)


@given(
    members=st.sampled_from([("a",), ("a", "b")]),
    epoch=st.floats(0.01, 1000),
    done=folds,
    running=folds,
    workers=st.integers(1, 4),
    seconds=st.floats(0, 1e5),
    whole=st.booleans(),
)
def test_a_plan_fits_or_is_the_smallest(members, epoch, done, running, workers, seconds, whole):
    trained = [("a", fold) for fold in done]
    now = state(members, epoch, trained, begun(*sorted(running - done))[:workers], workers=workers)
    now = replace(now, whole=whole and bool(done))
    plan = choose_plan(now, seconds)
    assert plan.members == members[: len(plan.members)]
    assert list(plan.folds) == sorted(set(plan.folds))
    started = {fold for fold in range(5) if now.begun(plan.members, fold) == len(plan.members)}
    assert done <= set(plan.folds) or len(plan.members) == 2
    if now.whole:
        assert plan.seconds <= seconds
        assert plan.share >= NEARLY
    else:
        assert started <= set(plan.folds)
    if plan.seconds > seconds:
        assert len(plan.members) == 1
        assert len(plan.folds) == max(1, len(started))
        assert plan.share == 1 / 256
    more = choose_plan(now, 2 * seconds)
    assert len(more.members) >= len(plan.members)
    assert more.share >= plan.share or now.whole


def test_what_would_not_become_whole_is_given_up_once_something_is():
    now = replace(state(done=[("a", 0)], running=begun(1, 2, done=1.0)), whole=True)
    assert choose_plan(now, 32).folds == (0, 1, 2)
    nearly = choose_plan(now, 22)
    assert (nearly.share, nearly.folds) == (NEARLY, (0, 1, 2))
    given_up = choose_plan(now, 21)
    assert (given_up.share, given_up.folds, given_up.seconds) == (1, (0,), 0)
    assert choose_plan(replace(now, whole=False), 21).folds == (0, 1, 2)
