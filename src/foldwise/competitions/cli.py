"""The command of this extension. What it needs is imported when it runs: `--help` must answer at once."""

from pathlib import Path
from typing import Annotated

import typer


def competitions(
    input_: Annotated[Path | None, typer.Option("--input", metavar="DIR", help="Instead of input/.")] = None,
) -> None:
    """List the contests known by name and your own: task, metric, files, and whether the data is in place."""
    from foldwise.competitions import listing

    listing.competitions(input_)
