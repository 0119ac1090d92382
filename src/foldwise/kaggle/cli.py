"""The commands that talk to Kaggle.

    ./run.sh download -c SLUG
    ./run.sh kernel build|push|status|output -c SLUG
    ./run.sh kernel submit -c SLUG -m "five folds"       a code competition
    ./run.sh submit -c SLUG -m "five folds"              output/SLUG/submission.csv

With --dry-run each but `kernel build` prints the client's commands and does nothing.
"""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from foldwise.console import say
from foldwise.errors import InputError
from foldwise.hashing import hash_of
from foldwise.kaggle import datasets, kernels, submissions
from foldwise.kaggle.client import show_command
from foldwise.kaggle.download import archive_folder, download_files
from foldwise.kaggle.folders import Folders, build_again, find_folders, kernel_of, paths_of, run_of, suggest
from foldwise.kaggle.metadata import DATASET_METADATA, KERNEL_METADATA, read_metadata
from foldwise.lock import only_writer
from foldwise.options import Experiment, ExperimentAlone, InputFolder, OutputFolder, add_command
from foldwise.paths import Paths
from foldwise.records import read_or_warn
from foldwise.run import Run

Slug = Annotated[
    str, typer.Option("--competition", "-c", metavar="SLUG", help="The last part of the contest's address.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print the commands of the kaggle client.")]
Which = Annotated[
    bool | None, typer.Option("--infer/--train", help="The kernel that predicts, or trains; else the one built last.")
]
Message = Annotated[str | None, typer.Option("--message", "-m", metavar="TEXT", help="Shown beside the submission.")]

kernel = typer.Typer(
    help="A kernel on Kaggle: build it, push it, wait for it, fetch its output, submit it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def download(
    slug: Slug,
    force: Annotated[bool, typer.Option("--force", help="Fetch anew what is there.")] = False,
    input_: InputFolder = None,
    dry_run: DryRun = False,
) -> None:
    """Fetch a contest's files from Kaggle into input/SLUG, and run init if the contest is not known by name."""
    folder = paths_of(slug, input_).input
    if dry_run:
        return show_command("download", slug=slug, folder=archive_folder(folder))
    download_files(slug, folder, force)
    paths = paths_of(slug, input_)  # the files decide which folder and which competition.toml are used
    if paths.config.is_file():
        return say("download", f"next: {suggest(f'all -c {slug}', input_, '--input')}")
    from foldwise.data.inspect_competition import Choices
    from foldwise.stages.init import init

    try:
        return init(paths, Choices(), force=False)
    except InputError as error:
        again = suggest(f"init {slug}", input_, "--input")
        raise InputError(f"the files are there, but {error}; go on with `{again}` and its options") from error


def build(
    run: Run,
    infer: Annotated[
        bool, typer.Option("--infer/--train", help="infer: it predicts with the folds trained here, sent as a dataset.")
    ] = False,
    notebook: Annotated[bool, typer.Option("--notebook", help="A notebook with plots instead of a script.")] = False,
    user: Annotated[str | None, typer.Option(metavar="NAME", help="On Kaggle; else of the credentials.")] = None,
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
        str | None,
        typer.Option(
            metavar="ID",
            help="As `kaggle kernels push` names it; none: CPU alone, as --infer has it of folds that a CPU trained.",
        ),
    ] = None,
    time_budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="The kernel ends within it: 2h, 90m. Not with --infer.")
    ] = None,
) -> None:
    """Pack package, settings and folds into one script, output/SLUG/kernel/ or kernel-infer/, and what goes with it."""
    from foldwise.kaggle.build import KernelOptions, build_kernel

    options = KernelOptions(infer, notebook, user, name, tuple(dataset or ()), accelerator, time_budget)
    with only_writer(run.paths.output):
        build_kernel(run, options)


class BuiltKernel(NamedTuple):
    """A kernel that was built, which the commands after `kernel build` are about."""

    paths: Paths  # of the run
    where: Folders
    metadata: dict[str, Any]  # its id is owner/name
    output: Path | None  # what --output was given


def find_kernel(
    slug: Slug, infer: Which = None, output: OutputFolder = None, experiment: ExperimentAlone = None
) -> BuiltKernel:
    """The options that these commands share."""
    paths = paths_of(slug, output=output, experiment=experiment)
    where = find_folders(paths.output, infer)
    metadata = read_metadata(where.kernel / KERNEL_METADATA, build_again(paths, where, output))
    return BuiltKernel(paths, where, metadata, output)


