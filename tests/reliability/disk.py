"""A disk that is full, or fails, at every moment of a run: what was there stays, and the next run ends as if undisturbed.

    PYTHONPATH=src:tests python tests/reliability/disk.py --rounds 20      a sample, spread over all operations
    PYTHONPATH=src:tests python tests/reliability/disk.py                  every file operation, size and disk

1. Operations: at the n-th opening, renaming, making or removing of a file the system says ENOSPC (where it writes) or
   EIO, once or from then on, in a first run and in one with --force. Python's audit events tell of each of them.
2. Files: none may grow beyond the size of one that the run writes, less a byte, so that this write itself fails, in
   Rust and C too (RLIMIT_FSIZE).
3. Disks: the output is on a file system that is really full, of many sizes. It needs the right to mount a tmpfs.
"""

import argparse
import contextlib
import errno
import itertools
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reliability.in_process import results, run_main

COMPETITIONS = Path(__file__).resolve().parents[1] / "data" / "competitions"
SLUG = "twin-binary"
ARRAYS = "*/fold[0-9]/*.safetensors"  # not of folds that are still trained
EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.listdir", "os.scandir", "os.link"}
MAKING = {"os.rename", "os.mkdir", "os.link"}
CAUSES = {
    errno.ENOSPC: "no space is left on its disk",
    errno.EIO: "its disk fails (input/output error)",
    errno.EFBIG: "the system allows no file as large as this",
}


@dataclass
class Fault:
    """An error that the system gives below a folder, at the n-th operation that it can happen to."""

    folder: Path
    number: int  # of the error
    at: int  # counted from 1; 0 for never
    for_good: bool
    seen: int = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook."""
        if event not in EVENTS or not isinstance(arguments[0], str | os.PathLike):
            return
        path = os.fspath(arguments[0])
        if isinstance(path, bytes) or not path.startswith(str(self.folder)):
            return
        writes = event in MAKING or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if self.number == errno.ENOSPC and not writes:
            return
        self.seen += 1
        if self.at and (self.seen >= self.at if self.for_good else self.seen == self.at):
            raise OSError(self.number, os.strerror(self.number), path)


FAULTS: list[Fault] = []  # the one that is at work, if any: an audit hook cannot be taken away


def audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Pass events on to the fault that is at work."""
    for fault in FAULTS:
        fault(event, arguments)


@contextlib.contextmanager
def at_work(fault: Fault) -> Iterator[None]:
    """Inside the block the fault happens."""
    FAULTS.append(fault)
    try:
        yield
    finally:
        FAULTS.clear()


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Inside the block no file may become larger; Python takes the system's signal for an error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run(folder: Path, *options: str, output: Path | None = None) -> tuple[int, str]:
    """`foldwise all` in this process, on one thread's worth of data: exit code and what it says on standard error."""
    folders = {"input": folder / "input", "folds": folder / "folds", "output": output or folder / "output"}
    where = [part for name, path in folders.items() for part in (f"--{name}", str(path))]
    code, _, errors = run_main(["all", "-c", SLUG, *where, *options])
    return code, errors


@dataclass
class Workplace:
    """A competition, what a run without disturbance makes of it, and what has gone wrong so far."""

    folder: Path
    expected: dict[str, bytes]
    outcomes: Counter[str]
    problems: list[str]

    @classmethod
    def make(cls, folder: Path) -> "Workplace":
        """Copy the competition and run it."""
        shutil.copytree(COMPETITIONS / SLUG, folder / "input" / SLUG)
        code, errors = run(folder)
        assert code == 0, errors
        shutil.copytree(folder / "output", folder / "finished")
        shutil.copytree(folder / "folds", folder / "folds-finished")
        return cls(folder, results(folder / "output" / SLUG, ARRAYS), Counter(), [])

    def reset(self, finished: bool) -> None:
        """Nothing made yet, or all."""
        for name, source in (("output", "finished"), ("folds", "folds-finished")):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            if finished:
                shutil.copytree(self.folder / source, self.folder / name)

    def judge(self, name: str, number: int, ended: tuple[int, str], older: bool, output: Path | None = None) -> None:
        """Hold a disturbed run, and one after it, against what they should be."""
        code, message = ended
        where = output or self.folder / "output"
        errors = [line for line in message.splitlines() if not line.startswith("warning:")]
        wrong = []
        unread = code == 2 and "cannot be read: Input/output error" in message  # a table, or the fold file
        if "fault of foldwise" in message or "Traceback" in message or not (code in (0, 1) or unread):
            wrong.append(f"exit {code}: {message}")
        elif (
            code
            and not unread
            and not (
                (CAUSES[number] in message or "are free on its disk" in message)
                and str(where.parent) in "".join(errors)
            )
        ):
            wrong.append(f"does not name path and cause: {message}")
        if older and results(where / SLUG, ARRAYS) != self.expected:
            wrong.append("the older state is not what it was")
        if output is None:
            after, said = run(self.folder)
            if after or results(where / SLUG, ARRAYS) != self.expected:
                wrong.append(f"the next run: exit {after}, {said}")
        self.outcomes["stopped, and said why" if code else "went on"] += 1
        self.problems += [f"{name}: {problem}" for problem in wrong]


