"""The commands that talk to Kaggle.

    ./run.sh download -c SLUG
    ./run.sh kernel build|push|status|output -c SLUG
    ./run.sh kernel submit -c SLUG -m "five folds"       a code competition
    ./run.sh submit -c SLUG -m "five folds"              output/SLUG/submission.csv

With --dry-run each but `kernel build` prints the client's commands and does nothing.
"""

import inspect
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from foldwise.cli import InputFolder, OutputFolder, Traceback, guarded
from foldwise.cli import stage as command
from foldwise.console import say
from foldwise.errors import InputError
from foldwise.files import read_json
from foldwise.kaggle import datasets, kernels, submissions
from foldwise.kaggle.client import client_command, show_command
from foldwise.kaggle.download import archive_folder, download_files
from foldwise.kaggle.metadata import DATASET, KERNEL, KERNEL_METADATA, read_dataset, read_metadata
from foldwise.paths import Paths, resolve
from foldwise.run import Run

OUTPUT = "kernel-output"  # files and folders below output/SLUG, beside KERNEL and DATASET
PUSHED = "kernel-pushed.json"
UPLOADED = "kernel-dataset-uploaded.json"

Slug = Annotated[
    str, typer.Option("--competition", "-c", metavar="SLUG", help="The last part of the contest's address.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print the commands of the kaggle client.")]
Message = Annotated[str | None, typer.Option("--message", "-m", metavar="TEXT", help="Shown beside the submission.")]

kernel = typer.Typer(
    help="A kernel on Kaggle: build it, push it, wait for it, fetch its output, submit it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass(frozen=True)
class Call:
    """What every command but `kernel build` is given."""

    paths: Paths
    options: tuple[str, ...]  # the folder as given, for suggested commands
    dry_run: bool  # print the client's commands and do nothing

    def suggest(self, command: str) -> str:
        """A command line to type next: for this contest, and with the folder that this one was given."""
        return shlex.join(["./run.sh", *command.split(), "-c", self.paths.slug, *self.options])


def make_call(slug: str, dry_run: bool, input_: Path | None = None, output: Path | None = None) -> Call:
    """Check the contest's name, and find its paths."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", slug):
        raise InputError(
            f"-c {slug!r}: give the last part of the contest's address, as nlp-getting-started of "
            "kaggle.com/competitions/nlp-getting-started"
        )
    given = {"--input": input_, "--output": output}
    options = tuple(part for name, folder in given.items() if folder for part in (name, str(folder)))
    return Call(resolve(slug, input_, None, output), options, dry_run)


def kaggle_command(function: Callable[..., None]) -> Callable[..., None]:
    """Give `function(call, …)` the options that all but two of the commands share, beside its own."""

    def run(
        slug: Slug, output: OutputFolder = None, dry_run: DryRun = False, traceback: Traceback = False, **own: Any
    ) -> None:
        guarded(lambda: function(make_call(slug, dry_run, output=output), **own), traceback)

    first, *shared, _ = inspect.signature(run).parameters.values()
    _, *own = inspect.signature(function).parameters.values()
    parameters = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in (first, *own, *shared)]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = function.__doc__
    return run


def download(
    slug: Slug,
    input_: InputFolder = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch anew what is there.")] = False,
    dry_run: DryRun = False,
    traceback: Traceback = False,
) -> None:
    """Fetch a contest's files from Kaggle into input/SLUG, and run init if the contest is not known by name."""
    guarded(lambda: fetch_contest(make_call(slug, dry_run, input_), input_, force), traceback)


def fetch_contest(call: Call, input_: Path | None, force: bool) -> None:
    """Fetch the files, and infer competition.toml where neither the user nor foldwise has one."""
    slug, folder = call.paths.slug, call.paths.input
    if call.dry_run:
        return show_command(client_command("download", slug=slug, folder=archive_folder(folder)))
    download_files(slug, folder, force)
    paths = resolve(slug, input_, None, None)  # again, for files are there now
    if paths.config.is_file():
        return say("download", f"next: {call.suggest('all')}")
    from foldwise.stages.init import Choices, init

    try:
        return init(paths, Choices(), force=False)
    except InputError as error:
        again = shlex.join(["./run.sh", "init", slug, *call.options])
        raise InputError(f"the files are there, but {error}; go on with `{again}` and its options") from error


@command("build", kernel, without=("device", "submission", "debug", "force"))
def build(
    run: Run,
    train: Annotated[bool, typer.Option("--train", help="The kernel does everything; the default.")] = False,
    infer: Annotated[
        bool, typer.Option("--infer", help="The kernel predicts with the folds trained here, sent as a dataset.")
    ] = False,
    notebook: Annotated[bool, typer.Option("--notebook", help="A notebook with plots instead of a script.")] = False,
    user: Annotated[str | None, typer.Option(metavar="NAME", help="On Kaggle; else from the credentials.")] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the kernel, instead of foldwise-SLUG.", show_default=False)
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OWNER/NAME", help="A Kaggle dataset with the word vectors, not to send them. Repeatable."
        ),
    ] = None,
    accelerator: Annotated[
        str, typer.Option(metavar="ID", help="As `kaggle kernels push` names it; none: CPU alone.")
    ] = "NvidiaTeslaT4",
    time_budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="The kernel ends within it: 2h, 90m. With --train.")
    ] = None,
) -> None:
    """Pack package, settings and folds into one script, output/SLUG/kernel/, and what must travel beside it."""
    from foldwise.kaggle.build import KernelOptions, build_kernel

    if train and infer:
        raise InputError("--train and --infer: a kernel does one of them; take one out")
    if infer and time_budget:
        raise InputError("--time-budget is for --train: a kernel that predicts has no training to cut; take it out")
    mode: Literal["train", "infer"] = "infer" if infer else "train"
    build_kernel(run, KernelOptions(mode, notebook, user, name, tuple(dataset or ()), accelerator, time_budget))


