"""The table at the end of a run: what came out, and where it is."""

from typing import Any

from rich.table import Column, Table
from rich.text import Text

from foldwise.console import as_shown, direction, duration, learnt_nothing, open_page, warn
from foldwise.errors import list_names
from foldwise.run import Run
from foldwise.tasks import TASKS

ROOMY = 64  # columns of a terminal from which on the table has more than scores


def show_summary(run: Run, summary: dict[str, Any]) -> None:
    """Print scores and baselines in a table, seconds per stage and the path of the submission."""
    members, ensemble, seconds = (summary[key] for key in ("members", "ensemble", "seconds"))
    higher = run.metric.greater_is_better
    lines = []
    baseline = summary.get("baseline") or {}
    if any(score is not None for score in baseline.values()):
        lines.append(learnt_nothing(higher))
    if is_no_better(summary, higher) and not run.debug:
        ours, constant = summary["cv"]["mean"], baseline["constant"]
        fix = f"look at the labels, and at the page of `{run.hint('report')}`"
        if summary.get("budget", {}).get("shortened"):
            fix = "their training was ended by the time budget; give it more"
        warn(
            f"the folds' mean score {ours:.4f} is not better than {constant:.4f}, that of one prediction for all rows: "
            f"these models have learnt nothing; {fix}"
        )
    if len(members) > 1:
        gains = ", ".join(f"{member['name']} {member['adds']:+.4f}" for member in members)
        lines.append(f"what each member adds to the score of the others: {gains}")
        lines += common_folds_lines(run, summary)
        best = (max if higher else min)(members, key=lambda member: member["cv"])
        if not run.debug and ((best["cv"] > ensemble["cv"]) if higher else (best["cv"] < ensemble["cv"])):
            alone = f"--set 'ensemble.members=[\"{best['name']}\"]' takes it alone"
            lines.append(
                f"{best['name']} alone scores {best['cv']:.4f} on these rows, better than the ensemble; {alone}"
            )
    if on_all := [f"{m['name']} {m['epochs_on_all_rows']:.2f}" for m in members if "epochs_on_all_rows" in m]:
        lines.append(
            f"test rows are predicted by models on all rows, trained for the folds' best epochs: {', '.join(on_all)}"
        )
    stages = ", ".join(f"{stage} {duration(value)}" for stage, value in seconds.items() if stage != "total")
    lines.append(f"time when last made: {stages}; together {duration(seconds['total'])}")
    if "budget" in summary:
        lines.append(budget_line(summary["budget"]))
        if run.budget and (over := run.budget.used - run.budget.seconds) > 0:
            warn(f"the time budget was exceeded by {duration(over)}: it is too short for the least that must be done")
    if ensemble["threshold"] is not None:
        lines.append(thresholds_line(summary, run.competition.targets.names))
    console = open_page(soft_wrap=True)
    console.print(make_table(summary, higher, console.width))
    lines.append(f"submission: {run.paths.submission}")
    console.print(*(Text(as_shown(line), style="bold" * (line is lines[-1])) for line in lines), sep="\n")


def make_table(summary: dict[str, Any], higher: bool, width: int) -> Table:
    """Scores of folds, members, ensemble, leaderboard and baselines, in `width` columns; the score is never cut.

    Args:
        higher: whether a higher score is the better one.
    """
    cv, folds, members, ensemble = (summary[key] for key in ("cv", "folds", "members", "ensemble"))
    epochs_of = [f"{fold['best_epoch']:.2f} of {fold['epochs']:.2f}" for fold in folds]
    beside = {"best epoch": epochs_of} if len(members) == 1 else {}
    beside["seconds"] = [f"{fold['seconds']:.1f}" for fold in folds]
    if width < ROOMY:
        beside = {}
    title = f"{summary['competition']}: {summary['metric']} {direction(higher)}"
    columns = [Column(name, justify="right", no_wrap=True) for name in ("score", *beside)]
    first = Column("", overflow="fold")
    table = Table(first, *columns, title=as_shown(title), title_justify="left", title_style="bold")

    def add(label: str, score: str, *others: str, style: str = "") -> None:
        table.add_row(*(Text(as_shown(cell)) for cell in (label, score, *others)), style=style)

    for index, fold in enumerate(folds):
        add(f"fold {fold['fold']}", f"{fold['score']:.4f}", *(cells[index] for cells in beside.values()))
    table.add_section()
    if len(folds) > 1:
        add("cv, mean ± sd", f"{cv['mean']:.4f} ± {cv['std']:.4f}")
    if len(members) > 1:
        for member in members:
            add(f"member {member['name']}, weight {ensemble['weights'][member['name']]:.2f}", f"{member['cv']:.4f}")
    weighted = "weighted " if len(set(ensemble["weights"].values())) > 1 else ""
    method = ensemble["method"].replace("_", " ")
    add(f"ensemble ({weighted}{method}), out of fold", f"{cv['pooled']:.4f}", style="bold")
    if "leaderboard" in summary:
        add("leaderboard (solution.csv)", f"{summary['leaderboard']:.4f}", style="bold")
    if baseline := summary.get("baseline"):
        table.add_section()
        constant = baseline["constant"]
        add("baseline: constant prediction", "–" if constant is None else f"{constant:.4f}")
        if baseline["linear"] is not None:
            add("baseline: linear", f"{baseline['linear']:.4f}")
    return table


def is_no_better(summary: dict[str, Any], higher: bool) -> bool:
    """True if the folds' mean score is not better than that of a constant prediction; False where that has none."""
    constant = (summary.get("baseline") or {}).get("constant")
    return constant is not None and (summary["cv"]["mean"] - constant) * (1 if higher else -1) <= 0


def common_folds_lines(run: Run, summary: dict[str, Any]) -> list[str]:
    """What it means that some members train fewer folds than others; nothing where all have the same."""
    members, folds = summary["members"], summary["folds"]
    lines = []
    if own := [member for member in members if "cv_own_folds" in member]:
        common = ", ".join(str(fold["fold"]) for fold in folds)
        scores = ", ".join(f"{member['name']} {member['cv_own_folds']:.4f}" for member in own)
        s = "s" if len(folds) > 1 else ""
        lines.append(f"scores are of fold{s} {common}, which all members have; of all its own folds: {scores}")
    if len(folds) == 1 and run.config.recipe.ensemble.weights == "fit":
        lines.append("members weigh the same: one fold in common leaves no rows to score fitted weights on")
    return lines


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


def thresholds_line(summary: dict[str, Any], names: list[str]) -> str:
    """Where predictions become labels, and which rows chose that; `names` are those of the targets."""
    thresholds, ones = summary["ensemble"]["threshold"], "ones"
    if not isinstance(thresholds, list):
        shown, ones = f"threshold: {thresholds:.4f}", "one"
    elif TASKS[summary["task"]].thresholds == "rising":
        shown = "thresholds between the classes: " + list_names([f"{value:.4f}" for value in thresholds], quoted=False)
    else:
        pairs = zip(names, thresholds, strict=True)
        shown = "thresholds: " + list_names([f"{name} {value:.4f}" for name, value in pairs], quoted=False)
    if len(summary["folds"]) > 1:
        return f"{shown}; each fold's score is at the other folds' best {ones}"
    return f"{shown}; the score is at this fold's own best {ones}, as there is no other fold, and flatters"
