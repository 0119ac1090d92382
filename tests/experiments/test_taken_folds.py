"""Folds that another run has trained from the same inputs."""

import pytest

from experiments.conftest import SLUG, settings
from foldwise.experiments.taken_folds import take_fold
from foldwise.files import read_json, write_record
from foldwise.paths import FOLD_RECORD, resolve

SAME = "inputs, code and torch are the same"


def test_a_changed_member_costs_nothing_for_the_others(foldwise, output):
    said = foldwise("all", *settings("both"), "--set", "linear.C=2")
    assert f"took bilstm folds 0, 1 over from both: {SAME}" in said
    assert "linear folds 0, 1: not trained yet" in said
    for fold in ("fold0", "fold1"):
        ours, theirs = output / "bilstm" / fold, output / "experiments" / "both" / "bilstm" / fold
        assert {path.name: path.read_bytes() for path in ours.iterdir()} == {
            path.name: path.read_bytes() for path in theirs.iterdir()
        }
    foldwise("restore", "both")
    said = foldwise("all")
    assert "kept bilstm folds 0, 1: " in said
    assert f"took linear folds 0, 1 over from both: {SAME}" in said
    assert (output / "submission.csv").read_bytes() == (output / "experiments" / "both" / "submission.csv").read_bytes()


def test_a_damaged_copy_takes_no_place(foldwise, output):
    foldwise("all", *settings("net"), "--set", "training.epochs=2")
    before = (output / "bilstm" / "fold0" / FOLD_RECORD).read_bytes()
    theirs = output / "experiments" / "both"
    for name in ("both", "net"):
        weights = output / "experiments" / name / "bilstm" / "fold0" / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    place = output / "bilstm" / "fold0"
    inputs = read_json(theirs / "bilstm" / "fold0" / FOLD_RECORD)["inputs"]
    assert take_fold(resolve(SLUG, output.parents[1] / "input", None, output.parent), place, inputs, "auto") == ""
    assert (place / FOLD_RECORD).read_bytes() == before


def test_what_was_asked_for_is_trained(foldwise):
    assert "took" not in foldwise("all", "--force", *settings("lin"))
    assert "took" not in foldwise("train", "--fold", "1", *settings("lin"))


@pytest.mark.parametrize("harm", ["damaged", "shortened", "hurried", "a folder", "other code"])
def test_a_fold_that_is_not_whole_is_not_taken(foldwise, output, harm):
    for name in ("both", "net"):
        folder = output / "experiments" / name / "bilstm" / "fold0"
        if harm == "damaged":
            weights = folder / "weights.safetensors"
            weights.write_bytes(weights.read_bytes()[:-1] + b"?")
        elif harm == "a folder":
            (folder / "oof.safetensors").unlink()
            (folder / "oof.safetensors").mkdir()
        else:
            record = read_json(folder / FOLD_RECORD)
            del record["checksum"], record["files"]
            other = {"shortened": {"epochs": 0.5, "of": 1}} if harm == "shortened" else {"hurried": True}
            write_record(folder / FOLD_RECORD, record | ({"code": "0"} if harm == "other code" else other))
    said = foldwise("all", *settings("net"))
    assert "bilstm fold 0: not trained yet" in said
    assert f"took bilstm fold 1 over from both: {SAME}" in said
    assert "kept bilstm folds 0, 1" in foldwise("all", *settings("net"))
