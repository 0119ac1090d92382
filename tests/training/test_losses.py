"""Each loss against torch's own, scikit-learn or the formula written out in numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import f1_score
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.nn import functional

from foldwise.config import Recipe
from foldwise.data.dataset import Batch
from foldwise.data.targets import Targets
from foldwise.errors import InputError
from foldwise.tasks import TASKS
from foldwise.training.loss_functions import LOSSES, SOFT_CLASSES
from foldwise.training.losses import Objective, to_predictions
from foldwise.training.rehearsal import rehearse
from training import decided_training

ROWS, CLASSES = 7, 4
NAMED = [(name, task) for name, losses in LOSSES.items() for task, spec in TASKS.items() if spec.y in losses]
RNG = np.random.default_rng(0)


def outputs_of(task):
    return 1 if task == "binary" else CLASSES


def targets_of(task):
    if task == "multiclass":
        return np.array([0, 1, 2, 3, 0, 1, 0])
    shape = (ROWS, outputs_of(task))
    if task in ("binary", "multilabel"):
        return (np.arange(ROWS * shape[1]).reshape(shape) % 3 == 0).astype(np.float32)
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def batch_of(task, weights=None, auxiliary=None, targets=None):
    tokens, lengths = torch.ones(ROWS, 1, dtype=torch.int32), torch.ones(ROWS, dtype=torch.int64)
    y = torch.from_numpy(targets_of(task)) if targets is None else targets
    return Batch(tokens, lengths, y, torch.arange(ROWS), weights=weights, auxiliary=auxiliary)


def logits_of(task, extra=0):
    generator = torch.Generator().manual_seed(3)
    return (2 * torch.randn(ROWS, outputs_of(task) + extra, generator=generator)).requires_grad_()


def loss_of(task, name="auto", **training):
    y = targets_of(task)
    return Objective(decided_training(loss=name, **training), task, outputs_of(task), y)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def bce_elements(x, y, positive=1.0):
    return -(positive * y * np.log(sigmoid(x)) + (1 - y) * np.log(1 - sigmoid(x)))


def log_softmax(x):
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("task", "reference"),
    [
        ("binary", functional.binary_cross_entropy_with_logits),
        ("multilabel", functional.binary_cross_entropy_with_logits),
        ("multiclass", functional.cross_entropy),
        ("regression", functional.mse_loss),
        ("ordinal", functional.mse_loss),
    ],
)
def test_the_default_is_torchs_to_the_last_bit(task, reference):
    ours, theirs = logits_of(task), logits_of(task)
    found = loss_of(task)(ours, batch_of(task))
    expected = reference(theirs, torch.from_numpy(targets_of(task)))
    found.backward()
    expected.backward()
    assert torch.equal(found, expected)
    assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize(
    ("name", "task", "arguments", "reference"),
    [
        ("nll", "multiclass", {}, nn.CrossEntropyLoss()),
        ("label_smoothing", "multiclass", {"epsilon": 0.2}, nn.CrossEntropyLoss(label_smoothing=0.2)),
        ("kl_div", "multiclass", {}, nn.CrossEntropyLoss()),  # of a one-hot target, whose entropy is 0
        ("focal", "multiclass", {"gamma": 0}, nn.CrossEntropyLoss()),
        ("focal", "binary", {"gamma": 0}, nn.BCEWithLogitsLoss()),
        ("kl_div", "multilabel", {}, nn.BCEWithLogitsLoss()),
        ("soft_f1_bce", "multilabel", {"share": 0}, nn.BCEWithLogitsLoss()),
        ("mse", "ordinal", {}, nn.MSELoss()),
        ("smooth_l1", "regression", {"beta": 0.5}, nn.SmoothL1Loss(beta=0.5)),
    ],
)
def test_losses_that_torch_has(name, task, arguments, reference):
    ours, theirs = logits_of(task), logits_of(task)
    found = loss_of(task, name, loss_arguments=arguments)(ours, batch_of(task))
    expected = reference(theirs, torch.from_numpy(targets_of(task)))
    found.backward()
    expected.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-7)


def test_smoothed_columns_and_soft_divergence_are_the_formulas():
    logits = logits_of("multilabel")
    x, y = logits.detach().numpy().astype(float), targets_of("multilabel")
    found = loss_of("multilabel", "label_smoothing", loss_arguments={"epsilon": 0.3})(logits, batch_of("multilabel"))
    assert found.item() == pytest.approx(bce_elements(x, y * 0.7 + 0.15).mean(), rel=1e-5)
    soft = torch.from_numpy(RNG.uniform(0, 1, y.shape).astype(np.float32))
    found = loss_of("multilabel", "kl_div")(logits, batch_of("multilabel", targets=soft))
    pair = [torch.stack([part, 1 - part]).flatten(1) for part in (torch.sigmoid(logits), soft)]
    expected = functional.kl_div(pair[0].log(), pair[1], reduction="sum") / soft.numel()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 2, 5])
def test_focal_is_the_papers_formula(gamma):
    logits = logits_of("multiclass")
    p = np.exp(log_softmax(logits.detach().numpy().astype(float)))[np.arange(ROWS), targets_of("multiclass")]
    found = loss_of("multiclass", "focal", loss_arguments={"gamma": gamma})(logits, batch_of("multiclass"))
    assert found.item() == pytest.approx((-((1 - p) ** gamma) * np.log(p)).mean(), rel=1e-5)
    logits = logits_of("binary")
    p, y = sigmoid(logits.detach().numpy().astype(float)), targets_of("binary")
    p = np.where(y == 1, p, 1 - p)
    found = loss_of("binary", "focal", loss_arguments={"gamma": gamma})(logits, batch_of("binary"))
    assert found.item() == pytest.approx((-((1 - p) ** gamma) * np.log(p)).mean(), rel=1e-5)


def test_soft_f1_of_sure_predictions_is_scikit_learns_f1():
    y = targets_of("multilabel")
    sure = np.where(RNG.uniform(size=y.shape) < 0.3, 1 - y, y)
    weights = RNG.integers(1, 4, ROWS)
    loss = loss_of("multilabel", "soft_f1_bce", loss_arguments={"share": 1})
    logits = torch.from_numpy(np.where(sure == 1, 50, -50).astype(np.float32))
    assert loss(logits, batch_of("multilabel")).item() == pytest.approx(
        1 - f1_score(y, sure, average="macro"), abs=1e-6
    )
    weighed = loss(logits, batch_of("multilabel", torch.from_numpy(weights).float())).item()
    expected = f1_score(y, sure, average="macro", sample_weight=weights)
    assert weighed == pytest.approx(1 - expected, abs=1e-6)
    mixed = loss_of("multilabel", "soft_f1_bce", loss_arguments={"share": 0.3})(logits, batch_of("multilabel")).item()
    bce = loss_of("multilabel", "bce")(logits, batch_of("multilabel")).item()
    f1 = loss(logits, batch_of("multilabel")).item()
    assert mixed == pytest.approx(0.3 * f1 + 0.7 * bce, rel=1e-6)


@pytest.mark.parametrize(("name", "task"), NAMED)
def test_a_row_of_weight_three_is_three_rows_and_one_of_weight_zero_none(name, task):
    counts = torch.tensor([1, 3, 0, 2, 1, 0, 1])
    loss, logits, targets = loss_of(task, name), logits_of(task).detach(), torch.from_numpy(targets_of(task))
    rows = torch.arange(ROWS).repeat_interleave(counts)
    expected = loss(logits[rows], batch_of(task, targets=targets[rows]))
    assert loss(logits, batch_of(task, counts.float())).item() == pytest.approx(expected.item(), rel=1e-5)
    even = loss(logits, batch_of(task, torch.full((ROWS,), 2.5)))
    assert even.item() == pytest.approx(loss(logits, batch_of(task)).item(), rel=1e-5)
    assert np.isfinite(loss(logits, batch_of(task, torch.zeros(ROWS))).item())


@pytest.mark.parametrize(("name", "task"), NAMED)
@settings(max_examples=15)
@given(data=st.data())
def test_every_loss_is_finite_and_smallest_at_the_target(name, task, data):
    shape = (ROWS, outputs_of(task))
    values = data.draw(arrays.arrays(np.float32, shape, elements=st.floats(-200, 200, width=32)))
    logits = torch.from_numpy(values).requires_grad_()
    loss = loss_of(task, name)(logits, batch_of(task))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
    y = torch.from_numpy(targets_of(task))
    if task == "multiclass":
        best = 3.7 * functional.one_hot(y, CLASSES)
    else:
        best = 2 * 3.0 * y - 3.0 if task in ("binary", "multilabel") else y
    assert loss_of(task, name)(best, batch_of(task)) <= loss_of(task, name)(-best, batch_of(task))


def test_balanced_classes_are_scikit_learns_and_torchs():
    y = targets_of("multiclass")
    loss, logits = loss_of("multiclass", class_weights="balanced"), logits_of("multiclass")
    weights = compute_class_weight("balanced", classes=np.arange(CLASSES), y=y)
    assert loss.class_weights.tolist() == pytest.approx(weights.tolist())
    expected = functional.cross_entropy(logits, torch.from_numpy(y), weight=torch.from_numpy(weights).float())
    assert loss(logits, batch_of("multiclass")).item() == pytest.approx(expected.item(), rel=1e-6)
    by_row = torch.rand(ROWS)
    both = loss(logits, batch_of("multiclass", by_row)).item()
    alone = loss_of("multiclass")(logits, batch_of("multiclass", by_row * torch.from_numpy(weights[y]).float())).item()
    assert both == pytest.approx(alone, rel=1e-6)


@pytest.mark.parametrize("name", ["bce", "focal", "label_smoothing", "kl_div", "soft_f1_bce"])
def test_balanced_columns_are_torchs_pos_weight(name):
    y = targets_of("multilabel")
    ratio = (y == 0).sum(axis=0) / (y == 1).sum(axis=0)
    loss, logits = loss_of("multilabel", name, class_weights="balanced"), logits_of("multilabel")
    assert loss.pos_weight.tolist() == pytest.approx(ratio.tolist())
    x = logits.detach().numpy().astype(float)
    elements = bce_elements(x, y, ratio)
    if name == "focal":
        elements = elements * np.where(y == 1, 1 - sigmoid(x), sigmoid(x)) ** 2
    if name == "label_smoothing":
        elements = bce_elements(x, y * 0.9 + 0.05, ratio)
    expected = elements.mean()
    if name == "soft_f1_bce":
        p = sigmoid(x)
        expected = 0.5 * expected + 0.5 * (1 - 2 * (p * y).sum(axis=0) / (p + y).sum(axis=0)).mean()
    assert loss(logits, batch_of("multilabel")).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("weights", [None, torch.linspace(0.5, 2, ROWS)])
@pytest.mark.parametrize("class_weights", ["none", "balanced"])
@pytest.mark.parametrize("name", SOFT_CLASSES)
def test_probabilities_of_classes_are_learnt_as_a_mixture_of_rows(name, class_weights, weights):
    objective, logits = loss_of("multiclass", name, class_weights=class_weights), logits_of("multiclass")
    hard = torch.from_numpy(targets_of("multiclass"))
    certain = functional.one_hot(hard, CLASSES).float()
    of_numbers = objective(logits, batch_of("multiclass", weights=weights))
    assert objective(logits, batch_of("multiclass", weights=weights, targets=certain)).item() == pytest.approx(
        of_numbers.item()
    )
    # A row of class a for three quarters and b for one is three rows of a and one of b.
    mixed = torch.tensor([[0.75, 0.25, 0, 0]])
    one = Batch(torch.ones(1, 1, dtype=torch.int32), torch.ones(1, dtype=torch.int64), mixed, torch.arange(1))
    four = one._replace(targets=torch.tensor([0, 0, 0, 1]))
    found, expected = objective(logits[:1], one), objective(logits[:1].expand(4, -1), four)
    assert found.item() == pytest.approx(expected.item())


def test_rows_without_auxiliary_targets_are_learnt_beside_rows_with_them():
    objective, logits = loss_of("binary"), logits_of("binary", extra=2)
    assert objective(logits, batch_of("binary")) == objective(logits[:, :1], batch_of("binary"))


def test_a_class_or_a_one_that_no_training_row_has_leaves_the_weights_finite():
    training = decided_training(class_weights="balanced")
    assert Objective(training, "multiclass", 3, np.array([0, 0, 1])).class_weights.tolist() == [0.5, 1, 1]
    y = np.array([[0, 1, 1], [0, 1, 0], [0, 1, 0]], dtype=np.float32)
    assert Objective(training, "multilabel", 3, y).pos_weight.tolist() == [1, 1, 2]


@pytest.mark.parametrize("task", TASKS)
def test_auxiliary_targets_are_learnt_beside(task):
    logits, auxiliary = logits_of(task, extra=2), torch.rand(ROWS, 2)
    weights = torch.rand(ROWS)
    loss = loss_of(task, auxiliary_weight=0.25)
    width = outputs_of(task)
    main = loss(logits[:, :width], batch_of(task))
    columns = task in ("regression", "ordinal")
    reference = functional.mse_loss if columns else functional.binary_cross_entropy_with_logits
    rows = reference(logits[:, width:], auxiliary, reduction="none").mean(dim=1)
    both = loss(logits, batch_of(task, auxiliary=auxiliary)).item()
    assert both == pytest.approx((main + 0.25 * rows.mean()).item(), rel=1e-6)
    weighed = loss(logits, batch_of(task, weights, auxiliary)).item()
    alone = loss(logits[:, :width], batch_of(task, weights))
    assert weighed == pytest.approx((alone + 0.25 * (weights * rows).sum() / weights.sum()).item(), rel=1e-5)


def test_the_weights_move_with_the_objective():
    loss = loss_of("multiclass", class_weights="balanced").to("meta")
    assert loss.class_weights.device.type == "meta"


@pytest.mark.parametrize(
    ("task", "training", "phrases"),
    [
        ("binary", {"loss": "cross_entropy"}, ["not for binary tasks", "bce, kl_div, focal, label_smoothing, soft_f1_bce"]),
        ("multiclass", {"loss": "bce"}, ["'bce' is not for multiclass tasks", "cross_entropy, nll"]),
        ("regression", {"loss": "focal"}, ["for these there are mse, smooth_l1"]),
        ("multiclass", {"loss": "cross_entropi"}, ["no such loss; did you mean cross_entropy?", "module:Class"]),
        ("ordinal", {"loss": "zzz"}, ["for ordinal tasks there are mse, smooth_l1"]),
        ("binary", {"loss": "focal", "loss_arguments": {"gama": 2}}, ["loss_arguments.gama = 2: focal takes gamma"]),
        ("binary", {"loss_arguments": {"gamma": 2}}, ["loss_arguments.gamma = 2: bce takes no arguments"]),
        ("binary", {"loss": "focal", "loss_arguments": {"gamma": "2"}}, ["gamma = '2': give a number from 0 on"]),
        ("binary", {"loss": "soft_f1_bce", "loss_arguments": {"share": 2}}, ["share = 2: give a number from 0 to 1"]),
        ("regression", {"class_weights": "balanced"}, ["class_weights = 'balanced'", "have no classes"]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(task, training, phrases):
    with pytest.raises(InputError) as caught:
        Objective(decided_training(**training), task, outputs_of(task), targets_of(task))
    for phrase in ["recipe.training.", *phrases]:
        assert phrase in str(caught.value)


OWN = """
import torch
from torch import nn

