"""Sections on the run as a whole: its scores, how its folds learnt, what its members add, what it was made with."""

from typing import Any

import numpy as np
import pandas as pd

from foldwise.config import Recipe
from foldwise.console import duration, learnt_nothing
from foldwise.paths import ALL_ROWS, FOLD_RECORD, TOKENS_RECORD
from foldwise.records import Content, FoldRecord, TokensRecord, read_checked, read_whole
from foldwise.report.charts import Axis, chart, dots, line, span, upright
from foldwise.report.markup import Markup, decimals, details, element, escape, figure, join, note, table
from foldwise.report.results import Results
from foldwise.report.wording import at_thresholds, say_folds_are_others
from foldwise.running.fold_folder import read_history
from foldwise.toml_text import dotted


class Rates(Content):
    """find-lr.json."""

    member: str
    suggested: float
    recipe: float
    rates: list[float]
    losses: list[float]
    smoothed: list[float]


def scores(results: Results) -> Markup:
    """Scores of folds, members, baselines and the ensemble; where and when they were made."""
    summary, better = results.summary, "higher" if results.summary["greater_is_better"] else "lower"
    cv, weights, folds = summary["cv"], summary["ensemble"]["weights"], summary["folds"]
    rows: list[tuple[Any, ...]] = [
        (f"fold {fold['fold']}", fold["score"], "", "", f"{fold['seconds']:.1f} s") for fold in folds
    ]
    rows.append(("mean ± sd", Markup(f"{figure(cv['mean'])} ± {figure(cv['std'])}"), "", "", ""))
    for member in summary["members"]:
        weight = float(weights.get(member["name"], 0)) if len(summary["members"]) > 1 else ""
        adds = f"{member['adds']:+.4f}" if "adds" in member else ""
        rows.append((f"member {member['name']}", member["cv"], weight, adds, ""))
    total = duration(summary["seconds"].get("total", 0.0))
    rows.append((element("b", "ensemble, out of fold"), cv["pooled"], "", "", total))
    if summary.get("leaderboard") is not None:
        rows.append((element("b", "leaderboard (solution.csv)"), summary["leaderboard"], "", "", ""))
    baseline = summary.get("baseline") or {}
    for name, called in (("constant", "baseline: constant prediction"), ("linear", "baseline: linear")):
        if baseline.get(name) is not None:
            rows.append((called, float(baseline[name]), "", "", ""))
    head = ["", summary["metric"], "weight", "adds", "time"]
    stages = ", ".join(f"{stage} {duration(value)}" for stage, value in summary["seconds"].items() if stage != "total")
    counts = summary.get("rows", {})
    sizes = f"{counts.get('train', 0):,} training rows, {counts.get('test', 0):,} test rows"
    facts = [
        f"{summary['task']}; {summary['metric']}: {better} is better",
        sizes,
        f"torch {summary.get('torch')} on {summary.get('device')}",
        f"seed {summary.get('seed')}",
    ]
    if commit := summary.get("git_commit"):
        facts.append(f"commit {commit[:10]}")
    fitted = "Each fold is scored by weights and thresholds that the other folds ask for; oof.csv and the sections"
    lines = [note("; ".join(facts)), note(f"time when last made: {stages}")]
    lines.append(note(f"{fitted} below have those of all folds, so that their figures differ a little."))
    if len(summary["members"]) > 1:
        lines.append(note("“adds”: by how much the ensemble is better with a member than without it."))
    if any(score is not None for score in baseline.values()):
        lines.append(note(f"{learnt_nothing(summary['greater_is_better']).capitalize()}."))
    if len(rows_left := np.setdiff1d(np.arange(len(results.ids)), results.rows)):
        lines.append(note(f"{len(rows_left):,} training rows have no prediction out of fold; sections leave them out."))
    return join(table(head, rows), *lines)


def learning_curves(results: Results) -> Markup:
    """Of each member training loss and validation score over epochs: a thin line a fold, their mean wide."""
    parts, bests = [], []
    for member in results.summary["members"]:
        name = member["name"]
        folders = {fold: results.run.paths.fold(name, fold) for fold in member["folds"]}
        histories = {fold: pd.DataFrame(read_history(folder)) for fold, folder in folders.items()}
        for fold, history in histories.items():
            best, last = history[history["best"]].iloc[-1], history.iloc[-1]
            seconds = read_whole(folders[fold] / FOLD_RECORD, FoldRecord)["seconds"]
            epochs = (decimals(best["epoch"], 2), decimals(last["epoch"], 2))
            bests.append((name, fold, best["score"], *epochs, decimals(seconds, 1)))
        if max(map(len, histories.values())) > 1:
            many = f"{len(histories)} folds" if len(histories) > 1 else "1 fold"
            parts.append(curves(f"{name}, {many}: training loss", "loss", histories))
            parts.append(curves(f"{name}, {many}: {results.summary['metric']} on the fold", "score", histories))
    head = ["member", "fold", "best score", "best epoch", "epochs", "seconds"]
    explained = "Thin: a fold; wide: their mean; dots: the evaluation that was kept."
    shown = join(note(explained), element("div", join(*parts), "charts")) if parts else ""
    return join(shown, details("best epochs of all folds", table(head, bests), **({} if parts else {"open": ""})))


