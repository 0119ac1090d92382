"""The command line: options, and one call for each command. Nothing here loads torch: `--help` must answer at once."""

import sys
from dataclasses import replace
from typing import Annotated, Any

import typer

from foldwise import pipeline
from foldwise.config import Quotes, Task
from foldwise.data.inspect_competition import Choices
from foldwise.errors import InputError
from foldwise.extensions import find_experiments, load_extension
from foldwise.installed import IS_INSTALLED, PROGRAM
from foldwise.lock import only_writer
from foldwise.options import (
    LOCAL,
    Checkpoints,
    Commands,
    EngineName,
    Force,
    GpusPerFold,
    InputFolder,
    RayAddress,
    add_command,
)
from foldwise.paths import resolve
from foldwise.run import Run, check_teaching
from foldwise.stages.folds import folds
from foldwise.stages.init import init
from foldwise.stages.train import train
from foldwise.tasks import Kind

# Commands and options of extensions, each in a folder of its own that may be deleted.
EXTENSIONS = {
    "describe": "foldwise.report.cli:describe",
    "recipe": "foldwise.report.recipe:recipe",
    "report": "foldwise.report.cli:report",
    "competitions": "foldwise.competitions.cli:competitions",
    "compare": "foldwise.experiments.cli:compare",
    "restore": "foldwise.experiments.cli:restore",
    "blend": "foldwise.experiments.cli:blend",
    "find-lr": "foldwise.rate_finder.cli:find_lr",
    "search": "foldwise.search.cli:search",
    "vectors": "foldwise.encoders.cli:vectors",
    "infer": "foldwise.inference.cli:infer",
    "predict": "foldwise.inference.cli:predict",
    "download": "foldwise.kaggle.cli:download",
    "submit": "foldwise.kaggle.cli:submit",
    "kernel": "foldwise.kaggle.cli:kernel",
    "--time-budget": "foldwise.time_budget.budget:parse_budget",
    "--engine": "foldwise.cluster.choice:choose_engine",
    "--gpus-per-fold": "foldwise.distributed.together:train_together",
}

# Of the options that all stages share, those that mean nothing to a command of an extension.
WITHOUT = {"search": ("submission", "experiment", "force")}
ALSO = "Also: ./run.sh test (lint, types, tests); ./run.sh bench (speed beside other ways; --quick)."

app = typer.Typer(
    cls=Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A text competition, from the CSVs to submission.csv. Without a command: all stages on movie-reviews.",
    epilog=None if IS_INSTALLED else ALSO,
    context_settings={"help_option_names": ["-h", "--help"]},
)


Trackers = Annotated[
    list[str] | None,
    typer.Option("--tracker", metavar="NAME", help="tensorboard, mlflow, wandb (offline) or module:Class. Repeatable."),
]


def run_all(
    run: Run,
    time_budget: Annotated[
        str | None,
        typer.Option("--time-budget", metavar="TIME", help="Be done by then: 2h, 40m; trains less where it must."),
    ] = None,
    tracker: Trackers = None,
    engine: EngineName = LOCAL,
    ray_address: RayAddress = None,
    checkpoints: Checkpoints = None,
    gpus_per_fold: GpusPerFold = 1,
) -> None:
    """All stages; only what is missing or out of date runs, and each says why."""
    run = with_engine(run, engine, ray_address, checkpoints, gpus_per_fold)
    if time_budget is not None:
        run = replace(run, budget=find_extension("--time-budget")(time_budget))
        check_teaching(run.config, timed=True)
    pipeline.run_all(with_trackers(run, tracker))


def with_trackers(run: Run, names: list[str] | None) -> Run:
    """The run, with the trackers of these names told of it."""
    return replace(run, tracker=find_experiments("--tracker")(run, names)) if names else run


def with_engine(run: Run, name: str, address: str | None, checkpoints: str | None, gpus_per_fold: int = 1) -> Run:
    """The run, with its folds trained where `--engine` says, or each by so many GPUs or processes."""
    engine = None
    if name != LOCAL or address is not None or checkpoints is not None:
        engine = find_extension("--engine")(name, address, checkpoints)
    if gpus_per_fold > 1:
        if engine:
            raise InputError(f"--gpus-per-fold {gpus_per_fold}: not with --engine {name}, which sends out whole folds")
        engine = find_extension("--gpus-per-fold")(gpus_per_fold, run.device)
    return replace(run, engine=engine) if engine else run


