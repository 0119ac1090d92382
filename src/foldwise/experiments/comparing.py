"""Runs beside one another: what differs in their recipes, and whether their scores differ by more than chance.

Scores of the same fold go together: a fold that is hard for one run is hard for the other, so the differences vary
much less than the scores. The standard error of their mean says how much of it the choice of folds may explain.
"""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev
from typing import Any, NamedTuple

from foldwise.experiments.finished import Finished
from foldwise.freshness import changes

NOISE = 2.0  # standard errors within which a difference may well be chance
CV, MINUTE = "cv", 60


class Difference(NamedTuple):
    """The mean difference of the scores of the same folds to the first run's."""

    mean: float
    standard_error: float | None  # None of a single fold
    folds: int

    @property
    def noise(self) -> bool:
        """Whether it may well be chance."""
        return self.standard_error is None or abs(self.mean) <= NOISE * self.standard_error


class Row(NamedTuple):
    """One run in the table; None where there is none or it is not known."""

    name: str
    date: str
    notes: list[str]  # what keeps it from being compared
    changes: list[str]  # in terms of the recipe, from the first run to this one
    cv: float | None = None  # mean of the folds
    sd: float | None = None
    difference: Difference | None = None
    leaderboard: float | None = None
    public: float | None = None
    minutes: float | None = None
    fewer: int = 0  # folds that are trained, where runs with the same fold file have more


def compare_runs(runs: Sequence[Finished]) -> list[Row]:
    """A row for each run, in their order; the first one that is finished is what the others are compared with."""
    first = next((run for run in runs if run.summary), None)
    paired = [run for run in runs if first and run.summary and not why_unpaired(first, run)]
    most = max((len(run.scores) for run in paired), default=0)
    return [make_row(run, first, most) for run in runs]


def make_row(run: Finished, first: Finished | None, most: int) -> Row:
    """The row of one run; `most` folds are trained of those with the same fold file, of a trial of `search` fewer."""
    summary = run.summary
    if summary is None or first is None or first.summary is None:
        return Row(run.name, run.date, [run.problem], [])
    unpaired = why_unpaired(first, run) if run is not first else ""
    fewer = len(run.scores) if len(run.scores) < most and not unpaired else 0
    notes = [
        unpaired,
        f"only {fewer} of {most} folds are trained" * bool(fewer),
        "its public score is of an earlier submission" * run.public_is_old,
    ]
    return Row(
        name=run.name,
        cv=summary["cv"]["mean"],
        sd=summary["cv"]["std"],
        difference=pair(first.scores, run.scores) if run is not first and not unpaired else None,
        leaderboard=summary.get("leaderboard"),
        public=run.public,
        minutes=summary["seconds"]["total"] / MINUTE if "total" in summary["seconds"] else None,
        date=run.date,
        changes=recipe_changes(first, run) if run is not first else [],
        notes=list(filter(None, notes)),
        fewer=fewer,
    )


def why_unpaired(first: Finished, run: Finished) -> str:
    """Why the folds of two runs cannot be paired, "" if they can."""
    assert first.summary
    assert run.summary
    metrics = [summary["metric"] for summary in (first.summary, run.summary)]
    if metrics[0] != metrics[1]:
        return f"scored by {metrics[1]}, not {metrics[0]}: no difference can be told"
    files = [summary.get("fold_file") for summary in (first.summary, run.summary)]
    if None in files:
        return "made by an earlier foldwise, or compared with such a run: whether the folds are the same is not known"
    if files[0] != files[1]:
        return f"has other folds than {first.name}: the scores cannot be paired fold by fold"
    if not first.scores.keys() & run.scores.keys():
        return f"has no fold in common with {first.name}"
    return ""


def pair(first: dict[int, float], scores: dict[int, float]) -> Difference:
    """By how much scores are larger than those of the first run, over the folds that both have."""
    gains = [score - first[fold] for fold, score in scores.items() if fold in first]
    error = stdev(gains) / sqrt(len(gains)) if len(gains) > 1 else None
    return Difference(fmean(gains), error, len(gains))


def recipe_changes(first: Finished, run: Finished) -> list[str]:
    """How a run's configuration differs, a phrase for each field: `training.epochs 6 → 4`."""
    assert run.summary
    if blended := run.summary.get("blend"):
        return [f"blend of {', '.join(blended)}"]
    old, new = first.recipe, run.recipe
    if new is None or old is None or not first.settings or not run.settings:
        return ["recipe not kept: made by an earlier foldwise, or compared with such a run"]
    asked = (settings["asked"] for settings in (first.settings, run.settings))
    then, now = ({**each, "recipe": None, "competition": {**each["competition"], "title": None}} for each in asked)
    return [*changes_of_recipes(old, new), *changes(then, now)]


def changes_of_recipes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """How a recipe differs from another one, as `changes` says it; members are told by their names."""
    then, now = old["members"], new["members"]
    both = [name for name in then if name in now]
    return [
        *changes({**old, "members": None}, {**new, "members": None}),
        *(f"member {name} left out" for name in then if name not in both),
        *(f"member {name} added{describe_member(now[name])}" for name in now if name not in both),
        *(phrase for name in both for phrase in changes(then[name], now[name], f"members.{name}.")),
    ]


def describe_member(member: dict[str, Any]) -> str:
    """What a member of its own changes in the recipe, in brackets."""
    tables = {table: fields for table, fields in member.items() if isinstance(fields, dict)}
    told = [f"{table}.{field} = {value}" for table, fields in tables.items() for field, value in fields.items()]
    return f" ({', '.join(told)})" if told else ""
