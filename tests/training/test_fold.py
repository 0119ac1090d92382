"""One fold against a plain loop written here: DataLoader, dense average, no early stopping object."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

from foldwise.clock import Clock
from foldwise.config import Model, Recipe
from foldwise.data.batching import BucketBatchSampler
from foldwise.data.dataset import TokenDataset, make_loader, pad_collate
from foldwise.data.splits import HIDDEN, TRAIN_ONLY
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore
from foldwise.errors import RunError
from foldwise.events import Evaluated, Event, Started
from foldwise.metrics import METRICS, Metric
from foldwise.models import Shape, build_model
from foldwise.training.all_rows import train_on_all
from foldwise.training.first_stage import FirstStage
from foldwise.training.fold import GivenUpError, fold_seed, train_fold
from foldwise.training.fold_data import FoldData, Lesson, Scale, Units
from foldwise.training.precision import Runtime
from foldwise.training.prediction import predict
from foldwise.training.progress import Limit, Progress
from foldwise.training.schedules import LearningRate
from foldwise.training.skipping import StoppedError
from foldwise.training.state import TrainingState
from training import DECIDED

RUNTIME = Runtime(torch.device("cpu"), "fp32", 1)


def recipe(**training) -> Recipe:
    settings = {**DECIDED, "epochs": 5, "evaluations_per_epoch": 2, "patience": 3, "learning_rate": 0.02, **training}
    content = {"batches": {"size": 8, "group": 3}, "model": {"hidden": 6}, "training": settings}
    return Recipe.model_validate(content)


def make_data(task="binary", rows=90, test_rows=17) -> FoldData:
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 12, rows + test_rows)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    store = TokenStore(rng.integers(1, 30, offsets[-1], dtype=np.int32), offsets)
    signal = np.array([(store.row(row) < 12).sum() - (store.row(row) > 18).sum() for row in range(rows)])
    classes = np.clip(signal + 1, 0, 2).astype(np.int64)
    positive, values = (signal > 0).astype(np.float32)[:, None], 1000 + 50.0 * signal[:, None]
    targets = {
        "binary": Targets("binary", positive, positive, ["target"]),
        "multiclass": Targets("multiclass", classes, classes, ["a", "b", "c"]),
        "regression": Targets("regression", values, values, ["value"]),
        "ordinal": Targets("ordinal", classes[:, None].astype(float), classes, ["1", "2", "3"]),
    }[task]
    vectors = rng.normal(size=(30, 5)).astype(np.float32)
    vectors[0] = 0
    return FoldData(store, vectors, targets, np.arange(rows) % 3)


def scores_of(history: list[Evaluated]) -> list[float]:
    assert all(record.score is not None for record in history)
    return [record.score for record in history if record.score is not None]


def plain_training(data: FoldData, settings: Recipe, fold: int, best_step: int) -> dict[str, torch.Tensor]:
    """Averaged weights after `best_step` steps, by PyTorch's own pieces: AdamW, SparseAdam for the vectors, and a dense
    average of all weights.
    """
    seed, training = fold_seed(settings.seed, "bilstm", fold), settings.training
    model: Any = build_model(torch.from_numpy(data.vectors), Shape(1), settings.model, seed)
    rows = np.flatnonzero(data.folds != fold)
    sampler = BucketBatchSampler(data.store.lengths[rows], settings.batches.size, settings.batches.group, seed)
    dataset = TokenDataset(data.store, rows, torch.from_numpy(data.targets.y))
    table = model.embedding.weight
    rest = [value for value in model.parameters() if value is not table]
    optimizers = [
        torch.optim.AdamW(rest, lr=training.learning_rate, weight_decay=training.weight_decay),
        torch.optim.SparseAdam([table], lr=training.embedding_learning_rate),
    ]
    steps = training.epochs * len(sampler)
    rate = LearningRate(optimizers, training, steps)
    averages = {name: value.detach().clone() for name, value in model.named_parameters()}
    step = 0
    for epoch in range(training.epochs):
        sampler.set_epoch(epoch)
        # A generator of its own, or the loader would draw from the one that dropout draws from.
        own = torch.Generator()
        for batch in DataLoader(dataset, batch_sampler=sampler, collate_fn=pad_collate, generator=own):
            model.train()
            loss = functional.binary_cross_entropy_with_logits(model(batch.tokens, batch.lengths), batch.targets)
            model.zero_grad()
            loss.backward()
            table.grad = table.grad.coalesce()
            parts = [table.grad.values(), *(value.grad for value in rest)]
            norm = torch.stack([part.square().sum() for part in parts]).sum().sqrt()
            if norm > training.max_grad_norm:
                for part in parts:
                    part.mul_(training.max_grad_norm / norm)
            rate.set(step / steps)
            for optimizer in optimizers:
                optimizer.step()
            step += 1
            decay = min(training.ema, (1 + step) / (10 + step))
            for name, value in model.named_parameters():
                averages[name] += (1 - decay) * (value.detach() - averages[name])
            if step == best_step:
                return averages
    raise AssertionError("the best step lies behind the end")


def test_stopped_early_means_the_weights_of_the_best_evaluation():
    data, settings = make_data(), recipe(epochs=15, embedding_learning_rate=0.05)
    result = train_fold(data, settings, "bilstm", 1, METRICS["roc_auc"], RUNTIME, lambda _: None)
    best = [record for record in result.history if record.best][-1]
    assert best is not result.history[-1], "the case must stop after its best evaluation to prove anything"
    assert best.score == max(scores_of(result.history))
    expected = plain_training(data, settings, 1, best.step)
    for name, value in expected.items():
        assert torch.allclose(result.weights[0][name], value, atol=1e-5), name


def test_without_dropout_both_passes_of_r_drop_agree_and_it_is_plain_training():
    data, plain = make_data(), recipe(epochs=2)
    model = plain.model.model_copy(update={"dropout": 0.0, "spatial_dropout": 0.0})
    plain = plain.model_copy(update={"model": model})
    twice = plain.model_copy(update={"training": plain.training.model_copy(update={"r_drop": 4.0})})
    found = [train_fold(data, of, "bilstm", 1, METRICS["roc_auc"], RUNTIME, lambda _: None) for of in (plain, twice)]
    assert found[0].oof == pytest.approx(found[1].oof, abs=1e-5)
    dropped = twice.model_copy(update={"model": recipe().model})
    other = train_fold(data, dropped, "bilstm", 1, METRICS["roc_auc"], RUNTIME, lambda _: None)
    assert np.abs(other.oof - found[0].oof).max() > 1e-3


def test_predictions_are_those_of_the_kept_weights_row_by_row():
    data, settings = make_data(), recipe()
    result = train_fold(data, settings, "bilstm", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    model = build_model(torch.from_numpy(data.vectors), Shape(1), settings.model, 0)
    model.load_state_dict(result.weights[0])
    model.eval()

    def alone(row: int) -> float:
        tokens = torch.from_numpy(data.store.row(row))[None]
        padded = tokens if tokens.shape[1] else torch.zeros(1, 1, dtype=torch.int32)
        return torch.sigmoid(model(padded, torch.tensor([tokens.shape[1]]))).item()

    assert result.rows.tolist() == np.flatnonzero(data.folds == 0).tolist()
    assert result.oof[:, 0] == pytest.approx([alone(row) for row in result.rows], abs=1e-6)
    assert result.test[:, 0] == pytest.approx([alone(row) for row in range(90, 107)], abs=1e-6)


def test_the_same_bytes_twice_and_other_folds_do_not_matter():
    data, settings = make_data(), recipe(epochs=2)
    first, again = (train_fold(data, settings, "m", 2, METRICS["accuracy"], RUNTIME, lambda _: None) for _ in range(2))
    train_fold(data, settings, "m", 0, METRICS["accuracy"], RUNTIME, lambda _: None)
    after = train_fold(data, settings, "m", 2, METRICS["accuracy"], RUNTIME, lambda _: None)
    for other in (again, after):
        assert all(torch.equal(value, other.weights[0][name]) for name, value in first.weights[0].items())
        assert first.oof.tobytes() == other.oof.tobytes()
        assert first.test.tobytes() == other.test.tobytes()


@pytest.mark.parametrize(("task", "metric"), [("multiclass", "log_loss"), ("regression", "rmse"), ("ordinal", "rmse")])
def test_other_tasks_learn(task, metric):
    data = make_data(task, rows=400)
    result = train_fold(data, recipe(epochs=12, patience=24, ema=0.9), "m", 0, METRICS[metric], RUNTIME, lambda _: None)
    scores = scores_of(result.history)
    assert min(scores) < 0.75 * scores[0]
    if task == "regression":  # in the target's own units, though trained on scaled ones
        assert 700 < result.test.mean() < 1300
    elif task == "ordinal":  # on the scale of class numbers
        assert 0 < result.test.mean() < 2
    else:
        assert result.test.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_tokens_and_frozen_vectors_are_mapped_not_copied(tmp_path):
    data = make_data()
    data.store.save(tmp_path)
    np.save(tmp_path / "vectors.npy", data.vectors)
    store, vectors = TokenStore.open(tmp_path), np.load(tmp_path / "vectors.npy", mmap_mode="c")
    assert TokenDataset(store, np.arange(107)).tokens.data_ptr() == store.tokens.ctypes.data
    frozen: Any = build_model(torch.from_numpy(vectors), Shape(1), Model(hidden=4, train_embedding=False), 0)
    assert frozen.embedding.weight.data_ptr() == vectors.ctypes.data
    trained: Any = build_model(torch.from_numpy(vectors), Shape(1), Model(hidden=4), 0)
    assert trained.embedding.weight.data_ptr() != vectors.ctypes.data


def test_frozen_vectors_are_not_among_the_kept_weights_and_predictions_use_them():
    data = make_data()
    settings = Recipe.model_validate(
        {**recipe(epochs=2).model_dump(), "model": {"hidden": 6, "train_embedding": False}}
    )
    before = data.vectors.copy()
    result = train_fold(data, settings, "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    assert "embedding.weight" not in result.weights[0]
    assert data.vectors.tobytes() == before.tobytes()
    model = build_model(torch.from_numpy(data.vectors), Shape(1), settings.model, 0)
    model.load_state_dict(result.weights[0], strict=False)
    expected = torch.sigmoid(predict(model, TokenDataset(data.store, np.arange(90, 107)), RUNTIME))
    assert torch.equal(torch.from_numpy(result.test), expected)


def test_a_plateau_follows_the_validation_score():
    arguments = {"patience": 0, "factor": 0.5, "threshold": 1.0}  # no score is better by so much
    settings = recipe(schedule="plateau", schedule_arguments=arguments, epochs=2, patience=99)
    result = train_fold(make_data(), settings, "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    assert [record.learning_rate for record in result.history] == [0.02, 0.01, 0.005, 0.0025]


def test_class_weights_come_from_training_rows_alone():
    data, settings = make_data(), recipe(class_weights="balanced", epochs=1)
    result = train_fold(data, settings, "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    other = replace(data, targets=replace(data.targets, y=np.where(data.folds[:, None] == 0, 1, data.targets.y)))
    again = train_fold(other, settings, "m", 0, METRICS["accuracy"], RUNTIME, lambda _: None)
    assert result.history[0].loss == again.history[0].loss
    plain = train_fold(data, recipe(epochs=1), "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    assert result.history[0].loss != plain.history[0].loss


def test_units_of_targets_and_features_come_from_training_rows_alone():
    data, settings = make_data("regression"), recipe(epochs=1, evaluations_per_epoch=1)
    rng = np.random.default_rng(8)
    features, auxiliary = rng.normal(size=(len(data.store), 2)), rng.normal(size=(90, 1))
    data = replace(data, targets=replace(data.targets, auxiliary=auxiliary), features=features)
    result = train_fold(data, settings, "m", 0, METRICS["rmse"], RUNTIME, lambda _: None)
    outside = data.folds == 0
    y, beside = (np.where(outside[:, None], 1e6, part) for part in (data.targets.y, auxiliary))
    strange = replace(data.targets, y=y, auxiliary=beside)
    of_test = np.concatenate([outside, np.ones(len(data.store) - 90, dtype=bool)])
    other = replace(data, targets=strange, features=np.where(of_test[:, None], -1e6, features))
    again = train_fold(other, settings, "m", 0, METRICS["rmse"], RUNTIME, lambda _: None)
    assert result.history[0].loss == again.history[0].loss
    assert all(torch.equal(value, again.weights[0][name]) for name, value in result.weights[0].items())


def test_batches_by_tokens_train_and_the_schedule_ends_at_zero():
    data, settings = make_data(), recipe(epochs=3, patience=99)
    by_tokens = Recipe.model_validate({**settings.model_dump(), "batches": {"tokens": 60, "group": 3}})
    result = train_fold(data, by_tokens, "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    assert result.history[-1].learning_rate == pytest.approx(0, abs=1e-12)
    assert np.isfinite(result.test).all()


def test_a_batch_of_one_row_trains():
    data = make_data(rows=10, test_rows=1)
    settings = recipe(epochs=1)
    content = settings.model_dump()
    content["batches"] = {"size": 2, "group": 1}
    data = replace(data, folds=np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1]))  # 3 training rows: 2 and 1
    result = train_fold(data, Recipe.model_validate(content), "m", 0, METRICS["log_loss"], RUNTIME, lambda _: None)
    assert np.isfinite(result.test).all()


def test_a_score_that_is_always_nan_is_a_fault_not_a_best():
    nan = Metric(lambda *_: float("nan"), True, "probability", ("column",))
    with pytest.raises(RunError, match="fold 0 of m: no evaluation gave a finite score"):
        train_fold(make_data(), recipe(epochs=2), "m", 0, nan, RUNTIME, lambda _: None)


def test_a_loss_that_is_not_finite_stops_the_fold():
    data = make_data("binary")
    settings = recipe(
        learning_rate=1e30, warmup=0.0, max_grad_norm=1e30, ema=0.0
    )  # the first step throws the weights away
    reached: list[Event] = []
    with pytest.raises(
        StoppedError, match=r"became nan or infinite at step 3, and in 6 of 8 steps, .* of 9\.4e\+29"
    ) as caught:
        train_fold(data, settings, "m", 0, METRICS["roc_auc"], RUNTIME, reached.append)
    assert len(caught.value.rows) <= settings.batches.size
    assert [type(event) for event in reached] == [Started, Evaluated]


class FailsAt(nn.Module):
    """Binary cross entropy that is NaN at some batches of training, from the `first` to the `last`, counted from 1."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__()
        self.first, self.last, self.calls = first, last, 0

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        loss = functional.binary_cross_entropy_with_logits(logits, targets)
        return loss * float("nan") if self.first <= self.calls <= self.last else loss