def by_row(logits, targets, power=2):
    return ((logits - targets).abs() ** power).mean(dim=1)

def scalar(logits, targets):
    return ((logits - targets) ** 2).mean()

def classes(logits, targets):
    return -logits.log_softmax(1)[torch.arange(len(targets)), targets]

class Power(nn.Module):
    def __init__(self, power):
        super().__init__()
        self.register_buffer("power", torch.tensor(float(power)))

    def forward(self, logits, targets):
        return ((logits - targets).abs() ** self.power).mean(dim=1)

class Learnt(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, logits, targets):
        return self.scale * ((logits - targets) ** 2).mean()

class NoModule:
    pass

def one_argument(logits):
    return logits.mean()

def elements(logits, targets):
    return (logits - targets) ** 2

def columns(logits, targets):
    return ((logits - targets) ** 2).mean(dim=0)

def number(logits, targets):
    return 0.5

def cut(logits, targets):
    return (logits.detach() - targets).mean()

def rounded(logits, targets):
    return (logits.round().long() - targets.long()).float().mean()

def infinite(logits, targets):
    return (logits - logits).sqrt().mean(dim=1)

def stumbles(logits, targets):
    return logits.no_such_method()

text = "a text"
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_losses.py").write_text(OWN, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield "own_losses"


