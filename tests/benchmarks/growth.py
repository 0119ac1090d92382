"""How time and memory grow from 10,000 to 1,000,000 training rows, stage by stage (Linux).

    .venv/bin/python tests/benchmarks/growth.py
    .venv/bin/python tests/benchmarks/growth.py --sizes 10000 100000
    .venv/bin/python tests/benchmarks/growth.py --sizes 1000000 10000000 --stages folds tokens

Every stage is the real command line in a process of its own. The figures are raw: at the smallest size most of the
seconds and of the memory are the start of Python and torch. Ten times the rows should cost at most ten times as much.
"""

import argparse
import resource
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
Figures = dict[tuple[str, int], tuple[float, float, float]]  # (stage, rows) → seconds, of a processor, peak GB


def timed(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Wait for a process that was just started; its seconds, and the peak of its tree's memory in GB."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:
        peak = pool.submit(watch, process)  # apart: it looks up five times a second, and the clock should stop at once
        process.wait()
        seconds = time.perf_counter() - begun
        return seconds, peak.result() / 1e6


def processor_seconds() -> float:
    """Of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_stage(folder: Path, arguments: list[str]) -> tuple[float, float, float]:
    """Seconds, processor seconds and peak GB of one stage; if it fails, what it said."""
    log, before = folder / "log.txt", processor_seconds()
    with log.open("w") as file:
        line = command(folder, SLUG, arguments, SETTINGS)
        process = start(line, file.fileno())
        seconds, memory = timed(process)
    if process.returncode:
        sys.exit(f"{log.read_text()}exit code {process.returncode} of {' '.join(line)}")
    return seconds, processor_seconds() - before, memory


def measure(sizes: list[int], stages: list[str]) -> Figures:
    """The stages at all sizes, each size in a folder that is removed when it is done."""
    figures: Figures = {}
    for rows in sizes:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_competition(folder / "input" / SLUG, rows, rows // 10)
            for stage in stages:
                seconds, used, memory = figures[stage, rows] = run_stage(folder, STAGES[stage])
                print(f"{rows:,} rows, {stage}: {seconds:.1f} s, {used:.1f} s, {memory:.2f} GB", flush=True)
    return figures


def show(figures: Figures, sizes: list[int], stages: list[str]) -> None:
    """A table in Markdown; × is the ratio to the line above."""
    print("\n| stage | rows | seconds | × | of a processor | × | peak GB | × |\n|---|---|---|---|---|---|---|---|")
    for stage in stages:
        before = None
        for rows in sizes:
            found = figures[stage, rows]
            ratios = [f"{new / old:.1f}" for new, old in zip(found, before, strict=True)] if before else [""] * 3
            numbers = zip((f"{found[0]:.1f}", f"{found[1]:.1f}", f"{found[2]:.2f}"), ratios, strict=True)
            print(f"| {stage} | {rows:,} | {' | '.join(part for pair in numbers for part in pair)} |")
            before = found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="ROWS", help="of train.csv")
    parser.add_argument(
        "--stages", nargs="+", choices=STAGES, default=list(STAGES), metavar="STAGE", help=", ".join(STAGES)
    )
    arguments = parser.parse_args()
    sizes, stages = sorted(arguments.sizes), arguments.stages
    show(measure(sizes, stages), sizes, stages)


if __name__ == "__main__":
    main()
