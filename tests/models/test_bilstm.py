import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from foldwise.config import Model
from foldwise.errors import InputError
from foldwise.models import build_model
from foldwise.models.bilstm import BiLSTM, PaddedLSTM


def vectors(n_words: int = 30, size: int = 6) -> torch.Tensor:
    table = torch.randn(n_words, size, generator=torch.Generator().manual_seed(1))
    table[0] = 0
    return table


def batch(lengths: list[int], width: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    tokens = torch.zeros(len(lengths), width or max(*lengths, 1), dtype=torch.int32)
    for row, length in zip(tokens, lengths, strict=True):
        row[:length] = torch.randint(1, 30, (length,), generator=torch.Generator().manual_seed(length))
    return tokens, torch.tensor(lengths)


def packed(lstm: nn.LSTM, inputs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    sequence = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(nn.LSTM.forward(lstm, sequence)[0], batch_first=True, total_length=inputs.shape[1])[0]


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=9), hidden=st.sampled_from([1, 5, 16]))
@settings(max_examples=30)
def test_shut_gates_equal_packed_sequences_in_values_and_gradients(lengths, hidden):
    torch.manual_seed(0)
    lstm = PaddedLSTM(6, hidden)
    lengths = torch.tensor(lengths)
    mask = torch.arange(int(lengths.max()) + 2) < lengths[:, None]
    inputs = torch.randn(*mask.shape, 6, requires_grad=True)
    weight = torch.randn(*mask.shape, 2 * hidden) * mask[:, :, None]
    found = []
    for states in (lstm(inputs, lengths, mask), packed(lstm, inputs, lengths)):
        gradients = torch.autograd.grad((states * weight).sum(), [inputs, *lstm.parameters()])
        found.append([states * mask[:, :, None], *gradients])
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("pooling", [["max"], ["mean"], ["attention"], ["max", "mean", "attention"]])
def test_padding_does_not_change_a_rows_logits(layers, pooling):
    model = build_model(vectors(), 3, Model(hidden=8, layers=layers, pooling=pooling), seed=0).eval()
    lengths = [7, 1, 3, 0, 12]
    tokens, sizes = batch(lengths)
    together = model(tokens, sizes)
    assert together.shape == (5, 3)
    for row, length in enumerate(lengths):
        alone = model(tokens[row : row + 1, : max(length, 1)], sizes[row : row + 1])
        assert torch.allclose(together[row], alone[0], atol=1e-6)
    wide, _ = batch(lengths, width=40)
    assert torch.allclose(model(wide, sizes), together, atol=1e-6)


@pytest.mark.parametrize("pooling", [["max"], ["mean"], ["attention"]])
def test_rows_of_one_length_need_no_mask(pooling):
    model = build_model(vectors(), 2, Model(hidden=8, pooling=pooling), seed=0).eval()
    tokens, lengths = batch([5, 5, 5])
    wide, _ = batch([5, 5, 5], width=6)  # one column of padding: the way with a mask
    assert torch.allclose(model(tokens, lengths), model(wide, lengths), atol=1e-6)


def test_padding_gets_no_gradient():
    model = build_model(vectors(), 1, Model(hidden=8), seed=0)
    tokens, lengths = batch([2, 9])
    model(tokens, lengths).sum().backward()
    assert isinstance(model, BiLSTM)
    gradient = model.embedding.weight.grad
    assert gradient is not None
    gradient = gradient.to_dense()
    assert (gradient[0] == 0).all()
    assert (gradient[tokens[1].long()] != 0).any()


def test_frozen_vectors_are_not_trained():
    model = build_model(vectors(), 1, Model(hidden=8, train_embedding=False), seed=0)
    assert "embedding.weight" not in [name for name, value in model.named_parameters() if value.requires_grad]
    assert torch.equal(model.state_dict()["embedding.weight"], vectors())


def test_seed_alone_decides_the_first_weights():
    torch.manual_seed(123)
    first = build_model(vectors(), 2, Model(hidden=8), seed=4).state_dict()
    torch.manual_seed(321)
    again = build_model(vectors(), 2, Model(hidden=8), seed=4).state_dict()
    other = build_model(vectors(), 2, Model(hidden=8), seed=5).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_spatial_dropout_drops_a_feature_of_all_tokens():
    model = build_model(vectors(), 1, Model(hidden=8, spatial_dropout=0.5), seed=0).train()
    assert isinstance(model, BiLSTM)
    states = model.spatial_dropout(torch.ones(20, 6, 9)).transpose(1, 2)  # (B, T, E)
    assert (states == states[:, :1]).all()
    assert set(states.unique().tolist()) == {0, 2}


def test_an_unknown_model_is_named():
    with pytest.raises(InputError, match=r"recipe\.model\.name = 'bert': no such model; known are bilstm"):
        build_model(vectors(), 1, Model(name="bert"), seed=0)
