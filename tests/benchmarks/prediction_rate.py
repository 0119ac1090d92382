"""The rate of the command predict beside that of stage train's own prediction of test rows, on one core (Linux).

    .venv/bin/python tests/benchmarks/prediction_rate.py output/movie-reviews input/movie-reviews/test.csv --rows 20000

Stage train predicts rows whose tokens are there, with models that are in memory: that alone is timed of it, over all
folds of all members. Of predict all is timed that a row needs: reading the table, tokens, the same folds, writing the
CSV; the folds are in memory there too, since each process loads them once. Both in turn, medians of some repeats, in
seconds of the processor, so that other programs on the machine count less.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from foldwise.data.table import read_table
from foldwise.files import write_csv
from foldwise.inference.given import take_columns
from foldwise.inference.predictor import Predictor
from foldwise.inference.stream import Asked, open_predictor, run_parts, take_parts
from foldwise.inference.writing import open_writer
from foldwise.running.placement import Placement


def seconds_of_train(predictor: Predictor, file: Path) -> float:
    """Seconds in which all folds predict the rows of a table from their tokens."""
    manifest = predictor.source.manifest
    given = take_columns(manifest.config, read_table(file, manifest.config.files.format_of("test")))
    with predictor.read(given.texts, given.features, list(manifest.members)) as (rows, own):
        data = {name: rows.of_member(predictor.source, name, own.get(name)) for name in manifest.members}
        start = time.process_time()
        for name, new in data.items():
            for fold in predictor.folds_of(name):
                fold.predict(new, lambda _: None)
        return time.process_time() - start


def seconds_of_predict(asked: Asked, predictor: Predictor, file: Path, out: Path) -> float:
    """Seconds from the table to the CSV."""
    manifest, start = predictor.source.manifest, time.process_time()
    settings = manifest.config, manifest.targets, manifest.thresholds, asked.what
    with redirect_stdout(sys.stderr), open_writer(out, *settings) as writer:
        run_parts(asked, take_parts(predictor, file, 32_768), Placement(1), writer, predictor.passes(asked.what))
    return time.process_time() - start


def repeat_rows(file: Path, rows: int, copy: Path) -> None:
    """So many rows, those of a table again and again."""
    frame = read_table(file).frame
    numbers = np.arange(rows) % len(frame)
    write_csv(copy, frame.columns, frame.iloc[numbers].itertuples(index=False, name=None))


def measure(folder: Path, input_: Path | None, file: Path, rows: int, repeats: int) -> dict[str, float]:
    """Rows a second of both ways, and their ratio."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    asked = Asked(folder, input_, "cpu", "proba")
    predictor = open_predictor(asked)
    with tempfile.TemporaryDirectory() as name:
        table, found = Path(name) / "table.csv", Path(name) / "found.csv"
        repeat_rows(file, rows, table)
        seconds_of_predict(asked, predictor, table, found)  # everything is loaded now
        pairs = [
            (seconds_of_train(predictor, table), seconds_of_predict(asked, predictor, table, found))
            for _ in range(repeats)
        ]
    train, predict = (rows / statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(train_seconds / predict_seconds for train_seconds, predict_seconds in pairs)
    return {"train": round(train, 1), "predict": round(predict, 1), "ratio": round(ratio, 3)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--input", type=Path)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    print(json.dumps(measure(given.folder, given.input, given.table, given.rows, given.repeats), indent=1))


if __name__ == "__main__":
    main()
