import copy
import importlib.util

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from foldwise.config import Model, Recipe
from foldwise.data.dataset import Batch
from foldwise.data.targets import Targets
from foldwise.errors import InputError
from foldwise.models import Shape, build_model
from foldwise.training.averaging import AveragedWeights
from foldwise.training.losses import Objective
from foldwise.training.optimizers import build_optimizers
from foldwise.training.precision import Runtime
from foldwise.training.rehearsal import rehearse
from foldwise.training.rowwise import RowwiseAdam, clip_gradients, sum_rows, sum_rows_in_place
from foldwise.training.trainer import Trainer
from training import decided_training


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tiny products only wait for a second one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


OBJECTIVE = Objective(decided_training(), "regression", 1, np.zeros((1, 1)))


def small_model() -> nn.Module:
    vectors = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    return build_model(vectors, Shape(1), Model(hidden=3), seed=0)


def sparse(rows: list[int], values: torch.Tensor, size: int = 20) -> torch.Tensor:
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, (size, values.shape[1]), check_invariants=True)


def test_words_outside_the_batch_keep_their_vectors():
    model = small_model()
    before = model.embedding.weight.detach().clone()
    optimizers = build_optimizers(model, decided_training(weight_decay=0.5))
    model(torch.tensor([[3, 4]]), torch.tensor([2])).sum().backward()
    model.embedding.weight.grad = sum_rows(model.embedding.weight.grad)
    for optimizer in optimizers:
        optimizer.step()
    changed = (model.embedding.weight != before).any(dim=1).nonzero()[:, 0].tolist()
    assert changed == [3, 4]


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
        optimizer.zero_grad()
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
    settings = decided_training()
    trainer = make_trainer(model, settings)
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
        model, settings = small_model().eval(), decided_training(max_grad_norm=0.01)
        trainer = make_trainer(model, settings)
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


# Each class at a learning rate that suits it; 0.05 where none stands here.
RATES = {"Adadelta": 2.0, "RAdam": 0.3, "SGD": 0.5, "ASGD": 0.5, "LBFGS": 0.5, "Rprop": 0.01}
ARGUMENTS = {"LBFGS": {"max_iter": 4, "line_search_fn": "strong_wolfe"}}
TORCHS = sorted(
    name
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer
)


def make_trainer(model, settings, precision="fp32"):
    return Trainer(model, OBJECTIVE, settings, 100, Runtime(torch.device("cpu"), precision, 1))


def losses_of(trainer, steps):
    """Of so many steps of a training of 100, each at its learning rate."""
    losses = []
    for step in range(steps):
        trainer.rate.set(step / 100)
        losses.append(float(trainer.step(words())))
    return losses


def words(number=0):
    """A batch whose targets depend on its words."""
    tokens = torch.randint(1, 20, (16, 5), generator=torch.Generator().manual_seed(number))
    targets = (tokens < 10).float().mean(dim=1, keepdim=True) * 2 - 1
    return Batch(tokens, torch.full((16,), 5), targets, torch.arange(16))


def test_torch_has_the_classes_that_this_loops_over():
    assert {"AdamW", "SGD", "LBFGS", "Muon", "Adafactor", "SparseAdam"} <= set(TORCHS)


