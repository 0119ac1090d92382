from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from foldwise.config import Model
from foldwise.errors import InputError
from foldwise.models import Shape, build_model
from foldwise.models.recurrent import BiLSTM, PaddedGRU, PaddedLSTM
from models.batches import batch, check_rows_alone, vectors

NAMES = ["bilstm", "bigru", "bilstm_bigru"]
NETS: dict[type[nn.RNNBase], Any] = {PaddedLSTM: nn.LSTM, PaddedGRU: nn.GRU}


def packed(net: nn.RNNBase, inputs: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """States and the last hidden states (2, B, H) of torch's own way."""
    sequence = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    states, last = NETS[type(net)].forward(net, sequence)
    hidden = last[0] if isinstance(last, tuple) else last
    return pad_packed_sequence(states, batch_first=True, total_length=inputs.shape[1])[0], hidden


@pytest.mark.parametrize("net_class", NETS)
@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=9), hidden=st.sampled_from([1, 5, 16]))
@settings(max_examples=30)
def test_held_gates_equal_packed_sequences_in_values_and_gradients(net_class, lengths, hidden):
    torch.manual_seed(0)
    net = net_class(6, hidden)
    lengths = torch.tensor(lengths)
    mask = torch.arange(int(lengths.max()) + 2) < lengths[:, None]
    inputs = torch.randn(*mask.shape, 6, requires_grad=True)
    weight = torch.randn(*mask.shape, 2 * hidden) * mask[:, :, None]
    found = []
    for states in (net(inputs, mask), packed(net, inputs, lengths)[0]):
        gradients = torch.autograd.grad((states * weight).sum(), [inputs, *net.parameters()])
        found.append([states * mask[:, :, None], *gradients])
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6))
@settings(max_examples=20)
def test_the_stacked_pair_equals_packed_sequences_through_both_nets(lengths):
    model: Any = build_model(
        vectors(), Shape(2), Model(name="bilstm_bigru", hidden=5, pooling=["mean", "last"]), 0
    ).eval()
    tokens, sizes = batch(lengths)
    states, _ = packed(model.lstms[0], model.embedding(tokens), sizes)
    states, hidden = packed(model.grus[0], states, sizes)
    expected = model.head(torch.cat([states.sum(1) / sizes[:, None], *hidden], dim=1))
    ours = model(tokens, sizes)
    assert torch.allclose(ours, expected, atol=1e-5)
    parameters = [value for name, value in model.named_parameters() if name != "embedding.weight"]
    for mine, theirs in zip(
        *(torch.autograd.grad(logits.square().sum(), parameters) for logits in (ours, expected)), strict=True
    ):
        assert torch.allclose(mine, theirs, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("pooling", [["max"], ["mean"], ["attention"], ["last"], ["max", "mean", "attention", "last"]])
def test_padding_does_not_change_a_rows_logits(name, layers, pooling):
    chosen = Model(name=name, hidden=8, layers=layers, pooling=pooling, residual=layers == 2)
    check_rows_alone(build_model(vectors(), Shape(3), chosen, seed=0), [7, 1, 3, 0, 12])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pooling", [["max"], ["mean"], ["attention"], ["last"]])
def test_rows_of_one_length_need_no_mask(name, pooling):
    model: Any = build_model(vectors(), Shape(2), Model(name=name, hidden=8, pooling=pooling), seed=0).eval()
    tokens, lengths = batch([5, 5, 5])
    wide, _ = batch([5, 5, 5], width=6)  # one column of padding: the way with a mask
    assert torch.allclose(model(tokens, lengths), model(wide, lengths), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_last_pooling_is_the_last_hidden_state_of_each_direction(name):
    model: Any = build_model(vectors(), Shape(2), Model(name=name, hidden=8, pooling=["last"]), seed=0).eval()
    tokens, lengths = batch([4, 9, 1, 6])
    states = model.embedding(tokens)
    for net in (net for kind in model.nets for net in getattr(model, kind)):
        states, hidden = packed(net, states, lengths)
    assert torch.allclose(model(tokens, lengths), model.head(torch.cat([*hidden], dim=1)), atol=1e-6)


@pytest.mark.parametrize("name", ["bilstm", "bigru"])
def test_residual_adds_a_layers_input_where_widths_are_equal(name):
    chosen = Model(name=name, hidden=4, layers=3, pooling=["max"], residual=True)
    model: Any = build_model(vectors(size=6), Shape(1), chosen, seed=0).eval()
    tokens, lengths = batch([5, 5])
    layers = [*(model.lstms if name == "bilstm" else model.grus)]
    first = layers[0](model.embedding(tokens), None)  # 6 numbers in, 8 out: nothing to add
    second = layers[1](first, None) + first
    third = layers[2](second, None) + second
    assert torch.equal(model(tokens, lengths), model.head(third.amax(dim=1)))
    square: Any = build_model(
        vectors(size=8), Shape(1), Model(name=name, hidden=4, pooling=["max"], residual=True), seed=0
    )
    states = square.eval().embedding(tokens)
    (layer,) = square.lstms if name == "bilstm" else square.grus
    assert torch.equal(square(tokens, lengths), square.head((layer(states, None) + states).amax(dim=1)))


@pytest.mark.parametrize("name", NAMES)
def test_padding_gets_no_gradient(name):
    model: Any = build_model(vectors(), Shape(1), Model(name=name, hidden=8), seed=0)
    tokens, lengths = batch([2, 9])
    model(tokens, lengths).sum().backward()
    gradient = model.embedding.weight.grad
    assert gradient is not None
    gradient = gradient.to_dense()
    assert (gradient[0] == 0).all()
    assert (gradient[tokens[1].long()] != 0).any()


def test_texts_reach_a_net_time_major_in_memory():
    model: Any = build_model(vectors(), Shape(1), Model(name="bilstm", hidden=4), seed=0)
    seen: list[torch.Tensor] = []
    model.lstms[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    tokens, lengths = batch([7, 3, 5])
    model(tokens, lengths)
    assert seen[0].shape[:2] == tokens.shape
    assert seen[0].transpose(0, 1).is_contiguous()  # so that an LSTM copies nothing


def test_names_of_the_weights_stay():
    model: Any = build_model(vectors(), Shape(1), Model(hidden=2, pooling=["attention"]), seed=0)
    assert list(model.state_dict()) == [
        "embedding.weight",
        *(f"lstms.0.{name}_l0{way}" for way in ("", "_reverse") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
        *("attention.project.weight", "attention.project.bias", "attention.score.weight", "head.weight", "head.bias"),
    ]  # fmt: skip


def test_seed_alone_decides_the_first_weights():
    torch.manual_seed(123)
    first = build_model(vectors(), Shape(2), Model(hidden=8), seed=4).state_dict()
    torch.manual_seed(321)
    again = build_model(vectors(), Shape(2), Model(hidden=8), seed=4).state_dict()
    other = build_model(vectors(), Shape(2), Model(hidden=8), seed=5).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_spatial_dropout_drops_a_feature_of_all_tokens():
    model: Any = build_model(vectors(), Shape(1), Model(hidden=8, spatial_dropout=0.5), seed=0).train()
    assert isinstance(model, BiLSTM)
    states = model.spatial_dropout(torch.ones(20, 6, 9)).transpose(1, 2)  # (B, T, E)
    assert (states == states[:, :1]).all()
    assert set(states.unique().tolist()) == {0, 2}


def test_an_unknown_model_is_named():
    with pytest.raises(InputError, match=r"recipe\.model\.name = 'bert': no such model; known are bilstm, bigru"):
        build_model(vectors(), Shape(1), Model(name="bert"), seed=0)
