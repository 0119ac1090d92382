"""Cases about training: batches of one row, accumulation, the learning-rate finder, own losses."""

import json
import re

import pytest

from case_files import QUICK, submitted


def contents(folder):
    """Every file below a folder, with its bytes."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.case("39-batch-of-one")
@pytest.mark.parametrize("batches", ["batches.size=1", "batches.size=16", "batches.tokens=1"])
def test_batches_of_one_row_and_empty_texts(cli_here, workspace, batches):
    cli_here("init", "demo", "--kind", "probability")
    cli_here("all", "-c", "demo", *QUICK, "--set", batches)
    rows = [line.split(",") for line in submitted(workspace, "demo")[1:]]
    assert [row_id for row_id, _ in rows] == ["91", "92", "93", "94", "95"]
    assert all(0 < float(value) < 1 for _, value in rows)


@pytest.mark.case("40-accumulation-lrfinder")
def test_other_names_of_accumulation_lead_to_it(cli_here):
    cli_here("init", "demo")
    for name, mean in {
        "training.gradient_accumulation_steps": "accumulation",
        "batches.accumulate": "training.accumulation",
    }.items():
        error = cli_here("all", "-c", "demo", *QUICK, "--set", f"{name}=4", code=2).stderr
        assert error.endswith(f"recipe.{name} = 4: unknown key; did you mean {mean}?\n")


@pytest.mark.case("40-accumulation-lrfinder")
def test_a_rate_is_suggested_and_no_fold_changes(cli_here, workspace):
    cli_here("init", "demo")
    cli_here("all", "-c", "demo", *QUICK, "--set", "training.accumulation=4")
    trained = workspace / "output" / "demo"
    before = contents(trained)
    shown = cli_here("find-lr", "-c", "demo", *QUICK).stdout
    (rate,) = re.findall(r"suggested: (\S+), the smaller of the former and a tenth of the latter", shown)
    found = json.loads((trained / "find-lr.json").read_text())
    assert f"{found['suggested']:.1e}" == rate
    assert f"to try: --set training.learning_rate={rate} --set training.embedding_learning_rate={rate}" in shown
    assert len(found["rates"]) == len(found["losses"]) == len(found["smoothed"])
    after = contents(trained)
    assert {path: after[path] for path in before} == before
    assert cli_here("find-lr", "-c", "demo", *QUICK).stdout.count(rate) == shown.count(rate)  # the same again
    assert "kept bilstm" in cli_here("all", "-c", "demo", *QUICK, "--set", "training.accumulation=4").stdout
    cli_here("report", "-c", "demo", *QUICK)
    assert "<h2>Learning-rate range test</h2>" in (trained / "report.html").read_text()
    error = cli_here("find-lr", "-c", "demo", "--member", "linear", *QUICK, code=2).stderr
    assert "find-lr: no learning rate in linear (linear); name a network with --member" in error


@pytest.mark.case("40-accumulation-lrfinder")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lr-find", "error: lr-find: no such command; did you mean find-lr?\n"),
        ("tune", "error: tune: no such command; there are all, folds, tokens, train, ensemble, init, "),
    ],
)
def test_a_command_by_another_name(cli_here, name, message):
    assert cli_here(name, "-c", "demo", code=2).stderr.startswith(message)


OWN = """
import torch
from torch import nn


class Weighted(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.loss = nn.CrossEntropyLoss(torch.tensor(weight))

    def forward(self, logits, targets):
        return self.loss(logits, targets)
"""


@pytest.mark.case("57-own-loss-and-more")
def test_an_own_loss_with_too_few_class_weights_is_named_before_training(cli_here, workspace, monkeypatch):
    monkeypatch.syspath_prepend(str(workspace))
    (workspace / "mine.py").write_text(OWN)
    cli_here("init", "demo")
    own = ("--set", "training.loss=mine:Weighted", "--set", "training.loss_arguments.weight=[1.0, 2.0]")
    error = cli_here("all", "-c", "demo", *QUICK, *own, code=2).stderr
    assert "recipe.training.loss = 'mine:Weighted': the call fails: RuntimeError: " in error
    assert not (workspace / "output" / "demo" / "bilstm").exists()
    right = (*own[:2], "--set", "training.loss_arguments.weight=[1.0, 2.0, 0.5]")
    cli_here("all", "-c", "demo", *QUICK, *right)
    assert {line.split(",")[1] for line in submitted(workspace, "demo")[1:]} <= {"x", "y", "z"}


@pytest.mark.case("57-own-loss-and-more")
def test_a_loss_and_an_optimizer_of_torch_by_name(cli_here, workspace):
    cli_here("init", "demo")
    chosen = ("training.loss=torch.nn:CrossEntropyLoss", "training.optimizer=SGD", "training.embedding_optimizer=same")
    cli_here("all", "-c", "demo", *QUICK, *(part for each in chosen for part in ("--set", each)))
    assert len(submitted(workspace, "demo")) == 21
