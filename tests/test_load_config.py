from pathlib import Path

import pytest

from foldwise.config import Recipe
from foldwise.console import WARNED
from foldwise.errors import InputError
from foldwise.load_config import RENAMED, load_config, parse_setting
from foldwise.paths import REPOSITORY

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


def test_settings_of_usual_members_take_none_away():
    path = REPOSITORY / "input" / "movie-reviews" / "competition.toml"
    changed = load_config(path, ["members.linear.linear.C=4"]).recipe
    assert list(changed.members) == ["bilstm", "linear"]
    assert changed.of_member("linear").model.name == "linear"
    assert changed.of_member("linear").linear.C == 4
    assert list(load_config(path, ["members.wide.model.hidden=8"]).recipe.members) == ["wide"]


def test_later_sources_win(toml):
    toml.write_text(MINIMAL + "[recipe]\ntraining.epochs = 3\nmodel.hidden = 32\n", encoding="utf-8")
    config = load_config(toml, ["training.epochs=7", "recipe.seed=5"])
    assert (config.recipe.training.epochs, config.recipe.model.hidden, config.recipe.seed) == (7, 32, 5)
    assert config.recipe.batches == Recipe().batches


def test_a_setting_that_does_not_reach_a_member_says_so(toml, capsys):
    WARNED.clear()
    toml.write_text(MINIMAL + "[recipe.members.a]\ntraining.epochs = 9\n[recipe.members.b]\n", encoding="utf-8")
    recipe = load_config(toml, ["training.epochs=7", "training.patience=3"]).recipe
    assert [recipe.of_member(name).training.epochs for name in ("a", "b")] == [9, 7]
    assert capsys.readouterr().err == (
        "warning: --set training.epochs: not for a, which has its own in competition.toml, 9; "
        "--set members.a.training.epochs=… changes it\n"
    )
    load_config(toml, ["training.epochs=7", "members.a.training.epochs=8", "model.name=textcnn"])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("training.epoch=3", ["recipe.training.epoch = 3", "unknown key", "did you mean epochs?"]),
        ("training.epochs=three", ["recipe.training.epochs = 'three'", "a whole number from 1 on"]),
        ("training.epochs=0", ["recipe.training.epochs = 0", "a whole number from 1 on"]),
        ("training.epochs=2.0", ["recipe.training.epochs = 2.0", "a whole number from 1 on"]),
        ("model.pooling=['max',1]", ["recipe.model.pooling.1 = 1", "valid string"]),
        ("model.zzzzz=1", ["recipe.model.zzzzz = 1", "known here: name, hidden"]),
        ("training.learning_rate", ["--set training.learning_rate", "key=value"]),
        ("members.wide.model.hiden=3", ["hiden = 3", "did you mean hidden?"]),
        ("members.tokens.seed=1", ["members.tokens", "not be 'tokens'"]),
        ("members.kernel-dataset.seed=1", ["members.kernel-dataset", "or 'kernel'"]),
        ("members.kernel-infer.seed=1", ["members.kernel-infer", "or 'kernel'"]),
        ("training.learning_rate=inf", ["training.learning_rate = inf", "a positive number"]),
        ("members={'../x'={}}", ["'../x'", "letters, digits"]),
        ("ensemble.members=['wide']", ["'wide'", "not among recipe.members (bilstm, linear)"]),
        (
            "lr=1e-3",
            ["recipe.lr = 0.001: unknown key; did you mean training.learning_rate or encoder.learning_rate?"],
        ),
        ("training.lr=1", ["did you mean learning_rate?"]),
        ("epochs=3", ["did you mean training.epochs or encoder.epochs?"]),
        ("dropout=0.2", ["did you mean model.dropout or model.spatial_dropout?"]),
        ("max_len=9", ["did you mean tokens.max_length or encoder.max_length?"]),
        ("nfolds=5", ["did you mean folds.n?"]),
        ("n_folds=5", ["did you mean folds.n?"]),
        ("batch_size=8", ["did you mean batches.size or encoder.batch_size?"]),
        ("scheduler=cosine", ["did you mean training.schedule?"]),
        ("modle.hidden=3", ["did you mean model?"]),
        ("xyz=3", ["known here: seed, folds"]),
        ("_=3", ["known here: seed, folds"]),
        ("members.wide.sed=3", ["members.wide.sed = 3", "did you mean seed?"]),
        ("members={}", ["--set members={}: --set adds to the members", "ensemble.members=", "[recipe.members]"]),
        ("recipe.members = {}", ["--set recipe.members = {}: --set adds to the members"]),
        ("tokens.max_length=0%", ["recipe.tokens.max_length = '0%'", "a share of the training texts"]),
        ("tokens.max_length=true", ["recipe.tokens.max_length = True", "give a number of tokens from 1 on"]),
        ("ensemble.weights={bilstm=-1}", ['recipe.ensemble.weights: give "equal"', "none negative"]),
        ("ensemble.weights=inf", ['recipe.ensemble.weights = inf: give "equal"']),
        ("linear.C=inf", ['recipe.linear.C = inf: give a positive number, or "auto"']),
        ("members.a.seeds=[1, 1]", ["recipe.members: members.a-s1 is there twice"]),
        ("model.dropout=2", ["1 error\n", "recipe.model.dropout = 2"]),
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


