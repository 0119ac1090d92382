"""Damage of the same size, files of others, links and the umask, through the real command line."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from foldwise.files import write_checked

SLUG = "twin-binary"


def flip(path: Path, place: float = 0.5) -> None:
    """One bit, so that size and shape stay."""
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)


@pytest.fixture
def output(cli_here, workspace: Path) -> Path:
    """Of a run of both members."""
    config = workspace / "input" / SLUG / "competition.toml"
    members = "".join(f'members.{name}.model.name = "{name}"\n' for name in ("bilstm", "linear"))
    config.write_text(f"{config.read_text()}\n{members}")
    cli_here("all", "-c", SLUG)
    return workspace / "output" / SLUG


def test_each_stage_makes_again_what_is_damaged_and_names_it(cli_here, output):
    submission = (output / "submission.csv").read_bytes()
    flip(output / "tokens" / "tokens.npy", 0.9)
    flip(output / "bilstm" / "fold0" / "weights.safetensors", 0.9)
    record = output / "linear" / "fold1" / "fold.json"
    record.write_text(re.sub(r'"best_epoch": 1', '"best_epoch": 2', record.read_text()))
    flip(output / "oof.csv", 0.9)
    done = cli_here("all", "-c", SLUG)
    for line in (
        "(tokens.npy is damaged)",
        "bilstm fold 0: weights.safetensors is damaged",
        "kept bilstm fold 1:",
        "kept linear fold 0:",
        "linear fold 1: fold.json is damaged",
    ):
        assert line in done.stdout, done.stdout
    assert (output / "submission.csv").read_bytes() == submission
    flip(output / "oof.csv", 0.9)
    assert "(oof.csv is damaged or was changed)" in cli_here("ensemble", "-c", SLUG).stdout
    (output / "submission_probabilities.csv").unlink()
    assert "(submission_probabilities.csv missing)" in cli_here("ensemble", "-c", SLUG).stdout
    flip(output / "ensemble.json", 0.9)
    assert "(ensemble.json is damaged or was changed)" in cli_here("ensemble", "-c", SLUG).stdout
    assert "kept submission.csv" in cli_here("all", "-c", SLUG).stdout


def test_a_stage_that_cannot_make_a_file_again_names_it_and_the_command(cli_here, output):
    def fails(*command: str) -> str:
        return cli_here(*command, "-c", SLUG, code=2).stderr

    flip(output / "bilstm" / "fold1" / "test.safetensors", 0.9)
    for command in (("ensemble",), ("kernel", "build", "--infer", "--user", "ada")):
        message = fails(*command)
        assert "bilstm/fold1: test.safetensors is damaged" in message
        assert "run `./run.sh train" in message
    assert "damaged" not in cli_here("train", "-c", SLUG, "--fold", "1").stderr
    flip(output / "tokens" / "vocab.json", 0.9)
    for command in (("train",), ("ensemble",), ("report",)):
        message = fails(*command)
        assert "vocab.json is damaged" in message
        assert re.search(r"run `\./run.sh (tokens|all) -c", message)
    cli_here("all", "-c", SLUG)
    for name in ("oof.csv", "summary.json", "bilstm/fold0/history.jsonl"):
        saved = (output / name).read_bytes()
        flip(output / name, 0.9)
        message = fails("report")
        assert Path(name).name in message
        assert "run `./run.sh all -c" in message
        (output / name).write_bytes(saved)
    write_checked(output / "find-lr.json", {"member": "bilstm", "rates": "none"})
    assert "find-lr.json is damaged (" in fails("report")
    assert "run `./run.sh find-lr" in fails("report")


def test_a_changed_fold_file_is_said_before_anything_trains(cli_here, workspace, output):
    folds = workspace / "folds" / f"{SLUG}.csv"
    before = folds.read_text()
    rows = before.splitlines()
    swapped = [re.sub(r",(\d)$", lambda found: f",{1 - int(found[1])}", row) for row in rows]
    folds.write_text("\n".join([*rows[:-1], swapped[-1]]) + "\n")
    done = cli_here("all", "-c", SLUG)
    assert f"{folds}: damaged or changed since it was last used" in done.stderr
    assert "bilstm folds 0, 1: folds changed" in done.stdout
    assert "damaged" not in cli_here("all", "-c", SLUG).stderr
    folds.write_text(before)
    (output / "folds.json").write_text("{")
    assert "folds.json is damaged; whether twin-binary.csv was changed" in cli_here("folds", "-c", SLUG).stderr


def test_files_of_the_user_neither_retrain_a_fold_nor_go_with_it(cli_here, output):
    notes, deep = output / "bilstm" / "fold0" / "notes.md", output / "tokens" / "mine" / "weights.safetensors"
    deep.parent.mkdir()
    for path in (notes, deep, output / "bilstm" / "fold0" / "weights-2.safetensors"):
        path.write_text("mine")
    assert "trained" not in cli_here("all", "-c", SLUG).stdout
    cli_here("all", "-c", SLUG, "--force")
    assert notes.read_text() == deep.read_text() == "mine"
    cli_here("kernel", "build", "-c", SLUG, "--infer", "--user", "ada")  # which packs weights of its own alone
    assert not list((output / "kernel-infer-dataset").glob("*-2*"))


def test_linked_places_stay_links_and_can_be_redone(cli_here, workspace, output):
    far = workspace / "far"
    far.mkdir()
    for path in (output / "tokens", output / "submission.csv", output):
        shutil.move(path, far / path.name)
        path.symlink_to(far / path.name)
    submission = output.joinpath("submission.csv").read_bytes()
    cli_here("all", "-c", SLUG, "--force")
    for path in (output, output / "tokens", output / "submission.csv"):
        assert path.is_symlink()
    assert output.joinpath("submission.csv").read_bytes() == submission
    assert {path.name for path in far.rglob(".*")} <= {".lock"}


def test_only_a_regular_file_can_be_a_submission(cli_here, workspace, output):
    os.mkfifo(workspace / "pipe")
    for name in ("/dev/null", str(workspace / "pipe")):
        message = cli_here("all", "-c", SLUG, "--submission", name, code=2).stderr
        assert f"{name}: a device, a pipe or no regular file, where a file is to be written" in message
    link = workspace / "s.csv"
    link.symlink_to(workspace / "real.csv")
    cli_here("all", "-c", SLUG, "--submission", str(link))
    assert link.is_symlink()
    assert (workspace / "real.csv").read_bytes() == (output / "submission.csv").read_bytes()


def test_the_umask_is_kept_by_every_file(cli_here, workspace):
    before = os.umask(0o077)
    try:
        cli_here("all", "-c", SLUG, "--set", "training.epochs=1")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in (workspace / "output").rglob("*") if path.is_file()}
    assert modes == {0o600}


def test_leftovers_go_at_the_start_of_any_stage(cli_here, workspace, output):
    left = [
        output / "bilstm" / ".fold0.tmp99999999-5",
        output / ".tokens.tmp99999999-5",
        workspace / "folds" / f".{SLUG}.csv.tmp99999999-5",
    ]
    for path in left:
        path.mkdir(parents=True)
    state = output / "bilstm" / "fold7-state"  # of a fold that is not finished
    state.mkdir()
    cli_here("folds", "-c", SLUG)
    assert not [path for path in left if path.exists()]
    assert state.exists()


def test_weights_to_start_from_are_checked(cli_here, workspace, output):
    shutil.copytree(output, workspace / "earlier")
    table = workspace / "input" / SLUG / "train.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(" the ", " a "), encoding="utf-8")  # other texts
    cli_here("folds", "-c", SLUG)
    cli_here("tokens", "-c", SLUG)
    flip(workspace / "earlier" / "bilstm" / "fold0" / "weights.safetensors", 0.9)
    setting = ("--member", "bilstm", "--set", f"training.start_from={workspace / 'earlier' / 'bilstm'}")
    message = cli_here("train", "-c", SLUG, *setting, code=2).stderr
    assert "earlier/bilstm/fold0: weights.safetensors is damaged; make it again, or take other weights" in message


def test_packed_weights_are_refused_where_a_digit_of_the_manifest_is_another(cli_here, workspace, output):
    cli_here("kernel", "build", "-c", SLUG, "--infer", "--user", "ada")
    packed = output / "kernel-infer-dataset"
    manifest = json.loads((packed / "model.json").read_text())
    manifest["thresholds"][0] += 0.125
    (packed / "model.json").write_text(json.dumps(manifest))
    message = cli_here("infer", "-c", SLUG, "--weights", str(packed), code=2).stderr
    assert "model.json: cut short or damaged; build the kernel again" in message
    setting = ("--member", "bilstm", "--set", f"training.start_from={packed}")
    message = cli_here("train", "-c", SLUG, *setting, code=2).stderr
    assert "model.json: damaged (another checksum); take that folder anew" in message
