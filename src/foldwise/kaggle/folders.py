"""Where built kernels lie below output/SLUG: one that trains and one that only predicts, side by side.

kernel, kernel-dataset, kernel-output …                       of the kernel that trains
kernel-infer, kernel-infer-dataset, kernel-infer-output …     of the one built with --infer
kernel-built.json                                             which was built last, and which files foldwise wrote
"""

import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foldwise.console import say
from foldwise.errors import InputError
from foldwise.files import link_or_copy, write_checked
from foldwise.kaggle.metadata import DATASET_METADATA, KERNEL_METADATA
from foldwise.options import name_paths
from foldwise.paths import Paths, resolve
from foldwise.records import Content, read_or_warn

BUILT = "kernel-built.json"
CODE = {False: "kernel.py", True: "kernel.ipynb"}  # by whether it is a notebook


class Built(Content):
    """kernel-built.json."""

    last: str  # name of the folder of the kernel
    files: dict[str, list[str]]  # of each folder the names that foldwise gave, none where there is no such folder


@dataclass(frozen=True)
class Folders:
    """The places of one of the two kernels."""

    root: Path  # output/SLUG
    infer: bool

    @property
    def name(self) -> str:
        """Of the folder of the kernel, with which the other names begin."""
        return "kernel-infer" if self.infer else "kernel"

    @property
    def kernel(self) -> Path:
        """Folder with what `kernel push` sends."""
        return self.root / self.name

    @property
    def dataset(self) -> Path:
        """Folder with what must be on Kaggle first; not there where nothing must."""
        return self.root / f"{self.name}-dataset"

    @property
    def output(self) -> Path:
        """Folder of what the kernel wrote."""
        return self.root / f"{self.name}-output"

    @property
    def pushed(self) -> Path:
        """Which version was pushed."""
        return self.root / f"{self.name}-pushed.json"

    @property
    def uploaded(self) -> Path:
        """What was uploaded as the dataset."""
        return self.root / f"{self.name}-dataset-uploaded.json"

    @property
    def needs_dataset(self) -> bool:
        """Whether its dataset is to be uploaded; an earlier foldwise left no folder where none is."""
        listed = read_built(self.root).get("files", {})
        return bool(listed.get(self.dataset.name)) if self.name in listed else self.dataset.is_dir()


def read_built(root: Path) -> dict[str, Any]:
    """kernel-built.json, empty where there is none."""
    return read_or_warn(root / BUILT, Built, "which kernel was built last is not known") or {}


def find_folders(root: Path, infer: bool | None) -> Folders:
    """The places of the kernel that is asked for; else of the one built last, which is said where there are two."""
    both = [Folders(root, False), Folders(root, True)]
    there = [folders for folders in both if (folders.kernel / KERNEL_METADATA).exists()]
    if infer is not None or len(there) < 2:
        return there[0] if infer is None and there else both[bool(infer)]
    chosen = both[read_built(root).get("last") == both[True].name]
    other = "--train" if chosen.infer else "--infer"
    say("kernel", f"the one in {chosen.kernel}, which was built last; {other} takes the other one")
    return chosen


def keep_foreign(old: Path, new: Path, own: list[str] | None) -> None:
    """Take over into a new folder what somebody else put into the old one.

    Args:
        own: the names that foldwise gave in the old folder; None where no record says, and a folder is its own whole if
            it has the metadata of a kernel or dataset.
    """
    if not old.is_dir() or (own is None and any((old / name).exists() for name in (KERNEL_METADATA, DATASET_METADATA))):
        return
    written = {*(own or []), *CODE.values(), KERNEL_METADATA, DATASET_METADATA}
    foreign = [path for path in sorted(old.iterdir()) if path.name not in written and not (new / path.name).exists()]
    for path in foreign:
        if path.is_symlink():
            (new / path.name).symlink_to(path.readlink())
        elif path.is_dir():
            shutil.copytree(path, new / path.name, symlinks=True, copy_function=link_or_copy)
        else:
            link_or_copy(path, new / path.name)
    if foreign:
        say("kernel", f"kept in {old}: {', '.join(path.name for path in foreign)}, which foldwise did not write")


def remember(folders: Folders, kernel: list[str], dataset: list[str]) -> None:
    """Write kernel-built.json: this one was built last, and these are the names of its files."""
    files = read_built(folders.root).get("files", {})
    files |= {folders.name: sorted(kernel), folders.dataset.name: sorted(dataset)}
    write_checked(folders.root / BUILT, {"last": folders.name, "files": files})


def paths_of(slug: str, input_: Path | None = None, output: Path | None = None, experiment: str | None = None) -> Paths:
    """The contest's folders, or a named run's; `InputError` if the slug is not the last part of an address."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", slug):
        raise InputError(
            f"-c {slug!r}: give the last part of the contest's address, as nlp-getting-started of "
            "kaggle.com/competitions/nlp-getting-started"
        )
    return name_paths(resolve(slug, input_, None, output), experiment)


def run_of(paths: Paths) -> str:
    """The options that say which competition a command is for, and which run of it."""
    return f"-c {paths.slug}{f' --experiment {paths.experiment}' if paths.experiment else ''}"


def suggest(command: str, folder: Path | None, option: str = "--output") -> str:
    """A command line to type next, with the folder that this one was given."""
    return shlex.join(["./run.sh", *command.split(), *([option, str(folder)] if folder else [])])


def kernel_of(paths: Paths, where: Folders) -> str:
    """The options that say which kernel a command is for."""
    return run_of(paths) + " --infer" * where.infer


def build_again(paths: Paths, where: Folders, output: Path | None) -> str:
    """The command that builds a kernel."""
    return suggest(f"kernel build {kernel_of(paths, where)}", output)
