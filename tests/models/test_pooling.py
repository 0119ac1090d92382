import pytest
import torch

from foldwise.config import Model
from foldwise.errors import InputError
from foldwise.models import Shape, build_model
from foldwise.models.pooling import POOLINGS, AttentionPooling, last_states, masked_max, masked_mean

LENGTHS = torch.tensor([5, 1, 3, 0])
MASK = torch.arange(5) < LENGTHS[:, None]
STATES = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0)) - 2


def by_loop(states: torch.Tensor, how) -> torch.Tensor:
    return torch.stack(
        [how(row[:length]) if length else torch.zeros(3) for row, length in zip(states, LENGTHS, strict=True)]
    )


def attention_by_loop(pooling: AttentionPooling):
    def pool(row):
        weights = torch.softmax(pooling.score(torch.tanh(pooling.project(row)))[:, 0], dim=0)
        return (weights[:, None] * row).sum(dim=0)

    return pool


@pytest.mark.parametrize("padding", [0.0, 1e9, -1e9])
def test_pooling_equals_a_loop_over_rows_whatever_the_padding(padding):
    states = STATES.masked_fill(~MASK[:, :, None], padding)
    attention = AttentionPooling(3)
    for pool, reference in (
        (masked_max, lambda row: row.amax(dim=0)),
        (masked_mean, lambda row: row.mean(dim=0)),
        (attention, attention_by_loop(attention)),
    ):
        assert torch.allclose(pool(states, MASK), by_loop(STATES, reference), atol=1e-6)


def test_half_precision_has_no_infinities():
    for dtype in (torch.bfloat16, torch.float16):
        for pool in (masked_max, masked_mean):
            assert torch.isfinite(pool(STATES.to(dtype), MASK)).all()


@pytest.mark.parametrize("padding", [0.0, 1e9, -1e9])
def test_last_states_are_those_at_the_ends_of_a_row(padding):
    states = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(1))
    expected = torch.stack(
        [
            torch.cat([row[length - 1, :3], row[0, 3:]]) if length else torch.zeros(6)
            for row, length in zip(states, LENGTHS, strict=True)
        ]
    )
    assert torch.equal(last_states(states.masked_fill(~MASK[:, :, None], padding), MASK), expected)
    assert torch.equal(last_states(states, None), torch.cat([states[:, -1, :3], states[:, 0, 3:]], dim=1))


def test_another_pooling_is_a_function_and_an_entry(monkeypatch):
    def first_state(states, mask):
        return states[:, 0]

    monkeypatch.setitem(POOLINGS, "first", lambda _: first_state)
    model = build_model(torch.randn(9, 4), Shape(2), Model(hidden=3, pooling=["first", "max"]), 0).eval()
    logits = model(torch.tensor([[3, 4], [5, 0]]), torch.tensor([2, 1]))
    assert logits.shape == (2, 2)
    assert model.head.in_features == 2 * 6


def test_a_pooling_that_is_none_is_refused_before_training(cli_here):
    settings = ["--set", 'model.pooling=["max","man"]']
    message = cli_here("all", "-c", "twin-binary", *settings, code=2).stderr
    assert "recipe.model.pooling = 'man': no such pooling; did you mean mean?" in message
    with pytest.raises(InputError, match="known are max, mean, last, attention"):
        build_model(torch.randn(9, 4), Shape(2), Model(pooling=["zzz"]), 0)
