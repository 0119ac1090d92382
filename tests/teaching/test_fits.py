"""Which fits of which members come before a student's."""

from foldwise.config import Recipe
from foldwise.freshness import Fit
from foldwise.teaching.fits import rounds_of


def recipe(folds: int, **members) -> Recipe:
    training = {name: {"training": fields} for name, fields in members.items()}
    return Recipe.model_validate({"folds": {"n": folds}, "members": training})


def test_a_fold_of_a_student_takes_a_fit_of_its_teacher_for_each_other_fold():
    rounds = rounds_of(recipe(4, a={"distill": "b"}, b={}), [Fit("a", 1), Fit("b", 1)])
    assert rounds == [[Fit("b", 1), Fit("b", 0, (1,)), Fit("b", 2, (1,)), Fit("b", 3, (1,))], [Fit("a", 1)]]


def test_what_teaches_a_teacher_sees_neither_of_their_folds():
    chain = recipe(4, a={"distill": "b"}, b={"distill": "c"}, c={})
    first, second, third = rounds_of(chain, [Fit("a", 3)])
    assert third == [Fit("a", 3)]
    assert second == [Fit("b", fold, (3,)) for fold in (0, 1, 2)]
    assert first == [
        *(Fit("c", fold, (0, 3)) for fold in (1, 2)),
        *(Fit("c", fold, (1, 3)) for fold in (0, 2)),
        *(Fit("c", fold, (2, 3)) for fold in (0, 1)),
    ]


def test_pseudo_labels_are_of_the_same_fold_of_all_members_without_them():
    members = recipe(2, a={"pseudo_labels": 0.5}, b={}, c={"pseudo_labels": 1.0}, d={})
    assert rounds_of(members, [Fit("a", 0)]) == [[Fit("b", 0), Fit("d", 0)], [Fit("a", 0)]]


def test_a_weight_of_0_asks_for_nothing():
    off = recipe(3, a={"distill": "b", "distill_weight": 0.0, "pseudo_labels": 0.0}, b={})
    assert rounds_of(off, [Fit("a", 0)]) == [[Fit("a", 0)]]
