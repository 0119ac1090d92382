"""The commands `infer` and `predict`."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from foldwise.errors import InputError
from foldwise.lock import only_writer
from foldwise.options import (
    DEFAULT,
    Competition,
    DeviceOption,
    Experiment,
    InputFolder,
    OutputFolder,
    SubmissionFile,
    name_paths,
)
from foldwise.paths import check_place, resolve


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


def predict(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="A table with the text columns; - or none: a text a line, columns apart by tabs."
        ),
    ] = None,
    competition: Competition = DEFAULT,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Instead of standard output.")] = None,
    proba: Annotated[bool, typer.Option("--proba", help="Probabilities, a column for each class or target.")] = False,
    embed: Annotated[bool, typer.Option("--embed", help="Vectors of the texts; an array as --out FILE.npy.")] = False,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="DIR", help="As `kernel build --infer` packed them, or the folder of a run."),
    ] = None,
    device: DeviceOption = "auto",
    input_: InputFolder = None,
    output: OutputFolder = None,
    name: Experiment = None,
) -> None:
    """Predict any texts with the trained folds: labels, or values; nothing is trained or submitted."""
    if proba and embed:
        raise InputError("--proba and --embed: a call gives one of the two; take one away")
    if out and out.suffix == ".npy" and not embed:
        raise InputError(f"--out {out}: an .npy holds the vectors of --embed; name a .csv")
    if file is not None and str(file) == "-":
        file = None
    elif file is None and sys.stdin.isatty():
        raise InputError("predict: give a FILE with the text columns, or a text a line on standard input")
    if file:
        from foldwise.data.parts import check_file

        check_file(file)
    paths = name_paths(resolve(competition, input_, None, output), name, is_there=True)
    if out:
        check_place(out, "--out", paths, [paths.submission, paths.probabilities, *([file] if file else [])])
    from foldwise.inference.stream import Asked, predict
    from foldwise.inference.writing import What

    what: What = "proba" if proba else "embed" if embed else "labels"
    predict(Asked(weights or paths.output, input_, device, what), file, out)