@pytest.mark.parametrize("tables", ["rowwise", "same"])
@pytest.mark.parametrize("name", TORCHS)
def test_every_optimizer_of_torch_trains(name, tables):
    rate = RATES.get(name, 0.05)
    settings = decided_training(
        optimizer=name,
        embedding_optimizer=tables,
        learning_rate=rate,
        embedding_learning_rate=rate,
        warmup=0,
        schedule="constant",
        optimizer_arguments=ARGUMENTS.get(name, {}),
    )
    model = small_model().eval()  # dropout would blur the loss
    with torch.no_grad():
        model.embedding.weight[0] = 0
    before = copy.deepcopy(model.state_dict())
    if name == "SparseAdam":
        with pytest.raises(InputError, match=r"sparse gradients only.*embedding_optimizer = 'rowwise'"):
            build_optimizers(model, settings)
        return
    trainer = make_trainer(model, settings)
    losses = losses_of(trainer, 25)
    assert losses[-1] < 0.6 * losses[0]
    assert all(not torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert model.embedding.sparse == (tables == "rowwise")
    assert (model.embedding.weight[0] == 0).all(), "padding never moves"


def test_the_same_optimizer_takes_the_table_with_its_own_rate_and_no_decay():
    ours, theirs = small_model(), small_model()
    settings = decided_training(
        optimizer="RMSprop", embedding_optimizer="same", learning_rate=0.01, embedding_learning_rate=0.03,
        weight_decay=0.2, optimizer_arguments={"momentum": 0.5, "centered": True}, max_grad_norm=1e9, warmup=0, schedule="constant",
    )  # fmt: skip
    theirs.embedding.sparse = False
    table, *rest = theirs.parameters()
    reference = torch.optim.RMSprop(
        [{"params": rest, "weight_decay": 0.2}, {"params": [table], "lr": 0.03}], lr=0.01, momentum=0.5, centered=True
    )
    trainer = make_trainer(ours.eval(), settings)
    theirs.eval()
    for number in range(3):
        batch = words(number)
        trainer.step(batch)
        reference.zero_grad()
        nn.functional.mse_loss(theirs(batch.tokens, batch.lengths), batch.targets).backward()
        reference.step()
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6), name


def test_the_average_of_a_dense_table_is_that_of_a_sparse_one():
    found = []
    for tables in ("rowwise", "same"):
        model = small_model().eval()
        settings = decided_training(optimizer="SGD", embedding_optimizer=tables, ema=0.9, embedding_learning_rate=1e-9)
        trainer = make_trainer(model, settings)
        with torch.no_grad():
            model.embedding.weight.add_(1)  # the average, which starts at the old weights, follows
        for number in range(5):
            trainer.step(words(number))
        with trainer.averages.applied():
            found.append(model.embedding.weight.detach().clone())
    first, second = found
    assert torch.allclose(first, second, atol=1e-5)


def test_muon_has_the_matrices_and_adamw_the_rest():
    model = small_model()
    muon, adamw, rowwise = build_optimizers(
        model, decided_training(optimizer="Muon", optimizer_arguments={"ns_steps": 3})
    )
    assert isinstance(muon, torch.optim.Muon)
    assert muon.param_groups[0]["ns_steps"] == 3
    assert all(weight.ndim == 2 for group in muon.param_groups for weight in group["params"])
    assert all(weight.ndim == 1 for group in adamw.param_groups for weight in group["params"])
    assert isinstance(adamw, torch.optim.AdamW)
    assert isinstance(rowwise, RowwiseAdam)
    _, adamw = build_optimizers(small_model(), decided_training(optimizer="Muon", embedding_optimizer="same"))
    assert [(group["lr"], group["weight_decay"]) for group in adamw.param_groups] == [(2e-3, 0.01), (2e-3, 0.0)]


def test_lbfgs_is_torchs_own_with_its_closure():
    ours, theirs = nn.Linear(3, 1), nn.Linear(3, 1)
    theirs.load_state_dict(ours.state_dict())

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = ours

        def forward(self, tokens, _):
            return self.linear(tokens.float())

    tokens = torch.randint(1, 5, (8, 3), generator=torch.Generator().manual_seed(0))
    batch = Batch(tokens, torch.full((8,), 3), tokens.sum(dim=1, keepdim=True) / 9, torch.arange(8))
    settings = decided_training(
        optimizer="LBFGS",
        learning_rate=0.5,
        max_grad_norm=1e9,
        warmup=0,
        schedule="constant",
        optimizer_arguments={"max_iter": 4},
    )
    trainer = make_trainer(Model(), settings)
    reference = torch.optim.LBFGS(theirs.parameters(), lr=0.5, max_iter=4)

    def closure():
        reference.zero_grad()
        loss = nn.functional.mse_loss(theirs(tokens.float()), batch.targets)
        loss.backward()
        return loss

    for _ in range(3):
        assert float(trainer.step(batch)) == pytest.approx(reference.step(closure).item(), rel=1e-5)
    assert torch.allclose(ours.weight, theirs.weight, atol=1e-5)


