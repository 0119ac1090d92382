"""Members by the real command line: what they are called, and which of them train."""

import json


def test_the_one_member_is_called_by_its_model(cli_here, workspace):
    linear = ["--set", "model.name=linear", "--set", "linear.min_count=1"]
    output = workspace / "output" / "twin-binary"
    cli_here("all", "-c", "twin-binary", "--set", 'ensemble.members=["bilstm"]')
    shown = cli_here("all", "-c", "twin-binary", *linear).stdout
    assert "train     linear folds 0, 1: not trained yet" in shown
    assert "train     bilstm" not in shown
    assert [member["name"] for member in json.loads((output / "summary.json").read_text())["members"]] == ["linear"]
    assert (output / "linear" / "fold1" / "fold.json").is_file()
    assert "kept bilstm folds 0, 1" in cli_here("train", "-c", "twin-binary").stdout  # they have a folder of their own


def test_another_model_of_a_named_member_is_said_in_a_word(cli_here, workspace):
    path = workspace / "input" / "twin-binary" / "competition.toml"
    path.write_text(path.read_text() + "\n[recipe.members.a]\nlinear.min_count = 1\n")
    cli_here("all", "-c", "twin-binary")
    shown = cli_here("train", "-c", "twin-binary", "--set", "model.name=linear").stdout
    assert "train     a (linear) folds 0, 1: model bilstm → linear\n" in shown
    shown = cli_here("train", "-c", "twin-binary", "--set", "model.name=bigru").stdout
    assert "train     a (bigru) folds 0, 1: model linear → bigru\n" in shown


def test_a_group_of_seeds_trains_together(cli_here, workspace):
    path = workspace / "input" / "twin-binary" / "competition.toml"
    path.write_text(path.read_text() + "\n[recipe.members.bi]\nseeds = [1, 2]\n[recipe.members.other]\n")
    cli_here("tokens", "-c", "twin-binary")
    shown = cli_here("train", "-c", "twin-binary", "--member", "bi", "--fold", "0").stdout
    assert "bi-s1 (bilstm) fold 0: not trained yet" in shown
    assert "2 folds in" in shown
    output = workspace / "output" / "twin-binary"
    assert sorted(fold.parent.name for fold in output.glob("*/fold0")) == ["bi-s1", "bi-s2"]
    error = cli_here("train", "-c", "twin-binary", "--member", "b", code=2).stderr
    assert "--member b: no such member; recipe.members has bi-s1, bi-s2, other" in error


def test_an_old_name_warns_and_an_empty_table_of_members_is_refused(cli_here):
    done = cli_here("folds", "-c", "twin-binary", "--set", "training.clip=2.0")
    assert done.stderr.count("training.clip is called training.max_grad_norm now") == 1
    error = cli_here("folds", "-c", "twin-binary", "--set", "recipe.members={}", code=2).stderr
    assert "--set adds to the members and takes none away" in error


def test_an_error_under_debug_quotes_only_what_was_typed(cli_here):
    error = cli_here("all", "-c", "twin-binary", "--debug", "--set", "model.hiden=3", code=2).stderr
    assert "competition.toml with --set model.hiden=3: 1 error" in error
    assert "training.epochs" not in error


def test_recipe_shows_fields_and_the_nearest_name(cli_here):
    shown = cli_here("recipe", "training.epochs", "-c", "twin-binary", "--set", "training.epochs=9").stdout
    assert shown.startswith('training.epochs: whole number, 1 or more, or "auto"; default "auto"; here 9\n    ')
    assert "\n[training]\n" in cli_here("recipe", "-c", "twin-binary").stdout
    assert cli_here("recipe", "--markdown", "-c", "twin-binary").stdout.startswith("# The recipe\n")
    error = cli_here("recipe", "training.epoch", "-c", "twin-binary", code=2).stderr
    assert "recipe training.epoch: no such field or table; did you mean training.epochs?" in error
