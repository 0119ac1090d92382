from pathlib import Path

import pytest

from foldwise.config import Recipe, check, load_config, merge, parse_setting
from foldwise.errors import InputError

MINIMAL = """
[competition]
slug = "x"
task = "binary"
metric = "f1"
[columns]
id = "id"
text = ["text"]
target = ["target"]
[submission]
kind = "label"
"""


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "competition.toml"
    path.write_text(MINIMAL, encoding="utf-8")
    return path


def test_later_sources_win(toml):
    toml.write_text(MINIMAL + "[recipe]\ntraining.epochs = 3\nmodel.hidden = 32\n", encoding="utf-8")
    config = load_config(toml, ["training.epochs=7", "recipe.seed=5"])
    assert (config.recipe.training.epochs, config.recipe.model.hidden, config.recipe.seed) == (7, 32, 5)
    assert config.recipe.batches == Recipe().batches


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("training.epoch=3", ["recipe.training.epoch = 3", "unknown key", "did you mean epochs?"]),
        ("training.epochs=three", ["recipe.training.epochs = 'three'", "valid integer"]),
        ("training.epochs=0", ["recipe.training.epochs = 0", "greater than or equal to 1"]),
        ("training.epochs=2.0", ["recipe.training.epochs = 2.0", "valid integer"]),
        ("model.pooling=['max','man']", ["recipe.model.pooling.1 = 'man'", "did you mean mean?"]),
        ("model.zzzzz=1", ["recipe.model.zzzzz = 1", "known here: name, hidden"]),
        ("training.learning_rate", ["--set training.learning_rate", "key=value"]),
        ("members.wide.model.hiden=3", ["hiden = 3", "did you mean hidden?"]),
        ("members.tokens.seed=1", ["members.tokens", "not be 'tokens'"]),
        ("members={'../x'={}}", ["'../x'", "letters, digits"]),
        ("ensemble.members=['wide']", ["'wide'", "not among recipe.members"]),
    ],
)
def test_a_wrong_setting_names_key_value_and_mend(toml, setting, expected):
    with pytest.raises(InputError) as caught:
        load_config(toml, [setting])
    for phrase in expected:
        assert phrase in str(caught.value)


def test_every_fault_of_the_file_is_listed(toml):
    toml.write_text(MINIMAL.replace('"f1"', '"acuracy"').replace("slug", "slog"), encoding="utf-8")
    with pytest.raises(InputError, match="3 errors") as caught:
        load_config(toml, [])
    assert "competition.slug: missing" in str(caught.value)
    assert "did you mean slug?" in str(caught.value)
    assert "did you mean accuracy?" in str(caught.value)


def test_not_toml_and_not_there(tmp_path):
    path = tmp_path / "competition.toml"
    with pytest.raises(InputError, match=r"run\.sh init"):
        load_config(path, [])
    path.write_text("[competition\n", encoding="utf-8")
    with pytest.raises(InputError, match="not valid TOML"):
        load_config(path, [])


def test_a_member_changes_only_what_it_names(toml):
    toml.write_text(
        MINIMAL
        + "[recipe]\nmodel.hidden = 32\nmodel.layers = 2\n[recipe.members.wide]\nseed = 9\nmodel.hidden = 128\n",
        encoding="utf-8",
    )
    recipe = load_config(toml, []).recipe
    wide = recipe.of_member("wide")
    assert (wide.model.hidden, wide.model.layers, wide.seed) == (128, 2, 9)
    assert wide.training == recipe.training


def test_settings_are_toml_or_plain_strings():
    assert parse_setting("a.b=1e-3") == {"a": {"b": 1e-3}}
    assert parse_setting("a=[1, 2]") == {"a": [1, 2]}
    assert parse_setting("a=word") == {"a": "word"}
    assert parse_setting("recipe.a=true") == {"a": True}


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
