"""Plans that fit, and the order in which things are given up."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldwise.time_budget.plan import State, choose_plan, seconds_until_done

SECONDS = {"a": 40.0, "b": 60.0}


def state(members=("a",), done=(), running=(), workers=2) -> State:
    return State(members, 5, {name: SECONDS[name] for name in members}, set(done), dict(running), workers)


def begun(*folds, left=30.0):
    return {("a", fold): left for fold in folds}


def test_seconds_until_a_plan_is_done_by_hand():
    # Two folds need 30 s more. Three more of 40 s: one worker has two of them.
    assert seconds_until_done(state(running=begun(0, 1)), ["a"], range(5)) == 30 + 40 + 40
    assert seconds_until_done(state(running=begun(0, 1)), ["a"], [0, 1]) == 30
    assert seconds_until_done(state(done=[("a", 0)], workers=1), ["a"], [0, 1]) == 40
    assert seconds_until_done(state(), ["a"], []) == 0


@pytest.mark.parametrize(
    ("members", "seconds", "kept", "folds"),
    [
        (("a",), 110, "a", [0, 1, 2, 3, 4]),
        (("a",), 109, "a", [0, 1, 2, 3]),
        (("a",), 70, "a", [0, 1, 2, 3]),
        (("a",), 69, "a", [0, 1]),
        (("a",), 5, "a", [0, 1]),
        (("a", "b"), 250, "ab", [0, 1, 2, 3, 4]),
        (("a", "b"), 249, "ab", [0, 1, 2, 3]),
        (("a", "b"), 90, "ab", [0, 1]),
        (("a", "b"), 89, "a", [0, 1]),
    ],
)
def test_what_is_given_up_in_order(members, seconds, kept, folds):
    plan = choose_plan(state(members, running=begun(0, 1)), seconds)
    assert ("".join(plan.members), list(plan.folds)) == (kept, folds)


def test_the_second_fold_goes_after_the_members():
    alone = state(("a", "b"), running=begun(0), workers=1)
    assert choose_plan(alone, 70).folds == (0, 1)
    assert choose_plan(alone, 70).members == ("a",)
    assert choose_plan(alone, 69).folds == (0,)


FOLDS = st.sets(st.tuples(st.sampled_from("ab"), st.integers(0, 4)), max_size=10)


@given(done=FOLDS, running=FOLDS, seconds=st.floats(0, 1000), workers=st.integers(1, 4))
def test_a_plan_fits_or_is_the_smallest_and_more_time_never_gives_less(done, running, seconds, workers):
    running = dict.fromkeys(sorted(running - done)[:workers], 10.0)
    given_state = state(("a", "b"), done, running, workers)
    plan = choose_plan(given_state, seconds)
    least = choose_plan(given_state, -1.0)
    assert plan.seconds <= seconds or plan == least
    more = choose_plan(given_state, seconds + 100)
    assert len(more.members) * len(more.folds) >= len(plan.members) * len(plan.folds)
    assert plan.folds == tuple(sorted(set(plan.folds)))
    assert plan.members == ("a", "b")[: len(plan.members)]
    assert plan.holds((plan.members[0], plan.folds[0]))


def test_folds_that_most_members_have_begun_are_kept_first():
    some = state(("a", "b"), done=[("a", 3), ("b", 3), ("a", 4)])
    assert choose_plan(some, 70).folds == (3, 4)
    assert choose_plan(replace(some, done=set()), 199).folds == (0, 1, 2)


def test_a_member_of_few_folds_costs_these_alone_and_common_folds_come_first():
    some = replace(state(("a", "b"), workers=1), asked={"a": range(5), "b": [3, 4]})
    assert seconds_until_done(some, ["a", "b"], range(5)) == 5 * 40 + 2 * 60
    assert choose_plan(some, 320).folds == (0, 1, 2, 3, 4)
    assert choose_plan(some, 319).folds == (0, 1, 3, 4)
    assert choose_plan(some, 200).folds == (3, 4)
    assert choose_plan(some, 199).members == ("a",)
