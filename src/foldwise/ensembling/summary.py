"""The table at the end of a run: what came out, and where it is."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from foldwise.console import duration, warn
from foldwise.run import Run
from foldwise.tasks import TASKS


def show_summary(run: Run, summary: dict[str, Any]) -> None:
    """Print fold scores, cv ± sd, ensemble and leaderboard, seconds per stage and the path of the submission."""
    table = Table(title=f"{summary['competition']}: {summary['metric']}", title_justify="left", title_style="bold")
    for name in ("", "score", "best epoch", "seconds"):
        table.add_column(name, justify="left" if not name else "right")
    for fold in summary["folds"]:
        cells = [f"fold {fold['fold']}", f"{fold['score']:.4f}"]
        epochs = f"{fold['best_epoch']:.2f} of {fold['epochs']:.2f}" if len(summary["members"]) == 1 else ""
        table.add_row(*cells, epochs, f"{fold['seconds']:.1f}")
    table.add_section()
    cv = summary["cv"]
    if len(summary["folds"]) > 1:
        table.add_row("cv, mean ± sd", f"{cv['mean']:.4f} ± {cv['std']:.4f}")
    for member in summary["members"] if len(summary["members"]) > 1 else []:
        weight = summary["ensemble"]["weights"][member["name"]]
        table.add_row(f"member {member['name']}, weight {weight:.2f}", f"{member['cv']:.4f}")
    method = summary["ensemble"]["method"].replace("_", " ")
    table.add_row(f"ensemble ({method}), out of fold", f"{cv['pooled']:.4f}", style="bold")
    if "leaderboard" in summary:
        table.add_row("leaderboard (solution.csv)", f"{summary['leaderboard']:.4f}", style="bold")
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    seconds = summary["seconds"]
    stages = ", ".join(f"{stage} {duration(value)}" for stage, value in seconds.items() if stage != "total")
    console.print(Text(f"time when last made: {stages}; together {duration(seconds['total'])}"))
    if "budget" in summary:
        console.print(Text(budget_line(summary["budget"])))
        if run.budget and (over := run.budget.used - run.budget.seconds) > 0:
            warn(f"the time budget was exceeded by {duration(over)}: it is too short for the least that must be done")
    if shown := thresholds_of(summary, run.config.columns.target):
        ones = "ones" if isinstance(summary["ensemble"]["threshold"], list) else "one"
        where = f"each fold's score is at the other folds' best {ones}"
        if len(summary["folds"]) == 1:
            where = f"the score is at this fold's own best {ones}, as there is no other fold, and flatters"
        console.print(Text(f"{shown}; {where}"))
    console.print(Text(f"submission: {run.paths.submission}", style="bold"))


def budget_line(facts: dict[str, Any]) -> str:
    """How much of a time budget was used when this was made, and what it left out."""
    left_out = [
        f"{noun}{'s' if len(facts[key]) > 1 else ''} {', '.join(map(str, facts[key]))} left out"
        for noun, key in (("fold", "dropped_folds"), ("member", "dropped_members"))
        if facts[key]
    ]
    left_out += [
        f"{fold['member']} fold {fold['fold']} ended at epoch {fold['epochs']:.2f} of {fold['of']}"
        for fold in facts["shortened"]
    ]
    used = f"made within a time budget of {duration(facts['seconds'])}, {duration(facts['used'])} used"
    return "; ".join([used, *(left_out or ["nothing was left out"])])


def thresholds_of(summary: dict[str, Any], names: list[str]) -> str:
    """Where predictions become labels, as a phrase; "" where they do not.

    Args:
        names: of the target columns.
    """
    thresholds = summary["ensemble"]["threshold"]
    if thresholds is None:
        return ""
    if not isinstance(thresholds, list):
        return f"threshold: {thresholds:.4f}"
    if TASKS[summary["task"]].thresholds == "rising":
        return "thresholds between the classes: " + ", ".join(f"{value:.4f}" for value in thresholds)
    return "thresholds: " + ", ".join(f"{name} {value:.4f}" for name, value in zip(names, thresholds, strict=True))
