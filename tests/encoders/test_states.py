"""Tokens and states of a frozen encoder against transformers' own model, row by row, without padding."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from encoders.tiny import LAYERS, WIDTH, load_plainly, make_encoder, read_texts
from foldwise.config import Recipe
from foldwise.data.token_store import TokenStore
from foldwise.encoders.files import FILES
from foldwise.encoders.learner import EncoderLearner
from foldwise.encoders.states import choose_layers
from foldwise.encoders.tokens import TYPE_BIT
from foldwise.errors import RunError
from foldwise.training.fold import GivenUpError
from foldwise.training.precision import Runtime
from training import DECIDED

RUNTIME = Runtime(torch.device("cpu"), "fp32", 1)
KINDS = ["bert", "roberta", "deberta-v2", "modernbert"]


def files_of(folder: Path) -> dict[str, Path]:
    return {name: folder / name for name in FILES}


def learner_of(**encoder) -> EncoderLearner:
    return EncoderLearner(
        Recipe.model_validate(
            {"model": {"name": "encoder"}, "encoder": encoder, "batches": {"size": 32}, "training": DECIDED}
        )
    )


def write(folder: Path, encoder: Path, columns, counts=None, deadline=None, **settings) -> TokenStore:
    folder.mkdir()
    counts = counts or [len(columns[0])]
    learner_of(**settings).write_tokens(columns, counts, files_of(encoder), folder, RUNTIME, deadline)
    return TokenStore.open(folder)


def states_plainly(encoder: Path, rows, layers) -> np.ndarray:
    """Mean and max over all tokens of each layer's states; of a row at a time."""
    model, tokenizer = load_plainly(encoder), Tokenizer.from_file(str(encoder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    found = []
    for row in rows:
        encoding = tokenizer.encode(*row)
        given = {"input_ids": torch.tensor([encoding.ids])}
        if getattr(model.config, "type_vocab_size", 0) > 1:
            given["token_type_ids"] = torch.tensor([encoding.type_ids])
        with torch.no_grad():
            hidden = model(**given, output_hidden_states=True).hidden_states
        parts = [part for layer in layers for part in (hidden[layer][0].mean(0), hidden[layer][0].amax(0))]
        found.append(torch.cat(parts).numpy())
    return np.stack(found)


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_those_of_transformers(tmp_path, kind):
    encoder, texts = make_encoder(tmp_path / "encoder", kind), [*read_texts(), ""]
    store = write(tmp_path / "own", encoder, [texts], [12, 9], layers=[1, 3])
    states = np.load(tmp_path / "own" / "states.npy")
    assert (states.dtype, states.shape) == (np.float16, (21, 2 * 2 * WIDTH))
    assert store.row(20).tolist() == [2, 3]  # special tokens alone
    expected = states_plainly(encoder, [(text,) for text in texts], [1, 3])
    assert states == pytest.approx(expected, abs=2e-3 * float(np.abs(expected).max()))
    assert expected.std(axis=0).min() > 1e-3  # rows differ


@pytest.mark.parametrize("kind", ["bert", "deberta-v2"])
def test_two_columns_are_a_pair_with_types(tmp_path, kind):
    encoder, texts = make_encoder(tmp_path / "encoder", kind), read_texts()
    columns = [texts, texts[::-1]]
    store = write(tmp_path / "own", encoder, columns, layers=[LAYERS])
    types = store.row(0) >> TYPE_BIT
    assert set(types.tolist()) == {0, 1}
    expected = states_plainly(encoder, list(zip(*columns, strict=True)), [LAYERS])
    assert np.load(tmp_path / "own" / "states.npy") == pytest.approx(expected, abs=2e-3 * float(np.abs(expected).max()))


def test_three_columns_are_joined_by_the_separator(tmp_path):
    encoder = make_encoder(tmp_path / "encoder")
    store = write(tmp_path / "own", encoder, [["a"], ["b"], ["c"]])
    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    assert tokenizer.decode(store.row(0).tolist(), skip_special_tokens=False) == "[CLS] a [SEP] b [SEP] c [SEP]"


def test_rows_of_a_table_have_the_same_bytes_beside_any_other(tmp_path):
    encoder, texts = make_encoder(tmp_path / "encoder"), read_texts()
    write(tmp_path / "both", encoder, [texts], [13, len(texts) - 13])
    write(tmp_path / "alone", encoder, [texts[13:]])
    both, alone = (np.load(tmp_path / name / "states.npy") for name in ("both", "alone"))
    assert both[13:].tobytes() == alone.tobytes()


def test_long_rows_are_cut_to_length(tmp_path):
    encoder = make_encoder(tmp_path / "encoder")
    store = write(tmp_path / "own", encoder, [["good " * 99, "bad"]], max_length=10)
    assert store.lengths.tolist()[0] == 10
    assert store.row(0)[-1] == 3  # still ends as the tokenizer ends texts


def test_what_a_budget_has_no_time_for_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("foldwise.encoders.states.TRIED", 0.0)
    with pytest.raises(GivenUpError):
        write(tmp_path / "own", make_encoder(tmp_path / "encoder"), [read_texts()], deadline=0.0)


def test_states_that_are_no_numbers_are_not_learnt_from(tmp_path):
    encoder = make_encoder(tmp_path / "encoder")
    arrays = load_file(encoder / "model.safetensors")
    arrays["encoder.layer.0.output.dense.weight"][0] = float("nan")
    save_file(arrays, encoder / "model.safetensors", {"format": "pt"})
    with pytest.raises(RunError, match="states of the encoder are not finite in fp32; use"):
        write(tmp_path / "own", encoder, [read_texts()])


@pytest.mark.parametrize(
    ("depth", "layers"), [(6, [2, 3, 4, 5, 6]), (12, [4, 6, 8, 10, 12]), (24, [8, 12, 16, 20, 24]), (2, [1, 2])]
)
def test_auto_takes_layers_from_a_third_of_the_way_up(depth, layers):
    assert choose_layers("auto", depth) == layers
    assert choose_layers([0, 1], depth) == [0, 1]


@pytest.mark.skipif("FOLDWISE_ENCODER" not in os.environ, reason="FOLDWISE_ENCODER names no folder of an encoder")
def test_a_real_encoder(tmp_path):
    encoder, texts = Path(os.environ["FOLDWISE_ENCODER"]), read_texts()
    write(tmp_path / "own", encoder, [texts], layers=[1, 2])
    expected = states_plainly(encoder, [(text,) for text in texts], [1, 2])
    assert np.load(tmp_path / "own" / "states.npy") == pytest.approx(expected, abs=2e-3 * float(np.abs(expected).max()))
