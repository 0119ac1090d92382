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
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from foldwise.console import say
from foldwise.errors import InputError
from foldwise.files import read_json
from foldwise.kaggle import datasets, kernels, submissions
from foldwise.kaggle.client import client_command, show_command
from foldwise.kaggle.download import archive_folder, download_files
from foldwise.kaggle.metadata import DATASET, KERNEL, KERNEL_METADATA, read_dataset, read_metadata
from foldwise.options import InputFolder, OutputFolder, add_command
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

    slug: str
    option: str  # --input or --output
    folder: Path | None  # that it names
    dry_run: bool  # print the client's commands and do nothing

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", self.slug):
            raise InputError(
                f"-c {self.slug!r}: give the last part of the contest's address, as nlp-getting-started of "
                "kaggle.com/competitions/nlp-getting-started"
            )

    @property
    def paths(self) -> Paths:
        """The contest's, as they are now."""
        given = {self.option: self.folder}
        return resolve(self.slug, given.get("--input"), None, given.get("--output"))

    def suggest(self, command: str) -> str:
        """A command line to type next, with SLUG filled in and the folder that this one was given."""
        given = [self.option, str(self.folder)] if self.folder else []
        return shlex.join(["./run.sh", *command.replace("SLUG", self.slug).split(), *given])


def kaggle_command(function: Callable[..., None], option: str = "--output") -> Callable[..., None]:
    """Give `function(call, …)` the options that the commands share, beside its own; `option` names its folder."""

    def run(slug: Slug, folder: OutputFolder = None, dry_run: DryRun = False, **own: Any) -> None:
        function(Call(slug, option, folder, dry_run), **own)

    first, folder, *shared, _ = inspect.signature(run).parameters.values()
    folder = folder.replace(annotation=InputFolder if option == "--input" else OutputFolder)
    _, *own = inspect.signature(function).parameters.values()
    parameters = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in (first, *own, folder, *shared)]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = function.__doc__
    return run


@partial(kaggle_command, option="--input")
def download(
    call: Call, force: Annotated[bool, typer.Option("--force", help="Fetch anew what is there.")] = False
) -> None:
    """Fetch a contest's files from Kaggle into input/SLUG, and run init if the contest is not known by name."""
    folder = call.paths.input
    if call.dry_run:
        return show_command("download", slug=call.slug, folder=archive_folder(folder))
    download_files(call.slug, folder, force)
    if call.paths.config.is_file():
        return say("download", f"next: {call.suggest('all -c SLUG')}")
    from foldwise.stages.init import Choices, init

    try:
        return init(call.paths, Choices(), force=False)
    except InputError as error:
        again = call.suggest("init SLUG")
        raise InputError(f"the files are there, but {error}; go on with `{again}` and its options") from error


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


@kaggle_command
def push(call: Call) -> None:
    """Send the built kernel to Kaggle, which starts it."""
    root = call.paths.output
    folder, files = root / KERNEL, root / DATASET
    build_command = call.suggest("kernel build -c SLUG")
    metadata = read_metadata(folder / KERNEL_METADATA, build_command)
    gpu = str(metadata.get("enable_gpu")).lower() == "true"  # the client takes the word as well
    dataset = read_dataset(files, metadata, build_command)["id"] if files.is_dir() else ""
    message = submissions.default_message(call.paths)
    if call.dry_run:
        return show_push(folder, gpu, files, dataset, message)
    if gpu:
        kernels.show_quota(call.slug)
    if dataset:
        datasets.update_dataset(files, dataset, root / UPLOADED, message, call.slug)
    pushed = kernels.push_kernel(folder, call.slug, metadata["id"], root / PUSHED)
    runs = f"{pushed['kernel']} version {pushed['version']} runs"
    return say("kernel", f"{runs}; next: {call.suggest('kernel status -c SLUG')}")


def show_push(folder: Path, gpu: bool, files: Path, dataset: str, message: str) -> None:
    """Print what `push` would call, in order; no file is read."""
    if gpu:
        show_command("quota")
    if dataset:
        show_command("dataset status", dataset=dataset)
        show_command("create dataset", "if Kaggle does not have the dataset", folder=files)
        show_command("update dataset", "if it has other files", folder=files, message=message)
        show_command("dataset status", "until it is ready", dataset=dataset)
    show_command("push", folder=folder)


def pushed_name(call: Call) -> str:
    """owner/name of the built kernel: once pushed as Kaggle has it, which may differ from kernel-metadata.json."""
    metadata = call.paths.output / KERNEL / KERNEL_METADATA
    name = read_metadata(metadata, call.suggest("kernel build -c SLUG"))["id"]
    pushed = read_json(call.paths.output / PUSHED) or {}
    return str(pushed["kernel"] if pushed.get("id") == name else name)


@kaggle_command
def status(call: Call) -> None:
    """Wait until the kernel has ended; show the end of its log if it failed."""
    name = pushed_name(call)
    if call.dry_run:
        show_command("status", kernel=name)
        show_command("log", kernel=name)
    else:
        kernels.wait_for_kernel(name, call.slug)
        say("kernel", f"next: {call.suggest('kernel output -c SLUG')}")


@kaggle_command
def output(call: Call) -> None:
    """Fetch what the kernel wrote into output/SLUG/kernel-output."""
    name, folder = pushed_name(call), call.paths.output / OUTPUT
    if call.dry_run:
        show_command("output", kernel=name, folder=folder)
    else:
        for path in kernels.fetch_output(name, call.slug, folder):
            say("kernel", f"{path}: {path.stat().st_size:,} bytes")


@kaggle_command
def submit_kernel(call: Call, message: Message = None) -> None:
    """Submit the pushed version of the kernel to a code competition, and wait for the score."""
    name, pushed = pushed_name(call), read_json(call.paths.output / PUSHED) or {}
    if pushed.get("kernel") != name:
        raise InputError(f"{name}: not pushed from here; run `{call.suggest('kernel push -c SLUG')}` first")
    send(call, message, "submit kernel", kernel=name, version=pushed["version"])


@kaggle_command
def submit(call: Call, message: Message = None) -> None:
    """Submit output/SLUG/submission.csv, and wait for the score."""
    file = call.paths.submission
    if not file.is_file():
        raise InputError(f"{file}: no such file; run `{call.suggest('all -c SLUG')}` first")
    send(call, message, "submit file", file=file)


def send(call: Call, message: str | None, name: str, **values: object) -> None:
    """Submit by the client's command `name`, between two looks at the list of submissions."""
    message = message or submissions.default_message(call.paths)
    values = {"slug": call.slug, "message": message, **values}
    if call.dry_run:
        for shown in ("submissions", name, "submissions"):
            show_command(shown, **values)
    else:
        submissions.submit(client_command(name, **values), call.slug, message)


add_command(kernel, "build", build, without=("device", "submission", "debug", "force"))
for name, function in {"push": push, "status": status, "output": output, "submit": submit_kernel}.items():
    add_command(kernel, name, function)
