"""`--gpus-per-fold 2` where there is no GPU: two gloo processes a fold, stopped, killed and gone on with."""

import json
import shutil

import pytest

# An optimizer in which one of the processes, once, sends itself a signal, or loses its numbers.
BREAKING = """
import os
from pathlib import Path

import torch.distributed as dist
from torch.optim import SGD

from foldwise.interrupts import REQUEST

PLAN = Path(__file__).with_name("plan")


class Breaks(SGD):
    steps = 0

    def step(self, closure=None):
        if dist.is_initialized() and PLAN.exists():
            rank, step, number = map(int, PLAN.read_text().split())
            Breaks.steps += dist.get_rank() == rank
            if Breaks.steps == step:
                PLAN.unlink()
                if number:
                    os.kill(os.getpid(), number)
                    REQUEST.wait(60)
                else:
                    self.param_groups[0]["params"][0].data.fill_(float("nan"))
        return super().step(closure)
"""
RECIPE = {
    "ensemble.members": '["bilstm"]',
    "training.optimizer": "breaking:Breaks",
    "training.epochs": "4",
    "training.evaluations_per_epoch": "2",
    "training.precision": "fp32",
    "training.patience": "99",
    "training.r_drop": "1.0",
}
TOGETHER = ["all", "-c", "twin-binary", "--device", "cpu", "--gpus-per-fold", "2"]


@pytest.fixture
def train(cli_here, workspace, monkeypatch, forked_workers):
    """Run it; where a plan is given, rank, step and signal, one process breaks."""
    (workspace / "breaking.py").write_text(BREAKING)
    monkeypatch.syspath_prepend(workspace)

    def run(plan: str = "", code: int = 0, **more: str):
        if plan:
            (workspace / "plan").write_text(plan)
        settings = [part for key, value in {**RECIPE, **more}.items() for part in ("--set", f"{key}={value}")]
        done = cli_here(*TOGETHER, *settings, code=code)
        assert not (workspace / "plan").exists()
        return done

    return run


def test_stopped_or_killed_it_goes_on_to_the_same_bytes(train, workspace):
    output = workspace / "output" / "twin-binary"
    shown = train().stdout
    assert "each fold of a network is trained by 2 processes, which share out the rows of each batch" in shown
    assert json.loads((output / "bilstm" / "fold0" / "fold.json").read_text())["runtime"]["processes"] == 2
    names = ["submission.csv", "oof.csv", *(str(path.relative_to(output)) for path in output.rglob("*.safetensors"))]
    whole = {name: (output / name).read_bytes() for name in names}
    assert len(whole) == 8  # weights and predictions of two folds
    shutil.rmtree(output)

    # Word to end reaches one process alone, not the one that saves.
    stopped = train("1 5 15", code=143).stderr
    assert "bilstm fold 0 goes on from epoch 1.67" in stopped
    killed = train("1 3 9", code=1).stderr
    assert "bilstm fold 0, process 1: its process died (exit code -9" in killed
    shown = train().stdout
    assert "bilstm fold 0: goes on from epoch " in shown
    assert {name: (output / name).read_bytes() for name in names} == whole
    assert "kept bilstm folds 0, 1" in train().stdout


def test_what_goes_wrong_in_one_ends_all_and_is_told_once(train):
    message = train("1 3 0", code=1).stderr
    assert message.count("error:") == 1
    assert "error: bilstm fold 0: the training loss or its gradient became nan or infinite at step 4" in message
    assert "bilstm fold 0 stops at a batch whose loss is no number; its rows: " in message


def test_zero_is_refused(cli_here):
    assert "--gpus-per-fold" in cli_here("all", "--gpus-per-fold", "0", code=2).stderr