def test_lbfgs_does_not_go_with_scaled_losses():
    with pytest.raises(InputError, match=r"LBFGS.*use training.precision = 'fp32' or 'bf16'"):
        make_trainer(small_model(), decided_training(optimizer="LBFGS"), "fp16")


@pytest.mark.parametrize("tables", ["rowwise", "same"])
@pytest.mark.parametrize("scale", [None, 1024.0])
def test_tables_stand_still_until_they_are_unfrozen(tables, scale):
    model = small_model()
    trainer = make_trainer(model, decided_training(embedding_optimizer=tables, ema=0.9))
    if scale:
        trainer.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    table, start = model.embedding.weight, model.embedding.weight.detach().clone()
    trainer.train_tables(False)
    for number in range(4):
        trainer.step(words(number))
    assert torch.equal(table, start)
    assert not any(table in optimizer.state for optimizer in trainer.optimizers)
    with trainer.averages.applied():
        assert torch.equal(table, start)
    assert any(parameter is table for parameter in trainer.averages.parameters)
    trainer.train_tables(True)
    trainer.step(words())
    assert not torch.equal(table, start)
    assert torch.equal(table[0], start[0])
    with trainer.averages.applied():
        assert not torch.equal(table, start)


def test_vectors_frozen_for_good_are_not_unfrozen():
    vectors = torch.randn(20, 4)
    model = build_model(vectors, Shape(1), Model(hidden=3, train_embedding=False), seed=0)
    trainer = make_trainer(model, decided_training())
    for on in (False, True):
        trainer.train_tables(on)
        assert not model.embedding.weight.requires_grad


