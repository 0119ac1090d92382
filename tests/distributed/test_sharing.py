"""Which rows of a batch are whose."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foldwise.data.dataset import make_loader
from foldwise.distributed.group import Group
from foldwise.training.fold_data import Units, build_dataset
from foldwise.training.losses import Objective
from foldwise.training.trainer import make_sampler
from training import decided_training
from training.test_fold import RUNTIME, make_data, recipe

DATA = make_data("multiclass")
DATA = replace(DATA, targets=replace(DATA.targets, weights=np.random.default_rng(2).random(90).astype(np.float32)))
OBJECTIVE = Objective(decided_training(class_weights="balanced"), "multiclass", 3, DATA.targets.y)


@given(
    count=st.integers(1, 90),
    size=st.integers(2, 5),
    batch_size=st.integers(1, 20),
    tokens=st.sampled_from([0, 15, 60]),
    epoch=st.integers(0, 2),
    parts=st.integers(1, 3),
)
def test_each_row_is_one_processs_once_an_epoch(count, size, batch_size, tokens, epoch, parts):
    rows = np.arange(count)
    dataset = build_dataset(DATA, rows, Units.fit(DATA, rows), RUNTIME.device)
    batches = recipe().batches.model_copy(update={"size": batch_size, "tokens": tokens})
    sampler = make_sampler(dataset, batches, seed=1)  # the one of a single process
    sampler.set_epoch(epoch)
    seen = []
    for batch in make_loader(dataset, sampler):
        shared = [Group(rank, size).split(OBJECTIVE, batch, parts) for rank in range(size)]
        taken = [[(part, shares) for part, shares in own if shares[0] > 0] for own in shared]
        found = [torch.cat([part.rows for part, _ in own]) for own in taken if own]
        assert torch.cat(found).sort().values.equal(batch.rows.sort().values)
        # Alike: as many rows but for one, and the longest of each is one of the batch's `size` longest.
        assert {len(part) for part in found} <= {len(batch.rows) // size, len(batch.rows) // size + 1}
        longest = sorted(batch.lengths.tolist(), reverse=True)[min(size, len(batch.rows)) - 1]
        assert all(max(int(part.lengths.max()) for part, _ in own) >= longest for own in taken if own)
        for which in (0, 1):  # of the main targets and of those beside
            assert sum(float(shares[which]) for own in shared for _, shares in own) == pytest.approx(1, abs=1e-5)
        seen += torch.cat(found).tolist()
    assert sorted(seen) == rows.tolist()
