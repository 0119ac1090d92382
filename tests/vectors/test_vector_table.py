import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from foldwise.errors import InputError
from foldwise.paths import REPOSITORY
from foldwise.vectors.files import VectorFile
from foldwise.vectors.reading import STD_ROWS, VectorTable, read_vectors
from foldwise.vectors.table import build_vectors, random_vectors, spellings, wanted_words

TABLE = ["film", "movie", "not", "love", "stop", "happy", "co", "writer", "good", "cool", "cafe", "US"]


EMBEDDED = REPOSITORY / "input" / "embeddings" / "glove-6b-100d-50k.safetensors"


@pytest.fixture
def table(tmp_path):
    vectors = np.random.default_rng(0).normal(1, 2, (len(TABLE), 4)).astype(np.float16)
    save_file({"vectors": vectors}, tmp_path / "t.safetensors")
    (tmp_path / "t.txt").write_text("\n".join(TABLE) + "\n", encoding="utf-8")
    return tmp_path / "t.safetensors", dict(zip(TABLE, vectors.astype(np.float32), strict=True))


def build(words, counts, path):
    return build_vectors(words, counts, [read_vectors(VectorFile(path), wanted_words(words))])


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
    vectors, coverage = build(["<pad>", "<unk>", word], np.array([0, 0, 3]), path)
    assert np.allclose(vectors[2], np.mean([vector_of[part] for part in known], axis=0), atol=1e-6)
    assert (coverage.words, coverage.tokens) == (1, 1)
    assert coverage.exact_words == (word in TABLE)


def test_coverage_counts_words_and_tokens(table):
    words = ["<pad>", "<unk>", "film", "zzz", "films", "qqq"]
    _, coverage = build(words, np.array([0, 2, 5, 4, 3, 6]), table[0])
    assert coverage.words == 2 / 4
    assert coverage.exact_words == 1 / 4
    assert coverage.tokens == 8 / 20  # the 2 tokens outside the vocabulary count as uncovered
    assert coverage.uncovered == [("qqq", 6), ("zzz", 4)]
    assert coverage.lines() == [
        "vectors cover 50.0% of words (25.0% as written), 40.0% of tokens",
        "most frequent uncovered: qqq (6×), zzz (4×)",
    ]


def test_unknown_words_have_the_tables_spread_and_padding_is_zero(table):
    path, vector_of = table
    words = ["<pad>", "<unk>", *(f"#{index}" for index in range(4000))]
    vectors, _ = build(words, np.ones(len(words), dtype=np.int64), path)
    known = np.stack(list(vector_of.values()))
    assert (vectors[0] == 0).all()
    assert np.allclose(vectors[1:].std(axis=0), known.std(axis=0), rtol=0.1)
    assert np.allclose(vectors[1:].mean(axis=0), known.mean(axis=0), atol=0.2)
    again, _ = build(words, np.ones(len(words), dtype=np.int64), path)
    assert (vectors == again).all()


def test_spellings_start_with_the_nearest():
    assert next(spellings("Film")) == ["film"]
    assert [""] not in list(spellings("-"))
    assert (random_vectors(10, 3)[0] == 0).all()


def test_embedded_vectors_are_glove():
    vectors, coverage = build(["<pad>", "<unk>", "good", "great", "zinc"], np.ones(5, dtype=np.int64), EMBEDDED)
    good, great, other = (vector / np.linalg.norm(vector) for vector in vectors[2:])
    assert coverage.words == 1
    assert good @ great > 0.7
    assert good @ other < 0.3