VALUES = {"training.clip": "3.0", "training.evaluations": "5", "model.widths": "[2, 7]", "linear.strength": "0.5"}


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
@pytest.mark.parametrize("place", ["file", "member", "member's seeds", "--set", "--set of a member"])
def test_an_old_name_is_the_new_one_and_says_so(toml, capfd, old, new, place):
    def load(name):
        line = f"{name} = {VALUES[old]}"
        written = {
            "file": f"[recipe]\n{line}\n",
            "member": f"[recipe.members.wide]\n{line}\n",
            "member's seeds": f"[recipe.members.wide]\nseeds = [1, 2]\n{line}\n",
        }
        toml.write_text(MINIMAL + written.get(place, ""), encoding="utf-8")
        settings = {"--set": [line], "--set of a member": [f"members.wide.{line}"]}
        return load_config(toml, settings.get(place, []))

    expected = load(new)
    assert capfd.readouterr().err == ""
    assert load(old) == expected
    (warning,) = capfd.readouterr().err.splitlines()
    assert f"{old} is called {new} now" in warning
    assert ("members.wide." in warning) == ("member" in place)
    assert ("--set" in warning) == ("--set" in place)


def test_an_old_name_beside_the_new_one_is_an_error_but_a_later_source_wins(toml):
    toml.write_text(MINIMAL + "[recipe]\ntraining = { clip = 1.0, max_grad_norm = 2.0 }\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"training\.clip is the old name of training\.max_grad_norm, which is there too"
    ):
        load_config(toml, [])
    toml.write_text(MINIMAL + "[recipe]\ntraining.max_grad_norm = 2.0\n", encoding="utf-8")
    assert load_config(toml, ["training.clip=3.0"]).recipe.training.max_grad_norm == 3


def test_a_file_with_no_members_at_all_is_refused(toml):
    toml.write_text(MINIMAL + "[recipe]\nmembers = {}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"recipe\.members is empty; take it out"):
        load_config(toml, [])


def test_debug_trains_every_member_briefly_and_is_not_quoted(toml):
    toml.write_text(
        MINIMAL
        + "[recipe]\ntraining = { epochs = 9, unfreeze_epoch = 2, patience = 3 }\n"
        + "[recipe.members.a]\n[recipe.members.b]\ntraining = { epochs = 7, evaluations_per_epoch = 3, patience = 8 }\n",
        encoding="utf-8",
    )
    recipe = load_config(toml, [], debug=True).recipe
    trainings = [recipe.of_member(name).training for name in ("a", "b")]
    assert [(part.epochs, part.evaluations_per_epoch, part.unfreeze_epoch) for part in trainings] == [(1, 1, 0)] * 2
    assert [part.patience for part in trainings] == [3, 8]
    assert load_config(toml, ["training.epochs=3"], debug=True).recipe.of_member("b").training.epochs == 3
    with pytest.raises(InputError) as caught:
        load_config(toml, ["model.hiden=3"], debug=True)
    assert str(caught.value).startswith(f"{toml} with --set model.hiden=3: 1 error\n")


def test_debug_leaves_no_epochs_to_a_rule_and_one_of_extra_rows(toml):
    written = "[recipe]\ntraining.extra_epochs = 5\n[recipe.members.a]\n[recipe.members.b]\ntraining.extra_epochs = 4\n"
    toml.write_text(MINIMAL + written + "[recipe.members.c]\ntraining.extra_epochs = 0\n", encoding="utf-8")
    recipe = load_config(toml, ["training.epochs=auto"], debug=True).recipe
    assert [recipe.of_member(name).training.epochs for name in "abc"] == [1, 1, 1]
    assert [recipe.of_member(name).training.extra_epochs for name in "abc"] == [1, 1, 0]
    assert load_config(toml, ["training.epochs=auto"]).recipe.training.epochs == "auto"
