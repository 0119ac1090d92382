"""The command predict: a table of any length, or a text a line, to labels, probabilities or vectors, part by part.

    ./run.sh predict -c SLUG FILE [--out FILE] [--proba | --embed]

Parts of 32,768 rows go through all folds; several parts side by side where there are cores or GPUs for it, in workers
that each load the folds once. A row gets the same whatever part it is in, but for its last digits: batches of other
sizes sum in another order.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from pathlib import Path

import numpy as np

from foldwise.console import Progress, duration, say
from foldwise.data.parts import PART_ROWS, line_parts, read_parts
from foldwise.errors import InputError, list_names
from foldwise.inference.given import Given, take_columns
from foldwise.inference.model import find_source
from foldwise.inference.predictor import Predictor
from foldwise.inference.writing import What, Writer, open_writer
from foldwise.running.engine import Prepare, do_nothing, find_engine
from foldwise.running.placement import Placement, place_prediction


@dataclass(frozen=True)
class Asked:
    """What to predict with, and what."""

    folder: Path  # output/SLUG, or what `kernel build --infer` packed
    input: Path | None  # the folder of the competitions, where it is not the usual one
    device: str
    what: What


@dataclass(frozen=True)
class PartJob:
    """A part of the table to predict."""

    asked: Asked
    number: int
    given: Given

    @property
    def maps(self) -> Path:
        """The folder whose files it maps into memory."""
        return self.asked.folder

    def __str__(self) -> str:
        return f"rows {self.given.ids[0]} to {self.given.ids[-1]}"


@cache
def open_predictor(asked: Asked) -> Predictor:
    """The folds, once in each process."""
    return Predictor(*find_source(asked.folder, asked.input), asked.device)


def predict_part(job: PartJob, report: Callable[[int | np.ndarray], object]) -> None:
    """Report numbers of rows that folds have done, and at the end the (n, C) predictions or (n, D) vectors."""
    predictor = open_predictor(job.asked)
    function = predictor.embed if job.asked.what == "embed" else predictor.predict
    report(function(job.given.texts, job.given.features, report))


def predict(asked: Asked, file: Path | None, out: Path | None = None, rows: int = PART_ROWS) -> None:
    """Predict the rows of `file`, of standard input where it is None, and write them to `out` or standard output.

    Raises:
        InputError: what is there to read, or to predict with, is not as it must be; nothing is written to `out`.
    """
    start = time.perf_counter()
    with redirect_stdout(sys.stderr):  # between the rows nothing else may stand
        predictor = open_predictor(asked)
        parts = take_parts(predictor, file, rows)
        first = [part for _, part in zip(range(2), parts, strict=False)]
        manifest = predictor.source.manifest
        placement, passes = place(predictor, len(first)), predictor.passes(asked.what)
        try:
            with open_writer(out, manifest.config, manifest.targets, manifest.thresholds, asked.what) as writer:
                run_parts(asked, chain(first, parts), placement, writer, passes)
        except BrokenPipeError:  # who reads the rows, such as `head`, wants no more
            return
        seconds, where, rows = time.perf_counter() - start, out or "standard output", writer.rows
        what = f"{rows:,} row{'s' * (rows != 1)} to {where}"
        say("predict", f"{what} in {duration(seconds)}, {rows / seconds:,.0f} rows/s")


def take_parts(predictor: Predictor, file: Path | None, rows: int) -> Iterator[Given]:
    """The rows to predict, part by part."""
    config, before = predictor.source.manifest.config, 0
    if file is None and config.columns.features:
        numbers = list_names(config.columns.features)
        raise InputError(f"standard input: texts alone, and the folds also read the columns {numbers}; give a table")
    form, texts = config.files.format_of("test"), config.columns.read
    tables = read_parts(file, form, rows) if file else line_parts(sys.stdin.buffer, texts, rows)
    for table in tables:
        given = take_columns(config, table, before)
        before += len(given.ids)
        yield given


def place(predictor: Predictor, parts: int) -> Placement:
    """As many workers as there are parts for, and cores or GPUs; one part alone is done in this process."""
    many = sys.maxsize if parts > 1 else 0
    placement = place_prediction(predictor.device, predictor.threads, many)
    return Placement(min(placement.workers, max(parts, 1)), partial(prepare_worker, placement.prepare))


def prepare_worker(prepare: Prepare, slot: int) -> None:
    """Before a worker's first job: what it says must not come between the rows."""
    sys.stdout = sys.stderr
    prepare(slot)


def run_parts(asked: Asked, parts: Iterator[Given], placement: Placement, writer: Writer, passes: int) -> None:
    """Predict the parts and write them in their order; each row goes through `passes` models."""
    start, done = time.perf_counter(), 0
    waiting: dict[int, tuple[Given, np.ndarray]] = {}

    def on_event(slot: int, job: PartJob, event: int | np.ndarray) -> None:  # noqa: ARG001
        nonlocal done
        if isinstance(event, int):
            done += event
            rows = done // passes
            return progress.show(f"{rows:,} rows, {rows / (time.perf_counter() - start):,.0f} rows/s")
        waiting[job.number] = job.given, event
        while writer.parts in waiting:
            writer.write(*waiting.pop(writer.parts))
        return None

    jobs = (PartJob(asked, number, given) for number, given in enumerate(parts))
    with Progress("predict") as progress:
        find_engine(placement.workers)(jobs, predict_part, placement.workers, on_event, placement.prepare, do_nothing)