@kernel.command("push")
@kaggle_command
def push(call: Call) -> None:
    """Send the built kernel to Kaggle, which starts it."""
    paths, slug = call.paths, call.paths.slug
    folder, files = paths.output / KERNEL, paths.output / DATASET
    metadata = read_metadata(folder / KERNEL_METADATA, call.suggest("kernel build"))
    gpu = str(metadata.get("enable_gpu")).lower() == "true"  # the client takes the word as well
    dataset = read_dataset(files, metadata, call.suggest("kernel build"))["id"] if files.is_dir() else ""
    message = submissions.default_message(paths)
    if call.dry_run:
        return show_push(folder, gpu, files, dataset, message)
    if gpu:
        kernels.show_quota(slug)
    if dataset:
        datasets.update_dataset(files, dataset, paths.output / UPLOADED, message, slug)
    pushed = kernels.push_kernel(folder, slug, metadata["id"], paths.output / PUSHED)
    return say("kernel", f"{pushed['kernel']} version {pushed['version']} runs; next: {call.suggest('kernel status')}")


def show_push(folder: Path, gpu: bool, files: Path, dataset: str, message: str) -> None:
    """Print what `push` would call, in order; no file is read."""
    if gpu:
        show_command(client_command("quota"))
    if dataset:
        status = client_command("dataset status", dataset=dataset)
        show_command(status)
        show_command(client_command("create dataset", folder=files), "if Kaggle does not have the dataset")
        show_command(client_command("update dataset", folder=files, message=message), "if it has other files")
        show_command(status, "until it is ready")
    show_command(client_command("push", folder=folder))


def kernel_name(call: Call) -> str:
    """owner/name of the built kernel: once pushed as Kaggle has it, which may differ from kernel-metadata.json."""
    name = read_metadata(call.paths.output / KERNEL / KERNEL_METADATA, call.suggest("kernel build"))["id"]
    pushed = read_json(call.paths.output / PUSHED) or {}
    return str(pushed["kernel"] if pushed.get("id") == name else name)


@kernel.command("status")
@kaggle_command
def status(call: Call) -> None:
    """Wait until the kernel has ended; show the end of its log if it failed."""
    name = kernel_name(call)
    if call.dry_run:
        show_command(client_command("status", kernel=name))
        show_command(client_command("log", kernel=name))
    else:
        kernels.wait_for_kernel(name, call.paths.slug)
        say("kernel", f"next: {call.suggest('kernel output')}")


@kernel.command("output")
@kaggle_command
def output(call: Call) -> None:
    """Fetch what the kernel wrote into output/SLUG/kernel-output."""
    name, folder = kernel_name(call), call.paths.output / OUTPUT
    if call.dry_run:
        show_command(client_command("output", kernel=name, folder=folder))
    else:
        for path in kernels.fetch_output(name, call.paths.slug, folder):
            say("kernel", f"{path}: {path.stat().st_size:,} bytes")


@kernel.command("submit")
@kaggle_command
def submit_kernel(call: Call, message: Message = None) -> None:
    """Submit the pushed version of the kernel to a code competition, and wait for the score."""
    name, pushed = kernel_name(call), read_json(call.paths.output / PUSHED) or {}
    if pushed.get("kernel") != name:
        raise InputError(f"{name}: not pushed from here; run `{call.suggest('kernel push')}` first")
    send(call, message, "submit kernel", kernel=name, version=pushed["version"])


@kaggle_command
def submit(call: Call, message: Message = None) -> None:
    """Submit output/SLUG/submission.csv, and wait for the score."""
    file = call.paths.submission
    if not file.is_file():
        raise InputError(f"{file}: no such file; run `{call.suggest('all')}` first")
    send(call, message, "submit file", file=file)


def send(call: Call, message: str | None, name: str, **values: object) -> None:
    """Submit by the client's command `name`, between two looks at the list of submissions."""
    slug, message = call.paths.slug, message or submissions.default_message(call.paths)
    arguments = client_command(name, slug=slug, message=message, **values)
    if call.dry_run:
        listing = client_command("submissions", slug=slug)
        for shown in (listing, arguments, listing):
            show_command(shown)
    else:
        submissions.submit(arguments, slug, message)
