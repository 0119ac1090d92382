"""Where an encoder is looked for, and folders that are refused."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from encoders.test_states import files_of, learner_of, write
from encoders.tiny import make_encoder, read_texts
from foldwise.config import Encoder, Recipe
from foldwise.data.targets import Targets
from foldwise.encoders.files import find_encoder, load_body
from foldwise.encoders.learner import EncoderLearner
from foldwise.errors import InputError
from foldwise.paths import Paths, resolve


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("made") / "tiny-bert")


def paths_of(root: Path) -> Paths:
    (root / "input" / "x").mkdir(parents=True, exist_ok=True)
    (root / "input" / "x" / "train.csv").touch()
    return resolve("x", root / "input", None, root / "output")


@pytest.mark.parametrize("given", ["tiny-bert", "input/encoders/tiny-bert", "/nowhere/tiny-bert"])
@pytest.mark.parametrize("place", ["encoders/tiny-bert", "datasets/ada/tiny-bert", "datasets/ada/models/tiny-bert"])
def test_a_name_is_found_in_the_input_and_in_data_sets(tmp_path, encoder, given, place):
    there = tmp_path / "input" / place
    shutil.copytree(encoder, there)
    assert find_encoder(Encoder(path=given), paths_of(tmp_path)) == files_of(there)


def test_a_path_is_taken_as_it_is(tmp_path, encoder):
    assert find_encoder(Encoder(path=str(encoder)), paths_of(tmp_path)) == files_of(encoder)


def test_nothing_but_the_three_files_is_read(tmp_path, encoder):
    folder = shutil.copytree(encoder, tmp_path / "copy")
    (folder / "pytorch_model.bin").write_bytes(b"no pickle is opened")
    (folder / "adapter_config.json").write_text("{")
    (folder / "model.safetensors.index.json").write_text("{")
    assert sum(part.numel() for part in load_body(files_of(folder)).parameters()) > 0


def spoil_config(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def drop_weights(folder: Path) -> None:
    arrays = load_file(folder / "model.safetensors")
    kept = {name: part for name, part in arrays.items() if "layer.1." not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


def shrink(folder: Path) -> None:
    """An encoder that knows fewer tokens than its tokenizer gives."""
    arrays = load_file(folder / "model.safetensors")
    arrays["embeddings.word_embeddings.weight"] = arrays["embeddings.word_embeddings.weight"][:50].clone()
    save_file(arrays, folder / "model.safetensors", {"format": "pt"})
    spoil_config(folder, vocab_size=50)


SPOILT = {
    "no file": (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer.json; put it there, from where the others"),
    "pickle": (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "as pytorch_model.bin only, a pickle"),
    "shards": (lambda f: (f / "model.safetensors").rename(f / "model-00001-of-00002.safetensors"), "in 1 files; save them"),
    "decoder": (lambda f: spoil_config(f, model_type="gpt2"), "model_type 'gpt2' is not an encoder"),
    "decoding": (lambda f: spoil_config(f, is_decoder=True), "model_type 'bert' is not an encoder"),
    "unknown": (lambda f: spoil_config(f, model_type="zorp"), "transformers cannot load it"),
    "sizes": (lambda f: spoil_config(f, hidden_size=32), "transformers cannot load it"),
    "layers": (drop_weights, "lacks 16 weights of the model, such as encoder.layer.1."),
    "config": (lambda f: (f / "config.json").write_text("{"), "transformers cannot load it"),
    "weights": (lambda f: (f / "model.safetensors").write_bytes(b"zorp"), "transformers cannot load it"),
    "tokenizer": (lambda f: (f / "tokenizer.json").write_text("{}"), "not a tokenizer.json"),
    "vocabulary": (shrink, "it is of another encoder"),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILT)
def test_a_folder_that_cannot_be_read_is_refused_with_its_name(tmp_path, encoder, case):
    spoil, expected = SPOILT[case]
    folder = shutil.copytree(encoder, tmp_path / "spoilt")
    spoil(folder)
    with pytest.raises(InputError) as refused:
        found = find_encoder(Encoder(path=str(folder)), paths_of(tmp_path))
        (tmp_path / "own").mkdir()
        runtime = write.__globals__["RUNTIME"]
        learner_of(path=str(folder)).write_tokens([read_texts()], [20], found, tmp_path / "own", runtime)
    assert expected in str(refused.value)
    assert "spoilt" in str(refused.value)
    assert "InputError" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"path": ""}, "recipe.encoder.path = '': name the folder of the encoder"),
        ({"path": "zorp"}, "recipe.encoder.path = 'zorp': no such folder; put config.json, model.safetensors,"),
        ({"layers": [2, 7]}, "recipe.encoder.layers = [2, 7]: the encoder has layers 0 to 3"),
        ({"max_length": 257}, "recipe.encoder.max_length = 257: the encoder fails on a row of so many tokens: "),
        ({"max_length": 2}, "recipe.encoder.max_length = 2: 2 of these are special tokens; raise it"),
    ],
)
def test_settings_that_do_not_fit_the_encoder(tmp_path, encoder, settings, expected):
    with pytest.raises(InputError) as refused:
        found = find_encoder(Encoder(**{"path": str(encoder), **settings}), paths_of(tmp_path))
        write(tmp_path / "own", encoder, [["good"]], **{"path": str(encoder), "max_length": 16, **settings})
        assert found
    assert expected in str(refused.value)


def test_without_transformers_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    y = torch.zeros(2, 1).numpy()
    with pytest.raises(InputError, match=r"needs transformers: .*pip install -r requirements-encoders.txt"):
        learner_of().prepare(Targets("binary", y, y, ["y"]), 1, 0)


def test_attention_needs_training():
    y = torch.zeros(2, 1).numpy()
    with pytest.raises(InputError, match="'attention' has weights to train"):
        learner_of(pooling=["attention"]).prepare(Targets("binary", y, y, ["y"]), 1, 0)


def test_a_loss_that_fails_shows_before_training():
    recipe = {"model": {"name": "encoder"}, "encoder": {"train": "full"}, "training": {"loss": "zorp:loss"}}
    y = torch.zeros(2, 1).numpy()
    with pytest.raises(InputError, match="no module 'zorp'"):
        EncoderLearner(Recipe.model_validate(recipe)).prepare(Targets("binary", y, y, ["y"]), 1, 0)
