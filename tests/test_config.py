import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from foldwise.config import Member, MemberName, Model, Recipe, merge
from foldwise.errors import InputError, check


def test_merge_alters_neither_side():
    base, changes = {"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}
    assert merge(base, changes) == {"a": {"b": 3, "c": 2}}
    assert base == {"a": {"b": 1, "c": 2}}
    assert changes == {"a": {"b": 3}}


def test_arguments_go_with_what_they_were_given_for():
    recipe = Recipe.model_validate(
        {
            "training": {"loss": "focal", "loss_arguments": {"gamma": 3}},
            "members": {
                "a": {"training": {"loss": "label_smoothing", "loss_arguments": {"epsilon": 0.2}}},
                "b": {"training": {"loss": "bce"}},
                "c": {"training": {"loss_arguments": {"gamma": 1}}},
            },
        }
    )
    training = {name: recipe.of_member(name).training for name in recipe.members}
    assert {name: (part.loss, part.loss_arguments) for name, part in training.items()} == {
        "a": ("label_smoothing", {"epsilon": 0.2}),
        "b": ("bce", {}),
        "c": ("focal", {"gamma": 1}),
    }


def test_seeds_make_a_member_each_and_never_hide_one():
    recipe = Recipe.model_validate({"members": {"deep": {"seeds": [1, 2], "model": {"layers": 2}}, "other": {}}})
    assert list(recipe.members) == ["deep-s1", "deep-s2", "other"]
    assert (recipe.of_member("deep-s2").seed, recipe.of_member("deep-s2").model.layers) == (2, 2)
    assert recipe.of_member("other").members == {}
    for members in ({"a": {"seeds": [1]}, "a-s1": {}}, {"a": {"seeds": [1], "seed": 2}}):
        with pytest.raises(InputError, match=r"is there twice|has seed and seeds"):
            check(Recipe, {"members": members}, "x")


def test_members_of_seeds_are_named_together():
    members = {"bi": {"seeds": [1, 2]}, "bi-s3": {"seed": 4}, "other": {"seed": 1}}
    recipe = Recipe.model_validate({"members": members})
    assert recipe.members_named("bi") == ["bi-s1", "bi-s2"]  # bi-s3 only looks like one of them
    assert recipe.members_named("bi-s2") == ["bi-s2"]
    with pytest.raises(InputError, match=r"--member b: no such member; recipe\.members has bi-s1, bi-s2, bi-s3, other"):
        recipe.members_named("b")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("bilstm", "bilstm"),
        ("linear", "linear"),
        ("mine:Bag", "Bag"),
        ("a.b:Größe", "Gr__e"),
        ("x:tokens", "tokens_model"),
        ("x:linear", "linear"),
    ],
)
def test_a_member_without_a_name_is_called_by_its_model_and_has_the_linear_one_beside_it(model, name):
    expected = {"linear": Member(model={"name": "linear"})} | {name: Member()}
    assert Recipe(model=Model(name=model)).members == expected
    assert Recipe.model_validate({"model": {"name": model}}).members == expected
    assert Recipe(model=Model(name=model), members={"bi": Member()}).members == {"bi": Member()}


@given(st.text())
def test_whatever_a_model_is_called_its_member_has_a_folder(model):
    name, *_ = Recipe(model=Model(name=model)).members
    assert TypeAdapter(MemberName).validate_python(name) == name
