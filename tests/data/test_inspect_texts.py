"""Which columns are texts, and which one is the group."""

import hashlib
import itertools
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from foldwise.data.inspect_tables import Question, Tables
from foldwise.data.inspect_texts import infer_group, infer_text, is_text
from foldwise.data.table import Table

RNG = random.Random(0)
ROWS = 200
PARTS = [
    "react",
    "vue",
    "node",
    "http",
    "parser",
    "stream",
    "file",
    "cache",
    "async",
    "redux",
    "router",
    "test",
    "config",
    "style",
    "image",
    "color",
    "date",
    "math",
]
WORDS = [
    "a",
    "the",
    "of",
    "plain",
    "fine",
    "dull",
    "old",
    "book",
    "film",
    "meal",
    "song",
    "was",
    "is",
    "and",
    "very",
    "rather",
    "for",
    "with",
    "my",
    "our",
    "coat",
    "story",
]


def some(make, rows=ROWS):
    return [make(row) for row in range(rows)]


def hashed(row: int) -> str:
    return hashlib.sha256(str(row).encode()).hexdigest()


def sentence(_: int) -> str:
    return " ".join(RNG.choices(WORDS, k=12))


def package(row: int) -> str:
    first, second = RNG.sample(PARTS, 2)
    return RNG.choice([f"{first}-{second}{row}", f"@{first}/{second}-{row}", f"lib{first} {second}"])


TEXTS = {
    "sentences": sentence,
    "names of packages": package,
    "japanese": lambda row: "".join(RNG.choices("差分リスト画像処理用の文書を変換する", k=12)) + str(row),
    "hindi": lambda row: " ".join(RNG.choices(["हिन्दी", "किताब", "पानी", "अच्छा", "लड़का"], k=6)) + str(row),
    "often empty": lambda row: "" if row % 3 else sentence(row),
}
NO_TEXTS = {
    "numbers": lambda row: f"{row / 7:.3f}",
    "prefixed ids": lambda row: f"n{row:010d}",
    "files": lambda row: f"picture_{row}.{['jpg', 'png'][row % 2]}",
    "hashes": hashed,
    "short hashes": lambda row: hashed(row)[:8],
    "uuids": lambda row: "-".join([hashed(row)[:8], hashed(row)[8:12], hashed(row)[12:16], hashed(row)[16:28]]),
    "links": lambda row: f"https://www.example.com/film/of-the-year/{row}",
    "mails": lambda row: f"{RNG.choice(PARTS)}{row}@example.com",
    "dates": lambda row: f"Mon Apr {row % 28:02d} 22:{row % 60:02d}:{row % 59:02d} PDT 2009",
    "iso dates": lambda row: f"2015-03-{row % 28:02d} 12:{row % 60:02d}:{row % 59:02d}",
    "categories": lambda _: RNG.choice(["sports news", "world news", "home and garden", "fine food"]),
    "keywords": lambda _: RNG.choice(["fire", "flood", "", "car%20crash"]),
    "empty": lambda _: "",
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_have_words_that_come_again(name):
    assert is_text(pd.Series(some(TEXTS[name])))


@pytest.mark.parametrize("name", NO_TEXTS)
def test_ids_dates_links_and_categories_are_no_texts(name):
    assert not is_text(pd.Series(some(NO_TEXTS[name])))


def make_tables(train: dict[str, list[str]], test: dict[str, list[str]]) -> Tables:
    sample = {"id": [str(row) for row in range(len(next(iter(test.values()))))]}
    frames = [pd.DataFrame(columns, dtype=object) for columns in (train, test, sample)]
    return Tables(*(Table(Path(f"{n}.csv"), frame, np.arange(len(frame)) + 2) for n, frame in enumerate(frames)))


def both(columns):
    """Tables whose test has the same columns as train, anew."""
    return make_tables(
        {name: some(make) for name, make in columns.items()}, {name: some(make, 60) for name, make in columns.items()}
    )


def test_every_text_column_is_used_in_the_order_of_the_file():
    everything = {**NO_TEXTS, **{name: TEXTS[name] for name in ("names of packages", "sentences")}}
    found = infer_text(both(everything), [])
    assert found.value == ["names of packages", "sentences"]
    assert "every column with words, read as one text: names of packages" in found.reason
    assert infer_text(both(everything), ["names of packages"]).value == ["sentences"]


def test_a_category_as_long_as_the_text_is_a_question():
    anchors = [sentence(0) for _ in range(8)]
    with pytest.raises(Question, match=r"--text phrase or --text anchor|--text anchor or --text phrase"):
        infer_text(both({"anchor": lambda _: RNG.choice(anchors), "phrase": sentence}), [])
    short = both({"author": lambda _: RNG.choice(["jane poe", "edgar shelley"]), "text": sentence})
    assert infer_text(short, []).value == ["text"]


def grouped(name="author", values=20, test_from=20, rows=60):
    """Tables with a column of 20 values in train and three in test."""
    train = {name: some(lambda row: f"{name} {row % values}"), "text": some(sentence)}
    return make_tables(
        train, {name: some(lambda row: f"{name} {test_from + row % 3}", rows), "text": some(sentence, rows)}
    )


def test_values_that_repeat_and_never_come_in_test_are_the_group():
    found = infer_group(grouped(), ["text"])
    assert found is not None
    assert found.value == "author"
    assert "20 values in 200 rows, and test's are none of them" in found.reason


@pytest.mark.parametrize(
    "tables",
    [
        grouped(test_from=19),  # one of test's is in train
        grouped(values=200),  # none repeats
        grouped(values=4),  # fewer than folds
        grouped(rows=9),  # too few rows of test to tell
    ],
)
def test_no_group(tables):
    assert infer_group(tables, ["text"]) is None


def test_one_value_of_many_rows_is_no_group():
    tables = grouped()
    tables.train.frame["author"] = ["author 0"] * 100 + [f"author {row % 20}" for row in range(100)]
    assert infer_group(tables, ["text"]) is None


def test_of_nested_groups_the_coarsest_and_of_others_a_question():
    tables = grouped("speech")
    for table, shift in ((tables.train, 0), (tables.test, 9)):
        numbers = [int(value.split()[1]) for value in table.frame["speech"]]
        table.frame["speaker"] = [f"s{shift + number // 3}" for number in numbers]
        table.frame["code"] = [f"c{shift + number // 3}" for number in numbers]
    assert infer_group(tables, ["text"]).value == "speaker"
    rooms = itertools.cycle(range(7))
    for table, house in ((tables.train, "a"), (tables.test, "b")):
        table.frame["room"] = [f"{house}{next(rooms)}" for _ in range(len(table))]
    with pytest.raises(Question, match="--group speaker or --group room or --group none"):
        infer_group(tables, ["text"])