def test_the_embedded_vectors_give_what_the_whole_table_in_memory_gives():
    """Byte for byte; the plain way of one table, which results of former versions came from."""
    table = load_file(EMBEDDED)["vectors"]
    names = EMBEDDED.with_suffix(".txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    row_of = {word: row for row, word in enumerate(names)}
    odd = ["zzzzq", "Films", "co-writers", "n't", "GOOOOD", "qqqqx", "Café's", "#1", "unhappiness", "#2"]
    words = ["<pad>", "<unk>", *names[::97], *(word.upper() + "s" for word in names[::501]), *odd]
    expected, unknown = np.zeros((len(words), 100), dtype=np.float32), [0, 1]
    for index, word in enumerate(words[2:], start=2):
        candidates = [[word], *spellings(word)]
        known = next((rows for rows in candidates if rows and all(part in row_of for part in rows)), None)
        if known is None:
            unknown.append(index)
        else:
            expected[index] = table[[row_of[part] for part in known]].astype(np.float32).mean(axis=0)
    frequent = table[:STD_ROWS].astype(np.float32)
    drawn = np.random.default_rng(0).standard_normal((len(unknown), 100), dtype=np.float32)
    expected[unknown] = drawn * frequent.std(axis=0) + frequent.mean(axis=0)
    expected[0] = 0
    vectors, coverage = build(words, np.ones(len(words), dtype=np.int64), EMBEDDED)
    assert len(unknown) > 5
    assert coverage.words == 1 - (len(unknown) - 2) / (len(words) - 2)
    assert vectors.tobytes() == expected.tobytes()


def make_table(name, words, dimension=3, seed=0, **facts):
    vectors = np.random.default_rng(seed).normal(seed, 1, (len(words), dimension)).astype(np.float32)
    return VectorTable(name, words, vectors, vectors.mean(axis=0), vectors.std(axis=0), **facts)


WORDS = ["<pad>", "<unk>", "both", "left", "right", "none", "Rights"]
COUNTS = np.array([0, 10, 50, 20, 10, 5, 5])


def test_several_tables_are_put_side_by_side():
    first, second = make_table("a", ["both", "left"]), make_table("b", ["right", "both"], dimension=5, seed=1)
    vectors, coverage = build_vectors(WORDS, COUNTS, [first, second])
    alone = [build_vectors(WORDS, COUNTS, [table], seed=seed)[0] for table, seed in ((first, 0), (second, 1))]
    assert vectors.tobytes() == np.concatenate(alone, axis=1).tobytes()
    assert vectors[2].tolist() == [*first.vectors[0], *second.vectors[1]]
    assert (coverage.words, coverage.exact_words, coverage.tokens) == (4 / 5, 3 / 5, 85 / 100)
    assert coverage.uncovered == [("none", 5)]
    assert coverage.lines() == [
        "vectors cover 80.0% of words (60.0% as written), 85.0% of tokens",
        "a covers 40.0% of words (40.0% as written), 70.0% of tokens",
        "b covers 60.0% of words (40.0% as written), 65.0% of tokens",
        "most frequent uncovered: none (5×)",
    ]


def test_the_mean_is_over_the_tables_that_have_the_word():
    first, second = make_table("a", ["both", "left"]), make_table("b", ["right", "both"], seed=1)
    vectors, coverage = build_vectors(WORDS, COUNTS, [first, second], "mean")
    assert np.allclose(vectors[2], (first.vectors[0] + second.vectors[1]) / 2)
    assert (vectors[3] == first.vectors[1]).all()
    assert (vectors[4] == second.vectors[0]).all()
    assert (vectors[6] == second.vectors[0]).all()  # Rights → right
    assert (vectors[0] == 0).all()
    assert coverage == build_vectors(WORDS, COUNTS, [first, second])[1]
    drawn = [build_vectors(WORDS, COUNTS, [table], seed=seed)[0] for table, seed in ((first, 0), (second, 1))]
    for nowhere in (1, 5):
        assert np.allclose(vectors[nowhere], (drawn[0][nowhere] + drawn[1][nowhere]) / 2)


def test_the_mean_of_one_table_is_the_table():
    table = make_table("a", ["both", "left"])
    alone = build_vectors(WORDS, COUNTS, [table])[0]
    assert build_vectors(WORDS, COUNTS, [table], "mean")[0].tobytes() == alone.tobytes()


def test_a_mean_wants_equal_dimensions():
    tables = [make_table("a", ["both"]), make_table("b", ["both"], dimension=5)]
    with pytest.raises(
        InputError, match=r'combine = "mean": vectors of different dimensions \(a 3, b 5\); use "concat"'
    ):
        build_vectors(WORDS, COUNTS, tables, "mean")


def test_malformed_rows_are_told():
    table = make_table("glove.txt", ["both"], malformed=1234, first_malformed="line 5: 2 values")
    lines = build_vectors(WORDS, COUNTS, [table, make_table("b.txt", ["both"])])[1].lines()
    assert lines[-1] == "glove.txt: malformed rows skipped: 1,234, the first: line 5: 2 values"
    assert len([line for line in lines if "malformed" in line]) == 1


def test_words_wanted_of_a_table_are_the_vocabulary_and_every_other_spelling():
    wanted = wanted_words(["<pad>", "<unk>", "co-Writers", "naïve"])
    assert {"co-Writers", "co-writers", "co", "writers", "cowriters", "naïve", "naive"} <= wanted
    assert "<unk>" not in wanted
