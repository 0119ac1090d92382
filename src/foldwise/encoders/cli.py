"""The command `vectors distil`."""

from typing import Annotated

import typer

from foldwise.lock import only_writer
from foldwise.options import add_command
from foldwise.run import Run

vectors = typer.Typer(
    help="Word vectors of a competition's own words.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@vectors.callback()
def group() -> None:
    """Word vectors of a competition's own words."""


def distil(
    run: Run,
    encoder: Annotated[str, typer.Option("--encoder", metavar="DIR", help="Its folder, as encoder.path.")],
    dimension: Annotated[int, typer.Option("--dimension", metavar="E", min=1, help="Numbers of a vector.")] = 100,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Of the file, instead of the encoder's.")] = "",
) -> None:
    """Put each word of the competition's tokens through an encoder, for `tokens.vectors`."""
    from foldwise.encoders.distil import distil_vocabulary

    with only_writer(run.paths.output):
        distil_vocabulary(run, encoder, dimension, name)


add_command(vectors, "distil", distil)
