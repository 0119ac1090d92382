"""States of folds on storage that all nodes reach: a folder that any URL of fsspec names, `s3://…` or `file:///mnt/…`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import numpy as np

from foldwise.errors import InputError
from foldwise.files import read_json
from foldwise.hashing import hash_of
from foldwise.running.job import FoldJob
from foldwise.training.state import ARRAYS, RECORD


@dataclass(frozen=True)
class Place:
    """A folder for the state of one fold."""

    url: str

    def keep(self, files: Mapping[str, np.ndarray]) -> None:
        """Put these there, in place of what is there; {} removes it. state.json comes last, and has checksums."""
        system, folder = open_url(self.url)
        if not files:
            if system.exists(folder):
                system.rm(folder, recursive=True)
            return
        system.makedirs(folder, exist_ok=True)
        for name in sorted(files, key=lambda name: name == RECORD):
            system.pipe_file(f"{folder}/{name}", files[name].tobytes())

    def fetch(self, to: Path) -> None:
        """Copy what is there, unless `to` has a state that is as far."""
        system, folder = open_url(self.url)
        if not system.exists(f"{folder}/{RECORD}"):
            return
        record = system.cat_file(f"{folder}/{RECORD}")
        content, here = json.loads(record), read_json(to / RECORD) or {}
        if content["steps"] > here.get("steps", 0):
            to.mkdir(parents=True, exist_ok=True)
            arrays = ARRAYS.format(content["turn"])
            (to / arrays).write_bytes(system.cat_file(f"{folder}/{arrays}"))
            (to / RECORD).write_bytes(record)


@dataclass(frozen=True)
class Checkpoints:
    """A folder for those of all folds of all runs."""

    url: str

    def of_job(self, job: FoldJob) -> Place:
        """The folder of one fold, which another recipe or other data do not share."""
        inside = job.state_folder.relative_to(job.paths.output).as_posix()
        return Place(f"{self.url.rstrip('/')}/{job.paths.slug}/{hash_of(job.inputs)}/{inside}")

    def __str__(self) -> str:
        return self.url


def open_url(url: str) -> tuple[Any, str]:
    """The storage that a URL is of, and the path there."""
    found: tuple[Any, str] = fsspec.url_to_fs(url)
    return found


def check_url(url: str) -> None:
    """An `InputError` if nothing can be written there."""
    try:
        system, folder = open_url(url)
        system.makedirs(folder, exist_ok=True)
    except Exception as error:  # of any kind of storage
        raise InputError(
            f"--checkpoints {url}: {type(error).__name__}: {error}; give the URL of a folder on storage that fsspec "
            "knows, and install the package that it names"
        ) from error
