import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from foldwise.data.batching import BucketBatchSampler, SortedBatchSampler, cut_by_tokens, padding_share, round_rows
from foldwise.data.dataset import TokenDataset, make_loader, pad_collate
from foldwise.data.token_store import TokenStore


def make_store(lengths: list[int], seed: int = 0, columns: int = 1) -> TokenStore:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return TokenStore(np.random.default_rng(seed).integers(1, 50, offsets[-1], dtype=np.int32), offsets, columns)


def test_a_batch_holds_rows_of_one_group_only():
    lengths = np.random.default_rng(0).integers(1, 40, 1000)
    for tokens in (None, 200):
        sampler = BucketBatchSampler(lengths, 10, group=5, seed=3, tokens=tokens)
        shuffled = np.random.default_rng([3, 0]).permutation(1000)
        place = np.empty(1000, dtype=int)
        place[shuffled] = np.arange(1000)
        group = 50 if tokens is None else 5 * round_rows(round(200 / lengths.mean()))
        for batch in sampler.batches:
            assert place[batch].max() - place[batch].min() < group


LENGTHS = st.lists(st.integers(0, 40), min_size=1, max_size=300)


@given(
    lengths=LENGTHS,
    batch_size=st.integers(1, 40),
    group=st.integers(1, 10),
    epoch=st.integers(0, 3),
    tokens=st.none() | st.integers(1, 200),
)
def test_every_row_exactly_once_an_epoch(lengths, batch_size, group, epoch, tokens):
    sampler = BucketBatchSampler(np.array(lengths), batch_size, group, seed=1, tokens=tokens)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert len(batches) == len(sampler)
    assert batches == list(sampler)  # the same epoch gives the same batches
    assert sampler.steps(epoch + 1) - sampler.steps(epoch) == len(batches)
    for batch in batches:  # longest first, as cuDNN wants packed rows
        assert [lengths[index] for index in batch] == sorted((lengths[index] for index in batch), reverse=True)
    sizes = [len(batch) for batch in batches]
    if tokens is None:
        assert sorted(sizes)[2:] == [batch_size] * (len(sizes) - 2)
        assert min(sizes) >= min(round_rows(max(batch_size // 2, 1)), len(lengths))
        assert max(sizes) <= batch_size
    else:
        assert all(len(batch) * max(lengths[batch[0]], 1) <= tokens or len(batch) == 1 for batch in batches)


@given(rows=st.integers(1, 5000))
def test_rows_of_a_batch_by_tokens_are_cut_into_blocks_of_many_rows(rows):
    rounded = round_rows(rows)
    assert 7 * rows / 8 < rounded <= rows
    block = rounded & -rounded  # the largest power of two that divides it
    assert block >= min(32, rows / 16)


def test_batches_by_tokens_hold_rounded_numbers_of_rows_but_at_the_end_of_a_group():
    lengths = np.random.default_rng(0).lognormal(2.5, 0.6, 60_000).astype(int) + 1
    sampler = BucketBatchSampler(lengths, 512, group=20, tokens=512 * 15)
    sizes = [len(batch) for batch in sampler.batches]
    groups = -(-len(lengths) // (20 * round_rows(round(512 * 15 / lengths.mean()))))
    odd = sum(size != round_rows(size) for size in sizes)
    assert len(sizes) > 10 * groups
    assert odd <= groups


@given(lengths=st.lists(st.integers(0, 60), max_size=200), tokens=st.integers(1, 300))
def test_a_last_batch_by_tokens_is_not_tiny(lengths, tokens):
    ordered = np.array(sorted(lengths, reverse=True), dtype=np.int64)
    starts = cut_by_tokens(ordered, tokens)
    sizes = np.diff(np.append(starts, len(ordered)))
    assert sizes.sum() == len(ordered)
    if len(sizes) > 1:
        assert 2 * sizes[-1] >= sizes[-2]


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
    random_order = BucketBatchSampler(lengths, 64, group=1).batches
    bucketed = BucketBatchSampler(lengths, 64, group=20).batches
    assert padding_share(lengths, random_order) > 0.3
    assert padding_share(lengths, bucketed) < 0.05


def question_lengths(rows: int) -> np.ndarray:
    """Mean 13, longest 130, skewed: as questions are."""
    drawn = np.random.default_rng(0).lognormal(0, 0.55, rows)
    return np.clip(np.round(13 * drawn / drawn.mean()), 1, 130).astype(np.int64)


def test_padding_of_questions_by_tokens_is_at_most_3_percent_in_random_order():
    lengths = question_lengths(200_000)
    plan = BucketBatchSampler(lengths, 512, group=100, tokens=512 * 14).batches
    assert padding_share(lengths, plan) <= 0.03
    assert padding_share(lengths, BucketBatchSampler(lengths, 512, group=100).batches) > 0.05
    assert 450 < len(lengths) / len(plan) < 600  # rows in a batch, on average
    means = [lengths[batch].mean() for batch in plan]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


def test_padding_share_by_hand():
    assert padding_share(np.array([1, 3, 2]), [np.array([0, 1]), np.array([2])]) == 1 - 6 / 8


@given(lengths=LENGTHS, columns=st.integers(1, 3), data=st.data())
def test_gathered_batches_are_the_collated_ones(lengths, columns, data):
    store = make_store(lengths * columns, columns=columns)
    rows = np.array(data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=20)))
    targets = torch.arange(len(lengths), dtype=torch.float32)[:, None]
    dataset = TokenDataset(store, rows, targets)
    collated = pad_collate([dataset[index] for index in range(len(rows))])
    items = list(range(len(rows)))
    gathered = dataset.__getitems__(items)
    selected = TokenDataset(store, np.arange(len(lengths)), targets).select(rows).__getitems__(items)
    (loaded,) = make_loader(dataset, [items])
    for other in (gathered, selected, loaded):
        for one, its in zip(collated, other, strict=True):
            assert (one is None) == (its is None)
            if one is not None:
                assert one.dtype == its.dtype
                assert torch.equal(one, its)


def test_texts_of_several_columns_stand_column_by_column():
    store = make_store([2, 3, 1, 0], columns=2)  # row 0: texts of 2 and 3 tokens, row 1: of 1 and 0
    assert len(store) == 2
    assert store.lengths.tolist() == [3, 1]
    (batch,) = make_loader(TokenDataset(store, np.arange(2)), [[1, 0]])
    assert batch.lengths.tolist() == [1, 2, 0, 3]
    assert batch.tokens[1, :2].tolist() == store.tokens[:2].tolist()
    assert batch.tokens[3].tolist() == store.tokens[2:5].tolist()
    assert store.row(0).tolist() == store.tokens[:5].tolist()


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


@given(lengths=LENGTHS, tokens=st.integers(1, 400))
def test_prediction_plan_has_every_row_once(lengths, tokens):
    plan = SortedBatchSampler(np.array(lengths, dtype=np.int64), tokens).batches
    assert sorted(index for batch in plan for index in batch.tolist()) == list(range(len(lengths)))
    assert padding_share(np.array(lengths), plan) <= padding_share(np.array(lengths), [np.arange(len(lengths))])


def test_batches_without_targets_keep_what_stands_beside_all_rows():
    store, rows = make_store([3, 1, 2]), np.array([2, 0])
    features, targets = torch.arange(6.0).reshape(3, 2), torch.ones(3, 1)
    dataset = TokenDataset(store, np.arange(3), targets, weights=torch.ones(3), features=features)
    (batch,) = make_loader(dataset.select(rows, labelled=False), [[0, 1]])
    assert batch.targets is None
    assert batch.weights is None
    assert torch.equal(batch.features, features[[2, 0]])
    assert batch.rows.tolist() == [2, 0]


def test_a_loader_draws_no_random_numbers_that_training_draws_from():
    dataset = TokenDataset(make_store([3, 1, 2]), np.arange(3))
    torch.manual_seed(0)
    expected = torch.rand(4)
    torch.manual_seed(0)
    list(make_loader(dataset, BucketBatchSampler(dataset.lengths, 2)))
    assert torch.equal(torch.rand(4), expected)