@pytest.mark.parametrize(
    ("spec", "arguments", "power"),
    [("by_row", {}, 2), ("by_row", {"power": 3}, 3), ("scalar", {}, 2), ("Power", {"power": 3}, 3)],
)
def test_own_losses_are_averaged_and_weighed_by_row(own, spec, arguments, power):
    loss, logits = loss_of("regression", f"{own}:{spec}", loss_arguments=arguments), logits_of("regression")
    difference = np.abs(logits.detach().numpy() - targets_of("regression")) ** power
    assert loss(logits, batch_of("regression")).item() == pytest.approx(difference.mean(), rel=1e-5)
    weights = torch.rand(ROWS)
    if spec == "scalar":
        with pytest.raises(ValueError, match=r"return one loss a row, \(B,\)"):
            loss(logits, batch_of("regression", weights))
        return
    expected = np.average(difference.mean(axis=1), weights=weights.numpy())
    assert loss(logits, batch_of("regression", weights)).item() == pytest.approx(expected, rel=1e-5)


def test_torchs_own_classes_go_by_the_same_key():
    loss = loss_of("regression", "torch.nn:HuberLoss", loss_arguments={"delta": 0.3})
    logits = logits_of("regression")
    expected = functional.huber_loss(logits, torch.from_numpy(targets_of("regression")), delta=0.3)
    assert loss(logits, batch_of("regression")).item() == pytest.approx(expected.item())


