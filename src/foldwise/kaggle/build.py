"""Stage kernel build: package, settings and folds in one script that runs on Kaggle, and what must travel beside it.

    ./run.sh kernel build -c SLUG              the kernel makes everything: tokens, folds, ensemble
    ./run.sh kernel build -c SLUG --infer      the folds trained here go along as a dataset; the kernel predicts

`output/SLUG/kernel/` is what `kernel push` sends; `output/SLUG/kernel-dataset/`, where there is one, must be on Kaggle
first. The same input and settings give the same bytes.
"""

import hashlib
import os
import shlex
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from foldwise.console import say
from foldwise.data.packed_folds import pack_folds
from foldwise.errors import InputError
from foldwise.files import atomic_folder, write_json, write_text
from foldwise.inference.bundle import MANIFEST, Manifest, read_words, reads_vectors
from foldwise.kaggle import credentials
from foldwise.kaggle.commands import DATASET, KERNEL
from foldwise.kaggle.image import check_modules
from foldwise.kaggle.metadata import DATASET_METADATA, KERNEL_METADATA
from foldwise.kaggle.naming import (
    check_dataset,
    check_user,
    describe_dataset,
    describe_kernel,
    kernel_name,
    short_name,
)
from foldwise.kaggle.notebook import notebook
from foldwise.kaggle.payload import Part, check_size, pack, weights
from foldwise.kaggle.quota import LONGEST
from foldwise.kaggle.script import Job, fill, values_of
from foldwise.kaggle.story import about, story
from foldwise.paths import CONFIG, REPOSITORY
from foldwise.run import Run
from foldwise.stages.folds import folds, packed_name
from foldwise.stages.train import prepare_members
from foldwise.time_budget.budget import parse_budget
from foldwise.vectors.files import VectorFile, vector_sources

SUFFIXES = (".py", ".toml")  # of what is packed from src/


@dataclass(frozen=True)
class KernelOptions:
    """What the user said of the kernel.

    Attributes:
        mode: whether the kernel trains or predicts with what was trained here.
        notebook: instead of a script.
        user: whose kernel; None for the one of the credentials.
        name: of the kernel; None for one made from the contest's.
        datasets: owner/name of datasets on Kaggle that hold the word vectors.
        accelerator: as Kaggle names it, or "none".
        time_budget: handed on to the training.
    """

    mode: Literal["train", "infer"] = "train"
    notebook: bool = False
    user: str | None = None
    name: str | None = None
    datasets: tuple[str, ...] = ()
    accelerator: str = "NvidiaTeslaT4"
    time_budget: str | None = None


def build(run: Run, options: KernelOptions) -> None:
    """Write the kernel's folder, and its dataset's where one is needed.

    Raises:
        InputError: a name that Kaggle does not take, a recipe that cannot run there, or a script that is too large.
    """
    user = check_user(options.user or credentials.user_name())
    name = kernel_name(run.paths.slug, options.name)
    given = [check_dataset(dataset) for dataset in options.datasets]
    if options.time_budget:
        check_budget(options.time_budget)
    fold_of_row = folds(run)
    check_modules(run, options.mode)
    if options.mode == "train":
        prepare_members(run, run.config.recipe.ensemble_members)
    beside = [] if given else sources_beside(run)
    travels = bool(beside) or options.mode == "infer"
    own = f"{user}/{short_name(name, '-vectors' if options.mode == 'train' else '-model')}"
    datasets = [own, *given] if travels else given
    parts = parts_of(run, fold_of_row, options.mode)
    check_secrets({name: content for part in parts for name, content in part.files.items()})
    code_file = "kernel.ipynb" if options.notebook else "kernel.py"
    with atomic_folder(run.paths.output / DATASET) as folder:  # takes its place only if the script can, too
        manifest = None
        if options.mode == "infer":
            from foldwise.inference.pack import (
                pack_model,  # loads torch, which a kernel that trains can be built without
            )

            manifest = pack_model(run, fold_of_row, folder)
            check_secrets({MANIFEST: (folder / MANIFEST).read_bytes()})
        if manifest is None or reads_vectors(manifest, read_words(folder)):
            for source in beside:
                add_vectors(source, folder)
        write_json(folder / DATASET_METADATA, describe_dataset(own))
        code = code_of(run, options, job_of(run, options, datasets, folder), parts, folds_of(run, manifest))
        check_secrets({code_file: code.encode()})
        check_size(parts, len(code.encode()))
        with atomic_folder(run.paths.output / KERNEL) as kernel:
            write_text(kernel / code_file, code)
            metadata = describe_kernel(user, name, code_file, run.paths.slug, datasets, options.accelerator)
            write_json(kernel / KERNEL_METADATA, metadata)
    if not travels:
        shutil.rmtree(run.paths.output / DATASET)
    report(run, parts, len(code.encode()), run.paths.output / KERNEL / code_file, own if travels else "")


def check_budget(text: str) -> None:
    """A time budget is a length of time that a kernel may run for.

    Raises:
        InputError: it is none, or longer.
    """
    if parse_budget(text).seconds > 3600 * LONGEST:
        raise InputError(f"--time-budget {text}: Kaggle ends a kernel after {LONGEST:g} h, in many contests earlier")


def sources_beside(run: Run) -> list[VectorFile]:
    """The files of word vectors that do not come with the contest, whose own ones are on Kaggle already."""
    sources = vector_sources(run.config.recipe.tokens, run.paths)
    return [source for source in sources if not source.path.is_relative_to(run.paths.input)]


