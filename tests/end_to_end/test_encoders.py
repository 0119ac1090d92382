"""Members with a tiny pretrained encoder, frozen and trained, through the command line: all tasks, kept, packed."""

import json
import shlex
import shutil

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from encoders.tiny import make_encoder

MEMBERS = """
[recipe.members.bilstm]
[recipe.members.frozen]
model.name = "encoder"
encoder.path = "tiny"
training.precision = "fp32"
[recipe.members.full]
model.name = "encoder"
folds = [1]
training = {{ precision = "fp32", accumulation = 2, evaluations_per_epoch = 1 }}
encoder = {{ path = "tiny", train = "full", epochs = 1, {more} }}
"""


def add_members(workspace, slug, more="pooling = ['cls', 'attention']"):
    make_encoder(workspace / "input" / "encoders" / "tiny")
    path = workspace / "input" / slug / "competition.toml"
    path.write_text(f"{path.read_text()}\n{MEMBERS.format(more=more)}")


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("slug", ["twin-binary", "twin-multiclass", "twin-multilabel", "twin-regression"])
def test_a_run_and_its_bundle(cli_here, workspace, slug):
    add_members(workspace, slug, "freeze_layers = 1" if slug == "twin-binary" else "layer_decay = 0.8")
    output = workspace / "output" / slug
    equal = ["--set", 'ensemble.weights="equal"']  # a member without weight would not be packed
    shown = cli_here("all", "-c", slug, *equal).stdout
    assert "tokens    frozen: made " in shown
    assert "96 numbers each from layers 1, 2, 3" in shown
    summary = json.loads((output / "summary.json").read_text())
    assert [member["folds"] for member in summary["members"]] == [[0, 1], [0, 1], [1]]
    assert sorted(path.name for path in (output / "frozen" / "tokens").iterdir()) == [
        "columns.npy", "offsets.npy", "states.npy", "tokens.json", "tokens.npy"]  # fmt: skip
    kept = cli_here("all", "-c", slug, *equal).stdout
    assert "kept frozen (encoder) folds 0, 1" in kept
    assert "kept full (encoder) fold 1" in kept

    # The test set by the packed members: the same bytes.
    submission = (output / "submission.csv").read_bytes()
    cli_here("kernel", "build", "-c", slug, "--infer", "--user", "ada", *equal)
    packed = output / "kernel-infer-dataset"
    weights = {path.name for path in packed.glob("*.safetensors")}
    assert ("full-model.safetensors" in weights) == (slug == "twin-binary")  # where layers are frozen
    assert {"frozen-model.safetensors", "frozen-fold0.safetensors", "full-fold1.safetensors"} <= weights
    (output / "submission.csv").unlink()
    shown = cli_here("infer", "-c", slug, "--weights", str(packed)).stdout
    assert "infer     frozen: made" in shown
    assert (output / "submission.csv").read_bytes() == submission

    # As any other texts they are predicted by the folds where they are, and by the packed ones.
    table = next((workspace / "input" / slug).glob("test.*"))
    expected = sorted((output / "submission_probabilities.csv").read_text().splitlines())
    for weights_of in ([], ["--weights", str(packed)]):
        assert (
            sorted(cli_here("predict", str(table), "-c", slug, "--proba", *weights_of).stdout.splitlines()) == expected
        )
    if slug == "twin-binary":
        check_what_predicting_takes(cli_here, workspace, slug, table)


def check_what_predicting_takes(cli_here, workspace, slug, table):
    """No tokens of the training, but the very encoder."""
    output = workspace / "output" / slug
    expected = sorted((output / "submission_probabilities.csv").read_text().splitlines())
    shutil.rmtree(output / "frozen" / "tokens")
    again = cli_here("predict", str(table), "-c", slug, "--proba").stdout
    assert sorted(again.splitlines()) == expected
    body = next((workspace / "input").rglob("model.safetensors"))
    body.write_bytes(body.read_bytes()[:-1] + b"?")
    refused = cli_here("predict", str(table), "-c", slug, code=2).stderr
    assert f"{body}: not the file that frozen was trained with" in refused


