"""What foldwise does on an NVIDIA card: its tests there, a step taken apart, scores and bytes, speed, a whole contest.

    ./run.sh bench --gpu                      at most 8 minutes; prints tables for BENCHMARKS.md
    ./run.sh bench --gpu --only tests steps   some of the parts
    ./run.sh bench --gpu --json FILE          also all figures as JSON

Each part runs in processes of its own; one that fails, or passes its limit, is named and does not stop the others.
Python 3.12 with torch 2.11 is enough. Besides requirements.txt the tests need pytest and hypothesis (pytest-xdist runs
them side by side), and the Trainer of Hugging Face needs transformers and accelerate; what is missing is left out.
"""

import argparse
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import throughput
from commands import command, environment
from variants import VARIANTS

from foldwise.files import read_json
from foldwise.paths import REPOSITORY

HERE = Path(__file__).resolve().parent
Figures = dict[str, Any]
LIMIT = 300.0  # seconds of one program
ROWS = 150_000  # of the contest that the steps and the ways of training take
CONTEST = ("1310000", "376000", "4")  # training rows, test rows, epochs
ALONE = 'ensemble.members=["bilstm"]'
REVIEWS = {
    "the default": [],
    "BiLSTM alone, fp32": ["training.precision=fp32", ALONE],
    "BiLSTM alone, fp32, again": ["training.precision=fp32", ALONE],
    "BiLSTM alone, bf16": ["training.precision=bf16", ALONE],
    "BiLSTM alone, fp16": ["training.precision=fp16", ALONE],
}


def run(line: list[str], log: Path) -> tuple[int, str, float]:
    """A program's exit code, what it said, and its seconds."""
    start = time.perf_counter()
    with log.open("w") as file:
        options: Any = {"stdout": file, "stderr": subprocess.STDOUT, "env": environment(), "timeout": LIMIT}
        code = subprocess.run(line, cwd=REPOSITORY, check=False, **options).returncode
    return code, log.read_text(), time.perf_counter() - start


def must_run(line: list[str], log: Path) -> tuple[str, float]:
    """What a program said, and its seconds; an error with its last lines where it fails."""
    code, said, seconds = run(line, log)
    if code:
        raise RuntimeError(f"exit code {code}: {' '.join(said.splitlines()[-3:])}")
    return said, seconds


