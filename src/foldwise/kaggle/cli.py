"""The commands that talk to Kaggle."""

from typing import Annotated, Literal

import typer

from foldwise.errors import InputError
from foldwise.options import InputFolder, OutputFolder, add_command
from foldwise.run import Run

kernel = typer.Typer(
    help="A kernel on Kaggle: build it, push it, wait for it, fetch its output, submit it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Slug = Annotated[
    str, typer.Option("--competition", "-c", metavar="SLUG", help="The last part of the contest's address.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print the commands of the kaggle client.")]
Message = Annotated[str | None, typer.Option("--message", "-m", metavar="TEXT", help="Shown beside the submission.")]


def download(
    competition: Slug,
    input_: InputFolder = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch anew what is there.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Fetch a contest's files from Kaggle into input/SLUG, and run init if the contest is not known by name."""
    from foldwise.kaggle import commands

    commands.download(competition, input_, force, dry_run)


def run_kernel_build(
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
    from foldwise.kaggle.build import KernelOptions, build

    if train and infer:
        raise InputError("--train and --infer: a kernel does one of them; take one out")
    if infer and time_budget:
        raise InputError(
            "--time-budget is for --train: a kernel that only predicts has no training to cut; take it out"
        )
    mode: Literal["train", "infer"] = "infer" if infer else "train"
    build(run, KernelOptions(mode, notebook, user, name, tuple(dataset or ()), accelerator, time_budget))


def run_kernel_push(competition: Slug, output: OutputFolder = None, dry_run: DryRun = False) -> None:
    """Send the built kernel to Kaggle, which starts it."""
    from foldwise.kaggle.commands import push

    push(competition, output, dry_run)


def run_kernel_status(competition: Slug, output: OutputFolder = None, dry_run: DryRun = False) -> None:
    """Wait until the kernel has ended; show the end of its log if it failed."""
    from foldwise.kaggle.commands import status

    status(competition, output, dry_run)


def run_kernel_output(competition: Slug, output: OutputFolder = None, dry_run: DryRun = False) -> None:
    """Fetch what the kernel wrote into output/SLUG/kernel-output."""
    from foldwise.kaggle.commands import fetch

    fetch(competition, output, dry_run)


def run_kernel_submit(
    competition: Slug,
    message: Message = None,
    output: OutputFolder = None,
    dry_run: DryRun = False,
) -> None:
    """Submit the pushed version of the kernel to a code competition, and wait for the score."""
    from foldwise.kaggle.commands import submit_kernel

    submit_kernel(competition, message, output, dry_run)


def submit(
    competition: Slug,
    message: Message = None,
    output: OutputFolder = None,
    dry_run: DryRun = False,
) -> None:
    """Submit output/SLUG/submission.csv, and wait for the score."""
    from foldwise.kaggle.commands import submit_csv

    submit_csv(competition, message, output, dry_run)


add_command(kernel, "build", run_kernel_build, ("device", "submission", "debug", "force"))
for command in (run_kernel_push, run_kernel_status, run_kernel_output, run_kernel_submit):
    add_command(kernel, command.__name__.removeprefix("run_kernel_"), command)
