"""Kill a run before and after every file operation, and look at what the next run makes of what is left.

    PYTHONPATH=src:tests python tests/reliability/file_operations.py

A run counts its file operations (opening a file to write, renaming, removing, making folders) as Python's audit hook
sees them. Then one run for each of them dies by SIGKILL right before it; right after one is right before the next, and
the last kill comes after the last one. The run that follows must end with the same bytes as one that was never killed,
and leave nothing over. This is done from nothing, and for a `--force` on finished results.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from foldwise.training import state
from reliability.small_contest import Contest

MOVES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink", "os.chmod"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
MADE = ("folds", "output")


class Found(NamedTuple):
    """What came of the kills."""

    operations: int  # of a run that is not killed
    kills: int
    wrong: list[int]  # kills before these operations, after which the next run did not end, or with other bytes
    leftovers: list[str]  # after such a run, each once, without the numbers of processes


def examine(folder: Path, force: bool, every: int = 1) -> Found:
    """Kill a run before each operation, or before some of them; `force`: one that makes finished results anew."""
    contest = Contest(folder)
    contest.write(rows=60, epochs=2, folds=2)
    contest.forget()
    run(contest, [])
    whole = contest.results()
    for name in MADE:
        shutil.copytree(folder / name, folder / "finished" / name)
    arguments = ["--force"] * force

    def begin() -> None:
        contest.forget()
        for name in MADE if force else ():
            shutil.copytree(folder / "finished" / name, folder / name)

    begin()
    counter = folder / "count"
    run(contest, arguments, lambda number: counter.write_text(str(number)))
    operations = int(counter.read_text())
    wrong, leftovers, places = [], set(), range(0, operations + 1, every)
    for place in places:
        begin()
        run(contest, arguments, partial(die_at, place))
        if run(contest, []) or contest.results() != whole:
            wrong.append(place)
        leftovers |= {name.partition(".tmp")[0] for name in contest.leftovers()}
    return Found(operations, len(places), wrong, sorted(leftovers))


def die_at(last: int, number: int) -> None:
    """Die before the operation that comes after the `last` one."""
    if number > last:
        os.kill(os.getpid(), signal.SIGKILL)


def run(contest: Contest, arguments: list[str], before: Callable[[int], Any] | None = None) -> int:
    """The exit code of `foldwise all` in a fork of this process; `before` is told the number of each operation."""

    def prepare() -> None:
        state.SHARE = 1e9  # else these few seconds would save nothing
        if before:
            listen(contest.folder, before)

    return contest.fork(["all", *arguments], contest.folder / "log", prepare).wait()


def listen(folder: Path, before: Callable[[int], Any]) -> None:
    """Call `before` with 1, 2, … right before each file operation in the folders that a run makes."""
    places, number = tuple(str(folder / name) for name in MADE), 0

    def hook(event: str, given: tuple[Any, ...]) -> None:
        nonlocal number
        if event == "open":
            _, mode, flags = given
            changes = bool(set(mode or "") & set("wax+")) or bool(flags & WRITES)
        else:
            changes = event in MOVES
        # `shutil.rmtree` names files within a folder that it has opened.
        inside = changes and (str(given[0]).startswith(places) or (event != "open" and given[-1] not in (-1, None)))
        if inside:
            number += 1
            before(number)

    sys.addaudithook(hook)


def main() -> None:
    """Both scenarios, and what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="kill before each n-th operation only")
    parser.add_argument("--force", action="store_true", help="only the second of both")
    arguments = parser.parse_args()
    failed = False
    for force in (True,) if arguments.force else (False, True):
        with tempfile.TemporaryDirectory() as folder:
            found = examine(Path(folder), force, arguments.every)
        print(f"{'--force on finished results' if force else 'from nothing'}: {found.operations} file operations")
        print(f"  {found.kills} kills, wrong results after {found.wrong or 'none'}", flush=True)
        print(f"  left over: {', '.join(found.leftovers) or 'nothing'}", flush=True)
        failed |= bool(found.wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main()
