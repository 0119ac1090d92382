"""The stage tokens: what is written for members that see texts cut to length, or whole."""

import json

import pytest

from foldwise.data import token_store
from foldwise.data.token_store import TokenStore
from foldwise.stages import tokens as module

SETTINGS = ("tokens.max_length=2", "folds.n=2", "tokens.vectors=none", "tokens.dimension=8", "linear.min_count=1")


@pytest.mark.parametrize("most", [token_store.MOST_WHOLE, 20])
def test_the_linear_member_sees_whole_texts_where_they_are_few(cli_here, workspace, monkeypatch, most):
    monkeypatch.setattr(module, "MOST_WHOLE", most)
    chosen = [part for setting in SETTINGS for part in ("--set", setting)]
    cli_here("all", "-c", "twin-binary", *chosen, "--set", 'ensemble.members=["linear"]')
    folder = workspace / "output" / "twin-binary"
    cut, whole = (TokenStore.open(folder / "tokens", of) for of in (False, True))
    assert cut.lengths.max() == 2
    assert (whole.lengths.max() > 10) == (most > 20)
    (facts,) = json.loads((folder / "linear" / "fold0" / "model.json").read_text())["ngrams"][:1]
    words = {row.tobytes() for row in (cut.row(number) for number in range(len(cut)))}
    assert (len(facts["terms"]) > 2 * len(words)) == (most > 20)
