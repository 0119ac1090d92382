"""The command `infer`."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from foldwise.lock import only_writer
from foldwise.options import DEFAULT, Competition, DeviceOption, InputFolder, OutputFolder, SubmissionFile
from foldwise.paths import resolve


def infer(
    weights: Annotated[Path, typer.Option("--weights", metavar="DIR", help="As `kernel build --infer` packed them.")],
    competition: Competition = DEFAULT,
    device: DeviceOption = "auto",
    input_: InputFolder = None,
    output: OutputFolder = None,
    submission: SubmissionFile = None,
) -> None:
    """Predict the test table with packed weights (kernel build --infer); trains nothing."""
    from foldwise.inference.infer import infer

    paths = resolve(competition, input_, None, output, submission=submission)
    # With --submission nothing is written to the output folder.
    with nullcontext() if paths.handed_in else only_writer(paths.output):
        infer(paths, weights, device)