def add_vectors(source: VectorFile, folder: Path) -> None:
    """Put a file of word vectors into the dataset, which must be flat; a link where possible, for it may be large."""
    if source.member:
        target = free(folder, source.file_name)
        with zipfile.ZipFile(source.path) as archive, archive.open(source.member) as packed, target.open("xb") as file:
            shutil.copyfileobj(packed, file)
        return
    for path in source.paths:
        target = free(folder, path.name)
        try:
            os.link(path.resolve(), target)
        except OSError:  # another disk, or one without links
            shutil.copyfile(path, target)


def free(folder: Path, name: str) -> Path:
    """The place of a file in a dataset.

    Raises:
        InputError: another file has it.
    """
    if (folder / name).exists():
        raise InputError(f"recipe.tokens.vectors: {name} is also the name of another file of the dataset; rename it")
    return folder / name


def job_of(run: Run, options: KernelOptions, datasets: list[str], folder: Path) -> Job:
    """What the kernel does.

    Args:
        datasets: owner/name of those it needs, its own one first.
        folder: of its own one.
    """
    if options.mode == "infer":  # its settings are in the dataset
        manifest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
        return Job(run.paths.slug, "infer", [], datasets, manifest)
    return Job(run.paths.slug, "all", settings_of(run, options), datasets)


def settings_of(run: Run, options: KernelOptions) -> list[str]:
    """Options of this call that the training in the kernel gets too."""
    budget = ["--time-budget", options.time_budget] if options.time_budget else []
    return [*(part for setting in run.settings for part in ("--set", setting)), *budget]


def parts_of(run: Run, fold_of_row: np.ndarray, mode: str) -> list[Part]:
    """What the kernel carries."""
    slug, root = run.paths.slug, REPOSITORY / "src"
    paths = [path for path in sorted(root.rglob("*")) if path.suffix in SUFFIXES and path.is_file()]
    names = {path.relative_to(REPOSITORY).as_posix(): path for path in paths}
    content = {name: path.read_bytes() for name, path in names.items() if "/." not in name}
    package = {name: text for name, text in content.items() if name.startswith("src/foldwise/")}
    modules = {name: text for name, text in content.items() if name not in package}
    heaviest = ", ".join(sorted(modules, key=lambda name: -len(modules[name]))[:3])
    parts = [
        Part("package", package, "the package itself has grown; take out of src/foldwise what is not used"),
        Part("own modules", modules, f"move data out of the modules in src/ and delete those not used: {heaviest}"),
    ]
    if mode == "infer":
        return parts
    settings = {f"input/{slug}/{CONFIG}": run.paths.config.read_bytes()}
    packed = {f"folds/{packed_name(slug)}": pack_folds(fold_of_row, run.competition.train_ids).encode()}
    fewer = "fewer folds take less (--set folds.n=…, and folds --force), and a kernel built with --infer carries none"
    return [*parts, Part("settings", settings, f"shorten {run.paths.config}"), Part("folds", packed, fewer)]


def check_secrets(contents: dict[str, bytes]) -> None:
    """Refuse to pack the credentials of Kaggle's client, should a module or a setting hold them.

    Args:
        contents: of files, by name.

    Raises:
        InputError: naming the file, not what is in it.
    """
    secrets = [value.encode() for value in credentials.secrets()]
    for name, content in contents.items():
        if any(secret in content for secret in secrets):
            raise InputError(
                f"{name}: holds your Kaggle credentials, which a kernel would show; take them out, also of what --set "
                "gives"
            )


def folds_of(run: Run, manifest: Manifest | None) -> dict[str, int]:
    """How many folds of each member the kernel trains, or has where they are packed."""
    if manifest is None:
        return dict.fromkeys(run.config.recipe.ensemble_members, run.config.recipe.folds.n)
    return {name: len(member.folds) for name, member in manifest.members.items()}


def code_of(run: Run, options: KernelOptions, job: Job, parts: list[Part], members: dict[str, int]) -> str:
    """The script or the notebook.

    Args:
        members: their folds.
    """
    values = values_of(job, pack(parts))
    command = command_of(run, options)
    if options.notebook:
        return notebook(*story(run, job, members, command), values)
    return fill(about(run, job, members, command), values)


def command_of(run: Run, options: KernelOptions) -> str:
    """The command that builds this kernel, without the folders of the machine it was built on."""
    names = [("--user", options.user), ("--name", options.name), *(("--dataset", name) for name in options.datasets)]
    given = [part for option, value in names if value for part in (option, value)]
    accelerator = ["--accelerator", options.accelerator] if options.accelerator != KernelOptions.accelerator else []
    form = [f"--{options.mode}", *["--notebook"] * options.notebook]
    return shlex.join(
        ["./run.sh", "kernel", "build", "-c", run.paths.slug, *form, *given, *accelerator, *settings_of(run, options)]
    )


def report(run: Run, parts: list[Part], total: int, path: Path, dataset: str) -> None:
    """Say what was built, what weighs what, and what to do next."""
    for line in weights(parts, total):
        say("kernel", line)
    say("kernel", f"made {path}")
    if dataset:
        folder = run.paths.output / DATASET
        files = [file for file in folder.iterdir() if file.name != DATASET_METADATA]
        size = sum(file.stat().st_size for file in files)
        say("kernel", f"made {folder}: {len(files)} files, {size:,} bytes, the dataset {dataset} that it needs")
    target = ["-c", run.paths.slug, *(["--output", str(run.paths.output.parent)] if "--output" in run.options else [])]
    say("kernel", f"next: {shlex.join(['./run.sh', 'kernel', 'push', *target])}")