OWN = """
import torch

class PlainSGD(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, weight_decay=0.0, factor=1.0):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
        self.factor = factor

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    weight.sub_(self.factor * group["lr"] * (weight.grad + group["weight_decay"] * weight))

class NoNone(PlainSGD):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for weight in group["params"]:
                weight.sub_(weight.grad * group["lr"])

class NoRate(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {})

    def step(self, closure=None):
        pass

class Explodes(PlainSGD):
    @torch.no_grad()
    def step(self, closure=None):
        self.param_groups[0]["params"][0].div_(0)

class NotOne:
    pass
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_optimizers.py").write_text(OWN, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield "own_optimizers"


def test_an_own_optimizer_is_torchs_sgd_where_it_should_be(own):
    results = []
    for name, arguments in ((f"{own}:PlainSGD", {"factor": 2.0}), ("SGD", {})):
        rate = 0.05 if arguments else 0.1
        model = small_model().eval()
        settings = decided_training(
            optimizer=name, optimizer_arguments=arguments, embedding_optimizer="same",
            learning_rate=rate, embedding_learning_rate=rate,
        )  # fmt: skip
        trainer = make_trainer(model, settings)
        for number in range(3):
            trainer.step(words(number))
        results.append(model.state_dict())
    assert all(torch.allclose(results[0][key], results[1][key], atol=1e-4) for key in results[0])


@pytest.mark.parametrize(
    ("name", "arguments", "phrases"),
    [
        ("adamw", {}, ["no such optimizer; did you mean AdamW", "your own: module:Class"]),
        ("zzzzz", {}, ["known are", "SGD"]),
        ("SGD", {"momentun": 0.9}, ["optimizer_arguments.momentun = 0.9: SGD takes momentum, dampening, nesterov"]),
        ("SGD", {"lr": 0.9}, ["optimizer_arguments.lr = 0.9: that is recipe.training.learning_rate"]),
        ("SGD", {"weight_decay": 0.9}, ["that is recipe.training.weight_decay"]),
        ("SGD", {"momentum": -1.0}, ["SGD(groups of weights, lr=0.002, weight_decay=0.01, momentum=-1.0) fails", "Invalid momentum"]),
        ("AdamW", {"betas": 0.9}, ["betas=0.9", "fails: TypeError", "its signature is (params"]),
        ("{own}:PlainSDG", {}, ["did you mean PlainSGD?"]),
        ("{own}:NotOne", {}, ["not a class of torch.optim.Optimizer"]),
        ("{own}:PlainSGD", {"factr": 2}, ["optimizer_arguments.factr = 2: PlainSGD takes factor"]),
        ("{own}:NoNone", {}, ["a step fails: TypeError", "own_optimizers.py, line "]),
        ("{own}:NoRate", {}, ["its groups hold no 'lr'"]),
        ("{own}:Explodes", {}, ["weights are not finite"]),
    ],
)  # fmt: skip
def test_what_cannot_train_is_refused_before_training(own, name, arguments, phrases):
    chosen = {"optimizer": name.format(own=own), "optimizer_arguments": arguments}
    with pytest.raises(InputError) as caught:
        rehearse_optimizer(embedding_optimizer="same", unfreeze_epoch=1, **chosen)
    for phrase in ["recipe.training.optimizer", *phrases]:
        assert phrase in str(caught.value)


@pytest.mark.parametrize("unfreeze_epoch", [0, 1])
@pytest.mark.parametrize("tables", ["rowwise", "same"])
@pytest.mark.parametrize("name", [*(name for name in TORCHS if name != "SparseAdam"), "{own}:PlainSGD"])
def test_every_other_one_passes_the_rehearsal(own, name, tables, unfreeze_epoch):
    rehearse_optimizer(
        optimizer=name.format(own=own), embedding_optimizer=tables, unfreeze_epoch=unfreeze_epoch,
        optimizer_arguments=ARGUMENTS.get(name, {}),
    )  # fmt: skip


def rehearse_optimizer(**training):
    y = np.arange(9.0)[:, None]
    rehearse(
        Recipe(training=decided_training(**training), model=Model(hidden=3)), Targets("regression", y, y, ["y"]), 1, 0
    )


def test_arguments_take_the_place_of_the_fused_kernel():
    (optimizer, _) = build_optimizers(
        small_model(), decided_training(optimizer_arguments={"foreach": True, "betas": [0.8, 0.9]})
    )
    assert optimizer.defaults["fused"] is None
    assert build_optimizers(small_model(), decided_training(optimizer="Adam"))[0].defaults["fused"] is True


class Passing(torch.optim.SGD):
    """Takes whatever it is given on to another class."""

    def __init__(self, params, **options):
        super().__init__(params, **options)


def test_an_own_optimizer_that_passes_options_on_gets_the_recipes():
    settings = decided_training(
        optimizer=f"{__name__}:Passing", learning_rate=0.5, weight_decay=0.2, optimizer_arguments={"momentum": 0.9}
    )
    group = build_optimizers(small_model(), settings)[0].param_groups[0]
    assert (group["lr"], group["weight_decay"], group["momentum"]) == (0.5, 0.2, 0.9)


def test_optimizers_of_the_optional_extra():
    if importlib.util.find_spec("pytorch_optimizer") is None:
        with pytest.raises(InputError, match=r"'Lion': no such optimizer; .*pip install pytorch_optimizer"):
            build_optimizers(small_model(), decided_training(optimizer="Lion"))
        return
    for name in ("Lion", "AdaBelief"):
        trainer = make_trainer(small_model().eval(), decided_training(optimizer=name, learning_rate=0.02))
        losses = losses_of(trainer, 25)
        assert losses[-1] < 0.6 * losses[0]
    with pytest.raises(InputError, match=r"optimizer_arguments.no_such = 1: Lion takes betas"):
        build_optimizers(small_model(), decided_training(optimizer="Lion", optimizer_arguments={"no_such": 1}))
    with pytest.raises(InputError, match="did you mean Lion"):
        build_optimizers(small_model(), decided_training(optimizer="lion"))
