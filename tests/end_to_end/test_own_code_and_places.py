"""Errors of the user's own code are told as such; `--submission` replaces nothing that is read."""

import pytest

OWN = """
import sys
from torch.optim import SGD


class Fails(SGD):
    steps = 0

    def step(self, closure=None):
        Fails.steps += 1
        if Fails.steps > 4:  # after the steps that are tried before training
            {what}
        return super().step(closure)
"""


@pytest.mark.parametrize(
    ("what", "told"), [("raise KeyError('x')", "KeyError: 'x'; correct it there"), ("sys.exit(0)", "SystemExit: 0")]
)
def test_code_of_ones_own_that_fails_in_training_is_named(cli_here, workspace, monkeypatch, what, told):
    (workspace / "failing.py").write_text(OWN.format(what=what))
    monkeypatch.syspath_prepend(workspace)
    settings = ["--set", "training.optimizer=failing:Fails", "--set", "training.epochs=30"]
    message = cli_here("all", "-c", "twin-binary", *settings, code=1).stderr
    assert f"{workspace / 'failing.py'}, line 12: {told}" in message
    assert "fault of foldwise" not in message


@pytest.mark.parametrize(
    "place",
    [
        *("input/twin-binary/train.csv", "input/twin-binary/competition.toml", "folds/twin-binary.csv"),
        *("output/twin-binary/oof.csv", "output/twin-binary/summary.json", "output/twin-binary/.lock"),
        "output/twin-binary/bilstm/fold0/fold.json",
    ],
)
def test_a_submission_replaces_nothing_that_is_read(cli_here, workspace, place):
    path = workspace / place
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_bytes() if path.is_file() else None
    message = cli_here("all", "-c", "twin-binary", "--submission", str(path), code=2).stderr
    assert f"--submission {path}: inputs or other results lie there; name another file" in message
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_submission_may_lie_beside_the_results(cli_here, workspace):
    path = workspace / "output" / "twin-binary" / "mine.csv"
    for _ in range(2):
        cli_here("all", "-c", "twin-binary", "--submission", str(path))
        assert path.read_text().startswith("id,")
