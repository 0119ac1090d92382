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
from foldwise.kaggle import credentials
from foldwise.kaggle.image import check_modules
from foldwise.kaggle.kernels import LONGEST_RUN
from foldwise.kaggle.metadata import (
    DATASET,
    DATASET_METADATA,
    KERNEL,
    KERNEL_METADATA,
    check_names,
    dataset_files,
    describe_dataset,
    describe_kernel,
    kernel_name,
    short_name,
)
from foldwise.kaggle.notebook import make_notebook
from foldwise.kaggle.script import Kernel, Part, check_size, make_script, weigh
from foldwise.paths import CONFIG, REPOSITORY
from foldwise.run import Run
from foldwise.stages.folds import folds, packed_name
from foldwise.stages.train import prepare_members
from foldwise.time_budget.budget import parse_budget
from foldwise.vectors.files import VectorFile, vector_sources

SUFFIXES = (".py", ".toml")  # of what is packed from src/


@dataclass(frozen=True)
class KernelOptions:
    """What the user said of the kernel."""

    mode: Literal["train", "infer"] = "train"  # infer: it predicts with what was trained here
    notebook: bool = False  # instead of a script
    user: str | None = None  # whose kernel; None for the one of the credentials
    name: str | None = None  # of the kernel; None for one made from the contest's
    datasets: tuple[str, ...] = ()  # owner/name of those on Kaggle that hold the word vectors
    accelerator: str = "NvidiaTeslaT4"  # as Kaggle names it, or "none"
    time_budget: str | None = None  # handed on to the training


def build_kernel(run: Run, options: KernelOptions) -> None:
    """Write the kernel's folder, and its dataset's where one is needed.

    Raises:
        InputError: a name that Kaggle does not take, a recipe that cannot run there, or a script that is too large.
    """
    user, name = options.user or credentials.user_name(), kernel_name(run.paths.slug, options.name)
    check_names(user, options.datasets)
    if options.time_budget and parse_budget(options.time_budget).seconds > 3600 * LONGEST_RUN:
        raise InputError(
            f"--time-budget {options.time_budget}: Kaggle ends a kernel after {LONGEST_RUN:g} h, in many contests "
            "earlier"
        )
    fold_of_row = folds(run)
    check_modules(run, options.mode)
    if options.mode == "train":
        prepare_members(run, run.config.recipe.ensemble_members)
    sources = [] if options.datasets else vector_sources(run.config.recipe.tokens, run.paths)
    vectors = [file for file in sources if not file.path.is_relative_to(run.paths.input)]  # the contest's are on Kaggle
    own = f"{user}/{short_name(name, '-vectors' if options.mode == 'train' else '-model')}"
    travels = bool(vectors) or options.mode == "infer"
    datasets = [*[own] * travels, *options.datasets]
    parts = collect_parts(run, fold_of_row, options.mode)
    check_secrets({name: content for part in parts for name, content in part.files.items()})
    code_file = "kernel.ipynb" if options.notebook else "kernel.py"
    with atomic_folder(run.paths.output / DATASET) as folder:  # takes its place only if the script can, too
        trained, model_sha256 = fill_dataset(run, fold_of_row, folder, vectors, options.mode)
        write_json(folder / DATASET_METADATA, describe_dataset(own))
        kernel = plan_kernel(run, options, datasets, trained, model_sha256)
        code = make_notebook(run, kernel, parts) if options.notebook else make_script(kernel, parts)
        check_secrets({code_file: code.encode()})
        check_size(parts, len(code.encode()))
        with atomic_folder(run.paths.output / KERNEL) as kernel_folder:
            write_text(kernel_folder / code_file, code)
            metadata = describe_kernel(user, name, code_file, run.paths.slug, datasets, options.accelerator)
            write_json(kernel_folder / KERNEL_METADATA, metadata)
    if not travels:
        shutil.rmtree(run.paths.output / DATASET)
    announce(run, parts, len(code.encode()), run.paths.output / KERNEL / code_file, own if travels else "")


def collect_parts(run: Run, fold_of_row: np.ndarray, mode: str) -> list[Part]:
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
    if mode == "infer":  # its settings and folds are in the dataset
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