def test_what_changes_an_encoder_and_what_does_not(cli_here, workspace):
    slug = "twin-binary"
    add_members(workspace, slug)
    output, members = workspace / "output" / slug, ["--member", "frozen", "--member", "full"]
    cli_here("tokens", "-c", slug)
    cli_here("train", "-c", slug, *members)
    before = {name: files_of(output / name) for name in ("frozen", "full")}

    # Tokens of the networks are not its own, nor is the path; C is the head's alone.
    cli_here("tokens", "-c", slug, "--set", "tokens.case=keep")
    (workspace / "input" / "encoders" / "tiny").rename(workspace / "input" / "moved")
    moved = ["--set", "members.frozen.encoder.path=moved", "--set", "members.full.encoder.path=moved"]
    shown = cli_here("train", "-c", slug, *members, *moved, "--set", "tokens.case=keep").stdout
    assert "kept frozen (encoder) folds 0, 1" in shown
    assert "kept full (encoder) fold 1" in shown
    again = [*moved, "--set", "members.frozen.encoder.C=0.5"]
    shown = cli_here("train", "-c", slug, *members, *again, "--set", "tokens.case=keep").stdout
    assert "frozen (encoder) folds 0, 1: recipe.encoder.C auto → 0.5" in shown
    assert "tokens    frozen" not in shown
    assert "kept full" in shown

    # Weights of the encoder are. Made again, everything has the same bytes.
    path = workspace / "input" / "moved" / "model.safetensors"
    arrays, old = load_file(path), path.read_bytes()
    save_file({name: part * 1.5 for name, part in arrays.items()}, path, {"format": "pt"})
    shown = cli_here("train", "-c", slug, *members, *moved, "--set", "tokens.case=keep").stdout
    assert "tokens    frozen: made" in shown
    assert "(model.model.safetensors changed)" in shown
    assert "full (encoder) fold 1: tokens changed" in shown
    path.write_bytes(old)
    cli_here("tokens", "-c", slug)
    cli_here("train", "-c", slug, *members, *moved, "--fold", "1")
    cli_here("train", "-c", slug, *members, *moved)
    weights = [name for name in before["full"] if name.suffix == ".safetensors"]
    assert [files_of(output / "full")[name] for name in weights] == [before["full"][name] for name in weights]
    kept = [name for name in before["frozen"] if name.suffix in (".safetensors", ".npy")]
    assert [files_of(output / "frozen")[name] for name in kept] == [before["frozen"][name] for name in kept]


def test_runs_with_names_share_what_an_encoder_made_of_the_texts(cli_here, workspace):
    slug = "twin-binary"
    add_members(workspace, slug)
    made = []
    for name, settings in (("a", []), ("b", ["--set", "members.frozen.encoder.C=0.5"])):
        cli_here("tokens", "-c", slug, "--name", name)
        made.append(cli_here("train", "-c", slug, "--name", name, "--member", "frozen", *settings).stdout)
    assert ["tokens    frozen: made " in shown for shown in made] == [True, False]
    assert "frozen fold 1: " in made[1]
    experiments = workspace / "output" / slug / "experiments"
    first, second = (experiments / name / "frozen" / "tokens" for name in ("a", "b"))
    assert first.is_symlink()
    assert first.resolve() == second.resolve()
    assert "kept frozen" in cli_here("train", "-c", slug, "--name", "a", "--member", "frozen").stdout


def test_extra_rows_are_nothing_to_an_encoder(cli_here, workspace):
    slug, members = "twin-binary", ["--member", "frozen", "--member", "full"]
    add_members(workspace, slug)
    home = workspace / "input" / slug
    path, table = home / "competition.toml", home / "extra.csv"
    path.write_text(path.read_text().replace("[columns]", '[files]\nextra = "extra"\n\n[columns]', 1))
    table.write_text("id,text,target\nold-1,Good.,1\n")
    refused = "recipe.training.extra_epochs = 1: frozen (encoder) trains on no extra rows, only networks do; set it for"
    assert refused in cli_here("tokens", "-c", slug, "--set", "training.extra_epochs=1", code=2).stderr
    refused = "recipe.members.full.training.extra_epochs = 1: full (encoder) trains on no extra rows"
    assert refused in cli_here("tokens", "-c", slug, "--set", "members.full.training.extra_epochs=1", code=2).stderr
    cli_here("tokens", "-c", slug)
    cli_here("train", "-c", slug, *members)
    table.write_text("id,text,target\nold-1,Bad.,0\n")
    cli_here("tokens", "-c", slug)
    shown = cli_here("train", "-c", slug, *members).stdout
    assert "kept frozen (encoder) folds 0, 1" in shown
    assert "kept full (encoder) fold 1" in shown
    assert "tokens" not in shown.replace("folds and tokens", "")


def test_models_on_all_rows_and_extra_ones_train_travel_and_predict(cli_here, workspace):
    slug = "twin-binary"
    add_members(workspace, slug)
    home, output = workspace / "input" / slug, workspace / "output" / slug
    path = home / "competition.toml"
    path.write_text(path.read_text().replace("[columns]", '[files]\nextra = "extra"\n\n[columns]', 1))
    (home / "extra.csv").write_text("id,text,target\nold-1,Good.,1\nold-2,Bad.,0\n")
    chosen = ["--set", "training.extra_weight=0.5", "--set", "training.validate=false"]
    chosen += ["--set", 'ensemble.weights="equal"']
    shown = cli_here("all", "-c", slug, *chosen).stdout
    for name, fold in (("bilstm", 0), ("frozen", 0), ("full", 1)):
        rows = {
            folder: json.loads((output / name / folder / "fold.json").read_text())["rows"]["train"]
            for folder in (f"fold{fold}", "all-rows")
        }
        assert rows == {f"fold{fold}": 12, "all-rows": 22}
    found = cli_here("predict", str(next(home.glob("test.*"))), "-c", slug, "--proba").stdout
    assert sorted(found.splitlines()) == sorted((output / "submission_probabilities.csv").read_text().splitlines())
    assert "full (encoder) on all rows: not trained yet" in shown
    submission = (output / "submission.csv").read_bytes()
    cli_here("kernel", "build", "-c", slug, "--infer", "--user", "ada", *chosen)
    packed = output / "kernel-infer-dataset"
    weights = {path.name for path in packed.glob("*-all-rows.safetensors")}
    assert weights == {f"{name}-all-rows.safetensors" for name in ("bilstm", "frozen", "full")}
    assert not list(packed.glob("*-fold*.safetensors"))
    (output / "submission.csv").unlink()
    shown = cli_here("infer", "-c", slug, "--weights", str(packed)).stdout
    assert "bilstm on all rows; frozen on all rows; full on all rows of" in shown
    assert (output / "submission.csv").read_bytes() == submission


