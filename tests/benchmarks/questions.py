"""A competition of question-like texts at any size; the defaults are those of Quora Insincere Questions.

    .venv/bin/python tests/benchmarks/questions.py --rows 1310000 --test-rows 376000 /tmp/contest/input/questions

Each text is a run of consecutive words of the embedded movie reviews, so punctuation, case and word order are real; the
vocabulary is theirs too, smaller than a contest's. Lengths are log-normal. The same seed gives the same bytes.
"""

import argparse
import csv
import string
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from foldwise.files import write_csv
from foldwise.paths import CONFIG, REPOSITORY

TRAIN_ROWS, TEST_ROWS = 1_310_000, 376_000
LONGEST = 130  # words
MEDIAN, SPREAD = 10.95, 0.58  # of the log-normal: its mean is MEDIAN * exp(SPREAD² / 2) = 13
POSITIVE = 0.06
SKEW = 1.5  # of the words' weights, log-normal too: a few words decide, as insults do
NOISE = 0.3  # standard deviation, where that of what the words say is 1
ID_DIGITS = 20

TOML = """\
[competition]
slug = "{slug}"
title = "Questions made from movie reviews"
task = "binary"
metric = "f1"

[columns]
id = "id"
text = ["text"]
target = ["target"]

[submission]
kind = "label"
"""


def write_competition(folder: Path, train_rows: int, test_rows: int, seed: int = 0) -> None:
    """Fill `folder`, whose name becomes the slug, with the CSVs and competition.toml; say what is in them."""
    rng = np.random.default_rng(seed)
    rows = train_rows + test_rows
    stream = read_stream()
    lengths = draw_lengths(rng, rows)
    starts = draw_starts(rng, lengths, len(stream))
    # Runs that begin near the end go on at the beginning.
    circle = stream + stream[:LONGEST]
    targets = draw_targets(rng, circle, starts, lengths)
    ids = draw_ids(rng, rows)

    n = train_rows
    train = zip(ids[:n], cut_texts(circle, starts[:n], lengths[:n]), targets[:n].tolist(), strict=True)
    test = zip(ids[n:], cut_texts(circle, starts[n:], lengths[n:]), strict=True)
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "train.csv", ["id", "text", "target"], train)
    write_csv(folder / "test.csv", ["id", "text"], test)
    write_csv(folder / "sample_submission.csv", ["id", "target"], ((row_id, 0) for row_id in ids[n:]))
    (folder / CONFIG).write_text(TOML.format(slug=folder.name), encoding="utf-8")
    print(
        f"{folder}: {train_rows:,} + {test_rows:,} rows, {lengths.mean():.2f} words on average, "
        f"median {np.median(lengths):.0f}, longest {lengths.max()}; {targets[:n].mean():.1%} of train positive",
        flush=True,
    )


def read_stream() -> list[str]:
    """The words, as white space parts them, of all embedded snippets one after the other."""
    words: list[str] = []
    for name in ("train", "test"):
        with (REPOSITORY / "input" / "movie-reviews" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                words += row["text"].split()
    return words


def draw_lengths(rng: np.random.Generator, rows: int) -> np.ndarray:
    """(rows,) int64 words per text."""
    return np.rint(rng.lognormal(np.log(MEDIAN), SPREAD, rows)).clip(1, LONGEST).astype(np.int64)


def draw_starts(rng: np.random.Generator, lengths: np.ndarray, places: int) -> np.ndarray:
    """(rows,) int64 places in the stream: random, and different for texts of one length while there are enough.

    Drawn one by one, a quarter of the texts of a contest's size would stand twice, which no contest has.
    """
    order = np.argsort(lengths, kind="stable")
    counts = np.bincount(lengths)
    rank = np.empty(len(lengths), dtype=np.int64)  # of a text among those of its length
    rank[order] = np.arange(len(lengths)) - np.repeat(np.cumsum(counts) - counts, counts)
    shift = rng.integers(places, size=len(counts))
    return rng.permutation(places)[(rank + shift[lengths]) % places]


def draw_targets(rng: np.random.Generator, words: list[str], starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(rows,) int64 0 or 1: each distinct word has a random weight, and 1 is where they and some noise add up highest.

    The sum is divided by the root of the length: then texts of any length are equally likely to be 1.
    """
    bare = [word.strip(string.punctuation).lower() for word in words]
    distinct, which = np.unique(bare, return_inverse=True)
    weights = rng.lognormal(sigma=SKEW, size=len(distinct))[which]
    total = np.concatenate([[0.0], np.cumsum(weights - weights.mean())])
    scores = (total[starts + lengths] - total[starts]) / np.sqrt(lengths)
    scores += NOISE * scores.std() * rng.normal(size=len(scores))
    return (scores > np.quantile(scores, 1 - POSITIVE)).astype(np.int64)


def draw_ids(rng: np.random.Generator, rows: int) -> list[str]:
    """Ids of 20 hex digits; at 80 random bits two that are equal need not be feared, and foldwise would refuse them."""
    digits = rng.bytes(rows * ID_DIGITS // 2).hex()
    return [digits[first : first + ID_DIGITS] for first in range(0, len(digits), ID_DIGITS)]


def cut_texts(words: list[str], starts: np.ndarray, lengths: np.ndarray) -> Iterator[str]:
    """The texts, made one after the other while they are written."""
    joined = " ".join(words)
    # Where each word begins in `joined`, and one more: where a word after the last would.
    begin = np.concatenate([[0], np.cumsum([len(word) + 1 for word in words])])
    first, last = begin[starts].tolist(), (begin[starts + lengths] - 1).tolist()
    return (joined[i:j] for i, j in zip(first, last, strict=True))


def main() -> None:
    """Write one competition."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR/SLUG")
    parser.add_argument("--rows", type=int, default=TRAIN_ROWS, help="of train.csv")
    parser.add_argument("--test-rows", type=int, default=TEST_ROWS)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.perf_counter()
    write_competition(arguments.folder, arguments.rows, arguments.test_rows, arguments.seed)
    print(f"{time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
