"""The commands of this extension. What they need is imported when they run: `--help` must not wait for torch."""

from typing import Annotated

import typer

from foldwise.lock import only_writer
from foldwise.run import Run


def report(run: Run) -> None:
    """Write report.html: scores, curves, mistakes, worst rows with what explains them, leaks and duplicates."""
    from foldwise.report import page

    with only_writer(run.paths.output):
        page.report(run)


def describe(
    run: Run,
    member: Annotated[
        str | None, typer.Option("--member", metavar="NAME", help="Instead of the first member of the recipe.")
    ] = None,
) -> None:
    """Show every layer of a member's model, with shapes and number of parameters."""
    from foldwise.report import describe as layers

    layers.describe(run, member)
