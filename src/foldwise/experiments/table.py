"""The table of `compare`, for people and for programs."""

import json
from collections.abc import Sequence
from typing import Any

from rich.table import Column, Table
from rich.text import Text

from foldwise.console import as_shown, open_page
from foldwise.errors import InputError, did_you_mean, list_names
from foldwise.experiments.comparing import NOISE, Row

SORTS = ("name", "cv", "difference", "leaderboard", "public", "minutes", "date")
ROOM = 130  # columns of a terminal from which on the differences stand in the table
SHORT = {"cv, mean ± sd": "cv ± sd", "leaderboard": "leader board"}
NARROW = 105  # columns below which cells take two lines


def sort_rows(rows: Sequence[Row], column: str, greater_is_better: bool) -> list[Row]:
    """Rows by a column, scores the best first, what is not known last; InputError for another column."""
    if column not in SORTS:
        raise InputError(
            f"--sort {column}: {did_you_mean(column, SORTS, f'choose of {list_names(SORTS, quoted=False)}')}"
        )

    def value(row: Row) -> Any:
        found = getattr(row, column)
        return found.mean if column == "difference" and found else found

    known, unknown = ([row for row in rows if (value(row) in (None, "")) == lacks] for lacks in (False, True))
    best_first = column in ("cv", "difference", "leaderboard", "public") and greater_is_better
    return [*sorted(known, key=value, reverse=best_first), *unknown]


def show_rows(rows: Sequence[Row], title: str, first: str) -> None:
    """Print the table, what differs where it is too narrow for that, and how it is to be read."""
    console = open_page()
    wide, narrow = console.width >= ROOM, console.width < NARROW
    shown = {
        "cv, mean ± sd": [show_score(row) for row in rows],
        "difference ± se": [show_difference(row, first) for row in rows],
        "leaderboard": [show_number(row.leaderboard, ".4f") for row in rows],
        "public": [show_number(row.public, ".4f") for row in rows],
        "minutes": [show_number(row.minutes, ".1f") for row in rows],
        "date": [row.date[5 * narrow : 16].replace("T", " ") for row in rows],
    }
    shown = {name: cells for name, cells in shown.items() if any(cells)}
    table = Table(
        Column("experiment", overflow="fold", min_width=10),
        *(
            Column(as_shown(SHORT.get(name, name) if narrow else name), justify="right", no_wrap=not narrow)
            for name in shown
        ),
        *[Column("what differs", overflow="fold", ratio=1)] * wide,
        title=as_shown(title),
        title_justify="left",
        title_style="bold",
    )
    told = [describe(row) for row in rows]
    for place, row in enumerate(rows):
        cells = [row.name, *(cells[place] for cells in shown.values()), *[told[place]] * wide]
        table.add_row(*(Text(as_shown(cell)) for cell in cells))
    console.print(table)
    lines = [] if wide else [f"{row.name}: {text}" for row, text in zip(rows, told, strict=True) if text]
    if "difference ± se" in shown:
        lines.append(
            f"difference: mean over the folds of the score less that of {first}, ± its standard error; "
            f"≈ within {NOISE:g} standard errors, which may well be chance"
        )
    for line in lines:
        console.print(Text(as_shown(line)), soft_wrap=True)


def describe(row: Row) -> str:
    """What differs from the first run, and what keeps it from being compared."""
    return "; ".join(filter(None, [", ".join(row.changes), *row.notes]))


def show_number(value: float | None, form: str) -> str:
    """A number for people, "" where there is none."""
    return "" if value is None else format(value, form)


def show_score(row: Row) -> str:
    """The mean and the deviation of a run's folds, and how many there are where others have more."""
    return "" if row.cv is None else f"{row.cv:.4f} ± {row.sd:.4f}" + f" (of {row.fewer})" * bool(row.fewer)


def show_difference(row: Row, first: str) -> str:
    """A difference with its standard error, after ≈ where it is noise."""
    if row.name == first:
        return "first"
    if row.difference is None:
        return ""
    mean, error, _ = row.difference
    mark = "≈ " * row.difference.noise
    return f"{mark}{mean:+.4f}" + ("" if error is None else f" ± {error:.4f}")


def print_json(rows: Sequence[Row], facts: dict[str, Any]) -> None:
    """Print everything for a program."""
    listed = [{**row._asdict(), "difference": difference_facts(row)} for row in rows]
    print(json.dumps({**facts, "experiments": listed}, indent=2, ensure_ascii=False))


def difference_facts(row: Row) -> dict[str, Any] | None:
    """A difference with whether it is noise."""
    return {**row.difference._asdict(), "noise": row.difference.noise} if row.difference else None
