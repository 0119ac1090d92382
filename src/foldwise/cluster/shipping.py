"""What a fold reads, on its way to nodes: into Ray's object store once, whatever number of folds and nodes needs it."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray

from foldwise.hashing import content_digest, digest_of, sha256_of
from foldwise.inputs import check_input
from foldwise.learners import learner_for
from foldwise.paths import Paths
from foldwise.plugins import find_source, is_own, is_users
from foldwise.running.job import FoldJob
from foldwise.running.new_test import only_test_changed

PIECE = 128 << 20  # bytes of one object: a file larger than a store must pass through it


@dataclass(frozen=True)
class Shipped:
    """A file of the driver's that a job reads."""

    path: Path  # the driver's
    sha256: str
    pieces: list[Any]  # objects with its bytes, in order
    is_changed: bool  # by the job, so that it must not be the cache's own


class Warehouse:
    """What was put into the object store, by the hash of its content."""

    def __init__(self) -> None:
        self.pieces: dict[str, list[Any]] = {}

    def ship(self, job: FoldJob) -> list[Shipped]:
        """All that a job reads, as it is now; a `RunError` if an input is no longer what this run has recorded."""
        read = [self.put(path, False) for path in dict.fromkeys(files_of(job))]
        return [*read, *(self.put(path, True) for path in files_changed_by(job))]

    def put(self, path: Path, is_changed: bool) -> Shipped:
        """A file in the object store, once for each content."""
        path = path.absolute()
        for digest in (digest_of, content_digest):
            check_input(path, digest)
        sha256 = sha256_of(path)
        if sha256 not in self.pieces:
            size = path.stat().st_size
            whole = np.memmap(path, np.uint8, "r") if size else np.empty(0, np.uint8)
            self.pieces[sha256] = [ray.put(np.asarray(whole[at : at + PIECE])) for at in range(0, size, PIECE)]
        return Shipped(path, sha256, self.pieces[sha256], is_changed)


def files_of(job: FoldJob) -> list[Path]:
    """What a job reads and leaves as it is."""
    learner = learner_for(job.recipe)
    found = [path for path in job.maps.iterdir() if path.is_file()]
    if learner.reads_texts:
        found += learner.find_files(job.paths).values()
    if job.start:
        found += filter(None, [job.start.weights, job.start.words])
    return [*found, *(path for path, _ in own_modules(job))]


def files_changed_by(job: FoldJob) -> list[Path]:
    """What a job finds of earlier tries, and may write anew: its state, and its folder where that matters."""
    folders = [job.state_folder]
    if job.limit or only_test_changed(job):
        folders.append(job.folder)
    return [path for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_file()]


def own_modules(job: FoldJob) -> list[tuple[Path, Path]]:
    """Files of the user's own modules that a job names, each with the folder that Python finds its module in."""
    names = [name for name in (*learner_for(job.recipe).own_parts().values(), job.metric.name) if is_own(name)]
    found = []
    for name in names:
        top = name.partition(":")[0].partition(".")[0]
        for path in filter(is_users, map(str, find_source(name.partition(":")[0]))):
            file = Path(path).absolute()
            package = next((folder for folder in file.parents if folder.name == top), file)
            found.append((file, package.parent))
    return found


def moved_job(job: FoldJob, change: Callable[[Path], Path]) -> FoldJob:
    """The job with another path in the place of each one; `known` has no more to say, files came by their hashes."""
    start = job.start
    if start:
        start = replace(start, weights=change(start.weights), words=start.words and change(start.words))
    return replace(job, paths=moved_paths(job.paths, change), start=start, known={})


def moved_paths(paths: Paths, change: Callable[[Path], Path]) -> Paths:
    """The same of all places of a competition."""
    moved: dict[str, Any] = {}
    for one in fields(paths):
        value = getattr(paths, one.name)
        if isinstance(value, Path):
            moved[one.name] = change(value)
        elif isinstance(value, tuple):
            moved[one.name] = tuple(map(change, value))
    return replace(paths, **moved)


def portable_job(job: FoldJob) -> FoldJob:
    """The job with absolute paths, whatever folder a node works in, and folders of its learner's files among them."""
    learner = learner_for(job.recipe)
    files = learner.find_files(job.paths).values() if learner.reads_texts else []
    paths = replace(job.paths, mounts=(*job.paths.mounts, *dict.fromkeys(path.parent for path in files)))
    return moved_job(replace(job, paths=paths), Path.absolute)
