"""The model that is trained on: padding, learning rates, frozen layers, checkpointing; a fold from end to end."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from encoders.test_states import KINDS, RUNTIME, files_of, learner_of, write
from encoders.tiny import LAYERS, load_plainly, make_encoder, read_texts
from foldwise.config import Encoder, Training
from foldwise.data.batching import BucketBatchSampler
from foldwise.data.dataset import TokenDataset, make_loader
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore
from foldwise.encoders.files import load_body
from foldwise.encoders.model import HEAD_RATE, EncoderModel
from foldwise.encoders.tokens import encode_rows, load_tokenizer
from foldwise.errors import InputError
from foldwise.learners import NewRows, Trained
from foldwise.models import Shape
from foldwise.training.checkpoint import find_checkpoint, write_checkpoint
from foldwise.training.fold_data import FoldData
from foldwise.training.losses import Objective
from foldwise.training.optimizers import build_optimizers
from foldwise.training.prediction import predict
from foldwise.training.state import TrainingState
from foldwise.training.trainer import Trainer
from training import decided_training

TEXTS = read_texts()
STEADY = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}  # one draw less that may differ


def build(encoder, outputs=1, **settings) -> EncoderModel:
    torch.manual_seed(0)
    return EncoderModel(load_body(files_of(encoder)), outputs, Encoder(train="full", **settings))


def store_of(encoder) -> TokenStore:
    return encode_rows([TEXTS], load_tokenizer(encoder / "tokenizer.json", 64, False))


@pytest.mark.parametrize("kind", KINDS)
def test_bucketed_batches_give_what_rows_give_alone(tmp_path, kind):
    encoder = make_encoder(tmp_path / "encoder", kind)
    pooling = ["mean", "max", "cls", "attention"]
    model, store = build(encoder, pooling=pooling).eval(), store_of(encoder)
    dataset = TokenDataset(store, np.arange(len(store)))
    expected = predict(model, dataset, RUNTIME).numpy()
    found = np.empty_like(expected)
    with torch.no_grad():
        for batch in make_loader(dataset, BucketBatchSampler(dataset.lengths, 4, seed=1)):
            found[batch.rows] = model(batch.tokens, batch.lengths).numpy()
    assert found == pytest.approx(expected, abs=1e-4)
    # The states that are pooled are transformers' own.
    row = torch.from_numpy(store.row(0)).long()[None]
    with torch.no_grad():
        states = load_plainly(encoder)(input_ids=row).last_hidden_state
        pooled = torch.cat([pool(states, None) for pool in model.pool], dim=1)
        assert model.head(pooled)[0].item() == pytest.approx(expected[0].item(), abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_each_layer_has_its_learning_rate(tmp_path, kind):
    model = build(make_encoder(tmp_path / "encoder", kind), layer_decay=0.5)
    (optimizer,) = build_optimizers(model, Training(learning_rate=0.01, weight_decay=0.1))
    rates, decays = {}, {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            rates[parameter], decays[parameter] = group["lr"], group["weight_decay"]
    assert optimizer.param_groups[0]["lr"] == 0.01 * HEAD_RATE
    named = dict(model.named_parameters())
    assert set(rates) == set(named.values())
    for name, parameter in named.items():
        depth = 0 if "embedding" in name else LAYERS
        for layer in range(LAYERS):
            depth = layer + 1 if f"layer.{layer}." in name or f"layers.{layer}." in name else depth
        expected = HEAD_RATE if name.startswith("head.") else 0.5 ** (LAYERS - depth)
        assert rates[parameter] == pytest.approx(0.01 * expected), name
        assert decays[parameter] == (0.1 if parameter.ndim > 1 else 0)


def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path):
    encoder = make_encoder(tmp_path / "encoder", **STEADY)
    store, y = store_of(encoder), (np.arange(len(TEXTS)) % 3 == 0).astype(np.float32)[:, None]
    dataset = TokenDataset(store, np.arange(len(store)), torch.from_numpy(y))
    (batch,) = make_loader(dataset, [np.argsort(-dataset.lengths).tolist()])
    gradients = []
    for parts in (1, 3, 99):
        settings = decided_training(accumulation=parts, class_weights="balanced")
        trainer = Trainer(build(encoder).train(), Objective(settings, "binary", 1, y), settings, 10, RUNTIME)
        trainer.backward(batch)
        gradients.append(
            torch.cat([part.grad.flatten() for part in trainer.model.parameters() if part.grad is not None])
        )
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)
    assert torch.allclose(gradients[0], gradients[2], atol=1e-6)


def test_checkpointing_changes_no_gradient(tmp_path):
    encoder = make_encoder(tmp_path / "encoder", **STEADY)
    row = torch.from_numpy(store_of(encoder).row(0))[None]
    gradients = []
    for on in (False, True):
        model = build(encoder, gradient_checkpointing=on).train()
        model(row, torch.tensor([row.shape[1]])).sum().backward()
        gradients.append(torch.cat([part.grad.flatten() for part in model.parameters() if part.grad is not None]))
    assert torch.allclose(gradients[0], gradients[1], atol=1e-7)


def test_more_frozen_layers_than_there_are(tmp_path):
    with pytest.raises(InputError, match=r"recipe.encoder.freeze_layers = 4: the encoder has 3; lower it"):
        build(make_encoder(tmp_path / "encoder"), freeze_layers=4)


@pytest.mark.parametrize("freeze", [0, 2])
def test_a_fold_predicts_as_its_checkpoint_does_and_frozen_layers_stay(tmp_path, freeze):
    encoder = make_encoder(tmp_path / "encoder")
    paths = SimpleNamespace(own_tokens=lambda _: tmp_path / "own", embeddings=(), mounts=())
    settings = {"train": "full", "path": str(encoder), "freeze_layers": freeze, "epochs": 2, "learning_rate": 1e-3}
    write(tmp_path / "own", encoder, [TEXTS], **settings)
    store = TokenStore.open(tmp_path / "own")
    count = len(TEXTS) - 6
    y = (np.arange(count) % 2).astype(np.float32)[:, None]
    data = FoldData(store, np.empty((0, 0), np.float32), Targets("binary", y, y, ["y"]), np.arange(count) % 2)
    learner = learner_of(**settings)
    job = SimpleNamespace(paths=paths, member="m", fold=0, metric="log_loss", runtime=RUNTIME, limit=None, epochs=None)
    job.open_state = lambda _: TrainingState()
    result = learner.fit(data, job, lambda _: None)

    before = {f"body.{name}": value for name, value in load_body(files_of(encoder)).state_dict().items()}
    frozen = [name for name in before if freeze and ("embeddings" in name or "layer.0." in name or "layer.1." in name)]
    assert not set(frozen) & set(result.weights[0])
    moved = [name for name in before if name in result.weights[0] and not result.weights[0][name].equal(before[name])]
    assert len(moved) > 10

    write_checkpoint(tmp_path, result.weights, result.facts)
    (tmp_path / "later").mkdir()
    packed = {name: encoder / name for name in learner.packed_files()}
    assert ("model.safetensors" in packed) == bool(freeze)
    learner.write_tokens([TEXTS[count:]], [6], packed, tmp_path / "later", RUNTIME)
    trained = Trained(0, tmp_path, 0, Shape(1), replace(data.targets, y=y[:0]), packed)
    rows = NewRows(TokenStore.open(tmp_path / "later"), [], None, np.empty(0), trained, tmp_path / "later")
    checkpoint = find_checkpoint(tmp_path, ["weights.safetensors"])
    assert learner.predict(checkpoint, rows, RUNTIME, lambda _: None).tobytes() == result.test.tobytes()