def test_class_weights_weigh_the_rows_of_an_own_loss(own):
    ours = loss_of("multiclass", f"{own}:classes", class_weights="balanced")
    named = loss_of("multiclass", "cross_entropy", class_weights="balanced")
    logits = logits_of("multiclass")
    found = ours(logits, batch_of("multiclass")).item()
    assert found == pytest.approx(named(logits, batch_of("multiclass")).item(), rel=1e-6)


def rehearse_loss(task, name, weights=None, subgroups=None, **training):
    y, names = targets_of(task), [str(number) for number in range(outputs_of(task))]
    targets = Targets(task, y, y, names, weights=weights, subgroups=subgroups)
    rehearse(Recipe(training=decided_training(loss=name, **training)), targets, 1, 0)


@pytest.mark.parametrize(("name", "task"), [(name, task) for name, task in NAMED if task != "ordinal"])
def test_named_losses_pass_the_rehearsal(name, task):
    rehearse_loss(task, name, np.zeros(ROWS, np.float32))


@pytest.mark.parametrize(
    ("spec", "task"), [("by_row", "regression"), ("Power", "multilabel"), ("classes", "multiclass")]
)
def test_own_losses_pass_the_rehearsal_which_leaves_the_random_numbers_alone(own, spec, task):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    rehearse_loss(task, f"{own}:{spec}", loss_arguments={"power": 2} if spec == "Power" else {})
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("spec", "training", "phrases"),
    [
        ("Powr", {}, ["did you mean Power?"]),
        ("one_argument", {}, ["the call fails: TypeError", "takes 1 positional argument", "(logits, targets) →"]),
        ("by_row", {"loss_arguments": {"powr": 3}}, ["unexpected keyword argument 'powr'"]),
        ("Power", {}, ["Power() fails: TypeError", "its signature is (power)", "training.loss_arguments"]),
        ("Power", {"loss_arguments": {"power": "x"}}, ["Power(power='x') fails: ValueError", "own_losses.py, line"]),
        ("NoModule", {}, ["a class must be a torch.nn.Module"]),
        ("Learnt", {}, ["it has weights, which no optimizer would train"]),
        ("elements", {}, ["it returns shape (2, 4)", "(B,)", "B = 2, C = 4"]),
        ("columns", {}, ["it returns shape (4,)", "a scalar or one loss a row"]),
        ("number", {}, ["it returns float, not a tensor"]),
        ("cut", {}, ["no gradient reaches the logits"]),
        ("rounded", {}, ["no gradient reaches the logits"]),
        ("infinite", {}, ["the gradient of the logits is not finite"]),
        ("stumbles", {}, ["AttributeError", "own_losses.py, line", "targets: (B, C) float32, scaled"]),
        ("text", {}, ["str is neither a function nor a class"]),
    ],
)  # fmt: skip
def test_an_own_loss_that_training_could_not_use_is_refused(own, spec, training, phrases):
    with pytest.raises(InputError) as caught:
        rehearse_loss("regression", f"{own}:{spec}", **training)
    for phrase in [f"recipe.training.loss = '{own}:{spec}': ", *phrases]:
        assert phrase in str(caught.value)


