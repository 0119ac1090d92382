"""Make the embedded competition and its word vectors from their sources. Run once; the results are committed.

    PYTHONPATH=src python input/make_embedded.py vader_snippets.csv glove.6B.100d.top50k.txt.gz all-MiniLM-L6-v2

The last one is a folder with the encoder's config.json, model.safetensors and tokenizer.json; it takes
`pip install -r requirements-encoders.txt`. Writes `input/movie-reviews/{train,test,sample_submission,solution}.csv`,
`input/embeddings/glove-6b-100d-50k.{safetensors,txt}` and `minilm-l6-100d-50k.{safetensors,txt}`. Sources and licences:
input/README.md.
"""

import csv
import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from foldwise.encoders.distil import distil_words
from foldwise.paths import resolve

HERE = Path(__file__).resolve().parent


def in_test(row_id: str) -> bool:
    """A fifth of the ids, by a hash that does not depend on row order, platform or Python version."""
    return int.from_bytes(hashlib.sha256(row_id.encode()).digest()[:8], "big") % 5 == 0


def write_csv(name: str, header: list[str], rows: list[list[str]]) -> None:
    """One file of the competition, with plain line ends on every platform."""
    with (HERE / "movie-reviews" / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def make_competition(snippets: Path) -> None:
    """`target` = people found the snippet positive; snippets rated exactly 0 are neither and are dropped."""
    with snippets.open(encoding="utf-8", newline="") as file:
        movie = [row for row in csv.DictReader(file) if row["domain"] == "movie" and float(row["valence"]) != 0]
    train, test, solution = [], [], []
    for row in movie:
        target = str(int(float(row["valence"]) > 0))
        if in_test(row["id"]):
            test.append([row["id"], row["text"]])
            solution.append([row["id"], target])
        else:
            train.append([row["id"], row["text"], target])
    write_csv("train.csv", ["id", "text", "target"], train)
    write_csv("test.csv", ["id", "text"], test)
    write_csv("solution.csv", ["id", "target"], solution)
    write_csv("sample_submission.csv", ["id", "target"], [[row_id, "0"] for row_id, _ in test])
    print(f"movie-reviews: {len(train)} train rows, {len(test)} test rows")


def make_embeddings(glove: Path) -> None:
    """float16 keeps three decimals, which is what GloVe's own text file is good for, in half the bytes."""
    words, vectors = [], []
    with gzip.open(glove, "rt", encoding="utf-8") as file:
        for line in file:
            word, *values = line.rstrip("\n").split(" ")
            words.append(word)
            vectors.append(np.array(values, dtype=np.float16))
    save_file({"vectors": np.stack(vectors)}, HERE / "embeddings" / "glove-6b-100d-50k.safetensors")
    (HERE / "embeddings" / "glove-6b-100d-50k.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    print(f"embeddings: {len(words)} words of {len(vectors[0])} dimensions")


def make_distilled(encoder: Path) -> None:
    """What MiniLM makes of the same words, as `./run.sh vectors distil` has it."""
    words = (HERE / "embeddings" / "glove-6b-100d-50k.txt").read_text(encoding="utf-8").splitlines()
    vectors, seconds = distil_words(words, str(encoder.resolve()), 100, resolve("movie-reviews", None, None, None))
    save_file({"vectors": vectors}, HERE / "embeddings" / "minilm-l6-100d-50k.safetensors")
    (HERE / "embeddings" / "minilm-l6-100d-50k.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    print(f"embeddings: {len(words)} words distilled in {seconds:.0f} s")


if __name__ == "__main__":
    make_competition(Path(sys.argv[1]))
    make_embeddings(Path(sys.argv[2]))
    make_distilled(Path(sys.argv[3]))
