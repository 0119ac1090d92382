"""Word vectors distilled from an encoder, against its own states and scikit-learn's principal components."""

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sklearn.decomposition import PCA
from tokenizers import Tokenizer

from encoders.tiny import WIDTH, load_plainly, make_encoder
from foldwise.encoders.distil import STD, distil_words, reduce
from foldwise.errors import InputError
from foldwise.paths import REPOSITORY, resolve

WORDS = ["the", "film", "movies", "unbelievably", "co-writers", "good", "bad", "zzzq", "…", "not"]


def states_of(folder) -> np.ndarray:
    """Of each word alone the mean over its tokens and the upper two of three layers."""
    body, tokenizer = load_plainly(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    rows = []
    for word in WORDS:
        with torch.no_grad():
            states = body(torch.tensor([tokenizer.encode(word).ids]), output_hidden_states=True).hidden_states
        rows.append(torch.stack(states[2:]).mean(dim=(0, 1, 2)).numpy())
    return np.array(rows)


def test_components_are_scikit_learns_up_to_their_scale():
    states = np.random.default_rng(0).normal(size=(200, 12)) * np.arange(1, 13)
    expected = PCA(5).fit(states)
    components = expected.transform(states) / np.sqrt(np.sqrt(expected.explained_variance_))
    found = reduce(states, 5)
    assert found.std() == pytest.approx(STD)
    signs = np.sign((found * components).sum(axis=0))
    assert found == pytest.approx(components * signs * (STD / components.std()), abs=1e-9)
    assert np.array_equal(reduce(states, 5), found)


def test_words_get_the_components_of_the_encoders_own_states(tmp_path):
    folder = make_encoder(tmp_path / "encoder")
    paths = resolve("none", tmp_path, None, None)
    vectors, _ = distil_words(WORDS, str(folder), 4, paths)
    assert vectors.shape == (len(WORDS), 4)
    assert vectors.dtype == np.float16
    assert vectors == pytest.approx(reduce(states_of(folder), 4), abs=0.01)
    with pytest.raises(InputError, match=rf"--dimension 11: there are 10 words, and {WIDTH} numbers in a state"):
        distil_words(WORDS, str(folder), 11, paths)


def test_embedded_ones_are_of_glove_s_words_and_near_for_near_words():
    folder = REPOSITORY / "input" / "embeddings"
    names, other = ((folder / f"{name}.txt").read_bytes() for name in ("glove-6b-100d-50k", "minilm-l6-100d-50k"))
    assert names == other
    row_of = {word: row for row, word in enumerate(names.decode().splitlines())}
    vectors = load_file(folder / "minilm-l6-100d-50k.safetensors")["vectors"]
    assert vectors.shape == (50_000, 100)
    assert vectors.dtype == np.float16
    units = vectors / np.linalg.norm(vectors.astype(np.float32), axis=1, keepdims=True)
    film, movie, carbon = (units[row_of[word]] for word in ("film", "movie", "carbon"))
    assert film @ movie > 0.7
    assert film @ carbon < 0.3
