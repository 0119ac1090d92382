"""Earlier weights: which arrays a model takes, word vectors by their words, and what is refused."""

import hashlib
import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from foldwise.config import Model
from foldwise.errors import InputError
from foldwise.files import write_checked, write_record
from foldwise.learners.starting import Start, find_start, take_weights
from foldwise.models import Shape, build_model
from foldwise.paths import ALL_ROWS

OWN = {"targets": "t", "folds": "f"}


def make_model(words: int, outputs: int = 1, train_embedding: bool = True, seed: int = 0):
    settings = Model(hidden=4, train_embedding=train_embedding)
    vectors = np.random.default_rng(seed).normal(size=(words, 3)).astype(np.float32)
    return build_model(torch.from_numpy(vectors), Shape(outputs), settings, seed)


def keep(model, folder, words) -> Start:
    """What a fold of this model would have written."""
    save_file({name: value.clone() for name, value in model.state_dict().items()}, folder / "weights.safetensors")
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    return Start(folder / "weights.safetensors", folder / "vocab.json")


@given(
    here=st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True),
    there=st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True),
)
def test_vectors_go_by_their_words_and_all_else_by_name(here, there, tmp_path_factory):
    earlier, model = make_model(len(there), seed=1), make_model(len(here), seed=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    said = take_weights(model, keep(earlier, tmp_path_factory.mktemp("w"), there), here)
    both = set(here) & set(there)
    assert f"vectors of {len(both)} of {len(here)} words" in said
    state, old = model.state_dict(), earlier.state_dict()
    for row, word in enumerate(here):
        wanted = old["embedding.weight"][there.index(word)] if word in both else before["embedding.weight"][row]
        assert torch.equal(state["embedding.weight"][row], wanted)
    assert all(torch.equal(state[name], old[name]) for name in state if name != "embedding.weight")


def test_another_shape_is_refused_with_both(tmp_path):
    start = keep(make_model(2, outputs=3), tmp_path, "ab")
    expected = (
        "head.weight is (3, 16) there and (1, 16) here; it takes the same model, word vectors, features and outputs"
    )
    with pytest.raises(InputError, match=re.escape(expected)):
        take_weights(make_model(2), start, "ab")


def test_vectors_that_stand_still_stay(tmp_path):
    model = make_model(2, train_embedding=False, seed=2)
    before = model.state_dict()["embedding.weight"].clone()
    said = take_weights(model, keep(make_model(2, seed=1), tmp_path, "ab"), "ab")
    assert torch.equal(model.state_dict()["embedding.weight"], before)
    assert said.endswith("; not taken: embedding.weight")


def test_nothing_of_the_same_name_is_refused(tmp_path):
    save_file({"other": torch.zeros(2)}, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match="nothing in it has a name of this model"):
        take_weights(make_model(2), Start(tmp_path / "weights.safetensors", None), "ab")


def test_vectors_of_unknown_words_are_refused(tmp_path):
    start = keep(make_model(2), tmp_path, "ab")
    with pytest.raises(InputError, match="the words of its vectors are not known"):
        take_weights(make_model(2), Start(start.weights, None), "ab")


def make_fold(folder, fold, targets="t", folds="f"):
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"")
    record = {"fold": fold, "inputs": {"targets": targets, "folds": folds, "tokens": "x"}}
    write_record(folder / "fold.json", record)


def test_each_fold_starts_from_the_one_of_its_number(tmp_path):
    member = tmp_path / "slug" / "bilstm"
    for fold in range(2):
        make_fold(member / f"fold{fold}", fold)
    for fold in range(2):
        found = find_start(str(member), "bilstm", fold, OWN)
        assert found == Start(member / f"fold{fold}" / "weights.safetensors", None)
    assert find_start(str(member), "bilstm", ALL_ROWS, OWN).weights.is_relative_to(member)
    with pytest.raises(
        InputError, match=r"by which fold 2 is scored; give .*bilstm, so that each fold starts from the one"
    ):
        find_start(str(member), "bilstm", 2, OWN)
    with pytest.raises(InputError, match=r"by which fold 1 is scored; give .*bilstm"):
        find_start(str(member / "fold0"), "bilstm", 1, OWN)
    with pytest.raises(InputError, match="by which fold 1 is scored, as it had other folds"):
        find_start(str(member), "bilstm", 1, {**OWN, "folds": "g"})
    other = {**OWN, "targets": "another table"}
    assert find_start(str(member / "fold0"), "bilstm", 1, other).weights.parent == member / "fold0"
    assert find_start(str(member), "bilstm", 7, other).weights.parent == member / "fold0"


def test_packed_weights_of_the_same_contest_go_fold_by_fold(tmp_path):
    seen = {"facts": "", **OWN}
    packed = [{"fold": fold, "weights": [f"deep-fold{fold}.safetensors"], **seen} for fold in (0, 1)]
    words, parts = tmp_path / "vocabulary.txt", {}
    for name in ("vocabulary.txt", "deep-fold0.safetensors", "deep-fold1.safetensors"):
        (tmp_path / name).write_text(name)
        parts[name] = {"sha256": hashlib.sha256(name.encode()).hexdigest()}
    content = {"members": {"deep": {"folds": packed}, "linear": {"folds": []}}, "parts": parts}
    write_checked(tmp_path / "model.json", content)
    assert find_start(str(tmp_path), "bilstm", 1, OWN) == Start(tmp_path / "deep-fold1.safetensors", words)
    other = {**OWN, "targets": "another table"}
    assert find_start(str(tmp_path), "bilstm", 4, other) == Start(tmp_path / "deep-fold0.safetensors", words)
    with pytest.raises(InputError, match="by which fold 1 is scored, as it had other folds"):
        find_start(str(tmp_path), "bilstm", 1, {**OWN, "folds": "g"})
    with pytest.raises(InputError, match="has no fold 4 of deep, and others have seen the rows it is scored by"):
        find_start(str(tmp_path), "bilstm", 4, OWN)
    (tmp_path / "deep-fold0.safetensors").write_text("deep-fold1.safetensors")
    with pytest.raises(InputError, match=r"deep-fold0\.safetensors: damaged or missing; take that folder anew"):
        find_start(str(tmp_path), "bilstm", 0, OWN)
    write_checked(tmp_path / "model.json", {**content, "members": []})
    with pytest.raises(InputError, match=r"model.json: damaged \(1 validation error"):
        find_start(str(tmp_path), "bilstm", 0, OWN)


@pytest.mark.parametrize(
    ("name", "expected"), [("none", "no such folder"), ("", "no weights there; give a member's folder")]
)
def test_folders_without_weights(tmp_path, name, expected):
    with pytest.raises(InputError, match=expected):
        find_start(str(tmp_path / name), "bilstm", 0, OWN)
