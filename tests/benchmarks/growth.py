"""How time and memory grow from 10,000 to 1,000,000 training rows, stage by stage (Linux).

    .venv/bin/python tests/benchmarks/growth.py
    .venv/bin/python tests/benchmarks/growth.py --sizes 10000 100000

Every stage is the real command line in a process of its own. The figures are raw: at the smallest size most of the
seconds and of the memory are the start of Python and torch. Ten times the rows should cost at most ten times as much.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from commands import command, start
from peak_memory import watch
from questions import write_competition

SLUG = "questions"
SIZES = [10_000, 100_000, 1_000_000]  # rows of train.csv; test.csv has a tenth of them
STAGES = {"folds": ["folds"], "tokens": ["tokens"], "train, 1 fold": ["train", "--fold", "0"]}
# What suits a contest of this size: places of 512 rows of mean length in a batch, a small LSTM on frozen vectors.
CONTEST = ["batches.tokens=7168", "batches.group=100", "model.hidden=64", "model.train_embedding=false"]
SETTINGS = [*CONTEST, "training.epochs=1", "training.evaluations_per_epoch=1", "folds.n=2"]
Figures = dict[tuple[str, int], tuple[float, float]]  # (stage, rows) → seconds, peak GB


def timed(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Wait for a process that was just started; its seconds, and the peak of its tree's memory in GB."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:
        peak = pool.submit(watch, process)  # apart: it looks up five times a second, and the clock should stop at once
        process.wait()
        seconds = time.perf_counter() - begun
        return seconds, peak.result() / 1e6


def run_stage(folder: Path, arguments: list[str]) -> tuple[float, float]:
    """Seconds and peak GB of one stage; if it fails, what it said."""
    log = folder / "log.txt"
    with log.open("w") as file:
        line = command(folder, SLUG, arguments, SETTINGS)
        process = start(line, file.fileno())
        figures = timed(process)
    if process.returncode:
        sys.exit(f"{log.read_text()}exit code {process.returncode} of {' '.join(line)}")
    return figures


def measure(sizes: list[int]) -> Figures:
    """All stages at all sizes, each size in a folder that is removed when it is done."""
    figures: Figures = {}
    for rows in sizes:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_competition(folder / "input" / SLUG, rows, rows // 10)
            for stage, arguments in STAGES.items():
                seconds, memory = figures[stage, rows] = run_stage(folder, arguments)
                print(f"{rows:,} rows, {stage}: {seconds:.1f} s, {memory:.2f} GB", flush=True)
    return figures


def show(figures: Figures, sizes: list[int]) -> None:
    """A table in Markdown; × is the ratio to the line above."""
    print("\n| stage | rows | seconds | × | peak GB | × |\n|---|---|---|---|---|---|")
    for stage in STAGES:
        before = None
        for rows in sizes:
            seconds, memory = figures[stage, rows]
            ratios = (f"{seconds / before[0]:.1f}", f"{memory / before[1]:.1f}") if before else ("", "")
            print(f"| {stage} | {rows:,} | {seconds:.1f} | {ratios[0]} | {memory:.2f} | {ratios[1]} |")
            before = seconds, memory


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="ROWS", help="of train.csv")
    sizes = sorted(parser.parse_args().sizes)
    show(measure(sizes), sizes)


if __name__ == "__main__":
    main()
