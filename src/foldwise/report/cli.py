"""The commands that show something: `report` and `describe`."""

from typing import Annotated

import typer

from foldwise.run import Run


def describe(
    run: Run,
    member: Annotated[
        str | None, typer.Option("--member", metavar="NAME", help="Instead of the first member of the recipe.")
    ] = None,
) -> None:
    """Show every layer of a member's model, with shapes and number of parameters."""
    from foldwise.report.describe import describe

    describe(run, member)


def report(run: Run) -> None:
    """Write report.html: learning curves, lengths, predictions, worst rows."""
    from foldwise.report.page import report

    report(run)
