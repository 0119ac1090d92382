"""The command `infer`."""

from pathlib import Path
from typing import Annotated

import typer

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

    infer(resolve(competition, input_, None, output, submission=submission), weights, device)
