import copy
import math

import pytest
import torch
from torch import nn

from foldwise.config import Model, Training
from foldwise.models import build_model
from foldwise.training.optimizers import AveragedWeights, build_optimizer, build_schedule


def small_model() -> nn.Module:
    vectors = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    return build_model(vectors, 1, Model(hidden=3), seed=0)


def test_words_outside_the_batch_keep_their_vectors():
    model = small_model()
    before = model.embedding.weight.detach().clone()
    optimizer = build_optimizer(model, Training(weight_decay=0.5))
    model(torch.tensor([[3, 4]]), torch.tensor([2])).sum().backward()
    optimizer.step()
    changed = (model.embedding.weight != before).any(dim=1).nonzero()[:, 0].tolist()
    assert changed == [3, 4]


def test_one_step_is_torchs_adamw():
    ours, theirs = small_model(), small_model()
    settings = Training(weight_decay=0.1)
    optimizer = build_optimizer(ours, settings)
    plain = [value for name, value in theirs.named_parameters() if not name.startswith("embedding")]
    reference = torch.optim.AdamW(plain, lr=settings.learning_rate, weight_decay=0.1)
    for model, stepper in ((ours, optimizer), (theirs, reference)):
        model.eval()
        for _ in range(3):
            stepper.zero_grad()
            model(torch.tensor([[3, 4]]), torch.tensor([2])).sum().backward()
            torch.nn.utils.clip_grad_norm_(plain if model is theirs else list(ours.parameters())[1:], 1.0)
            stepper.step()
            with torch.no_grad():  # the vectors are another group: keep them out of the comparison
                model.embedding.weight.copy_(small_model().embedding.weight)
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6), name


def test_schedule_warms_up_and_ends_at_zero():
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    schedule = build_schedule(optimizer, Training(warmup=0.1), 100)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10:] == pytest.approx([0.5 * (1 + math.cos(math.pi * step / 90)) for step in range(90)])
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


def test_average_is_the_written_sum():
    model = nn.Linear(1, 1, bias=False)
    averages = AveragedWeights(model, 0.9)
    expected = model.weight.item()
    for step in range(1, 40):
        with torch.no_grad():
            model.weight.fill_(step)
        averages.update()
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    with averages.applied():
        assert model.weight.item() == pytest.approx(expected, rel=1e-5)
    assert model.weight.item() == 39


def test_decay_zero_is_no_averaging():
    model = small_model()
    averages = AveragedWeights(model, 0.0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    own = copy.deepcopy(model.state_dict())
    averages.update()
    with averages.applied():
        assert all(torch.equal(model.state_dict()[name], own[name]) for name in own)


def test_weights_come_back_after_an_exception():
    model = nn.Linear(1, 1)
    averages = AveragedWeights(model, 0.9)
    with torch.no_grad():
        model.weight.fill_(5)
    with pytest.raises(RuntimeError), averages.applied():
        raise RuntimeError
    assert model.weight.item() == 5
