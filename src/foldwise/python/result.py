"""`fw.Result`: what a run left in its folder, as Python's own things."""

import re
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from foldwise.errors import RunError
from foldwise.extensions import load_extension
from foldwise.hashing import hash_of
from foldwise.lock import only_writer
from foldwise.python.session import session
from foldwise.records import Summary, read_whole
from foldwise.run import Run
from foldwise.running.fold_folder import read_history

REPORT = "foldwise.report.page:report"
WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?")
INTERNAL = ("inputs", "outputs", "form")  # of summary.json: by what it is found out of date


class Result:
    """A finished run.

    Attributes:
        folder: where all of it is: submission.csv, oof.csv, summary.json, a folder for each member and fold.
    """

    def __init__(self, run: Run) -> None:
        self.made, self.folder = run, run.paths.output
        self.summary = read_whole(run.paths.summary, Summary)

    @property
    def scores(self) -> dict[str, Any]:
        """The figures of summary.json: "metric", "cv", "folds", "members", "ensemble", "leaderboard" and others."""
        return {key: value for key, value in self.summary.items() if key not in INTERNAL}

    @cached_property
    def oof(self) -> pd.DataFrame:
        """(N, …) oof.csv: ids as text, fold, targets, and predictions by models that have not seen the row.

        Other columns are numbers where all their cells are.
        """
        return self.read(self.made.paths.oof, 1, row_id="id")

    @cached_property
    def submission(self) -> pd.DataFrame:
        """(M, …) submission.csv: ids as text, then what is predicted."""
        return self.read(self.made.paths.submission, 0, row_id=self.made.asked.columns.id)

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row an evaluation of each member and fold: epoch, step, loss, score, best, learning_rate and others."""
        rows = [
            {"member": member["name"], "fold": fold, **asdict(entry)}
            for member in self.summary["members"]
            for fold in member["folds"]
            for entry in read_history(self.made.paths.fold(member["name"], fold))
        ]
        return pd.DataFrame(rows)

    def report(self) -> Path:
        """Write report.html, as `./run.sh report`; where it is."""
        write = load_extension(REPORT, "report")
        with session(), only_writer(self.folder):
            write(self.made)
        return self.folder / "report.html"

    def read(self, path: Path, output: int, row_id: str) -> pd.DataFrame:
        """A file of this run, its numbers as numbers: one that another run has made since is a RunError."""
        if not path.is_file() or hash_of(path) != self.summary["outputs"][output]:
            raise RunError(f"{path}: is no longer that of this run; run it again")
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        return frame.assign(**{name: to_numbers(frame[name]) for name in frame.columns if name != row_id})

    def __repr__(self) -> str:
        summary = self.summary
        return f"<Result {self.folder}: {summary['metric']} {summary['cv']['pooled']:.4f} out of fold>"


def to_numbers(column: "pd.Series[str]") -> "pd.Series[Any]":
    """The numbers of a column whose filled cells are all written as programs write them: 01 stays a text."""
    cells: list[str] = column.tolist()
    if all(map(WHOLE.fullmatch, cells)):
        return pd.Series(list(map(int, cells)), column.index, "int64")
    if any(cells) and all(NUMBER.fullmatch(cell) for cell in cells if cell):
        return pd.Series([float(cell or "nan") for cell in cells], column.index)
    return column
