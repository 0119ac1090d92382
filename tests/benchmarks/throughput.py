"""Training throughput and memory against other ways to train the same model, on this machine.

    ./run.sh bench            about 12 minutes; writes the tables into BENCHMARKS.md, the chart into throughput.svg
    ./run.sh bench --quick    under 2 minutes on 2 quiet cores; each way once, on fewer rows; prints only

Model, rows and number of rows in a batch are the same for all: BiLSTM-64 over foldwise's trained word vectors,
question-like texts, batches of 512. The ways take turns, each time in a fresh process, and medians count.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from peak_memory import watch
from variants import VARIANTS

HERE = Path(__file__).resolve().parent
NEEDED = ("transformers", "accelerate", "fasttext")
QUIET = 0.15  # cores that others may use before a warning
Figures = dict[str, Any]


class Size(NamedTuple):
    """Rows of train.csv, how often each way is timed, and the seconds of one timing where they can be chosen."""

    rows: int
    repeats: int
    seconds: float


# With fewer rows than 100,000 the ways pad otherwise than in the full run: Trainer sorts groups of a quarter of the
# data, which are then smaller and pad more, and so does foldwise; the longest row, to which (a) pads all, is shorter.
FULL, QUICK = Size(150_000, 3, 8.0), Size(100_000, 1, 4.0)
ABOUT_QUICK = (
    f"Each way once, on {QUICK.rows:,} rows; on a quiet machine the ratios are within a quarter of those of a full run on "
    f"{FULL.rows:,} rows."
)


def busy_cores() -> float:
    """Cores in use at the moment, which is by others, since nothing of ours runs."""

    def read() -> tuple[int, int]:
        ticks = [int(part) for part in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        return sum(ticks[:8]), ticks[3] + ticks[4]

    cores = sum(line.startswith("cpu") for line in Path("/proc/stat").read_text().splitlines()) - 1
    total, idle = read()
    time.sleep(0.2)
    total_after, idle_after = read()
    return cores * (1 - (idle_after - idle) / max(total_after - total, 1))


def run_json(script: str, *options: object) -> Figures:
    """The JSON that a script of this folder prints last, with its peak memory in kilobytes."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        command = [sys.executable, str(HERE / script), *map(str, options)]
        process = subprocess.Popen(command, stdout=out, stderr=err, text=True)
        peak = watch(process)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            sys.exit(f"{err.read()}\nerror: {script} {' '.join(map(str, options))} failed; see above")
        return {**json.loads(out.read().splitlines()[-1]), "memory": peak}


def time_variants(size: Size, names: Collection[str] = VARIANTS) -> tuple[dict[str, Figures], dict[str, Any]]:
    """Median figures of each way, (d) among them, and facts about the data and the machine's load."""
    repeats: dict[str, list[Figures]] = {name: [] for name in names}
    load = []
    with tempfile.TemporaryDirectory() as folder:
        facts = run_json("contest.py", "--rows", size.rows, folder)
        for repeat in range(size.repeats):
            for name in names:
                if any("unavailable" in figures for figures in repeats[name]):
                    continue
                load.append(busy_cores())
                print(
                    f"bench     repeat {repeat + 1} of {size.repeats}: {name}, {VARIANTS[name]} …", end=" ", flush=True
                )
                figures = run_json("variants.py", "--variant", name, "--data", folder, "--seconds", size.seconds)
                repeats[name].append(figures)
                print(f"{figures['rows']:,.0f} rows/s" if "rows" in figures else "not on this processor", flush=True)
    if max(load) > QUIET:
        print(f"bench     warning: other programs used up to {max(load):.1f} cores; run again on a quiet machine")
    return {name: summarise(repeats[name], repeats["d"]) for name in names}, {**facts, "load": max(load)}


def summarise(repeats: list[Figures], ours: list[Figures]) -> Figures:
    """Medians, and those of foldwise's ratios to it in the same repeat, which the machine's drift leaves alone."""
    if "unavailable" in repeats[0]:
        return repeats[0]
    medians = {name: median(figures[name] for figures in repeats) for name in ("rows", "tokens", "padding", "memory")}
    pairs = list(zip(repeats, ours, strict=True))
    ratios = {f"{name}_ratio": median(own[name] / theirs[name] for theirs, own in pairs) for name in ("rows", "tokens")}
    return {**medians, **ratios, "how": repeats[0].get("how", "")}


def main() -> None:
    """Measure, print, and in full write BENCHMARKS.md."""
    parser = argparse.ArgumentParser(prog="./run.sh bench", description="Throughput against other ways to train.")
    parser.add_argument(
        "--quick", action="store_true", help=f"under 2 minutes, prints only: {ABOUT_QUICK}".replace("%", "%%")
    )
    quick = parser.parse_args().quick
    for package in NEEDED:
        if importlib.util.find_spec(package) is None:
            sys.exit(f"error: {package} is not installed; use ./run.sh bench, or pip install -r requirements-bench.txt")
    start = time.perf_counter()
    size = QUICK if quick else FULL
    figures, facts = time_variants(size)
    print("bench     batches and training with them by size; steps with 20,000 and 400,000 words …", flush=True)
    pieces = run_json("pieces.py", "--repeats", 1 if quick else size.repeats)
    import section  # not before: it loads torch, and what this process shares with a measured one would count half

    parts = [section.throughput(figures, facts, size.repeats), section.pieces(pieces)]
    if not quick:
        import jobs

        parts.append(section.whole_jobs(jobs.measure()))
    text = "\n\n".join([section.heading(ABOUT_QUICK if quick else ""), *parts])
    print(f"\n{text}\n\nbench     done in {time.perf_counter() - start:.0f} s")
    if not quick:
        section.write(text, figures)


if __name__ == "__main__":
    main()
