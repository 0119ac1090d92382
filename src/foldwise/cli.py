"""The command line. Exit codes: 0 done, 1 an error of the run, 2 an error of the input or of the command line.

Stages are imported when their command runs, so that `--help` and a typo answer at once, without loading torch.
"""

import difflib
import inspect
import shlex
import signal
import sys
import traceback as tracebacks
import typing
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from foldwise.config import Kind, Metric, Quotes, Task
from foldwise.errors import InputError, RunError
from foldwise.load_config import load_config
from foldwise.paths import COMPETITIONS, resolve
from foldwise.run import Run, check_config
from foldwise.time_budget.budget import parse_budget

DEFAULT = "movie-reviews"

app = typer.Typer(
    name="./run.sh",
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A text competition, from the CSVs to submission.csv. Without a command: all stages on movie-reviews.",
    epilog="Also: ./run.sh test (lint, types, tests); ./run.sh bench (speed beside other ways; --quick).",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def choice(name: str, values: Any) -> Any:
    """The values of a `Literal` as an option's choices."""
    return Enum(name, {value: value for value in typing.get_args(values)}, type=str)


Device = choice("Device", Literal["auto", "cpu", "cuda"])
InputFolder = Annotated[Path | None, typer.Option("--input", metavar="DIR", help="Instead of input/.")]
OutputFolder = Annotated[Path | None, typer.Option("--output", metavar="DIR", help="Instead of output/.")]
SubmissionFile = Annotated[
    Path | None, typer.Option("--submission", metavar="FILE", help="Instead of output/SLUG/submission.csv.")
]
Traceback = Annotated[bool, typer.Option("--traceback", help="Show where in the code an error arose.")]


def make_run(
    competition: Annotated[
        str, typer.Option("--competition", "-c", metavar="SLUG", help="Folder below input/.")
    ] = DEFAULT,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe field: training.epochs=3. Repeatable."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the training; the folds have their own.")] = None,
    device: Annotated[Device, typer.Option(help="auto takes a GPU if it works.")] = Device.auto,  # type: ignore[valid-type]
    input_: InputFolder = None,
    folds: Annotated[Path | None, typer.Option("--folds", metavar="DIR", help="Instead of folds/.")] = None,
    output: OutputFolder = None,
    submission: SubmissionFile = None,
    debug: Annotated[bool, typer.Option("--debug", help="200 rows, 1 epoch, into output/SLUG-debug/.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Redo what is up to date.")] = False,
) -> Run:
    """The options that every stage shares."""
    paths = resolve(competition, input_, folds, output, debug, submission)
    if not paths.input.is_dir():
        there = sorted(path.parent.name for path in paths.input.parent.glob("*/competition.toml"))
        if paths.config.parent == COMPETITIONS:
            raise InputError(
                f"{paths.input}: no such folder; `./run.sh download -c {competition}` fetches the contest's files, or "
                "unpack them there yourself"
            )
        known = [*there, *(path.stem for path in COMPETITIONS.glob("*.toml"))]
        near = difflib.get_close_matches(competition, known, n=1) or [name for name in known if competition in name]
        fix = f"did you mean {near[0]}?" if near else "put the competition's CSVs there"
        raise InputError(f"{paths.input}: no such folder; {fix} (there now: {', '.join(there) or 'none'})")
    settings = (set_ or []) + ([f"seed={seed}"] if seed is not None else [])
    command = shlex.join(["./run.sh", *sys.argv[1:]])
    given = (("--input", input_), ("--folds", folds), ("--output", output), ("--submission", submission))
    options = [part for name, folder in given if folder for part in (name, str(folder))] + ["--debug"] * debug
    config = load_config(paths.config, settings, debug)
    check_config(config, competition)
    paths = replace(paths, stems=config.files.stems)
    kind = device.value  # type: ignore[attr-defined]
    return Run(config, paths, force, debug, kind, command, tuple(options), tuple(settings))


