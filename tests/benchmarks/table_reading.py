"""Reading and hashing a training table of 1.3 million rows: seconds, processor seconds and peak memory (Linux).

    .venv/bin/python tests/benchmarks/table_reading.py
    .venv/bin/python tests/benchmarks/table_reading.py --beside OTHER/src --rounds 4     and of another checkout

Makes the file (141 MB), reads it in a process of its own each time, the checkouts in turn, and deletes it.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"
READ = """
import resource, sys, time
from pathlib import Path
from foldwise.data.table import read_table
try:
    from foldwise.inputs import input_hash, same_inputs
except ImportError:  # of an earlier checkout, which reads the file a second time for its hash
    from contextlib import nullcontext as same_inputs
    from foldwise.hashing import hash_of as input_hash
wall, cpu = time.perf_counter(), time.process_time()
with same_inputs():
    table = read_table(Path(sys.argv[1]))
    input_hash(Path(sys.argv[1]))
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{len(table):,} rows: {wall:.2f} s, processor {cpu:.2f} s, peak {peak:.0f} MiB")
"""


def write_table(path: Path, rows: int) -> None:
    """Ids of 20 characters, questions of 13 words in quotes, labels of which 6% are 1."""
    rng = random.Random(0)
    words = [f"w{number}" for number in range(20_000)]
    with path.open("w", encoding="utf-8") as file:
        file.write("qid,question_text,target\n")
        for _ in range(rows):
            text = " ".join(rng.choices(words, k=13))
            file.write(f'{rng.getrandbits(80):020x},"{text}",{int(rng.random() < 0.06)}\n')


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1_300_000)
    parser.add_argument("--beside", type=Path, metavar="SRC", help="src/ of another checkout")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sources = [SOURCE, *([options.beside] if options.beside else [])]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.csv"
        write_table(path, options.rows)
        for _ in range(options.rounds):
            for source in sources:
                environment = {**os.environ, "PYTHONPATH": str(source)}
                command = [sys.executable, "-c", READ, str(path)]
                done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
                print(f"{source}: {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
