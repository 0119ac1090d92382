import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from foldwise.data.batching import (
    BucketBatchSampler,
    TokenDataset,
    gather_batch,
    pad_collate,
    padding_share,
    sorted_plan,
)
from foldwise.data.token_store import TokenStore


def make_store(lengths: list[int], seed: int = 0) -> TokenStore:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return TokenStore(np.random.default_rng(seed).integers(1, 50, offsets[-1], dtype=np.int32), offsets)


LENGTHS = st.lists(st.integers(0, 40), min_size=1, max_size=300)


@given(lengths=LENGTHS, batch_size=st.integers(1, 40), group=st.integers(1, 10), epoch=st.integers(0, 3))
def test_every_row_exactly_once_an_epoch(lengths, batch_size, group, epoch):
    sampler = BucketBatchSampler(np.array(lengths), batch_size, group, seed=1)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert len(batches) == len(sampler)
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    assert batches == list(sampler)  # the same epoch gives the same batches


def test_epochs_and_seeds_differ_and_order_is_not_by_length():
    lengths = np.random.default_rng(0).integers(1, 40, 1000)
    plans = []
    for seed, epoch in ((0, 0), (0, 1), (1, 0)):
        sampler = BucketBatchSampler(lengths, 10, seed=seed)
        sampler.set_epoch(epoch)
        plans.append(list(sampler))
    assert plans[0] != plans[1] != plans[2] != plans[0]
    means = [lengths[batch].mean() for batch in plans[0]]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


def test_groups_cut_padding():
    lengths = np.random.default_rng(0).poisson(20, 10_000)
    random_order = BucketBatchSampler(lengths, 64, group=1).plan()
    bucketed = BucketBatchSampler(lengths, 64, group=20).plan()
    assert padding_share(lengths, random_order) > 0.3
    assert padding_share(lengths, bucketed) < 0.05


def test_padding_share_by_hand():
    assert padding_share(np.array([1, 3, 2]), [np.array([0, 1]), np.array([2])]) == 1 - 6 / 8


@given(lengths=LENGTHS, data=st.data())
def test_gathered_batches_are_the_collated_ones(lengths, data):
    store = make_store(lengths)
    rows = np.array(data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=20)))
    targets = torch.arange(len(lengths), dtype=torch.float32)[:, None]
    dataset = TokenDataset(store, rows, targets)
    collated = pad_collate([dataset[index] for index in range(len(rows))])
    gathered = gather_batch(
        torch.from_numpy(store.tokens), torch.from_numpy(store.offsets), torch.from_numpy(rows), targets
    )
    for one, other in zip(collated, gathered, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


def test_pieces_work_alone_in_a_dataloader(tmp_path):
    make_store([3, 0, 5, 1, 1]).save(tmp_path)
    store = TokenStore.open(tmp_path)
    rows = np.array([4, 2, 1, 0])
    loader = DataLoader(
        TokenDataset(store, rows), batch_sampler=BucketBatchSampler(store.lengths[rows], 3), collate_fn=pad_collate
    )
    seen = []
    for batch in loader:
        assert batch.targets is None
        assert batch.tokens.shape == (len(batch.rows), max(int(batch.lengths.max()), 1))
        for tokens, length, row in zip(batch.tokens, batch.lengths, batch.rows, strict=True):
            assert tokens[:length].tolist() == store.row(int(row)).tolist()
            assert (tokens[length:] == 0).all()
            seen.append(int(row))
    assert sorted(seen) == sorted(rows.tolist())


@given(lengths=LENGTHS, batch_size=st.integers(1, 40))
def test_prediction_plan_has_every_row_once(lengths, batch_size):
    plan = sorted_plan(np.array(lengths), batch_size)
    assert sorted(np.concatenate(plan).tolist()) == list(range(len(lengths)))
