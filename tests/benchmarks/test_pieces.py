"""The pieces of a step on a few rows."""

import itertools
import json
import sys

import numpy as np
import pieces
import pytest
import torch
from questions import draw_lengths


def test_both_loaders_give_the_same_batches():
    dataset = pieces.open_dataset(pieces.make_data(draw_lengths(np.random.default_rng(0), 200), 50))
    ways = pieces.loaders(dataset, 16)
    batches = list(zip(*ways.values(), strict=True))
    assert len(batches) == 13
    for theirs, ours in batches:
        assert torch.equal(theirs.tokens, ours.tokens)
        assert torch.equal(theirs.targets, ours.targets)


def test_every_size_and_way_has_its_rates():
    found = pieces.rates_by_batch_size(repeats=2, rows=300, steps={16: 2, 8: 3})
    assert list(found) == [16, 8]
    for part, way in itertools.product(("batches", "training"), ("item by item", "foldwise")):
        assert found[16][part][way] > 0
    assert set(pieces.seconds_per_step(1, sizes=(40, 60))) == {40, 60}


def test_the_figures_are_printed_last(monkeypatch, capsys):
    threads = torch.get_num_threads()
    monkeypatch.setattr(pieces, "rates_by_batch_size", lambda repeats: {"512": repeats})
    monkeypatch.setattr(pieces, "seconds_per_step", lambda steps: {"20": steps})
    monkeypatch.setattr(sys, "argv", ["pieces.py", "--repeats", "2"])
    pieces.main()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
    assert json.loads(capsys.readouterr().out) == {"sizes": {"512": 2}, "steps": {"20": 6}}


@pytest.mark.parametrize("words", [10, 1000])
def test_words_are_drawn_from_the_whole_table(words):
    data = pieces.make_data(np.full(50, 4), words)
    assert data.vectors.shape == (words, pieces.DIMENSION)
    assert data.store.tokens.min() >= 2
    assert data.store.tokens.max() < words