def fill_dataset(
    run: Run, fold_of_row: np.ndarray, folder: Path, vectors: list[VectorFile], mode: str
) -> tuple[dict[str, int], str]:
    """Put what travels beside the script into the folder of the dataset: trained folds, and files of word vectors.

    Returns:
        How many trained folds of each member are in it, and sha256 of their manifest; nothing of a kernel that trains.
    """
    trained: dict[str, int] = {}
    sha256 = ""
    if mode == "infer":
        # Another extension, and it loads torch: a kernel that trains is built without either.
        from foldwise.inference.bundle import MANIFEST, read_words, reads_vectors
        from foldwise.inference.pack import pack_model

        manifest = pack_model(run, fold_of_row, folder)
        written = (folder / MANIFEST).read_bytes()
        check_secrets({MANIFEST: written})
        sha256 = hashlib.sha256(written).hexdigest()
        trained = {name: len(member.folds) for name, member in manifest.members.items()}
        if not reads_vectors(manifest, read_words(folder)):
            vectors = []
    for source in vectors:
        add_vectors(source, folder)
    return trained, sha256


def add_vectors(source: VectorFile, folder: Path) -> None:
    """Put a file of word vectors into the dataset, which must be flat; a link where possible, for it may be large."""
    words = [source.path.with_suffix(".txt")] if source.suffix == ".safetensors" else []
    for path in [source.path, *words]:
        target = folder / (source.file_name if source.member else path.name)
        if target.exists():
            raise InputError(
                f"recipe.tokens.vectors: {target.name} is also the name of another file of the dataset; rename it"
            )
        if source.member:
            with zipfile.ZipFile(path) as archive, archive.open(source.member) as packed, target.open("xb") as file:
                shutil.copyfileobj(packed, file)
            continue
        try:
            os.link(path.resolve(), target)
        except OSError:  # another disk, or one without links
            shutil.copyfile(path, target)


def plan_kernel(
    run: Run, options: KernelOptions, datasets: list[str], trained: dict[str, int], model_sha256: str
) -> Kernel:
    """What the kernel does.

    Args:
        datasets: owner/name of those it needs, its own one first.
        trained: what `fill_dataset` gave, as `model_sha256`.
    """
    slug, recipe = run.paths.slug, run.config.recipe
    settings = [part for setting in run.settings for part in ("--set", setting)]
    settings += ["--time-budget", options.time_budget] if options.time_budget else []
    title = " ".join((run.config.competition.title or slug).split())
    built_by = command_of(slug, options, settings)
    if options.mode == "infer":  # its settings are in the dataset
        return Kernel(slug, "infer", [], datasets, model_sha256, trained, title, built_by)
    folds_to_train = dict.fromkeys(recipe.ensemble_members, recipe.folds.n)
    return Kernel(slug, "all", settings, datasets, "", folds_to_train, title, built_by)


def command_of(slug: str, options: KernelOptions, settings: list[str]) -> str:
    """The command that builds this kernel, without the folders of the machine it was built on."""
    names = [("--user", options.user), ("--name", options.name), *(("--dataset", name) for name in options.datasets)]
    given = [part for option, value in names if value for part in (option, value)]
    accelerator = ["--accelerator", options.accelerator] if options.accelerator != KernelOptions.accelerator else []
    form = [f"--{options.mode}", *["--notebook"] * options.notebook]
    return shlex.join(["./run.sh", "kernel", "build", "-c", slug, *form, *given, *accelerator, *settings])


def announce(run: Run, parts: list[Part], total: int, path: Path, dataset: str) -> None:
    """Say what was built, what weighs what, and what to do next."""
    for line in weigh(parts, total):
        say("kernel", line)
    say("kernel", f"made {path}")
    if dataset:
        folder = run.paths.output / DATASET
        files = dataset_files(folder)
        size = sum(file.stat().st_size for file in files)
        say("kernel", f"made {folder}: {len(files)} files, {size:,} bytes, the dataset {dataset} that it needs")
    target = ["-c", run.paths.slug, *(["--output", str(run.paths.output.parent)] if "--output" in run.options else [])]
    say("kernel", f"next: {shlex.join(['./run.sh', 'kernel', 'push', *target])}")
