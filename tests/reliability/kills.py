"""SIGKILL a run at random moments, start it again until it ends, and compare what it made with a run never stopped.

    PYTHONPATH=src:tests python tests/reliability/kills.py --kills 50
    PYTHONPATH=src:tests python tests/reliability/kills.py --kills 50 --fork    no start of Python and torch for each

All processes of the run are killed at once, in any of its stages; two folds train side by side. Each third round has a
time budget that is long enough, and must give the same bytes as well. At last comes a budget that is too short: there
time decides how far folds are trained, so that only the form of the submission is checked.
"""

import argparse
import csv
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from reliability.small_contest import SLUG, Contest, Process, kill, killed_at_last

SOON = 0.2  # of the time of a whole run: a kill comes before, so that a round takes several to get through its stages
LONG = ("--time-budget", "1h")


Start = Callable[[Contest, list[str], Path], Process]


class Found(NamedTuple):
    """What the kills did."""

    kills: int
    in_training: int  # of them, that cost steps
    rounds: int
    equal: int  # rounds with the bytes of the run that was never stopped
    leftovers: list[str]
    lost: float  # steps taken twice for each kill, as a share of a fold's
    seconds: float  # of the run that was never stopped


def soak(
    folder: Path,
    kills: int,
    rows: int,
    epochs: int,
    folds: int,
    seed: int = 0,
    each: int = 10,
    start: Start = Contest.start,
) -> Found:
    """So many kills, `each` of them in a round, at most."""
    rng, contest, log = random.Random(seed), Contest(folder), folder / "log"
    contest.write(rows, epochs, folds)
    contest.forget()
    began = time.monotonic()
    run(contest, (), log, start=start)
    seconds = time.monotonic() - began
    whole, steps = contest.results(), contest.steps
    done = in_training = rounds = equal = twice = 0
    leftovers: list[str] = []
    while done < kills:
        contest.forget()
        budget = LONG if rounds % 3 == 2 else ()
        for _ in range(min(each, kills - done)):
            before = contest.steps
            # Two of three kills wait for the first step of training: half of these short runs is their start.
            killed = run(contest, budget, log, rng.uniform(0, SOON * seconds), rng.random() < 2 / 3, start)
            done += killed  # else it had ended
            in_training += killed and contest.steps > before
        run(contest, budget, log, start=start)
        rounds += 1
        equal += contest.results() == whole
        twice += contest.steps - steps
        leftovers += contest.leftovers()
        print(
            f"{done} kills, {in_training} in training, {equal} of {rounds} rounds equal, {twice} steps twice",
            flush=True,
        )
    return Found(done, in_training, rounds, equal, leftovers, twice / done / (steps / folds), seconds)


def end_early(folder: Path, log: Path, seconds: float, rows: int, epochs: int, folds: int) -> bool:
    """Kill a run of many more epochs under a budget of twice the `seconds` of the other runs, and start it again.

    True if the submission is valid.
    """
    contest, budget = Contest(folder), ("--time-budget", f"{2 * seconds:.0f}s")
    contest.write(rows, 8 * epochs, folds)
    contest.forget()
    run(contest, budget, log, seconds)
    run(contest, budget, log)
    return is_valid(contest)


def run(
    contest: Contest,
    arguments: tuple[str, ...],
    log: Path,
    seconds: float | None = None,
    trains: bool = False,
    start: Start = Contest.start,
) -> bool:
    """One run, which is killed after so many seconds, counted from its start or from when it trains; true if it was."""
    before = contest.steps
    process = start(contest, ["all", *arguments], log)
    with killed_at_last(process):
        while trains and contest.steps == before and process.poll() is None:
            time.sleep(0.02)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return kill(process)
    assert code == 0, log.read_text()[-2000:]
    return False


def is_valid(contest: Contest) -> bool:
    """True for a submission with the sample's header and ids, and labels."""
    sample = contest.folder / "input" / SLUG / "sample_submission.csv"
    with sample.open() as expected, (contest.output / "submission.csv").open() as given:
        ours, theirs = list(csv.reader(given)), list(csv.reader(expected))
    same_ids = [row[0] for row in ours] == [row[0] for row in theirs]
    return same_ids and ours[0] == theirs[0] and {row[1] for row in ours[1:]} <= {"0", "1"}


def main() -> None:
    """Run the soak, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fork", action="store_true")
    arguments = parser.parse_args()
    start = Contest.fork if arguments.fork else Contest.start
    with tempfile.TemporaryDirectory() as folder:
        size = (arguments.rows, arguments.epochs, 3)
        found = soak(Path(folder), arguments.kills, *size, arguments.seed, start=start)
        valid = end_early(Path(folder), Path(folder) / "log", found.seconds, *size)
    print(f"{found.kills} kills, {found.in_training} of them while folds trained; on {os.cpu_count()} cores")
    print(f"{found.equal} of {found.rounds} rounds byte-identical; left over: {found.leftovers or 'nothing'}")
    print(f"training lost for each kill: {found.lost:.1%} of a fold; submission under a short budget valid: {valid}")


if __name__ == "__main__":
    main()