def curves(title: str, column: str, histories: dict[int, pd.DataFrame]) -> Markup:
    """One chart of a column of the histories."""
    tables = {fold: history.assign(**{column: history[column].astype(float)}) for fold, history in histories.items()}
    x = span("epoch", *(history["epoch"] for history in tables.values()))
    y = span(column, *(history[column] for history in tables.values()))
    thin = "a thin" if len(tables) > 1 else "a"
    marks = [line(x, y, history["epoch"], history[column], thin) for history in tables.values()]
    if len(tables) > 1:
        epochs = np.unique(np.concatenate([history["epoch"].to_numpy(float) for history in tables.values()]))
        each = [np.interp(epochs, h["epoch"], h[column], np.nan, np.nan) for h in tables.values()]
        going = np.isfinite(each).sum(axis=0) >= len(each) / 2  # the mean of the last fold left would jump
        marks.append(line(x, y, epochs[going], np.nanmean(np.array(each)[:, going], axis=0), "a wide"))
    kept = pd.concat([history[history["best"]].iloc[-1:] for history in tables.values()])
    kept = kept[np.isfinite(kept[column])]
    return chart(title, x, y, [*marks, dots(x, y, kept["epoch"], kept[column], "b")])


def rate_test(results: Results) -> Markup:
    """Training loss by the learning rate as `find-lr` raised it, with what it suggests."""
    found = read_checked(results.run.paths.rates, Rates)
    if found is None:
        return Markup("")
    lowest, first = min(found["smoothed"]), found["smoothed"][0]  # what comes after is many times as high
    reach = (first - lowest) or 1.0
    x = span(f"learning rate ({found['member']})", found["rates"], log=True)
    y = Axis("training loss", lowest - reach / 2, first + 2 * reach)
    marks = [dots(x, y, found["rates"], found["losses"], "a many"), line(x, y, found["rates"], found["smoothed"])]
    marks += [upright(x, found["suggested"]), upright(x, found["recipe"], "b dashed")]
    legend = [(css, f"{name}: {found[name]:.1e}") for css, name in (("e", "suggested"), ("b", "recipe"))]
    return chart("", x, y, marks, legend)


def members(results: Results) -> Markup:
    """How alike the members' predictions are, and how often one is right where another is not."""
    names = [member["name"] for member in results.summary["members"]]
    if len(names) < 2:
        return Markup("")
    if results.mixture is None:
        return note(say_folds_are_others(results))
    oofs = [results.members[name][results.rows] for name in names]
    with np.errstate(all="ignore"):
        together = np.atleast_2d(np.corrcoef([oof.ravel() for oof in oofs]))
    rows = [(name, *(float(value) for value in line_)) for name, line_ in zip(names, together, strict=True)]
    parts = [element("h3", "correlation of predictions"), table(["", *names], rows)]
    spec = results.targets.spec
    if results.problems and not results.ranked:
        truth = (results.ones if spec.y == "columns" else results.truth).reshape(len(results.rows), -1)
        labels = [spec.to_labels(oof, results.thresholds).reshape(len(oof), -1) for oof in oofs]
        right = [((made == truth) | np.isnan(truth)).all(axis=1) for made in labels]
        rows = [
            (name, *("" if a is b else float((a & ~b).mean()) for b in right))
            for name, a in zip(names, right, strict=True)
        ]
        parts += [element("h3", "share of rows that the row's member gets right and the column's does not")]
        parts += [table(["", *names], rows), note(at_thresholds(results))]
    return join(*parts)


def recipe(results: Results) -> Markup:
    """The recipe of each member as its folds were trained, of tokens and ensemble; what is not the default is bold."""
    paths, usual = results.run.paths, dotted(Recipe().model_dump())
    tokens = (read_checked(paths.tokens / TOKENS_RECORD, TokensRecord) or {"inputs": {}})["inputs"].get("tokens", {})
    parts = []
    shown = {"tokens": {"tokens": tokens}, "ensemble": {"ensemble": results.summary["inputs"].get("ensemble", {})}}
    for member in results.summary["members"]:
        fold = ALL_ROWS if "epochs_on_all_rows" in member else member["folds"][0]
        record = read_whole(paths.fold(member["name"], fold) / FOLD_RECORD, FoldRecord)
        shown[f"member {member['name']}"] = record["inputs"].get("recipe", {})
        ran = ", ".join(f"{name} {value}" for name, value in record["runtime"].items())
        parts.append(note(f"{member['name']} ran on {ran}; torch {record['torch']}"))
    for title, fields in shown.items():
        flat = dotted(fields)
        other = {name: value for name, value in flat.items() if name in usual and usual[name] != value}
        rows = [(element("b", name) if name in other else name, element("code", value)) for name, value in flat.items()]
        changed = ", ".join(f"{name} = {value}" for name, value in other.items()) or "all as by default"
        parts.append(details(Markup(f"{escape(title)}: {escape(changed)}"), table(["field", "value"], rows)))
    auto = results.summary.get("auto") or {}
    if decided := [f"{name} = {choice['value']}" for name, choice in auto.items() if isinstance(choice, dict)]:
        parts.append(note(f"decided by the tables (auto): {', '.join(decided)}"))
    return join(*parts, note(element("code", results.summary.get("command") or "")))