def guarded(function: Callable[[], object], show_traceback: bool) -> None:
    """Run a command; an error becomes one message and an exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # asked to end: as by Ctrl-C, workers first
    try:
        function()
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, typer.Exit):
            raise
        if show_traceback:
            tracebacks.print_exc()
        if isinstance(error, KeyboardInterrupt) and sys.stderr.isatty():
            print(file=sys.stderr)  # leave the line with the bar and the ^C
        print(f"error: {explain(error)}", file=sys.stderr)
        raise typer.Exit(2 if isinstance(error, InputError) else 1) from error


def explain(error: BaseException) -> str:
    """What went wrong, and how to go on."""
    same = "the same command without --force" if "--force" in sys.argv else "the same command"
    again = f"what was finished is kept; run {same} to go on"
    if isinstance(error, InputError | RunError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return f"stopped; {again}"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # the latter is torch's
        return f"out of memory; {again}, with a smaller batches.size or tokens.max_length"
    if isinstance(error, OSError):
        return f"{error}; {again}"
    return f"{type(error).__name__}: {error}; this is a fault of foldwise: --traceback shows where"


def stage(
    name: str, group: typer.Typer = app, without: Sequence[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register `function(run, …)` as a command that takes the common options beside its own.

    Args:
        group: what the command belongs to.
        without: parameters of `make_run` that have no meaning there.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        shared_by_all = inspect.signature(make_run).parameters
        common = {key: parameter for key, parameter in shared_by_all.items() if key not in without}
        own = list(inspect.signature(function).parameters.values())[1:]

        def command(traceback: Traceback = False, **options: Any) -> None:
            shared = {key: options.pop(key) for key in common}
            guarded(lambda: function(make_run(**shared), **options), traceback)

        last = inspect.signature(command).parameters["traceback"]
        parameters = [*own, *common.values(), last]
        keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
        command.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        command.__doc__ = function.__doc__
        group.command(name)(command)
        return function

    return register


FoldOption = Annotated[
    list[int] | None, typer.Option("--fold", metavar="K", help="Train just this fold, anew; repeatable.")
]
MemberOption = Annotated[
    list[str] | None, typer.Option("--member", metavar="NAME", help="Train just this member; repeatable.")
]


@stage("all")
def run_all(
    run: Run,
    time_budget: Annotated[
        str | None,
        typer.Option("--time-budget", metavar="TIME", help="Be done by then: 2h, 40m; trains less where it must."),
    ] = None,
) -> None:
    """All stages; only what is missing or out of date runs, and each says why."""
    from foldwise.ensembling.summary import show_summary
    from foldwise.freshness import are_current
    from foldwise.stages.ensemble import ensemble
    from foldwise.stages.folds import folds
    from foldwise.stages.tokens import tokens
    from foldwise.stages.train import check_members, train
    from foldwise.time_budget.interim import Submissions

    if time_budget is not None:
        run = replace(run, budget=parse_budget(time_budget))
    fold_of_row = folds(run)
    first = not are_current(run)
    if first:  # reading gigabytes of vectors is no time to wait for "no such loss"
        check_members(run, run.config.recipe.ensemble_members)
    tokens(run)
    train(run, fold_of_row, checked=first, submit=Submissions(run, fold_of_row).update if run.budget else None)
    show_summary(run, ensemble(run, fold_of_row))


@stage("folds")
def run_folds(run: Run) -> None:
    """Assign each training row to a fold, once, in folds/SLUG.csv; --force makes new ones."""
    from foldwise.stages.folds import folds

    folds(run, remake=run.force)


@stage("tokens")
def run_tokens(run: Run) -> None:
    """Texts to tokens, vocabulary and vectors."""
    from foldwise.stages.tokens import tokens

    tokens(run)


@stage("train")
def run_train(run: Run, fold: FoldOption = None, member: MemberOption = None) -> None:
    """Train the folds that are missing or out of date, or those named."""
    from foldwise.stages.folds import folds
    from foldwise.stages.train import train

    train(run, folds(run), fold, member)


@stage("ensemble")
def run_ensemble(run: Run) -> None:
    """Combine the folds into submission.csv, oof.csv and summary.json."""
    from foldwise.ensembling.summary import show_summary
    from foldwise.stages.ensemble import ensemble
    from foldwise.stages.folds import folds

    show_summary(run, ensemble(run, folds(run)))


@stage("describe")
def run_describe(
    run: Run,
    member: Annotated[
        str | None, typer.Option("--member", metavar="NAME", help="Instead of the first member of the recipe.")
    ] = None,
) -> None:
    """Show every layer of a member's model, with shapes and number of parameters."""
    from foldwise.report.describe import describe

    describe(run, member)


