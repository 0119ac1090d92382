"""A time budget of half of what a contest needs: is it kept, and what does the shorter run score?

    .venv/bin/python tests/benchmarks/time_budget.py --folder /tmp/budget

Makes a twin of Quora Insincere Questions at a tenth of its size, unless the folder has it, runs all stages once to
the end, and then `--runs` times with `--time-budget` set to half of the seconds that took, each from nothing. Prints a
line for each: seconds of the whole process, whether the submission is valid, what was dropped, and F1 out of fold.
Another program that takes the machine in one run and not in another makes the runs unlike: leave it alone.
"""

import argparse
import csv
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from commands import command, environment
from questions import TEST_ROWS, TRAIN_ROWS, write_competition

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from foldwise.console import duration
from foldwise.files import read_json
from foldwise.paths import CONFIG

SLUG = "quora-insincere-questions-classification"
HEADERS = {
    "train.csv": "qid,question_text,target",
    "test.csv": "qid,question_text",
    "sample_submission.csv": "qid,prediction",
}


def write_twin(folder: Path, rows: int, test_rows: int) -> None:
    """The generated questions with the contest's own column names, so that its recipe known by name applies."""
    write_competition(folder, rows, test_rows)
    for name, header in HEADERS.items():
        _, _, rest = (folder / name).read_text(encoding="utf-8").partition("\n")
        (folder / name).write_text(f"{header}\n{rest}", encoding="utf-8")
    (folder / CONFIG).unlink()


def run(folder: Path, *options: str) -> tuple[float, dict[str, Any]]:
    """Seconds of all stages from nothing, and their summary."""
    output = folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    start = time.perf_counter()
    with (folder / "log.txt").open("a", encoding="utf-8") as log:
        line = command(folder, SLUG, ["all", *options])
        subprocess.run(line, env=environment(), check=True, stdout=log, stderr=log)
    seconds = time.perf_counter() - start
    check(folder / "input" / SLUG / "sample_submission.csv", output / SLUG / "submission.csv")
    return seconds, read_json(output / SLUG / "summary.json")


def check(sample: Path, submission: Path) -> None:
    """Every id of the sample, in its order, with a label: read without foldwise."""
    with sample.open(newline="") as wanted, submission.open(newline="") as given:
        for line, (expected, row) in enumerate(zip(csv.reader(wanted), csv.reader(given), strict=True)):
            if row[0] != expected[0] or (line and row[1] not in ("0", "1")):
                sys.exit(f"{submission}: line {line + 1} is {row}")


def describe(name: str, budget: float, seconds: float, summary: dict[str, Any]) -> str:
    """One row of the table."""
    facts = summary.get("budget", {"dropped_folds": [], "shortened": []})
    epochs = [f"{fold['epochs']:.3g}" for fold in summary["folds"]]
    used = f"{seconds:.0f} s" + (f", {seconds / budget:.0%} of {budget:.0f} s" if budget else "")
    score = f"{summary['cv']['pooled']:.4f}"
    return f"| {name} | {used} | {len(epochs)} of {len(epochs) + len(facts['dropped_folds'])} | {', '.join(epochs)} | {score} |"


def main() -> None:
    """The whole run, and the short ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR", help="for input/, output/ and log.txt")
    parser.add_argument("--rows", type=int, default=TRAIN_ROWS // 10)
    parser.add_argument("--test-rows", type=int, default=TEST_ROWS // 10)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    folder = arguments.folder
    if not (folder / "input" / SLUG).is_dir():
        write_twin(folder / "input" / SLUG, arguments.rows, arguments.test_rows)
    print("| run | time | folds | epochs of each | F1, out of fold |\n|---|---|---|---|---|", flush=True)
    whole, summary = run(folder)
    print(describe("whole", 0, whole, summary), flush=True)
    for number in range(1, arguments.runs + 1):
        seconds, summary = run(folder, "--time-budget", f"{whole / 2:.0f}s")
        print(describe(f"budget {number}", round(whole / 2), seconds, summary), flush=True)
        if seconds > whole / 2:
            sys.exit(f"run {number} took {duration(seconds)}, more than its budget")


if __name__ == "__main__":
    main()