def push(built: BuiltKernel, dry_run: DryRun = False) -> None:
    """Send the built kernel to Kaggle, which starts it."""
    paths, where, metadata, output = built
    gpu, dataset, again = metadata.get("enable_gpu"), "", build_again(paths, where, output)
    if where.needs_dataset:
        dataset = read_metadata(where.dataset / DATASET_METADATA, again)["id"]
        if dataset not in metadata.get("dataset_sources", []):
            fault = f"the kernel does not name {dataset} among its dataset_sources"
            raise InputError(f"{where.dataset / DATASET_METADATA}: {fault}; run `{again}` again")
    message = submissions.default_message(paths)
    if dry_run:
        if gpu:
            show_command("quota")
        if dataset:
            show_command("dataset status", dataset=dataset)
            show_command("create dataset", "if Kaggle does not have the dataset", folder=where.dataset)
            show_command("update dataset", "if it has other files", folder=where.dataset, message=message)
            show_command("dataset status", "until it is ready", dataset=dataset)
        return show_command("push", folder=where.kernel)
    with only_writer(paths.output):  # what is sent must not be built anew meanwhile
        if gpu:
            kernels.show_quota(paths.slug)
        if dataset:
            datasets.update_dataset(where.dataset, dataset, where.uploaded, message, paths.slug)
        version = kernels.push_kernel(where.kernel, paths.slug, metadata["id"], where.pushed)
    status_command = suggest(f"kernel status {kernel_of(paths, where)}", output)
    return say("kernel", f"{metadata['id']} version {version} runs; next: {status_command}")


def status(built: BuiltKernel, dry_run: DryRun = False) -> None:
    """Wait until the kernel has ended; show the end of its log if it failed."""
    paths, where, metadata, output = built
    if dry_run:
        show_command("status", kernel=metadata["id"])
        show_command("log", kernel=metadata["id"])
    else:
        kernels.wait_for_kernel(metadata["id"], paths.slug)
        say("kernel", f"next: {suggest(f'kernel output {kernel_of(paths, where)}', output)}")


def fetch(built: BuiltKernel, dry_run: DryRun = False) -> None:
    """Fetch what the kernel wrote into output/SLUG/kernel-output, or kernel-infer-output."""
    paths, where, metadata, _ = built
    if dry_run:
        show_command("output", kernel=metadata["id"], folder=where.output)
    else:
        with only_writer(paths.output):
            for path in kernels.fetch_output(metadata["id"], paths.slug, where.output):
                say("kernel", f"{path}: {path.stat().st_size:,} bytes")


def submit_kernel(built: BuiltKernel, message: Message = None, dry_run: DryRun = False) -> None:
    """Submit the pushed version of the kernel to a code competition, and wait for the score."""
    paths, where, metadata, output = built
    name, again = metadata["id"], suggest(f"kernel push {kernel_of(paths, where)}", output)
    pushed = read_or_warn(where.pushed, kernels.Pushed, "which version was pushed is not known") or {}
    if pushed.get("id") != name:
        raise InputError(f"{name}: not pushed from here; run `{again}` first")
    send(paths, message, dry_run, "submit kernel", notebook=name, version=pushed["version"])


def submit(
    slug: Slug,
    message: Message = None,
    output: OutputFolder = None,
    experiment: Experiment = None,
    dry_run: DryRun = False,
) -> None:
    """Submit output/SLUG/submission.csv, and wait for the score."""
    paths = paths_of(slug, output=output, experiment=experiment)
    if not paths.submission.is_file():
        raise InputError(f"{paths.submission}: no such file; run `{suggest(f'all {run_of(paths)}', output)}` first")
    send(paths, message, dry_run, "submit file", file=paths.submission)


def send(paths: Paths, message: str | None, dry_run: bool, name: str, **values: Any) -> None:
    """Submit by the client's command `name`, between two looks at the list of submissions."""
    message = message or submissions.default_message(paths)
    if dry_run:
        for shown in ("submissions", name, "submissions"):
            show_command(shown, slug=paths.slug, message=message, **values)
    else:
        made = hash_of(values["file"]) if "file" in values else None
        score = submissions.submit(name, paths.slug, message, **values)
        submissions.keep_score(paths, score, message, made)


add_command(kernel, "build", build, without=("device", "submission", "debug", "force"))
add_command(kernel, "push", push, make=find_kernel)
add_command(kernel, "status", status, make=find_kernel)
add_command(kernel, "output", fetch, make=find_kernel)
add_command(kernel, "submit", submit_kernel, make=find_kernel)
