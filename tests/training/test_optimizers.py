import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from foldwise.config import Model, Training
from foldwise.data.batching import Batch
from foldwise.models import Shape, build_model
from foldwise.training.averaging import AveragedWeights
from foldwise.training.loop import Trainer
from foldwise.training.losses import build_loss
from foldwise.training.optimizers import build_optimizers
from foldwise.training.precision import Runtime
from foldwise.training.rowwise import RowwiseAdam, clip_gradients, sum_rows, sum_rows_in_place
from foldwise.training.schedules import build_schedules

OBJECTIVE = build_loss(Training(), "regression", 1, np.zeros((1, 1)))


def small_model() -> nn.Module:
    vectors = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    return build_model(vectors, Shape(1), Model(hidden=3), seed=0)


def sparse(rows: list[int], values: torch.Tensor, size: int = 20) -> torch.Tensor:
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, (size, values.shape[1]), check_invariants=True)


def test_words_outside_the_batch_keep_their_vectors():
    model = small_model()
    before = model.embedding.weight.detach().clone()
    optimizers = build_optimizers(model, Training(weight_decay=0.5))
    model(torch.tensor([[3, 4]]), torch.tensor([2])).sum().backward()
    model.embedding.weight.grad = sum_rows(model.embedding.weight.grad)
    for optimizer in optimizers:
        optimizer.step()
    changed = (model.embedding.weight != before).any(dim=1).nonzero()[:, 0].tolist()
    assert changed == [3, 4]


def test_one_step_is_torchs_adamw():
    ours, theirs = small_model(), small_model()
    settings = Training(weight_decay=0.1)
    optimizers = build_optimizers(ours, settings)
    plain = [value for name, value in theirs.named_parameters() if not name.startswith("embedding")]
    reference = torch.optim.AdamW(plain, lr=settings.learning_rate, weight_decay=0.1)
    for model, stepper in ((ours, optimizers[0]), (theirs, reference)):
        model.eval()
        for _ in range(3):
            model.zero_grad()
            model(torch.tensor([[3, 4]]), torch.tensor([2])).sum().backward()
            torch.nn.utils.clip_grad_norm_(plain if model is theirs else list(ours.parameters())[1:], 1.0)
            stepper.step()
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6), name


@given(rows=st.lists(st.integers(0, 19), min_size=1, max_size=60))
def test_summed_rows_are_the_coalesced_ones(rows):
    gradient = sparse(rows, torch.randn(len(rows), 3, generator=torch.Generator().manual_seed(0)))
    expected = gradient.coalesce()
    assert torch.equal(sum_rows(gradient).to_dense(), expected.to_dense())
    found = sum_rows_in_place(gradient)  # the way of GPUs: entries left over add zero to row 0
    assert torch.allclose(found.to_dense(), expected.to_dense(), atol=1e-6)
    assert found._indices().shape == gradient._indices().shape
    extra = len(rows) - len(set(rows))
    assert (found._values()[len(rows) - extra :] == 0).all()


@pytest.mark.parametrize("summed", [sum_rows, sum_rows_in_place])
def test_rowwise_adam_is_torchs_sparse_adam(summed):
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(20, 3, generator=generator)
    start[0] = 0
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimizer, reference = RowwiseAdam([ours], 0.01), torch.optim.SparseAdam([theirs], lr=0.01)
    for _ in range(30):
        rows = torch.randint(1, 20, (8,), generator=generator).tolist()
        gradient = sparse(rows, torch.randn(8, 3, generator=generator))
        ours.grad, theirs.grad = summed(gradient), gradient
        optimizer.step()
        reference.step()
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert not torch.equal(ours, start)


