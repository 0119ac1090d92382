"""The loss, optimizer and model of src/README.md, as printed there: equal to torch's, and through the command line."""

import re
import tomllib
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from conftest import REPOSITORY

HEADING = "## Your own loss, optimizer, model\n"


def blocks(language):
    """The section's blocks of a language, in order."""
    section = (REPOSITORY / "src" / "README.md").read_text(encoding="utf-8").split(HEADING)[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def mine():
    """The names that the section's Python defines."""
    names: dict[str, Any] = {}
    exec("\n\n".join(blocks("python")), names)  # the README is the source
    return names


@pytest.fixture
def select(workspace, monkeypatch):
    """Write src/mine.py's like, and a block of the README into a competition's [recipe]; → the module's file."""

    def write(slug, *settings):
        module = workspace / "own" / "mine.py"
        module.parent.mkdir()
        module.write_text("\n\n".join(blocks("python")), encoding="utf-8")
        monkeypatch.syspath_prepend(module.parent)
        path = workspace / "input" / slug / "competition.toml"
        lines = [line for block in settings for line in block.splitlines() if not line.startswith("[recipe]")]
        path.write_text(path.read_text(encoding="utf-8") + "\n".join(lines) + "\n", encoding="utf-8")
        return module

    return write


def block_with(text):
    (found,) = [block for block in blocks("toml") if text in block]
    return found


def test_every_block_selects_something_of_the_module(mine):
    assert len(blocks("python")) == 3
    named = [value for block in blocks("toml") for value in re.findall(r'"mine:(\w+)"', block)]
    assert named == ["mse", "NLL", "PlainSGD", "MeanOfVectors"]
    assert set(named) <= set(mine)
    assert all(tomllib.loads(block)["recipe"] for block in blocks("toml"))


def test_the_losses_are_torchs(mine):
    generator = torch.Generator().manual_seed(0)
    logits, values = torch.randn(50, 4, generator=generator), torch.randn(50, 4, generator=generator)
    classes = torch.randint(0, 4, (50,), generator=generator)
    for own, reference, targets in (
        (mine["mse"], functional.mse_loss, values),
        (mine["NLL"](), functional.cross_entropy, classes),
        (mine["NLL"](), lambda x, y: functional.nll_loss(functional.log_softmax(x, dim=1), y), classes),
    ):
        ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
        found, expected = own(ours, targets).mean(), reference(theirs, targets)
        assert found.item() == pytest.approx(expected.item(), abs=1e-6)
        found.backward()
        expected.backward()
        assert ours.grad is not None
        assert theirs.grad is not None
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-6)


def test_the_optimizer_is_torchs_sgd(mine):
    results = []
    for kind in (mine["PlainSGD"], torch.optim.SGD):
        weight = nn.Parameter(torch.linspace(-1, 1, 6))
        optimizer = kind([weight], lr=0.1, weight_decay=0.3)
        for _ in range(5):
            weight.grad = weight.detach() ** 2
            optimizer.step()
        results.append(weight.detach())
    assert torch.allclose(results[0], results[1], atol=1e-6)


def test_the_model_is_the_mean_of_a_text_however_much_padding_it_has(mine):
    vectors = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    model = mine["MeanOfVectors"](10, vectors, 2).eval()
    logits = model(torch.tensor([[4, 5, 6, 7], [3, 9, 0, 0], [0, 0, 0, 0]]), torch.tensor([4, 2, 0]))
    expected = model.head(torch.stack([vectors[4:8].mean(dim=0), vectors[[3, 9]].mean(dim=0), torch.zeros(3)]))
    assert torch.allclose(logits, expected, atol=1e-6)


def test_the_loss_function_trains_a_regression_and_its_change_trains_again(cli_here, select):
    module = select("twin-regression", block_with("mine:mse"))
    assert "made submission.csv" in cli_here("all", "-c", "twin-regression").stdout
    assert "kept bilstm folds 0, 1" in cli_here("all", "-c", "twin-regression").stdout
    module.write_text(module.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert "kept bilstm" not in cli_here("all", "-c", "twin-regression").stdout


def test_the_loss_class_gives_the_predictions_of_the_named_one(cli_here, select, workspace):
    select("twin-multiclass", block_with("mine:NLL"))
    cli_here("all", "-c", "twin-multiclass")
    own = (workspace / "output" / "twin-multiclass" / "oof.csv").read_text(encoding="utf-8").splitlines()
    cli_here("all", "-c", "twin-multiclass", "--set", "training.loss=cross_entropy")
    named = (workspace / "output" / "twin-multiclass" / "oof.csv").read_text(encoding="utf-8").splitlines()
    for one, other in zip(own[1:], named[1:], strict=True):
        (*keys, a, b, c, d), (*others, e, f, g, h) = one.split(","), other.split(",")
        assert keys == others
        assert [float(p) for p in (a, b, c, d)] == pytest.approx([float(p) for p in (e, f, g, h)], abs=1e-4)


def test_optimizer_and_model_train_a_binary_task(cli_here, select):
    select("twin-binary", block_with("mine:PlainSGD"), block_with("mine:MeanOfVectors"))
    assert "made submission.csv" in cli_here("all", "-c", "twin-binary").stdout


@pytest.mark.parametrize(
    ("line", "phrases"),
    [
        ('training.loss = "mine:NLL"', ["recipe.training.loss = 'mine:NLL'", "targets: (B, C) float32"]),
        ('training.optimizer = "mime:PlainSGD"', ["no module 'mime'", "src/mime.py"]),
    ],
)
def test_a_fault_is_one_of_the_input(cli_here, select, line, phrases):
    select("twin-binary", line)
    message = cli_here("all", "-c", "twin-binary", code=2).stderr
    for phrase in phrases:
        assert phrase in message
