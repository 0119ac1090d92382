"""A whole contest of the size of Quora Insincere Questions: folds, tokens, five folds of training, submission (Linux).

    .venv/bin/python tests/benchmarks/contest_scale.py --folder /tmp/contest
    .venv/bin/python tests/benchmarks/contest_scale.py --rows 20000 --test-rows 5000 --epochs 1

Makes 1.31 million training and 376,000 test rows, unless the folder has them, runs all stages on them with early
stopping out of reach, and prints seconds, memory and score. What the run says goes to the terminal and to log.txt.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from commands import command, start
from growth import CONTEST, SLUG, timed
from questions import TEST_ROWS, TRAIN_ROWS, write_competition

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from foldwise.console import duration
from foldwise.files import read_json
from foldwise.paths import CONFIG

EPOCHS = 4
SETTINGS = [*CONTEST, "training.evaluations_per_epoch=1", "folds.n=5"]


def run(folder: Path, rows: int, test_rows: int, epochs: int) -> None:
    """Generate what is missing, run all stages, print the table."""
    source = folder / "input" / SLUG
    if not (source / CONFIG).is_file():  # it is written last
        write_competition(source, rows, test_rows)
    # With one evaluation per epoch, patience of all epochs never ends: every run does the same work.
    settings = [*SETTINGS, f"training.epochs={epochs}", f"training.patience={epochs}"]
    process = start(command(folder, SLUG, ["all"], settings), subprocess.PIPE)
    with process, subprocess.Popen(["tee", str(folder / "log.txt")], stdin=process.stdout):
        seconds, memory = timed(process)
    if process.returncode:
        sys.exit(process.returncode)
    show(folder / "output" / SLUG, seconds, memory)


def show(output: Path, wall: float, memory: float) -> None:
    """The figures as a table in Markdown."""
    summary = read_json(output / "summary.json")
    seconds = summary["seconds"]
    records = [read_json(path) for path in sorted(output.glob("*/fold*/fold.json"))]
    trained = sum(record["epochs"] * record["rows"]["train"] for record in records)
    alone = sum(record["rows_per_second"] for record in records) / len(records)
    figures = {
        "rows": f"{summary['rows']['train']:,} + {summary['rows']['test']:,}",
        **{stage: duration(value) for stage, value in seconds.items() if stage != "total"},
        "whole run, with start and reading": duration(wall),
        "training rows/s, all folds, with validation": f"{trained / seconds['train']:,.0f}",
        "training rows/s, one fold, without validation": f"{alone:,.0f}",
        "peak memory, all processes": f"{memory:.2f} GB",
        f"{summary['metric']}, out of fold": f"{summary['cv']['pooled']:.4f}",
    }
    print("\n| | |\n|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value} |")


def main() -> None:
    """Run it in the folder that was named, or in one that goes away."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, metavar="DIR", help="for input/, folds/, output/ and log.txt; kept")
    parser.add_argument("--rows", type=int, default=TRAIN_ROWS, help="of train.csv, where it is to be made")
    parser.add_argument("--test-rows", type=int, default=TEST_ROWS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    arguments = parser.parse_args()
    for name in ("folds", "output"):
        if arguments.folder and (arguments.folder / name).exists():
            parser.error(f"{arguments.folder / name} is there: the run would keep what it finds in it; remove it first")
    with tempfile.TemporaryDirectory() as temporary:
        run(arguments.folder or Path(temporary), arguments.rows, arguments.test_rows, arguments.epochs)


if __name__ == "__main__":
    main()
