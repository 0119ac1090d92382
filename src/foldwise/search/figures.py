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


class Unseen(Content):
    """The best trial beside the recipe as it was, on folds that no trial was chosen by: the honest comparison."""

    folds: list[int]
    score: float  # mean of these folds
    default: float  # the same of the recipe as it was
    standard_error: float | None  # of their difference; None of a single fold

    @property
    def gain(self) -> float:
        """By how much the best trial's score is larger."""
        return self.score - self.default

    def tell(self, metric: str) -> str:
        """In a line."""
        error = "" if self.standard_error is None else f" ± {self.standard_error:.4f}, one standard error"
        scores = f"{self.score:.4f}; recipe as it is: {self.default:.4f} ({self.gain:+.4f}{error})"
        return f"{metric} on {list_folds(self.folds)}, not searched: {scores}"


class Figures(Content):
    """search.json."""

    metric: str
    greater_is_better: bool
    folds: list[int]
    best: str | None
    trials: list[TrialFigures]
    importance: dict[str, float]
    unseen_folds: Unseen | None = None  # once both are trained on all folds


def list_folds(numbers: list[int]) -> str:
    """Folds for a message."""
    return f"fold{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def folder_of(paths: Paths) -> Path:
    """Where a search keeps what is not of one trial."""
    return paths.home / FOLDER


def write_figures(
    study: Study, paths: Paths, metric: str, folds: list[int], ended: bool = False, unseen: Unseen | None = None
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
    compared = unseen and unseen.model_dump()
    known = read_figures(paths) if unseen is None and best else None
    if known and (known.get("study"), known["best"]) == (study.key, best):
        compared = known.get("unseen_folds")  # of an earlier command, or of a process beside this one
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
            "unseen_folds": compared,
        },
    )


def read_figures(paths: Paths) -> dict[str, Any] | None:
    """The content of search.json; None without one, or with a warning where it is damaged."""
    return read_or_warn(folder_of(paths) / FILE, Figures, "the search is not shown")