@stage("recipe")
def run_recipe(
    run: Run,
    field: Annotated[
        str | None, typer.Argument(help="A field or a table: training.epochs, training. All if left out.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="The content of RECIPE.md.", hidden=True)] = False,
) -> None:
    """Show the fields of the recipe: what they do, what they may be, their defaults and their values here."""
    from foldwise.show_recipe import recipe_markdown, show_recipe

    if markdown:
        print(recipe_markdown(), end="")
    else:
        show_recipe(run.config, field)


@stage("report")
def run_report(run: Run) -> None:
    """Write report.html: learning curves, lengths, predictions, worst rows."""
    from foldwise.report.page import report

    report(run)


@app.command("infer")
def run_infer(
    weights: Annotated[Path, typer.Option("--weights", metavar="DIR", help="As `kernel build --infer` packed them.")],
    competition: Annotated[
        str, typer.Option("--competition", "-c", metavar="SLUG", help="Folder below input/.")
    ] = DEFAULT,
    device: Annotated[Device, typer.Option(help="auto takes a GPU if it works.")] = Device.auto,  # type: ignore[valid-type]
    input_: InputFolder = None,
    output: OutputFolder = None,
    submission: SubmissionFile = None,
    traceback: Traceback = False,
) -> None:
    """Predict the test table with packed weights (kernel build --infer); trains nothing."""
    from foldwise.inference.infer import infer

    paths = resolve(competition, input_, None, output, submission=submission)
    guarded(lambda: infer(paths, weights, device.value), traceback)  # type: ignore[attr-defined]


@app.command("init")
def run_init(
    slug: Annotated[str, typer.Argument(help="Folder below input/ with train, test and sample_submission.")],
    id_: Annotated[str | None, typer.Option("--id", metavar="COLUMN")] = None,
    text: Annotated[list[str] | None, typer.Option("--text", metavar="COLUMN", help="Repeatable.")] = None,
    target: Annotated[list[str] | None, typer.Option("--target", metavar="COLUMN", help="Repeatable.")] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="COLUMN", help="Rows of one group share a fold.")
    ] = None,
    task: Annotated[choice("Task", Task) | None, typer.Option()] = None,  # type: ignore[valid-type]
    kind: Annotated[choice("Kind", Kind) | None, typer.Option()] = None,  # type: ignore[valid-type]
    metric: Annotated[choice("Metric", Metric) | None, typer.Option()] = None,  # type: ignore[valid-type]
    quotes: Annotated[
        choice("Quotes", Quotes), typer.Option(help="literal: quotes are plain text in these files.")  # type: ignore[valid-type]
    ] = "csv",
    input_: InputFolder = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite competition.toml.")] = False,
    traceback: Traceback = False,
) -> None:
    """Infer competition.toml from the CSVs, and say from what."""
    from foldwise.stages.init import Choices, init

    chosen: list[Any] = [getattr(option, "value", option) for option in (task, kind, metric, quotes)]
    choices = Choices(id_, text or [], target or [], group, *chosen)
    guarded(lambda: init(resolve(slug, input_, None, None), choices, force), traceback)


@app.command("competitions")
def run_competitions(
    input_: InputFolder = None,
    traceback: Traceback = False,
) -> None:
    """List the contests known by name and your own: task, metric, files, and whether the data is in place."""
    from foldwise.competitions.listing import competitions

    guarded(lambda: competitions(input_), traceback)


kernel_app = typer.Typer(
    help="A kernel on Kaggle: build it, push it, wait for it, fetch its output, submit it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(kernel_app, name="kernel")

Slug = Annotated[
    str, typer.Option("--competition", "-c", metavar="SLUG", help="The last part of the contest's address.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print the commands of the kaggle client.")]
Message = Annotated[str | None, typer.Option("--message", "-m", metavar="TEXT", help="Shown beside the submission.")]


@app.command("download")
def run_download(
    competition: Slug,
    input_: InputFolder = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch anew what is there.")] = False,
    dry_run: DryRun = False,
    traceback: Traceback = False,
) -> None:
    """Fetch a contest's files from Kaggle into input/SLUG, and run init if the contest is not known by name."""
    from foldwise.kaggle.commands import download

    guarded(lambda: download(competition, input_, force, dry_run), traceback)


@stage("build", kernel_app, without=("device", "submission", "debug", "force"))
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


@kernel_app.command("push")
def run_kernel_push(
    competition: Slug, output: OutputFolder = None, dry_run: DryRun = False, traceback: Traceback = False
) -> None:
    """Send the built kernel to Kaggle, which starts it."""
    from foldwise.kaggle.commands import push

    guarded(lambda: push(competition, output, dry_run), traceback)


@kernel_app.command("status")
def run_kernel_status(
    competition: Slug, output: OutputFolder = None, dry_run: DryRun = False, traceback: Traceback = False
) -> None:
    """Wait until the kernel has ended; show the end of its log if it failed."""
    from foldwise.kaggle.commands import status

    guarded(lambda: status(competition, output, dry_run), traceback)


@kernel_app.command("output")
def run_kernel_output(
    competition: Slug, output: OutputFolder = None, dry_run: DryRun = False, traceback: Traceback = False
) -> None:
    """Fetch what the kernel wrote into output/SLUG/kernel-output."""
    from foldwise.kaggle.commands import fetch

    guarded(lambda: fetch(competition, output, dry_run), traceback)


@kernel_app.command("submit")
def run_kernel_submit(
    competition: Slug,
    message: Message = None,
    output: OutputFolder = None,
    dry_run: DryRun = False,
    traceback: Traceback = False,
) -> None:
    """Submit the pushed version of the kernel to a code competition, and wait for the score."""
    from foldwise.kaggle.commands import submit_kernel

    guarded(lambda: submit_kernel(competition, message, output, dry_run), traceback)


@app.command("submit")
def run_submit(
    competition: Slug,
    message: Message = None,
    output: OutputFolder = None,
    dry_run: DryRun = False,
    traceback: Traceback = False,
) -> None:
    """Submit output/SLUG/submission.csv, and wait for the score."""
    from foldwise.kaggle.commands import submit_csv

    guarded(lambda: submit_csv(competition, message, output, dry_run), traceback)


def main() -> None:
    """Entry point of `python -m foldwise`."""
    arguments = sys.argv[1:]
    # Options without a command are meant for `all`.
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        arguments = ["all", *arguments]
    app(arguments, prog_name="./run.sh")