def run_tests(folder: Path) -> Figures:
    """All tests of tests/gpu."""
    missing = [name for name in ("pytest", "hypothesis") if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeError(f"left out, as {' and '.join(missing)} is missing")
    # pytest-benchmark, where an image has it, only warns of tests side by side, and here a warning is an error.
    options = ["-rfE", "-p", "no:benchmark", *(["-n", "6"] if importlib.util.find_spec("xdist") else [])]
    _, said, seconds = run([sys.executable, "-m", "pytest", "tests/gpu", *options], folder / "tests.log")
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (passed|failed|skipped|errors?)\b", said)}
    return {**counts, "failures": re.findall(r"^(?:FAILED|ERROR) (.*)$", said, re.MULTILINE), "seconds": seconds}


def take_steps(folder: Path) -> Figures:
    """Steps taken apart."""
    data = folder / "steps"
    must_run([sys.executable, str(HERE / "contest.py"), "--rows", str(ROWS), str(data)], folder / "made.log")
    said, _ = must_run([sys.executable, str(HERE / "gpu_step.py"), "--data", str(data)], folder / "steps.log")
    found: Figures = json.loads(said.splitlines()[-1])
    return found


def score_reviews(folder: Path) -> Figures:
    """All stages on movie-reviews: seconds, scores, the submission's checksum."""
    found = {}
    for number, (name, settings) in enumerate(REVIEWS.items()):
        root = folder / f"reviews{number}"
        line = command(root, "movie-reviews", ["all"], settings, input=REPOSITORY / "input")
        said, seconds = must_run(line, folder / f"reviews{number}.log")
        output = root / "output" / "movie-reviews"
        summary, how = read_json(output / "summary.json"), re.search(r"^train +(on .*)$", said, re.MULTILINE)
        found[name] = {
            "seconds": seconds,
            "training": summary["seconds"]["train"],
            "oof": summary["ensemble"]["cv"],
            "leaderboard": summary["leaderboard"],
            "bytes": sha256((output / "submission.csv").read_bytes()).hexdigest()[:12],
            "how": how and how[1],
        }
    return found


def time_ways(_: Path) -> Figures:
    """The ways of training of `throughput.py`, each once."""
    has_trainer = all(map(importlib.util.find_spec, ("transformers", "accelerate")))
    names = [name for name in VARIANTS if has_trainer or not name.startswith("c")]
    return throughput.time_variants(throughput.Size(ROWS, 1, 4.0), names)[0]


def run_contest(folder: Path) -> Figures:
    """A contest of the size of Quora's, from its tables to the submission."""
    sizes = [f"--{name}={value}" for name, value in zip(("rows", "test-rows", "epochs"), CONTEST, strict=True)]
    home = folder / "contest"
    said, _ = must_run(
        [sys.executable, str(HERE / "contest_scale.py"), f"--folder={home}", *sizes], folder / "contest.log"
    )
    return dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", said, re.MULTILINE))


def show_tests(found: Figures) -> list[str]:
    """Counts, and what failed."""
    counts = ", ".join(f"{value} {name}" for name, value in found.items() if isinstance(value, int))
    return [f"`tests/gpu`: {counts}, {found['seconds']:.0f} s", *found["failures"]]


def show_steps(found: Figures) -> list[str]:
    """One line a number format."""
    lines = ["| a step | ms | of the host | of kernels | kernels | waits | rows/s | peak GB |", "|---|" + "---:|" * 7]
    for name, step in found.items():
        milliseconds = [f"{step.get(part, 0.0):.2f}" for part in ("ms", "host_ms", "gpu_ms")]
        others = [f"{step.get('kernels', 0):.0f}", f"{step.get('waits', 0):.2f}", f"{step['rows_per_second']:,.0f}"]
        memory = f"{step.get('peak_gb', 0):.2f}"
        lines.append(f"| {' | '.join([name, *milliseconds, *others, memory])} |")
    return lines


def show_reviews(found: Figures) -> list[str]:
    """One line a run."""
    header = "| movie-reviews | out of fold | leaderboard | whole run | training | how | sha256 of submission.csv |"
    lines = [header, "|---|---:|---:|---:|---:|---|---|"]
    for name, job in found.items():
        scores, seconds = (job["oof"], job["leaderboard"]), (job["seconds"], job["training"])
        cells = [
            *(f"{score:.4f}" for score in scores),
            *(f"{part:.1f} s" for part in seconds),
            job["how"],
            job["bytes"],
        ]
        lines.append(f"| {' | '.join([name, *map(str, cells)])} |")
    return lines


def show_ways(found: Figures) -> list[str]:
    """One line a way."""
    lines = ["| way | rows/s | tokens/s | padding | foldwise is, rows/s |", "|---|---:|---:|---:|---:|"]
    for name, way in found.items():
        title = f"({name}) {VARIANTS[name]}" + (f", {way['how']}" if way.get("how") else "")
        cells = (
            [title, way["unavailable"], "", "", ""]
            if "unavailable" in way
            else [
                *(
                    title,
                    f"{way['rows']:,.0f}",
                    f"{way['tokens']:,.0f}",
                    f"{way['padding']:.1%}",
                    f"× {way['rows_ratio']:.2f}",
                )
            ]
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def show_contest(found: Figures) -> list[str]:
    """As `contest_scale.py` has it."""
    return [
        "| a contest of 1.31 million rows | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in found.items()),
    ]


PARTS: dict[str, tuple[Callable[[Path], Figures], Callable[[Figures], list[str]]]] = {
    "tests": (run_tests, show_tests),
    "steps": (take_steps, show_steps),
    "reviews": (score_reviews, show_reviews),
    "ways": (time_ways, show_ways),
    "contest": (run_contest, show_contest),
}


def machine() -> str:
    """Card and versions."""
    import torch

    card = torch.cuda.get_device_properties(0)
    cores = len(os.sched_getaffinity(0))
    return (
        f"{card.name}, {card.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}; {cores} cores; "
        f"Python {platform.python_version()}, torch {version('torch')}"
    )


def show(found: Figures) -> str:
    """All parts in Markdown."""
    blocks = [f"### On {found['machine']}"]
    for name, (_, show_part) in PARTS.items():
        if name in found:
            part = found[name]
            blocks.append(f"{name}: {part['error']}" if "error" in part else "\n".join(show_part(part)))
    return "\n\n".join(blocks)


def main() -> None:
    """Run the parts, print, and write."""
    parser = argparse.ArgumentParser(
        prog="./run.sh bench --gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="for all figures")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="for what the parts say; otherwise it is not kept")
    arguments = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        parser.error("torch finds no NVIDIA card here; without one there is ./run.sh bench")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # see `foldwise.__main__`
    found: Figures = {"machine": machine()}
    print(f"gpu       {found['machine']}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.logs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in arguments.only:
            start = time.perf_counter()
            try:
                found[name] = PARTS[name][0](folder)
            except (RuntimeError, SystemExit, subprocess.TimeoutExpired) as error:
                found[name] = {"error": str(error)}
            print(f"gpu       {name}: {time.perf_counter() - start:.0f} s {found[name].get('error', '')}", flush=True)
            if arguments.json:
                arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"\n{show(found)}")


if __name__ == "__main__":
    main()
