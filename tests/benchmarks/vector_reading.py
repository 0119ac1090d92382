"""Reading a large file of word vectors: 2.2 million words of 300 dimensions in GloVe's text format (Linux).

    .venv/bin/python tests/benchmarks/vector_reading.py --folder /tmp/vectors
    .venv/bin/python tests/benchmarks/vector_reading.py --rows 20000 --vocabulary 5000

Makes the file (5.7 GB), reads it for a vocabulary of 200,000 words in a process of its own as the token stage does, then
once more out of the cache, prints seconds and peak memory of each, and deletes the file. Where memory has room for it, the
file is still there from writing: the disk's own speed is not in the figures.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from foldwise.data.tokenizer import SPECIAL
from foldwise.vectors.cache import read_table
from foldwise.vectors.files import VectorFile, content_hash
from foldwise.vectors.table import build_vectors, wanted_words

DIMENSION = 300
POOL = 2000  # different vectors, as text; every word has one of them
PIECE = 20_000  # lines written together
KNOWN = 0.9  # share of the vocabulary that the file has


def forms(rows: int) -> Iterator[str]:
    """Words of the file: for each ten, six in lower case, three of these capitalised and one in capitals, as GloVe 840B."""
    for row in range(rows):
        group, place = divmod(row, 10)
        word = spell(6 * group + (place if place < 6 else place - 6))
        yield word if place < 6 else word.capitalize() if place < 9 else word.upper()


def spell(number: int) -> str:
    """A word of letters for a number, different for each."""
    letters = ""
    while number or len(letters) < 4:
        number, place = divmod(number, 26)
        letters += chr(ord("a") + place)
    return letters


def write_vectors(path: Path, rows: int) -> None:
    """GloVe's text format: a word and numbers with five decimals."""
    rng = np.random.default_rng(0)
    pool = [" ".join(f"{value:.5f}" for value in rng.normal(0, 0.4, DIMENSION)) for _ in range(POOL)]
    lines = []
    with path.open("w", encoding="utf-8") as file:
        for word, chosen in zip(forms(rows), rng.integers(POOL, size=rows).tolist(), strict=True):
            lines.append(f"{word} {pool[chosen]}\n")
            if len(lines) == PIECE:
                file.writelines(lines)
                lines.clear()
        file.writelines(lines)


def vocabulary(rows: int, size: int) -> list[str]:
    """Words to look up: nine tenths from all over the file, in lower case; the rest are not in it."""
    chosen = np.random.default_rng(1).permutation(rows * 6 // 10)[: int(KNOWN * size)]
    return SPECIAL + [spell(number) for number in chosen.tolist()] + [f"{spell(n)}#" for n in range(size - len(chosen))]


def read(path: Path, rows: int, size: int) -> dict[str, float]:
    """What the token stage does with the file; seconds of each step, and this process's peak memory in GB."""
    words, seconds, source, cache = vocabulary(rows, size), {}, VectorFile(path), path.parent / ".vectors"
    start, busy = time.perf_counter(), time.process_time()
    content_hash(source)
    seconds["hash"] = time.perf_counter() - start
    wanted = wanted_words(words)
    seconds["spellings"] = time.perf_counter() - start - sum(seconds.values())
    table = read_table(source, wanted, cache, "tokens")
    seconds["rows"] = time.perf_counter() - start - sum(seconds.values())
    _, coverage = build_vectors(words, np.ones(len(words), dtype=np.int64), [table])
    seconds["vectors"] = time.perf_counter() - start - sum(seconds.values())
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1e6
    cpu = time.process_time() - busy
    return {
        **seconds,
        "all": sum(seconds.values()),
        "cpu": cpu,
        "peak": peak,
        "found": len(table.words),
        "share": coverage.words,
    }


def report(label: str, path: Path, rows: int, size: int) -> None:
    """Read in a fresh process and print its figures."""
    line = [sys.executable, __file__, "--rows", str(rows), "--vocabulary", str(size), "--read", str(path)]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    figures = json.loads(done.stdout.splitlines()[-1])
    steps = ", ".join(f"{step} {figures[step]:.1f} s" for step in ("hash", "spellings", "rows", "vectors"))
    print(
        f"{label}: {figures['all']:.1f} s ({steps}), {figures['cpu']:.1f} s of it computing, peak {figures['peak']:.2f} GB, "
        f"{figures['found']:,} rows of use, {figures['share']:.1%} of words covered"
    )


def main() -> None:
    """Make, read twice, delete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_200_000)
    parser.add_argument("--vocabulary", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.read:
        print(json.dumps(read(chosen.read, chosen.rows, chosen.vocabulary)))
        return
    chosen.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        path, start = Path(folder) / "vectors.txt", time.perf_counter()
        write_vectors(path, chosen.rows)
        print(f"made {path.stat().st_size / 1e9:.2f} GB in {time.perf_counter() - start:.1f} s")
        for label in ("first time", "from the cache"):
            report(label, path, chosen.rows, chosen.vocabulary)


if __name__ == "__main__":
    main()
