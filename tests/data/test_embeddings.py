import numpy as np
import pytest
from safetensors.numpy import save_file

from foldwise.data.embeddings import build_vectors, random_vectors, spellings
from foldwise.paths import REPOSITORY

TABLE = ["film", "movie", "not", "love", "stop", "happy", "co", "writer", "good", "cool", "cafe", "US"]


@pytest.fixture
def table(tmp_path):
    vectors = np.random.default_rng(0).normal(1, 2, (len(TABLE), 4)).astype(np.float16)
    save_file({"vectors": vectors}, tmp_path / "t.safetensors")
    (tmp_path / "t.txt").write_text("\n".join(TABLE) + "\n", encoding="utf-8")
    return tmp_path / "t.safetensors", dict(zip(TABLE, vectors.astype(np.float32), strict=True))


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("film", ["film"]),
        ("FILM", ["film"]),
        ("us", ["US"]),
        ("films", ["film"]),
        ("movie's", ["movie"]),
        ("n't", ["not"]),
        ("loving", ["love"]),
        ("loved", ["love"]),
        ("stopped", ["stop"]),
        ("happiness", ["happy"]),
        ("goooood", ["good"]),
        ("coooool", ["cool"]),
        ("co-writer", ["co", "writer"]),
        ("café", ["cafe"]),
    ],
)
def test_fallbacks(table, word, known):
    path, vector_of = table
    vectors, coverage = build_vectors(["<pad>", "<unk>", word], np.array([0, 0, 3]), path)
    assert np.allclose(vectors[2], np.mean([vector_of[part] for part in known], axis=0), atol=1e-6)
    assert (coverage.words, coverage.tokens) == (1, 1)
    assert coverage.exact_words == (word in TABLE)


def test_coverage_counts_words_and_tokens(table):
    words = ["<pad>", "<unk>", "film", "zzz", "films", "qqq"]
    _, coverage = build_vectors(words, np.array([0, 2, 5, 4, 3, 6]), table[0])
    assert coverage.words == 2 / 4
    assert coverage.exact_words == 1 / 4
    assert coverage.tokens == 8 / 20  # the 2 tokens outside the vocabulary count as uncovered
    assert coverage.uncovered == [("qqq", 6), ("zzz", 4)]
    assert coverage.lines() == [
        "vectors cover 50.0% of words (25.0% as written), 40.0% of tokens",
        "most frequent uncovered: qqq 6, zzz 4",
    ]


def test_unknown_words_have_the_tables_spread_and_padding_is_zero(table):
    path, vector_of = table
    words = ["<pad>", "<unk>", *(f"#{index}" for index in range(4000))]
    vectors, _ = build_vectors(words, np.ones(len(words), dtype=np.int64), path)
    known = np.stack(list(vector_of.values()))
    assert (vectors[0] == 0).all()
    assert np.allclose(vectors[1:].std(axis=0), known.std(axis=0), rtol=0.1)
    assert np.allclose(vectors[1:].mean(axis=0), known.mean(axis=0), atol=0.2)
    again, _ = build_vectors(words, np.ones(len(words), dtype=np.int64), path)
    assert (vectors == again).all()


def test_spellings_start_with_the_nearest():
    assert next(spellings("Film")) == ["film"]
    assert [""] not in list(spellings("-"))
    assert (random_vectors(10, 3)[0] == 0).all()


def test_embedded_vectors_are_glove():
    vectors, coverage = build_vectors(
        ["<pad>", "<unk>", "good", "great", "zinc"], np.ones(5, dtype=np.int64),
        REPOSITORY / "input" / "embeddings" / "glove-6b-100d-50k.safetensors",
    )  # fmt: skip
    good, great, other = (vector / np.linalg.norm(vector) for vector in vectors[2:])
    assert coverage.words == 1
    assert good @ great > 0.7
    assert good @ other < 0.3
