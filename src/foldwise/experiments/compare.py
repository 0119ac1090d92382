"""Stage compare: all runs of a competition in one table.

./run.sh compare -c SLUG [--sort COLUMN] [--json]

The one without a name comes first, then the others by their dates. The first that is finished is what others are
compared with, however the table is sorted.
"""

from typing import Any

from foldwise.console import as_shown, direction, learnt_nothing
from foldwise.errors import InputError
from foldwise.experiments.comparing import Row, compare_runs
from foldwise.experiments.finished import Finished, read_run
from foldwise.experiments.names import UNNAMED, find_run, names_there
from foldwise.experiments.table import print_json, show_rows, sort_rows
from foldwise.paths import Paths


def show_experiments(paths: Paths, sort: str, as_json: bool) -> None:
    """Print the table; InputError where no run ever began, or the column to sort by is none."""
    runs = read_runs(paths)
    first = next((run for run in runs if run.summary), None)
    summary: dict[str, Any] = (first and first.summary) or {}
    metric, greater = summary.get("metric", ""), summary.get("greater_is_better", True)
    baselines = {name: score for name, score in (summary.get("baseline") or {}).items() if score is not None}
    rows = compare_runs(runs)
    if sort:
        rows = sort_rows(rows, sort, greater)
    if as_json:
        facts = {"competition": paths.slug, "metric": metric, "greater_is_better": greater, "baselines": baselines}
        return print_json(rows, {**facts, "first": first.name if first else None})
    title = f"{paths.slug}: {metric} {direction(greater)}" if metric else paths.slug
    show_rows(rows, title, first.name if first else "")
    if baselines:
        told = ", ".join(f"{name} {score:.4f}" for name, score in baselines.items())
        print(as_shown(f"baselines: {told}; {learnt_nothing(greater)}"))
    return None


def read_runs(paths: Paths) -> list[Finished]:
    """All runs of a competition, in their usual order; InputError where none ever began."""
    if not (names := names_there(paths)):
        raise InputError(f"{paths.home}: no runs there; `./run.sh all -c {paths.slug} --name EXP` makes one")
    runs = [read_run(find_run(paths, name), name) for name in names]
    return sorted(runs, key=lambda run: (run.name != UNNAMED, run.date or "9"))


def tabulate(paths: Paths) -> list[dict[str, Any]]:
    """The rows of the table for Python, the difference to the first run in columns of its own."""
    rows = []
    for row in compare_runs(read_runs(paths)):
        apart = row.difference
        found: dict[str, Any] = {"difference": None, "standard_error": None, "noise": None}
        if apart:
            found = {"difference": apart.mean, "standard_error": apart.standard_error, "noise": apart.noise}
        told = {"changes": ", ".join(row.changes), "notes": "; ".join(row.notes)}
        rows.append({"name": row.name, "cv": row.cv, "sd": row.sd, **found, **told} | others_of(row))
    return rows


def others_of(row: Row) -> dict[str, Any]:
    """What else is known of a run."""
    return {name: getattr(row, name) for name in ("leaderboard", "public", "minutes", "date")}
