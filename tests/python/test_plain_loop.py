"""The plain loop runs, learns, and takes the steps that any PyTorch loop takes with these batches."""

import copy
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import foldwise as fw
from foldwise.config import Model
from foldwise.models import Shape

LOOP = Path(__file__).with_name("plain_loop.py")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Of so small a model: two would wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_plain_loop_runs(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [str(LOOP), "400"])
    runpy.run_path(str(LOOP))
    found = re.findall(r"epoch (\d): loss (\d\.\d{4}), accuracy (0\.\d{4})\n", capsys.readouterr().out)
    assert [epoch for epoch, _, _ in found] == ["1", "2"]
    assert float(found[1][1]) < float(found[0][1])
    assert len(LOOP.read_text(encoding="utf-8").splitlines()) <= 60


def test_an_epoch_is_a_step_of_each_batch_in_order():
    lengths = np.random.default_rng(0).integers(1, 9, 20)
    store = fw.TokenStore(np.arange(lengths.sum(), dtype=np.int32) % 7 + 2, np.append(0, np.cumsum(lengths)))
    dataset = fw.TokenDataset(store, np.arange(20), torch.arange(20) % 2)
    sampler = fw.BucketBatchSampler(dataset.lengths, batch_size=4, seed=1)
    loader = torch.utils.data.DataLoader(dataset, batch_sampler=sampler, collate_fn=fw.collate)
    settings = Model(hidden=3, dropout=0.0, spatial_dropout=0.0, train_embedding=False)
    ours = fw.BiLSTM(torch.randn(9, 5), Shape(outputs=2), settings).eval()
    theirs = copy.deepcopy(ours)

    def step_of(model):
        optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], 0.1)

        def step(batch):
            assert model.training
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(*batch.inputs), batch.targets)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step

    losses = fw.train_epoch(ours, loader, step_of(ours))
    assert len(losses) == len(sampler) == 5
    theirs.train()
    step = step_of(theirs)
    assert torch.equal(torch.stack(losses), torch.stack([step(batch) for batch in loader]))
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)