def test_an_own_loss_of_one_number_takes_no_row_weights(own):
    with pytest.raises(InputError, match=r"training.loss = .*rows have weights here.*return one loss a row"):
        rehearse_loss("regression", f"{own}:scalar", np.ones(ROWS, np.float32))
    rehearse_loss("regression", f"{own}:scalar")
    with pytest.raises(InputError, match="return one loss a row"):
        rehearse_loss("binary", f"{own}:scalar", subgroups=np.eye(ROWS, 2), subgroup_weights=True)


def test_an_own_loss_of_columns_takes_no_class_weights(own):
    with pytest.raises(InputError, match="does not know of them"):
        loss_of("binary", f"{own}:by_row", class_weights="balanced")


def test_logits_become_probabilities_or_stay_values():
    logits = torch.tensor([[0.0, 1.0]])
    assert to_predictions(logits, "multiclass").sum().item() == pytest.approx(1)
    assert to_predictions(logits, "multilabel")[0, 0].item() == 0.5
    for task in ("regression", "ordinal"):
        assert torch.equal(to_predictions(logits, task), logits)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("weights", [None, torch.linspace(0, 3, ROWS)])
def test_disagreement_is_the_symmetric_divergence_of_two_passes(task, weights):
    """Against `kl_div` of torch; auxiliary outputs do not count."""
    one, two = logits_of(task, 1), logits_of(task, 1).flip(0)
    found = loss_of(task).disagreement(torch.cat([one, two]), batch_of(task, weights))
    one, two = one[:, :-1], two[:, :-1]
    if TASKS[task].y == "values":
        rows = (one - two).square().mean(dim=1)
    else:
        if TASKS[task].y == "columns":  # each column is a choice of two
            one, two = (torch.stack([logits, torch.zeros_like(logits)], dim=-1) for logits in (one, two))
        parts = [part.log_softmax(dim=-1) for part in (one, two)]
        pairs = ((parts[0], parts[1]), (parts[1], parts[0]))
        both = [functional.kl_div(p, q, reduction="none", log_target=True).sum(-1) for p, q in pairs]
        rows = (both[0] + both[1]) / 2
        rows = rows.mean(dim=1) if rows.ndim == 2 else rows
    expected = rows.mean() if weights is None else (rows * weights).sum() / weights.sum()
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("columns", [1, 2])
def test_a_batch_twice_is_all_rows_and_all_of_them_again(columns):
    texts, rows = torch.arange(3 * columns), torch.arange(3)
    batch = Batch(texts[:, None], texts + 1, rows.float(), rows, weights=rows / 3, features=rows[:, None])
    twice = batch.twice()
    apart = texts.view(columns, 3)
    assert twice.tokens[:, 0].tolist() == torch.cat([apart, apart], dim=1).flatten().tolist()
    assert (twice.lengths - 1).tolist() == twice.tokens[:, 0].tolist()
    for name in ("targets", "rows", "weights", "features"):
        assert getattr(twice, name).tolist() == getattr(batch, name).tolist() * 2


