"""The options that commands share, and how an error becomes one message and an exit code.

Exit codes: 0 done, 1 an error of the run, 2 an error of the input or of the command line, 128 + its number after a
signal that asked to end.
"""

import inspect
import shlex
import sys
import traceback as tracebacks
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup

from foldwise.console import WARNED, working
from foldwise.errors import DamagedError, InputError, RunError, cut_lines, did_you_mean, find_own_code, list_names
from foldwise.extensions import find_experiments
from foldwise.inputs import same_inputs
from foldwise.installed import IS_INSTALLED, PROGRAM
from foldwise.interrupts import Interrupted, Signals
from foldwise.load_config import load_config
from foldwise.machine import explain_machine
from foldwise.paths import COMPETITIONS, CONFIG, Paths, check_slug, find_project, resolve
from foldwise.run import Run, check_config

DEFAULT = "movie-reviews"

Competition = Annotated[str, typer.Option("--competition", "-c", metavar="SLUG", help="Folder below input/.")]
DeviceOption = Annotated[Literal["auto", "cpu", "cuda"], typer.Option("--device", help="auto takes a GPU if it works.")]
InputFolder = Annotated[Path | None, typer.Option("--input", metavar="DIR", help="Instead of input/.")]
FoldsFolder = Annotated[Path | None, typer.Option("--folds", metavar="DIR", help="Instead of folds/.")]
OutputFolder = Annotated[Path | None, typer.Option("--output", metavar="DIR", help="Instead of output/.")]
SubmissionFile = Annotated[
    Path | None, typer.Option("--submission", metavar="FILE", help="Instead of output/SLUG/submission.csv.")
]
ITS_OWN = "A run of its own, in output/SLUG/experiments/EXP/."
Experiment = Annotated[str | None, typer.Option("--name", "--experiment", metavar="EXP", help=ITS_OWN)]
# The same where --name is the name of something else.
ExperimentAlone = Annotated[str | None, typer.Option("--experiment", metavar="EXP", help=ITS_OWN)]
Force = Annotated[bool, typer.Option("--force", help="Redo what is up to date.")]
Traceback = Annotated[bool, typer.Option("--traceback", help="Show where in the code an error arose.")]
LOCAL = "local"  # the engine that is no extension
LARGE = partial(typer.Option, rich_help_panel="Several machines or GPUs")
EngineName = Annotated[
    str, LARGE("--engine", metavar="NAME", help="Where folds train: local, or ray, as tasks of a Ray cluster.")
]
RayAddress = Annotated[
    str | None,
    LARGE("--ray-address", metavar="HOST:PORT", help="Of the cluster, or auto; without it one on this machine."),
]
Checkpoints = Annotated[
    str | None,
    LARGE("--checkpoints", metavar="URL", help="Shared storage for states of folds that train on a cluster."),
]
GpusPerFold = Annotated[
    int,
    LARGE("--gpus-per-fold", metavar="N", min=1, help="N GPUs train a fold together; on CPUs N processes, to try it."),
]


def make_run(
    competition: Competition = DEFAULT,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe field: training.epochs=3. Repeatable."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the training; the folds have their own.")] = None,
    device: DeviceOption = "auto",
    input_: InputFolder = None,
    folds: FoldsFolder = None,
    output: OutputFolder = None,
    submission: SubmissionFile = None,
    experiment: Experiment = None,
    debug: Annotated[bool, typer.Option("--debug", help="200 rows, 1 epoch, into output/SLUG-debug/.")] = False,
    force: Force = False,
) -> Run:
    """The options that every stage shares."""
    paths = name_paths(resolve(competition, input_, folds, output, debug, submission), experiment)
    check_input_folder(paths)
    known: list[str] = find_experiments("settings")(paths, set_) if experiment else []
    settings = (set_ or []) + known + ([f"seed={seed}"] if seed is not None else [])
    command = shlex.join(["./run.sh", *sys.argv[1:], *as_given([("--set", setting) for setting in known])])
    folders = [("--input", input_), ("--folds", folds), ("--output", output), ("--submission", submission)]
    options = as_given([*folders, ("--name", experiment)])
    options += ["--debug"] * debug
    config = load_config(paths.config, settings, debug)
    check_config(config, competition)
    paths = replace(paths, stems=config.files.stems)
    return Run(config, paths, force, debug, device, command, tuple(options), tuple(settings))


def as_given(options: Sequence[tuple[str, object]]) -> list[str]:
    """Options with their values, for a command line to suggest; those that were not given are left out."""
    return [part for option, value in options if value for part in (option, str(value))]


def name_paths(paths: Paths, name: str | None, is_there: bool = False) -> Paths:
    """The places of a run with this name; those of a run without where it is None.

    With `is_there` an `InputError` names those that are, where this one is not.
    """
    found: Paths = paths if name is None else find_experiments("--name")(paths, name)
    if is_there and name is not None and not found.output.is_dir():
        find_experiments("find")(paths, name)
    return found