def run_train(
    run: Run,
    fold: Annotated[
        list[int] | None, typer.Option("--fold", metavar="K", help="Train just this fold, anew; repeatable.")
    ] = None,
    member: Annotated[
        list[str] | None, typer.Option("--member", metavar="NAME", help="Train just this member; repeatable.")
    ] = None,
    tracker: Trackers = None,
    engine: EngineName = LOCAL,
    ray_address: RayAddress = None,
    checkpoints: Checkpoints = None,
    gpus_per_fold: GpusPerFold = 1,
) -> None:
    """Train the folds that are missing or out of date, or those named."""
    run = with_trackers(with_engine(run, engine, ray_address, checkpoints, gpus_per_fold), tracker)
    with only_writer(run.paths.output), run.tracked():
        train(run, folds(run), fold, member)


def run_init(
    slug: Annotated[str, typer.Argument(help="Folder below input/ with train, test and sample_submission.")] = "",
    competition: Annotated[str, typer.Option("--competition", "-c", metavar="SLUG", hidden=True)] = "",
    id_: Annotated[str | None, typer.Option("--id", metavar="COLUMN")] = None,
    text: Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Repeatable.")] = None,
    image: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Of names of image files; none: no column.")
    ] = None,
    target: Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Repeatable.")] = None,
    group: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Rows of one group share a fold; none: no column.")
    ] = None,
    task: Task | None = None,
    kind: Kind | None = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="As in input/README.md, or module:function.")
    ] = None,
    metric_argument: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Of the metric, such as beta=2; repeatable.")
    ] = None,
    less_is_better: Annotated[bool, typer.Option("--less-is-better", help="Of a metric of your own.")] = False,
    numbered: Annotated[bool, typer.Option("--numbered", help="Rows count from 1 where no column names them.")] = False,
    labels: Annotated[
        str | None, typer.Option(metavar="NAME", help="File with the labels of train, without its ending.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(metavar="NAME", help="Such as cp1252, utf-16, gb18030.")] = None,
    separator: Annotated[str | None, typer.Option(metavar="SIGN", help="Between columns, such as ';' or tab.")] = None,
    decimal: Annotated[str | None, typer.Option(metavar="SIGN", help="In numbers: . or ,")] = None,
    escape: Annotated[str | None, typer.Option(metavar="SIGN", help="Before quotes in texts: a backslash.")] = None,
    quotes: Annotated[Quotes, typer.Option(help="literal: quotes are plain text in these files.")] = "csv",
    positive: Annotated[str | None, typer.Option(metavar="LABEL", help="Of two labels the one to predict.")] = None,
    label_separator: Annotated[str | None, typer.Option(metavar="TEXT", help="Between labels in one cell.")] = None,
    input_: InputFolder = None,
    force: Force = False,
) -> None:
    """Infer competition.toml from the CSVs, and say from what."""
    written = {"labels": labels, "encoding": encoding, "decimal": decimal, "escape": escape}
    written["separator"] = "\t" if separator in ("tab", "\\t") else separator
    written["quotes"] = quotes if quotes != "csv" else None
    files = {key: value for key, value in written.items() if value is not None}
    told = Choices(
        *(id_, text or [], target or [], group, task, kind, metric, metric_argument or []),
        *(files, numbered, positive, label_separator, less_is_better, image),
    )
    if bool(slug) == bool(competition):
        raise InputError("init: name one folder below input/: ./run.sh init SLUG")
    init(resolve(slug or competition, input_, None, None), told, force)


def find_extension(name: str) -> Any:
    """What an extension gives for a command or an option; InputError where its folder is not there."""
    return load_extension(EXTENSIONS[name], name)


def add_extension(name: str) -> None:
    """Register the command of an extension, or one that says in a line that it is gone."""
    try:
        found = find_extension(name)
    except InputError:

        def gone() -> None:
            """Not part of this checkout."""
            find_extension(name)

        add_command(app, name, gone, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
    else:
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            add_command(app, name, found, WITHOUT.get(name, ()))


add_command(app, "all", run_all)
add_command(app, "folds", pipeline.run_folds)
add_command(app, "tokens", pipeline.run_tokens)
add_command(app, "train", run_train)
add_command(app, "ensemble", pipeline.run_ensemble)
add_command(app, "init", run_init)
for extension in EXTENSIONS:
    if not extension.startswith("--"):
        add_extension(extension)


def main() -> None:
    """Entry point of `python -m foldwise`; options without a command are meant for `all`."""
    arguments = sys.argv[1:]
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        arguments = ["all", *arguments]
    app(arguments, prog_name=PROGRAM)