def test_a_fold_that_stops_names_step_and_batch_and_keeps_the_best_weights():
    data, settings = (
        make_data(),
        recipe(epochs=9, patience=99, loss=f"{__name__}:FailsAt", loss_arguments={"first": 40, "last": 999}),
    )
    with pytest.raises(StoppedError, match=r"at step 40, and in 13 of 52 steps, the last at .* 0\.0\d+") as caught:
        train_fold(data, settings, "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    error = caught.value
    rows = np.flatnonzero(data.folds != 0)
    batches = settings.batches
    sampler = BucketBatchSampler(data.store.lengths[rows], batches.size, batches.group, fold_seed(0, "m", 0))
    epoch, place = divmod(51, len(sampler))
    sampler.set_epoch(epoch)
    assert error.rows.tolist() == rows[sampler.batches[place]].tolist()
    before = recipe(epochs=9, patience=99, loss="bce")
    whole = train_fold(data, before, "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    assert [r.score for r in error.history if r.step < 40] == [r.score for r in whole.history if r.step < 40]
    model = build_model(torch.from_numpy(data.vectors), Shape(1), settings.model, 0)
    model.load_state_dict(error.best)
    logits = predict(model, TokenDataset(data.store, np.flatnonzero(data.folds == 0)), RUNTIME)
    best = max(scores_of(error.history))
    assert roc_auc_score(data.targets.truth[data.folds == 0], logits) == pytest.approx(best)


def test_snapshots_average_the_predictions_of_the_best_evaluations():
    data, several = make_data(), recipe(snapshots=3, patience=99)
    result = train_fold(data, several, "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    single = train_fold(data, recipe(patience=99), "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    assert len(result.weights) == 3
    assert all(torch.equal(value, single.weights[0][name]) for name, value in result.weights[0].items())
    parts = []
    for weights in result.weights:
        model = build_model(torch.from_numpy(data.vectors), Shape(1), several.model, 0)
        model.load_state_dict(weights)
        logits = predict(model, TokenDataset(data.store, result.rows), RUNTIME)
        parts.append(torch.sigmoid(logits).numpy())
    scores = [roc_auc_score(data.targets.truth[result.rows], part) for part in parts]
    assert scores == pytest.approx(sorted(scores_of(result.history), reverse=True)[:3])
    assert result.oof == pytest.approx(np.mean(parts, axis=0), abs=1e-6)


def test_features_are_standardised_on_training_rows_and_learnt_from():
    data = make_data(rows=300)
    rng = np.random.default_rng(5)
    y = (rng.random((300, 1)) < 0.5).astype(np.float32)  # in no word of the text
    features = np.vstack([5000 + 100 * y, np.full((17, 1), 5100.0)])
    features[7] = np.nan
    data = replace(data, targets=Targets("binary", y, y, ["target"]), features=features)
    result = train_fold(data, recipe(epochs=12, patience=99), "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    assert max(scores_of(result.history)) > 0.95
    assert (result.test > 0.5).all()
    rows = np.flatnonzero(data.folds != 0)
    scaled = Scale.fit(features, rows).apply(features)
    known = rows[np.isfinite(features[rows, 0])]
    assert scaled[known].mean() == pytest.approx(0, abs=1e-5)
    assert scaled[known].std() == pytest.approx(1, abs=1e-2)
    assert scaled[7] == 0


def test_auxiliary_targets_and_weights_reach_the_loss_and_not_the_predictions():
    data = make_data()
    plain = train_fold(data, recipe(epochs=2), "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    one = np.ones(len(data.folds), dtype=np.float32)
    weighted = replace(data, targets=replace(data.targets, weights=one))
    same = train_fold(weighted, recipe(epochs=2), "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    assert same.oof == pytest.approx(plain.oof, abs=1e-5)
    other = replace(data, targets=replace(data.targets, weights=one * (1 + 9 * (np.arange(len(one)) % 2))))
    moved = train_fold(other, recipe(epochs=2), "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    assert np.abs(moved.oof - plain.oof).max() > 1e-3
    beside = replace(data, targets=replace(data.targets, auxiliary=np.hstack([data.targets.y, 1 - data.targets.y])))
    helped = train_fold(beside, recipe(epochs=2), "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    assert helped.oof.shape == plain.oof.shape
    assert helped.weights[0]["head.weight"].shape[0] == 3
    assert np.abs(helped.oof - plain.oof).max() > 1e-4


def test_vectors_stand_still_until_they_are_let_go():
    data = make_data()
    start = torch.from_numpy(data.vectors)
    kept = {}
    for unfreeze in (2, 3):
        settings = recipe(epochs=4, evaluations_per_epoch=1, patience=99, unfreeze_epoch=unfreeze, snapshots=4)
        result = train_fold(data, settings, "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
        order = np.argsort([-score for score in scores_of(result.history)], kind="stable")
        kept[unfreeze] = {int(epoch): weights for epoch, weights in zip(order, result.weights, strict=True)}
    assert torch.equal(kept[2][1]["embedding.weight"], start)
    assert not torch.equal(kept[2][2]["embedding.weight"], start)
    assert torch.equal(kept[3][2]["embedding.weight"], start)
    assert torch.equal(kept[2][1]["head.weight"], kept[3][1]["head.weight"])


def test_several_texts_a_row_are_encoded_apart():
    data = make_data(rows=300)
    lengths = np.diff(data.store.offsets)
    offsets = np.sort(np.concatenate([data.store.offsets, data.store.offsets[:-1] + lengths // 2]))
    data = replace(data, store=TokenStore(data.store.tokens, offsets, columns=2))
    result = train_fold(data, recipe(epochs=8, patience=99), "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    assert max(scores_of(result.history)) > 0.75


def test_bucketed_predictions_are_the_unbucketed_ones():
    data = make_data()
    model = build_model(torch.from_numpy(data.vectors), Shape(1), recipe().model, 0).eval()
    rows = np.random.default_rng(2).permutation(len(data.store))
    dataset = TokenDataset(data.store, rows)
    (batch,) = make_loader(dataset, [list(range(len(rows)))])  # all rows at once, in the order asked for
    with torch.inference_mode():
        expected = model(batch.tokens, batch.lengths)
    assert torch.allclose(predict(model, dataset, RUNTIME), expected, atol=1e-6)


def test_seeds_differ_by_member_and_fold():
    seeds = {fold_seed(seed, member, fold) for seed in (0, 1) for member in ("a", "b") for fold in range(5)}
    assert len(seeds) == 20


@pytest.mark.parametrize("epochs", [1.5, 3, 7])
def test_a_fold_whose_time_runs_out_ends_in_time_with_its_learning_rate_at_its_end(epochs, monkeypatch):
    """A clock that only moves at a look; 60 steps an epoch of which each takes 1 s, so that 20 epochs do not fit."""
    times = SimpleNamespace(now=0.0)

    def now() -> float:
        times.now += 0.01
        return times.now

    monkeypatch.setattr(Clock, "now", staticmethod(now))
    settings = recipe(epochs=20, patience=99, loss=f"{__name__}:takes_a_second")
    monkeypatch.setitem(globals(), "times", times)
    deadline = 8 * epochs + 10
    seen: list[Event] = []
    result = train_fold(make_data(), settings, "m", 0, METRICS["roc_auc"], RUNTIME, seen.append, Limit(deadline))
    last = result.history[-1]
    assert times.now <= deadline
    assert epochs - 1.5 <= last.epoch <= epochs + 1.5
    assert last.learning_rate == pytest.approx(0, abs=1e-9)
    assert result.shortened
    assert result.hurried
    assert [event for event in seen if isinstance(event, Evaluated)] == result.history


@pytest.mark.parametrize(("first", "step", "seconds", "ended"), [(4.0, 0.06, 66.0, False), (14.0, 14.0, 30.0, True)])
def test_what_is_loaded_before_the_first_step_does_not_end_a_training(monkeypatch, first, step, seconds, ended):
    """Of a fold of 1,200 steps: only where a step is as slow as the first one there is no time for two."""
    times = SimpleNamespace(now=0.0)
    monkeypatch.setattr(Clock, "now", lambda: times.now)
    progress = Progress(make_data(), 0, recipe(epochs=6).training, 1200, Limit(seconds))
    times.now += first
    shares = [progress.after(1)]
    for number in range(2, 30):
        times.now += step
        shares.append(progress.after(number))
    assert shares == sorted(shares)
    assert (shares[1] == 1) is ended
    assert (shares[-1] < 0.15) is not ended


def test_the_fastest_step_so_far_tells_that_there_is_no_time_for_the_predictions(monkeypatch):
    """Steps of 4 s, and predictions that take about 270 of 300 s: there is no waiting for ten of them."""
    times = SimpleNamespace(now=0.0)
    monkeypatch.setattr(Clock, "now", lambda: times.now)
    data = make_data()
    progress = Progress(data, 0, recipe(epochs=6).training, 360, Limit(300.0))
    progress.test_tokens = round(2.2 * progress.train_tokens)
    shares = []
    for number in range(1, 4):
        times.now += 4.0
        shares.append(progress.after(number))
    assert shares[0] < 1
    assert shares[1] == 1


def takes_a_second(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Binary cross entropy, on the clock of the test that asks for it."""
    times.now += 1
    return functional.binary_cross_entropy_with_logits(logits, targets)


times = SimpleNamespace(now=0.0)


def test_a_fold_that_its_time_ends_too_early_is_given_up():
    limit = Limit(Clock.now(), least=0.75)
    with pytest.raises(GivenUpError):
        train_fold(make_data(), recipe(epochs=50), "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None, limit)


def test_time_enough_changes_no_byte():
    data, settings = make_data(), recipe(epochs=2)
    free = train_fold(data, settings, "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    limit = Limit(Clock.now() + 3600)
    timed = train_fold(data, settings, "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None, limit)
    assert free.test.tobytes() == timed.test.tobytes()
    assert not timed.hurried


def test_a_fold_without_time_ends_with_what_it_has():
    result = train_fold(
        make_data(), recipe(epochs=50, patience=99), "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None,
        Limit(Clock.now()),
    )  # fmt: skip
    assert result.history[-1].step == 1
    assert np.isfinite(result.test).all()
    assert result.shortened


def same(one, other) -> bool:
    return one.oof.tobytes() == other.oof.tobytes() and one.test.tobytes() == other.test.tobytes()


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "ordinal"])
def test_a_lesson_of_the_labels_is_the_training_without_one(task):
    data, settings, metric = (
        make_data(task),
        recipe(epochs=2),
        METRICS["rmse" if task in ("regression", "ordinal") else "log_loss"],
    )
    rows, _ = data.split(1)
    taught = replace(data, lesson=Lesson(rows, data.targets.y[rows]))
    plain, again = (train_fold(part, settings, "m", 1, metric, RUNTIME, lambda _: None) for part in (data, taught))
    assert same(plain, again)
    other = replace(data, lesson=Lesson(rows, data.targets.y[rows][::-1].copy()))
    assert not same(plain, train_fold(other, settings, "m", 1, metric, RUNTIME, lambda _: None))


def test_test_rows_join_with_their_weight():
    data, settings = make_data(), recipe(epochs=2)
    rows, _ = data.split(1)
    both = np.concatenate([rows, data.test_rows])
    y = np.vstack([data.targets.y[rows], np.ones((len(data.test_rows), 1), np.float32)])
    plain, means = train_fold(data, settings, "m", 1, METRICS["log_loss"], RUNTIME, lambda _: None), []
    for weight in (1e-6, 0.5, 5.0):
        weights = np.repeat(np.float32([1, weight]), [len(rows), len(data.test_rows)])
        taught = replace(data, lesson=Lesson(both, y, weights))
        result = train_fold(taught, settings, "m", 1, METRICS["log_loss"], RUNTIME, lambda _: None)
        assert result.oof.shape == plain.oof.shape
        means.append(result.test.mean())
    assert np.diff(means).min() > 0.05


def test_rows_of_no_fold_take_no_part():
    data, settings = make_data(), recipe(epochs=2)
    hidden = data.folds == 0
    y = data.targets.y.copy()
    y[hidden] = 1 - y[hidden]
    blind = replace(data, folds=np.where(hidden, HIDDEN, data.folds))
    other = replace(blind, targets=Targets("binary", y, y, ["target"]))
    first, second = (
        train_fold(part, settings, "m", 2, METRICS["roc_auc"], RUNTIME, lambda _: None) for part in (blind, other)
    )
    assert same(first, second)
    assert blind.split(2)[0].tolist() == np.flatnonzero(data.folds == 1).tolist()


@pytest.mark.parametrize("fold", [1, 2])
def test_rows_that_are_only_trained_on_are_in_every_training_and_in_no_validation(fold):
    data = make_data()
    always = np.arange(0, 90, 3)
    data = replace(data, folds=np.where(data.folds == 0, TRAIN_ONLY, data.folds))
    train_rows, valid_rows = data.split(fold)
    assert set(always) <= set(train_rows)
    assert not set(always) & set(valid_rows)
    assert sorted([*train_rows, *valid_rows]) == list(range(90))


def test_the_first_stage_is_training_as_ever():
    data, settings = make_data(), recipe(epochs=2, extra_epochs=2, evaluations_per_epoch=1, snapshots=9)
    rows, _ = data.split(1)
    plain = train_fold(data, settings, "m", 1, METRICS["roc_auc"], RUNTIME, lambda _: None)
    units = Units.fit(data, rows)
    stage = FirstStage(data, Lesson(rows, data.targets.y[rows]), settings, units, fold_seed(0, "m", 1), RUNTIME)
    weights = stage.train(Progress(data, 1, settings.training, 2 * stage.steps, None), lambda _: None, TrainingState())
    assert any(all(torch.equal(value, kept[name]) for name, value in weights.items()) for kept in plain.weights)


@pytest.mark.parametrize("auxiliary", [False, True])
def test_extra_rows_are_seen_first_and_never_predicted(auxiliary):
    data, settings = make_data(), recipe(epochs=1, extra_epochs=6, learning_rate=0.01)
    if auxiliary:
        targets = replace(data.targets, auxiliary=data.targets.y)
        data = replace(data, targets=targets)
    extra, y = np.arange(100, 107), np.ones((7, 1), np.float32)
    two = replace(data, extra=7, first=Lesson(extra, y))
    seen: list[Event] = []
    result = train_fold(two, settings, "m", 1, METRICS["roc_auc"], RUNTIME, seen.append)
    plain = train_fold(replace(data, extra=7), settings, "m", 1, METRICS["roc_auc"], RUNTIME, lambda _: None)
    assert result.test.shape == plain.test.shape == (10, 1)
    assert isinstance(seen[0], Started)
    assert seen[0].steps == 6 * 1 + 8  # of the extra rows, then of 60 training rows
    assert result.test.mean() > plain.test.mean()


def test_the_model_on_all_rows_is_what_a_fold_of_them_would_have_been():
    """One row less makes next to no difference to the loss, and none to the schedule."""
    settings, metric = recipe(epochs=4, evaluations_per_epoch=1, patience=99), METRICS["rmse"]
    data = replace(make_data("regression"), folds=np.where(np.arange(90) < 89, 0, 1))
    result = train_on_all(data, settings, "m", 3.0, RUNTIME, lambda _: None)
    assert [entry.epoch for entry in result.history] == [1, 2, 3]
    assert [entry.best for entry in result.history] == [False, False, True]
    assert len(result.oof) == len(result.rows) == 0
    assert result.test.shape == (17, 1)
    again = train_on_all(data, settings, "m", 3.0, RUNTIME, lambda _: None)
    assert result.test.tobytes() == again.test.tobytes()
    shorter = train_on_all(data, settings, "m", 2.5, RUNTIME, lambda _: None)
    assert shorter.history[-1].epoch == pytest.approx(2.5, abs=0.05)
    fold = train_fold(data, settings, "m", 1, metric, RUNTIME, lambda _: None)
    assert fold.history[2].loss == pytest.approx(result.history[2].loss, rel=0.2)
    assert fold.history[2].learning_rate == pytest.approx(result.history[2].learning_rate, rel=0.05)


def test_a_time_limit_holds_for_both_stages(monkeypatch):
    now = 0.0

    def tick() -> float:
        nonlocal now
        now += 0.01
        return now

    monkeypatch.setattr(Clock, "now", tick)
    data = replace(make_data(), extra=7, first=Lesson(np.arange(100, 107), np.ones((7, 1), np.float32)))
    settings = recipe(epochs=20, extra_epochs=200, patience=99)
    result = train_fold(data, settings, "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None, Limit(4.0))
    assert result.shortened
    assert now < 4.0
    assert result.history[-1].epoch < 20


def test_a_loss_that_is_no_number_in_the_first_stage_names_its_rows():
    nothing = np.full(7, np.nan, np.float32)
    first = Lesson(np.arange(100, 107), np.ones((7, 1), np.float32), nothing)
    data = replace(make_data(), extra=7, first=first)
    with pytest.raises(StoppedError) as stopped:
        train_fold(data, recipe(epochs=1, extra_epochs=1), "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None)
    assert sorted(stopped.value.rows.tolist()) == list(range(100, 107))
