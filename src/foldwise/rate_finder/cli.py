"""The command of this extension. What it needs is imported when it runs: `--help` must not wait for torch."""

from typing import Annotated

import typer

from foldwise.lock import only_writer
from foldwise.run import Run


def find_lr(
    run: Run,
    member: Annotated[
        str | None, typer.Option("--member", metavar="NAME", help="Instead of the first network of the recipe.")
    ] = None,
) -> None:
    """Suggest a learning rate: train briefly while it rises, and see where the loss falls. Trained folds stay."""
    from foldwise.rate_finder import finder

    with only_writer(run.paths.output):
        finder.find_lr(run, member)
