"""A run that was cut off goes on within its folds; the command line says so, and nothing is left over."""

import shutil
from pathlib import Path

import pytest

from encoders.tiny import make_encoder
from foldwise.errors import RunError
from foldwise.training import state
from foldwise.training.loop import StepCounter

TWIN = ("-c", "twin-binary", "--set", "training.epochs=3", "--set", "training.evaluations_per_epoch=2")


@pytest.fixture(autouse=True)
def every_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save after each: these folds train for less than a hundred times as long as a save takes."""
    monkeypatch.setattr(state, "SHARE", 1e9)


@pytest.fixture
def cut_off(cli_here, monkeypatch):
    """Run a command that is cut off after so many steps."""

    def run(*arguments: str, steps: int) -> None:
        def count(_: StepCounter) -> None:
            nonlocal steps
            steps -= 1
            if steps == 0:
                raise RunError("cut off")

        with monkeypatch.context() as patched:
            patched.setattr(StepCounter, "count", count)
            cli_here(*arguments, code=1)

    return run


def made(root: Path) -> dict[str, bytes]:
    """Everything that later steps read of what a run has made, by name."""
    folder = root / "output" / "twin-binary"
    patterns = ("submission.csv", "oof.csv", "*/fold*/*.safetensors", "*/all-rows/*.safetensors")
    return {str(path.relative_to(root)): path.read_bytes() for pattern in patterns for path in folder.glob(pattern)}


def states(root: Path) -> list[str]:
    """Names of states of folds that are there."""
    return sorted(path.name for path in (root / "output" / "twin-binary").rglob("*-state"))


@pytest.mark.parametrize("more", [(), ("--set", "training.validate=false")])
def test_a_run_that_was_cut_off_goes_on_and_ends_with_the_same_bytes(cli_here, cut_off, workspace, more):
    cli_here("all", *TWIN, *more)
    whole = made(workspace)
    shutil.rmtree(workspace / "output")
    for steps in (2, 6, 5, 3):  # 9 steps a fold, evaluated after 1, 3, 4, 6, 7 and 9 of them
        cut_off("all", *TWIN, *more, steps=steps)
    shown = cli_here("all", *TWIN, *more).stdout
    assert "kept bilstm fold 0:" in shown
    assert "train     bilstm fold 1: goes on from epoch 1.50 of 3, saved at " in shown
    assert made(workspace) == whole
    assert states(workspace) == []


def test_a_fold_that_was_asked_for_goes_on_when_asked_for_again(cli_here, cut_off, workspace):
    cli_here("all", *TWIN)
    whole = made(workspace)
    cut_off("train", "--fold", "1", *TWIN, steps=4)
    assert states(workspace) == ["fold1-state"]
    assert "fold 1: goes on from epoch" in cli_here("train", "--fold", "1", *TWIN).stdout
    assert made(workspace) == whole
    assert states(workspace) == []


def test_a_state_that_nothing_needs_is_removed(cli_here, cut_off, workspace):
    cli_here("all", *TWIN)
    whole = made(workspace)
    cut_off("all", "--force", *TWIN, steps=4)
    assert states(workspace) == ["fold0-state"]
    assert "kept bilstm folds 0, 1" in cli_here("all", *TWIN).stdout
    assert made(workspace) == whole
    assert states(workspace) == []


def test_another_recipe_begins_again(cli_here, cut_off, workspace):
    cut_off("all", *TWIN, steps=4)
    assert states(workspace) == ["fold0-state"]
    shown = cli_here("all", *TWIN, "--set", "training.learning_rate=0.01").stdout
    assert "goes on" not in shown
    assert states(workspace) == []


ENCODER = """
[recipe.members.full]
model.name = "encoder"
training = { precision = "fp32", evaluations_per_epoch = 1 }
encoder = { path = "tiny", train = "full", epochs = 4, batch_size = 4 }
"""


def test_an_encoder_that_is_trained_goes_on(cli_here, cut_off, workspace):
    make_encoder(workspace / "input" / "encoders" / "tiny")
    path = workspace / "input" / "twin-binary" / "competition.toml"
    path.write_text(path.read_text() + ENCODER)
    cli_here("all", "-c", "twin-binary")
    whole = made(workspace)
    shutil.rmtree(workspace / "output")
    for steps in (5, 4):
        cut_off("all", "-c", "twin-binary", steps=steps)
    assert "full fold 0: goes on from epoch 2.00 of 4" in cli_here("all", "-c", "twin-binary").stdout
    assert made(workspace) == whole
