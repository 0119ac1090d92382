"""One writer at a time: a lock that names its holder, and that the system takes back when the holder ends or dies.

`output/SLUG/.lock` and `folds/.SLUG.csv.lock` are small files that stay: were one taken away, two runs could each lock
a file of that name. The lock itself (flock) is on the file, whatever path or link leads there; workers do not inherit
it. Fold files that are there are only read, which needs no lock: they are replaced in one step.
"""

import fcntl
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TextIO

from foldwise.console import warn
from foldwise.errors import RunError
from foldwise.files import find_target
from foldwise.leftovers import sweep
from foldwise.paths import EXPERIMENTS

POLL = 0.05  # seconds between two looks
LOOKS = 20  # at a lock whose holder has not yet written who it is
MOST_READ = 2000  # characters that are read of it
LONGEST = 60.0  # seconds to wait for a fold file that another run makes; one of 1.3 million rows takes some 20


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold an output folder while the block runs; a `RunError` that names the run which holds it already."""
    what = f"another run writes to {folder}"
    with lock(folder / ".lock", 0.0, what, "wait for it, or give this one another --output"):
        # Nobody else writes there now, so what lies half written is of runs that were killed.
        sweep([folder], apart=[folder / EXPERIMENTS, folder.parent / "tokens"])  # these have locks of their own
        yield


@contextmanager
def only_maker(file: Path) -> Iterator[None]:
    """Hold a fold file while the block makes it; another run that does so is waited for, `LONGEST` at most."""
    what = f"another run makes {file}"
    with lock(file.with_name(f".{file.name}.lock"), LONGEST, what, "wait for it, or give this one another --folds"):
        yield


@contextmanager
def lock(path: Path, wait: float, what: str, fix: str) -> Iterator[None]:
    """Hold a lock while the block runs; a `RunError` of `what`, holder and `fix` if it is not free after `wait`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    find_target(path)  # an `InputError` if a folder, say, lies in its place
    with open(path, "r+", encoding="utf-8", errors="replace", opener=open_or_make) as file:
        deadline = time.monotonic() + wait
        while not take(file):
            if time.monotonic() >= deadline:
                raise RunError(f"{what} ({holder(file)}); {fix}")
            time.sleep(POLL)
        since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
        command = shlex.join(["./run.sh", *sys.argv[1:]])
        try:
            tell(file, f"process {os.getpid()} on {socket.gethostname()} since {since}: {command}")
            yield
        finally:
            file.truncate(0)  # closing it gives the lock back


def tell(file: TextIO, who: str) -> None:
    """Write who holds a lock; on a full disk nobody is told."""
    file.truncate(0)
    with suppress(OSError):
        os.write(file.fileno(), who.encode(errors="surrogateescape"))


def open_or_make(path: str, flags: int) -> int:
    """A lock file is no link: its content is overwritten."""
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, 0o666)


def take(file: TextIO) -> bool:
    """True once this process holds the lock, or where the file system has none."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        warn(f"{file.name}: this place has no locks ({error.strerror}); let only one run at a time write there")
    return True


def holder(file: TextIO) -> str:
    """Who holds a lock, as it wrote there just after it took it."""
    for _ in range(LOOKS):
        file.seek(0)
        if found := " ".join(file.read(MOST_READ).split()):
            return found
        time.sleep(POLL)
    return "it does not say who it is"


@contextmanager
def hold(folder: Path) -> Iterator[bool]:
    """Whether nobody else writes to a folder, which then nobody does in the block."""
    with ExitStack() as held:
        try:
            held.enter_context(only_writer(folder))
        except RunError:
            ours = False
        else:
            ours = True
        yield ours
