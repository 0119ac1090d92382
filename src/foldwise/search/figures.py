"""`output/SLUG/search/search.json`: what a search found so far, for people, programs and the report."""

from pathlib import Path
from typing import Any

from foldwise.files import write_checked
from foldwise.paths import Paths
from foldwise.records import Content, read_or_warn
from foldwise.search.study import Study

FOLDER, FILE = "search", "search.json"


class TrialFigures(Content):
    """A trial in search.json."""

    number: int
    name: str
    state: str  # finished, pruned, failed, running
    score: float | None  # mean of the searched folds
    seconds: float | None
    set: list[str]  # as `--set` takes it; nothing of trial 0


class Figures(Content):
    """search.json."""

    metric: str
    greater_is_better: bool
    folds: list[int]
    best: str | None
    trials: list[TrialFigures]
    importance: dict[str, float]
    unseen: str | None = None  # the best beside the recipe as it was, on folds that were not searched


def folder_of(paths: Paths) -> Path:
    """Where a search keeps what is not of one trial."""
    return paths.home / FOLDER


def write_figures(
    study: Study, paths: Paths, metric: str, folds: list[int], ended: bool = False, unseen: str | None = None
) -> None:
    """Write search.json as things stand; which fields matter, and what is worth it, once the search has ended."""
    names = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "running"}
    trials = [
        {
            "number": trial.number,
            "name": study.name_of(trial.number),
            "state": (state := names[trial.state.name]),
            "score": trial.value if state == "finished" else None,
            "seconds": trial.user_attrs.get("seconds"),
            "set": trial.user_attrs.get("set", []),
        }
        for trial in study.trials()
    ]
    best = study.name_of(study.best.number) if study.best else None
    known = read_figures(paths) if unseen is None and best else None
    if known and (known.get("study"), known["best"]) == (study.key, best):
        unseen = known.get("unseen")  # of an earlier command, or of a process beside this one
    write_checked(
        folder_of(paths) / FILE,
        {
            "study": study.key,
            "metric": metric,
            "greater_is_better": study.greater,
            "folds": folds,
            "space": {field: str(values) for field, values in study.space.items()},
            "best": best,
            "trials": trials,
            "importance": study.importance() if ended else {},
            "unseen": unseen,
        },
    )


def read_figures(paths: Paths) -> dict[str, Any] | None:
    """The content of search.json; None without one, or with a warning where it is damaged."""
    return read_or_warn(folder_of(paths) / FILE, Figures, "the search is not shown")
