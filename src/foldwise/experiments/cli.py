"""The commands of this extension. What they need is imported when they run: `--help` must not wait for it."""

from typing import Annotated

import typer

from foldwise.options import (
    DEFAULT,
    Competition,
    Experiment,
    FoldsFolder,
    InputFolder,
    OutputFolder,
    SubmissionFile,
    as_given,
    make_run,
)
from foldwise.paths import resolve


def compare(
    competition: Competition = DEFAULT,
    sort: Annotated[
        str, typer.Option("--sort", metavar="COLUMN", help="name, cv, difference, leaderboard, public, minutes, date.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Everything, for a program.")] = False,
    output: OutputFolder = None,
) -> None:
    """Show all runs of a competition in a table: what differs, scores, differences fold by fold."""
    from foldwise.experiments.compare import show_experiments

    show_experiments(resolve(competition, None, None, output), sort, json)


def restore(
    experiment: Annotated[str, typer.Argument(metavar="EXP", help="Its name; unnamed: the run without one.")],
    competition: Competition = DEFAULT,
    input_: InputFolder = None,
    folds: FoldsFolder = None,
    output: OutputFolder = None,
) -> None:
    """Write the recipe of a finished run into competition.toml; the old file stays as competition.toml.before."""
    from foldwise.experiments.restore import restore_recipe

    folders = as_given([("--input", input_), ("--folds", folds), ("--output", output)])
    restore_recipe(resolve(competition, input_, folds, output), experiment, folders)


def blend(
    experiments: Annotated[
        list[str], typer.Argument(metavar="EXP…", help="Two or more; unnamed: the run without one.")
    ],
    competition: Competition = DEFAULT,
    input_: InputFolder = None,
    folds: FoldsFolder = None,
    output: OutputFolder = None,
    submission: SubmissionFile = None,
    name: Experiment = None,
) -> None:
    """Combine finished runs into a submission of their own, with fitted weights; nothing is trained."""
    from foldwise.experiments.blend import blend_runs

    called = f"blend-{'-'.join(experiments)}" if name is None else name
    blend_runs(make_run(competition, None, None, "auto", input_, folds, output, submission, called), experiments)