def sample(numbers: Sequence[int], count: int | None) -> list[int]:
    """So many of them, spread evenly; all for None."""
    if count is None or count >= len(numbers):
        return list(numbers)
    return [numbers[(2 * place + 1) * len(numbers) // (2 * count)] for place in range(count)]


def try_operations(work: Workplace, rounds: int | None) -> None:
    """Part 1."""
    each = None if rounds is None else max(1, rounds // 8)
    for number, older in itertools.product((errno.ENOSPC, errno.EIO), (False, True)):
        options = ["--force"] * older
        work.reset(older)
        with at_work(fault := Fault(work.folder, number, 0, False)):
            run(work.folder, *options)
        for for_good in (False, True):
            for at in sample(range(1, fault.seen + 1), each):
                work.reset(older)
                with at_work(Fault(work.folder, number, at, for_good)):
                    ended = run(work.folder, *options)
                how = f"{errno.errorcode[number]} {'from' if for_good else 'at'} operation {at} of {fault.seen}"
                work.judge(f"{how}{' of --force' * older}", number, ended, older)


def try_sizes(work: Workplace, rounds: int | None) -> None:
    """Part 2."""
    sizes = sorted({path.stat().st_size for path in (work.folder / "finished").rglob("*") if path.is_file()})
    for size in sample(sizes, rounds):
        for older in (False, True):
            work.reset(older)
            with largest_file(size - 1):
                ended = run(work.folder, *["--force"] * older)
            work.judge(f"files below {size} bytes{' and --force' * older}", errno.EFBIG, ended, older)


def try_disks(work: Workplace, rounds: int | None) -> bool:
    """Part 3; false where nothing can be mounted."""
    (disk := work.folder / "disk").mkdir()
    needed = sum(path.stat().st_size // 4096 + 1 for path in (work.folder / "finished").rglob("*")) * 4096
    for size in sample(range(8192, needed, 4096), rounds):
        mounting = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        if subprocess.run(mounting, capture_output=True, check=False).returncode:
            return False
        try:
            work.reset(False)
            ended = run(work.folder, output=disk / "output")
            work.judge(f"a disk of {size} bytes", errno.ENOSPC, ended, False, disk / "output")
        finally:
            subprocess.run(["umount", str(disk)], check=True)
    return True


def soak(rounds: int | None, parts: Sequence[Callable[[Workplace, int | None], object]]) -> list[str]:
    """Run the parts, so many rounds each, or all there are; what went wrong."""
    with tempfile.TemporaryDirectory(prefix="foldwise-") as folder:
        work = Workplace.make(Path(folder).resolve())
        for part in parts:
            before = len(work.problems)
            work.outcomes.clear()
            done = part(work, rounds)
            counts = ", ".join(f"{count} {outcome}" for outcome, count in work.outcomes.items())
            missing = " (nothing can be mounted here)" if done is False else ""
            print(f"{part.__name__}: {counts or 'none'}{missing}; {len(work.problems) - before} problems", flush=True)
        return work.problems


sys.addaudithook(audit)

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, help="of each part; all by default")
    found = soak(parser.parse_args().rounds, [try_operations, try_sizes, try_disks])
    print(*found, sep="\n")
    sys.exit(bool(found))