def masked_batch(y, weights):
    lengths = torch.ones(len(y), dtype=torch.long)
    return Batch(lengths[:, None].int(), lengths, torch.from_numpy(y), torch.arange(len(y)), weights)


@pytest.mark.parametrize(("name", "task"), [pair for pair in NAMED if TASKS[pair[1]].y != "classes"])
@pytest.mark.parametrize("weighed", [False, True])
def test_unknown_targets_count_nowhere(name, task, weighed):
    y = targets_of(task)
    y[[0, 3], 0] = np.nan
    weights = torch.linspace(0.5, 2, ROWS) if weighed else None
    objective = Objective(decided_training(loss=name), task, y.shape[1], y)
    logits = torch.randn((ROWS, y.shape[1]), generator=torch.Generator().manual_seed(0), requires_grad=True)
    batch = masked_batch(y, weights)
    loss = objective(logits, batch)
    (gradient,) = torch.autograd.grad(loss, logits)
    known = torch.from_numpy(np.isfinite(y))
    assert loss.isfinite()
    assert (gradient[~known] == 0).all()
    assert (gradient[known] != 0).any()
    if y.shape[1] == 1 and name != "soft_f1_bce":  # then it is the loss of the rows that are known
        kept = known[:, 0]
        fewer = Objective(decided_training(loss=name), task, 1, y[kept.numpy()])
        part = masked_batch(y[kept.numpy()], None if weights is None else weights[kept])
        assert loss.item() == pytest.approx(fewer(logits[kept], part).item(), rel=1e-5)
    if name != "soft_f1_bce":  # which is of a batch, not of its rows
        parts = sum(objective(logits[part.rows], part, shares) for part, shares in objective.split(batch, 2))
        assert parts.item() == pytest.approx(loss.item(), rel=1e-5)


def test_a_loss_of_ones_own_refuses_unknown_targets(tmp_path, monkeypatch):
    (tmp_path / "my_masks.py").write_text("def loss(logits, targets):\n    return (logits - targets).abs().mean()\n")
    monkeypatch.syspath_prepend(tmp_path)
    y = np.array([[0.0], [np.nan]], np.float32)
    with pytest.raises(InputError, match="a loss of your own sees whole rows, and some targets are empty"):
        Objective(decided_training(loss="my_masks:loss"), "regression", 1, y)


def test_ones_weigh_by_the_known_rows():
    y = np.array([[1, 1], [0, np.nan], [0, np.nan], [np.nan, 0]], np.float32)
    settings = decided_training(class_weights="balanced")
    assert Objective(settings, "multilabel", 2, y).pos_weight.tolist() == [2, 1]
