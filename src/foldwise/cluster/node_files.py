"""Files on a node: a cache of inputs by their hashes, and a folder for the length of a job.

In that folder the driver's paths stand below `root`: its `/home/me/output` is `root/home/me/output`. So the code that
reads and writes there is the code at home.
"""

import fcntl
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import ray

from foldwise.cluster.shipping import Shipped
from foldwise.files import read_json
from foldwise.training.state import ARRAYS, RECORD

KEPT = 7 * 86400.0  # seconds that a file of the cache is kept after it was last needed
RETRIES = 3
Files = dict[str, np.ndarray]  # bytes by name; arrays pass through Ray's object store without a copy


def own_folder() -> Path:
    """The node's folder for foldwise: `TMPDIR/foldwise-UID`, which is this user's alone."""
    folder = Path(tempfile.gettempdir()) / f"foldwise-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise OSError(f"{folder}: belongs to another user; set TMPDIR to a folder of your own before `ray start`")
    return folder


@contextmanager
def work_folder() -> Iterator[Path]:
    """An empty folder for a job of this process; those of processes of this machine that are no more are removed."""
    parent, processes = own_folder() / "work" / (platform.node() or "node"), Path("/proc")
    parent.mkdir(parents=True, exist_ok=True)
    for other in parent.iterdir() if (processes / str(os.getpid())).exists() else []:
        if not (processes / other.name.partition("-")[0]).exists():
            shutil.rmtree(other, ignore_errors=True)
    root = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent))
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def place_below(root: Path, path: Path) -> Path:
    """Where an absolute path of the driver's is on this node."""
    return root.joinpath(*path.parts[1:])


def unpack(files: Iterable[Shipped], root: Path) -> None:
    """Put what a job reads below `root`: links into the cache, and copies of what it will change."""
    for file in files:
        place, cached = place_below(root, file.path), fetch(file)
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.is_changed:
            shutil.copyfile(cached, place)
        else:
            place.symlink_to(cached)


def fetch(file: Shipped) -> Path:
    """The file in the cache, fetched from the object store if no job before has done so."""
    folder = own_folder() / "cache"
    folder.mkdir(exist_ok=True)
    cached = folder / file.sha256
    with (folder / f"{file.sha256}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two jobs that begin at once, one fetches
        if not cached.exists():
            clear_old(folder)
            temporary = folder / f"{file.sha256}.new"
            with temporary.open("wb") as stream:
                for piece in file.pieces:
                    stream.write(ray.get(piece))
            temporary.replace(cached)
    os.utime(cached)
    return cached


def clear_old(folder: Path) -> None:
    """Remove what no job has needed for long; a job that still maps it keeps what it has."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > KEPT:
                path.unlink()


def read_folder(folder: Path) -> Files:
    """The bytes of the files of a folder, {} where it is not there."""
    if not folder.is_dir():
        return {}
    return {path.name: np.fromfile(path, np.uint8) for path in sorted(folder.iterdir()) if path.is_file()}


def read_state(folder: Path) -> Files:
    """The files of the last saved state of a fold that may save the next one meanwhile; {} where there is none."""
    for _ in range(RETRIES):
        record = read_json(folder / RECORD)
        if record is None:
            return {}
        names = [ARRAYS.format(record["turn"]), RECORD]
        with suppress(FileNotFoundError):
            files = {name: np.fromfile(folder / name, np.uint8) for name in names}
            if read_json(folder / RECORD) == record:
                return files
    return {}