def test_faults_of_the_folder_are_faults_of_the_input(cli_here, workspace):
    add_members(workspace, "twin-binary")
    (workspace / "input" / "encoders" / "tiny" / "config.json").unlink()
    error = cli_here("all", "-c", "twin-binary", code=2).stderr
    assert "tiny has no config.json; put it there" in error
    assert not (workspace / "output" / "twin-binary" / "tokens").exists()
    error = cli_here("all", "-c", "twin-binary", "--set", "model.name=encoder", "--set", "encoder.trian=full", code=2)
    assert "did you mean train?" in error.stderr


def test_a_kernel_that_trains_finds_the_encoder_in_a_dataset(cli_here, workspace):
    add_members(workspace, "twin-binary")
    build = ["kernel", "build", "-c", "twin-binary", "--user", "ada"]
    error = cli_here(*build, code=2).stderr
    assert "make a dataset called tiny of its 3 files, and name it with --dataset OWNER/tiny" in error
    assert "made" in cli_here(*build, "--dataset", "ada/tiny").stdout


def test_debug_and_describe(cli_here, workspace):
    add_members(workspace, "twin-regression")
    assert "full (encoder) fold 1" in cli_here("all", "-c", "twin-regression", "--debug").stdout
    shown = cli_here("describe", "-c", "twin-regression", "--member", "frozen").stdout
    assert "the pretrained encoder tiny as it is: mean and max of five layers → ridge regression" in shown


def test_a_budget_cuts_epochs_and_leaves_out_what_it_has_no_time_to_read(cli_here, workspace, monkeypatch):
    add_members(workspace, "twin-regression")
    budget = ["all", "-c", "twin-regression", "--time-budget", "9h"]
    monkeypatch.setattr("foldwise.encoders.states.TRIED", -1.0)
    monkeypatch.setattr("foldwise.running.own_tokens.SHARE", -1.0)  # all of it is over
    done = cli_here(*budget)
    shown = done.stdout
    assert "warning: frozen: left out; reading the texts would take more than" in done.stderr
    summary = json.loads((workspace / "output" / "twin-regression" / "summary.json").read_text())
    assert [member["name"] for member in summary["members"]] == ["bilstm", "full"]
    assert "members frozen left out" in shown or "member frozen left out" in shown
    error = cli_here(*budget, "--force", "--set", 'ensemble.members=["frozen"]', code=1).stderr
    assert "the time budget is too short to read the texts for frozen; give more" in error
    monkeypatch.undo()
    monkeypatch.setenv("COLUMNS", "120")
    assert "nothing was left out" in cli_here(*budget).stdout
    assert np.isfinite(
        json.loads((workspace / "output" / "twin-regression" / "summary.json").read_text())["cv"]["pooled"]
    )


def test_vectors_of_a_contest_s_own_words(cli_here, workspace):
    slug = "twin-binary"
    make_encoder(workspace / "input" / "encoders" / "tiny")
    assert "no tokens yet" in cli_here("vectors", "distil", "-c", slug, "--encoder", "tiny", code=2).stderr
    cli_here("tokens", "-c", slug)
    distil = ("vectors", "distil", "-c", slug, "--encoder", "tiny", "--dimension")
    error = cli_here("vectors", "distil", "-c", slug, "--encoder", "none", code=2).stderr
    assert "error: --encoder 'none': no such folder" in error
    assert "--dimension 99: there are" in cli_here(*distil, "99", code=2).stderr
    others = ("--set", "ensemble.members=['bilstm']", "--set", "tokens.vectors=none", "--seed", "3")
    shown = cli_here(*distil, "8", "--name", "own", *others).stdout
    made = workspace / "input" / slug / "own-8d.safetensors"
    assert f"made {made}: " in shown
    (hint,) = [line for line in shown.splitlines() if "next: ./run.sh all -c twin-binary" in line]
    chosen = ["ensemble.members=['bilstm']", "seed=3", 'tokens.vectors=["own-8d"]']
    assert shlex.split(hint)[-6:] == [part for setting in chosen for part in ("--set", setting)]
    shown = cli_here("all", "-c", slug, "--set", "tokens.vectors=own-8d", "--set", "ensemble.members=['bilstm']").stdout
    assert "vectors cover 100.0% of words (100.0% as written)" in shown