def check_input_folder(paths: Paths) -> None:
    """Raise an `InputError` if the competition's folder is not there: what was meant, or where its files come from."""
    if paths.input.is_dir():
        return
    there = sorted(path.parent.name for path in paths.input.parent.glob(f"*/{CONFIG}"))
    known = [*there, *(path.stem for path in COMPETITIONS.glob("*.toml"))]
    similar = [f"did you mean {name}?" for name in known if paths.slug in name] or ["put the competition's CSVs there"]
    fix = did_you_mean(paths.slug, known, similar[0])
    if paths.slug == DEFAULT and IS_INSTALLED:
        fix = f"{DEFAULT} is embedded in foldwise's repository and in no installed package; clone that, or name another"
    if paths.config.parent == COMPETITIONS:
        fix = f"`./run.sh download -c {paths.slug}` fetches the contest's files, or unpack them there yourself"
    raise InputError(f"{paths.input}: no such folder; {fix} (there now: {', '.join(there) or 'none'})")


def explain(error: BaseException) -> str:
    """What went wrong, and how to go on."""
    if isinstance(error, DamagedError):
        return f"{error}; run `all`, which makes it anew"
    if isinstance(error, InputError | RunError):
        return str(error)
    same = "the same command without --force" if "--force" in sys.argv else "the same command"
    again = f"what was finished is kept; run {same} to go on"
    if isinstance(error, KeyboardInterrupt | Interrupted):
        places = f", and {error}" if str(error) else ""
        return f"stopped; what was finished is kept{places}; run {same} to go on"
    if lack := explain_machine(error):
        return f"{lack}; {again}"
    if isinstance(error, OSError):
        return f"{error}; {again}"
    what = f"{type(error).__name__}: {error}"
    if place := find_own_code(error):
        return f"{place}: {what}; correct it there (--traceback shows how it was called); {again}"
    return f"{what}; this is a fault of foldwise: --traceback shows where"


class Commands(TyperGroup):
    """Commands by name; a name that is none is an error in one line, with the nearest that is."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """What typer finds, or exit 2."""
        if self.get_command(ctx, args[0]) is None:
            names = self.list_commands(ctx)
            words = {frozenset(name.split("-")): name for name in names}
            same = words.get(frozenset(args[0].replace("_", "-").split("-")))
            otherwise = f"there are {list_names(names, quoted=False)} (--help)"
            fix = f"did you mean {same}?" if same else did_you_mean(args[0], names, otherwise)
            if slug := competition_of(args[0]):
                fix = f"to run this competition: {PROGRAM} all -c {slug}"
            print(f"error: {args[0]}: no such command; {fix}", file=sys.stderr)
            raise typer.Exit(2)
        return super().resolve_command(ctx, args)


class Command(TyperCommand):
    """A command that says in one line where a competition belongs, should it stand there without its option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What typer makes of them, or exit 2."""
        refused = not ctx.allow_extra_args
        ctx.allow_extra_args = True
        rest = super().parse_args(ctx, args)
        if refused and ctx.args and not ctx.resilient_parsing:
            slug = competition_of(ctx.args[0])
            fix = f"the competition is named with -c {slug}" if slug else f"see {ctx.command_path} --help"
            print(f"error: {' '.join(ctx.args)}: {self.name} takes no such argument; {fix}", file=sys.stderr)
            raise typer.Exit(2)
        return rest


def competition_of(argument: str) -> str:
    """The competition that a word of the command line names, or whose folder it is; "" for none."""
    slug = Path(argument).name
    with suppress(InputError):
        check_slug(slug)
        return slug if (find_project() / "input" / slug).is_dir() else ""
    return ""


def add_command(
    group: typer.Typer,
    name: str,
    function: Callable[..., None],
    without: Sequence[str] = (),
    make: Callable[..., Any] = make_run,
    **settings: Any,
) -> None:
    """Register `function` as a command with `--traceback`, whose errors become one message and an exit code.

    A function whose first parameter is what `make` returns, a `Run` unless another is given, takes the options of
    `make` beside its own, but for those in `without`, which have no meaning there. The settings are of
    `typer.Typer.command`.
    """
    own = list(inspect.signature(function).parameters.values())
    common: dict[str, inspect.Parameter] = {}
    shared = inspect.signature(make)
    if own and own[0].annotation is shared.return_annotation:
        del own[0]
        common = {key: parameter for key, parameter in shared.parameters.items() if key not in without}
        if any(parameter.name == "name" for parameter in own):
            common["experiment"] = common["experiment"].replace(annotation=ExperimentAlone)

    def command(traceback: Traceback = False, **options: Any) -> None:
        signals = Signals()
        WARNED.clear()
        try:
            with signals, same_inputs(), working(name, "working"):
                given = [make(**{key: options.pop(key) for key in common})] if common else []
                function(*given, **options)
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            if traceback:
                tracebacks.print_exc()
            if isinstance(error, KeyboardInterrupt | Interrupted):
                # On a terminal, leave the line with the bar and the ^C.
                print(
                    "\n" * isinstance(error, KeyboardInterrupt) * sys.stderr.isatty() + explain(error), file=sys.stderr
                )
                raise typer.Exit(signals.exit_code) from error
            print(cut_lines(f"error: {explain(error)}"), file=sys.stderr)
            raise typer.Exit(2 if isinstance(error, InputError) else 1) from error

    parameters = [*own, *common.values(), inspect.signature(command).parameters["traceback"]]
    parameters.sort(key=lambda parameter: parameter.name != "competition")  # what nearly every call has comes first
    keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    command.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = function.__doc__
    group.command(name, cls=Command, **settings)(command)
