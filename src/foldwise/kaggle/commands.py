"""Stages that talk to Kaggle: download, kernel push, status, output and submit, submit.

    ./run.sh download -c SLUG
    ./run.sh kernel push -c SLUG && ./run.sh kernel status -c SLUG && ./run.sh kernel output -c SLUG
    (push brings the dataset of output/SLUG/kernel-dataset up first, where the kernel needs one)
    ./run.sh kernel submit -c SLUG -m "five folds"       a code competition
    ./run.sh submit -c SLUG -m "five folds"              output/SLUG/submission.csv

With --dry-run each prints the client's commands and does nothing.
"""

import re
import shlex
from pathlib import Path

from foldwise.console import say, warn
from foldwise.errors import InputError
from foldwise.files import hash_of, read_json, write_json
from foldwise.kaggle import datasets, service, submissions
from foldwise.kaggle.client import command_line
from foldwise.kaggle.download import arguments as download_arguments
from foldwise.kaggle.download import download as download_files
from foldwise.kaggle.metadata import KERNEL_METADATA, dataset_metadata, kernel_metadata
from foldwise.kaggle.quota import quota_arguments, show_quota, uses_gpu
from foldwise.paths import Paths, resolve
from foldwise.stages.init import Choices, init

KERNEL = "kernel"  # folders and files below output/SLUG
OUTPUT = "kernel-output"
PUSHED = "kernel-pushed.json"
DATASET = "kernel-dataset"  # there only where the kernel needs it
UPLOADED = "kernel-dataset-uploaded.json"


def paths_of(slug: str, input_: Path | None = None, output: Path | None = None) -> Paths:
    """The contest's paths.

    Raises:
        InputError: not the name of a contest.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", slug):
        raise InputError(
            f"-c {slug!r}: give the last part of the contest's address, as nlp-getting-started of "
            "kaggle.com/competitions/nlp-getting-started"
        )
    return resolve(slug, input_, None, output)


def hint(command: str, slug: str, option: str, folder: Path | None) -> str:
    """A command line to suggest, with the folder that this call was given."""
    target = [slug] if command == "init" else ["-c", slug]
    return shlex.join(["./run.sh", *command.split(), *target, *([option, str(folder)] if folder else [])])


def show(*commands: list[str]) -> None:
    """Print the client's commands."""
    for arguments in commands:
        print(command_line(arguments))


def download(slug: str, input_: Path | None, force: bool, dry_run: bool) -> None:
    """Fetch the files, and infer competition.toml where neither the user nor foldwise has one."""
    paths = paths_of(slug, input_)
    if dry_run:
        return show(download_arguments(slug, paths.input))
    download_files(slug, paths.input, force)
    paths = paths_of(slug, input_)
    if not paths.config.is_file():
        try:
            init(paths, Choices(), force=False)
        except InputError as error:
            again = hint("init", slug, "--input", input_)
            raise InputError(f"the files are there, but {error}; go on with `{again}` and its options") from error
    else:
        say("download", f"next: {hint('all', slug, '--input', input_)}")
    return None


def kernel_of(paths: Paths, output: Path | None) -> str:
    """owner/name of the built kernel: once pushed as Kaggle has it, which may differ from kernel-metadata.json."""
    name = kernel_metadata(paths.output / KERNEL, hint("kernel build", paths.slug, "--output", output))["id"]
    pushed = read_json(paths.output / PUSHED) or {}
    return str(pushed["kernel"] if pushed.get("id") == name else name)


def push(slug: str, output: Path | None, dry_run: bool) -> None:
    """Bring the dataset up where the kernel needs one, send the kernel, and remember its version."""
    paths = paths_of(slug, output=output)
    build = hint("kernel build", slug, "--output", output)
    folder, files, uploaded = (paths.output / name for name in (KERNEL, DATASET, UPLOADED))
    metadata = kernel_metadata(folder, build)
    kernel, gpu = metadata["id"], uses_gpu(metadata)
    dataset = dataset_metadata(files, metadata, build)["id"] if files.is_dir() else ""
    message = default_message(paths)
    if dry_run:
        show(*[quota_arguments()] * gpu)
        for arguments, condition in datasets.commands(files, dataset, message) if dataset else []:
            print(command_line(arguments) + (f"  # {condition}" if condition else ""))
        return show(service.push_arguments(folder))
    if gpu:
        show_quota(slug)
    if dataset:
        datasets.bring_up(files, dataset, uploaded, message, slug)
    name, version, address = service.push(folder, slug, kernel)
    write_json(paths.output / PUSHED, {"id": kernel, "kernel": name, "version": version, "url": address})
    if name.lower() != kernel.lower():
        warn(
            f"{folder / KERNEL_METADATA}: Kaggle calls the kernel {name}, by its title, and not {kernel}; status, "
            "output and submit ask for that name"
        )
    say("kernel", f"{name} version {version} runs; next: {hint('kernel status', slug, '--output', output)}")
    return None


def status(slug: str, output: Path | None, dry_run: bool) -> None:
    """Wait for the kernel."""
    paths = paths_of(slug, output=output)
    kernel = kernel_of(paths, output)
    if dry_run:
        return show(service.status_arguments(kernel), service.log_arguments(kernel))
    service.wait_for_kernel(kernel, slug)
    say("kernel", f"next: {hint('kernel output', slug, '--output', output)}")
    return None


def fetch(slug: str, output: Path | None, dry_run: bool) -> None:
    """Fetch the kernel's output."""
    paths = paths_of(slug, output=output)
    kernel = kernel_of(paths, output)
    folder = paths.output / OUTPUT
    if dry_run:
        return show(service.output_arguments(kernel, folder))
    for path in service.fetch_output(kernel, slug, folder):
        say("kernel", f"{path}: {path.stat().st_size:,} bytes")
    return None


def submit_kernel(slug: str, message: str | None, output: Path | None, dry_run: bool) -> None:
    """Submit the version that was pushed last."""
    paths = paths_of(slug, output=output)
    kernel = kernel_of(paths, output)
    pushed = read_json(paths.output / PUSHED) or {}
    if pushed.get("kernel") != kernel:
        raise InputError(f"{kernel}: not pushed from here; run `{hint('kernel push', slug, '--output', output)}` first")
    message = message or default_message(paths)
    submit(submissions.kernel_arguments(slug, kernel, pushed["version"], message), slug, message, dry_run)


def submit_csv(slug: str, message: str | None, output: Path | None, dry_run: bool) -> None:
    """Submit the file that the stages made."""
    paths = paths_of(slug, output=output)
    if not paths.submission.is_file():
        again = hint("all", slug, "--output", output)
        raise InputError(f"{paths.submission}: no such file; run `{again}` first")
    message = message or default_message(paths)
    submit(submissions.csv_arguments(slug, paths.submission, message), slug, message, dry_run)


def submit(arguments: list[str], slug: str, message: str, dry_run: bool) -> None:
    """Submit and wait, between two looks at the list of submissions."""
    if dry_run:
        looks = submissions.list_arguments(slug)
        return show(looks, arguments, looks)
    submissions.submit(arguments, slug, message)
    return None


def default_message(paths: Paths) -> str:
    """What made the submission, where the user says nothing: metric and score out of fold, if it is of that run."""
    summary = read_json(paths.output / "summary.json")
    made = hash_of(paths.submission) if paths.submission.is_file() else None
    if not summary or made not in summary.get("outputs", []):
        return "foldwise"
    return f"foldwise, {summary['metric']} {summary['cv']['pooled']:.4f} out of fold"