def test_an_overflow_skips_the_step():
    table = nn.Parameter(torch.ones(4, 2))
    optimizer = RowwiseAdam([table], 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    for bad, expected in ((float("inf"), 1.0), (1.0, 0.9)):
        table.grad = None
        scaler.scale((table[2] * bad).sum()).backward()
        table.grad = sum_rows(table.grad.to_sparse(1))
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        assert table[2].tolist() == pytest.approx([expected] * 2, abs=1e-3)
    assert scaler.get_scale() == 4.0  # halved by the overflow


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
@pytest.mark.parametrize("place", ["embedding.weight", "head.weight"])
def test_an_overflow_anywhere_skips_the_step_of_all_weights(bad, place):
    """fp16 cannot run here; its scaler can, over gradients of fp32."""
    model = small_model()
    settings = Training()
    optimizers = build_optimizers(model, settings)
    averages = AveragedWeights(model, 0.9)
    schedules = build_schedules(optimizers, settings, 100)
    runtime = Runtime(torch.device("cpu"), "fp32", 1)
    trainer = Trainer(model, OBJECTIVE, optimizers, schedules, averages, 1.0, runtime)
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    batch = Batch(torch.tensor([[3, 4]]), torch.tensor([2]), torch.ones(1, 1), torch.tensor([0]))
    trainer.step(batch)
    before = copy.deepcopy(model.state_dict())
    poison = dict(model.named_parameters())[place].register_hook(lambda gradient: gradient * bad)
    trainer.step(batch)
    poison.remove()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert trainer.scaler.get_scale() == 512.0
    trainer.step(batch)
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert not torch.equal(model.state_dict()[place], before[place])


def test_scaled_steps_are_the_unscaled_ones():
    results = []
    for scale in (None, 1024.0):
        model, settings = small_model().eval(), Training(clip=0.01)
        optimizers = build_optimizers(model, settings)
        trainer = Trainer(
            model,
            OBJECTIVE,
            optimizers,
            build_schedules(optimizers, settings, 100),
            AveragedWeights(model, 0.9),
            settings.clip,
            Runtime(torch.device("cpu"), "fp32", 1),
        )
        if scale:
            trainer.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        for _ in range(3):
            trainer.step(Batch(torch.tensor([[3, 4]]), torch.tensor([2]), torch.ones(1, 1), torch.tensor([0])))
        results.append(model.state_dict())
    assert all(torch.allclose(results[0][name], results[1][name], atol=1e-6) for name in results[0])


def test_scaled_gradients_are_refused_not_taken_at_face_value():
    table = nn.Parameter(torch.ones(4, 2))
    optimizer, scaler = RowwiseAdam([table], 0.1), torch.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale(table.sum()).backward()
    table.grad = table.grad.to_sparse(1)
    with pytest.raises(RuntimeError, match="unscale_"):
        scaler.step(optimizer)


def test_clipping_is_torchs_with_sparse_gradients_among_them():
    generator = torch.Generator().manual_seed(0)
    dense, table = nn.Parameter(torch.zeros(5)), nn.Parameter(torch.zeros(20, 3))
    for largest in (0.5, 100.0):
        dense.grad = torch.randn(5, generator=generator)
        gradient = sparse([3, 7, 3], torch.randn(3, 3, generator=generator)).coalesce()
        table.grad = gradient.clone()
        plain = [nn.Parameter(torch.zeros(5)), nn.Parameter(torch.zeros(20, 3))]
        plain[0].grad, plain[1].grad = dense.grad.clone(), gradient.to_dense()
        torch.nn.utils.clip_grad_norm_(plain, largest)
        clip_gradients([dense, table], largest)
        assert torch.allclose(dense.grad, plain[0].grad)
        assert torch.allclose(table.grad.to_dense(), plain[1].grad)


def test_the_average_of_a_table_is_the_dense_one_whenever_it_is_looked_at():
    model = nn.Embedding(20, 3, sparse=True)
    averages, generator = AveragedWeights(model, 0.9), torch.Generator().manual_seed(0)
    expected = model.weight.detach().clone()
    for step in range(1, 40):
        rows = torch.randint(0, 20, (4,), generator=generator)
        model.weight.grad = sparse(rows.tolist(), torch.ones(4, 3)).coalesce()
        averages.before_step()
        with torch.no_grad():
            model.weight[rows] += torch.randn(4, 3, generator=generator)
        averages.update()
        decay = min(0.9, (1 + step) / (10 + step))
        expected.lerp_(model.weight.detach(), 1 - decay)
        if step % 13 == 0:
            own = model.weight.detach().clone()
            with averages.applied():
                assert torch.allclose(model.weight, expected, atol=1e-5)
            assert torch.equal(model.weight, own)


def test_schedule_warms_up_and_ends_at_zero():
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    schedule = build_schedules([optimizer], Training(warmup=0.1), 100)[0]
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
