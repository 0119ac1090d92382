"""Stage ensemble: folds and members to `submission.csv`, `oof.csv` and `summary.json`.

./run.sh ensemble -c SLUG
"""

import subprocess
import time
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.console import say, working
from foldwise.data.competition import read_solution
from foldwise.data.targets import Targets
from foldwise.ensembling.baseline import constant_score
from foldwise.ensembling.blend import (
    Blend,
    Records,
    check_folds,
    combine,
    common_folds,
    earlier_budget,
    predicting_folds,
    score_members,
    submit,
)
from foldwise.ensembling.oof import write_oof
from foldwise.ensembling.record import write_ensemble
from foldwise.ensembling.submission import in_sample_order, to_scale
from foldwise.errors import DamagedError, InputError, list_names
from foldwise.files import write_checked
from foldwise.freshness import changes, submission_form
from foldwise.hashing import hash_of
from foldwise.inputs import input_hash
from foldwise.metrics import Metric, score
from foldwise.paths import ALL_ROWS, FOLD_RECORD, find_project
from foldwise.records import FoldRecord, Summary, read_checked, read_whole
from foldwise.run import Run


@working("ensemble", "putting the folds together")
def ensemble(run: Run, fold_of_row: np.ndarray) -> dict[str, Any]:
    """Combine all folds of all members, unless the submission was made from them; gives the content of summary.json."""
    records = check_folds(run)
    inputs = {
        "folds": {
            member: hash_of(
                *(
                    run.paths.fold(member, fold) / FOLD_RECORD
                    for fold in {**group, **dict.fromkeys(predicting_folds(run, member, group))}
                )
            )
            for member, group in records.items()
        },
        "sample": input_hash(run.paths.table("sample_submission")),
        "solution": [input_hash(path) for path in run.paths.tables("solution")],
        "ensemble": run.config.recipe.ensemble.model_dump(),
        **run.config.model_dump(include={"submission", "files", "columns"}),
    }
    summary, made = None, run.paths.outcome
    try:
        summary = read_checked(run.paths.summary, Summary)
        why = why_combine(summary, inputs, made)
    except DamagedError as error:
        why = "; ".join(error.phrases)
    why = why or ("--force" if run.force else "")
    if summary is not None and not why:
        say("ensemble", f"kept {run.paths.submission.name}: made from these folds")
        return summary  # command, seed, auto and so on are of the run that made it, as the figures are
    start = time.perf_counter()
    summary = write_outcome(run, fold_of_row, records, combine(run, fold_of_row, records))
    seconds = run.record_seconds("ensemble", time.perf_counter() - start)
    summary["seconds"] = {**seconds, "total": round(sum(seconds.values()), 2)}
    summary |= {"inputs": inputs, "outputs": [hash_of(path) for path in made], "form": submission_form(run)}
    write_checked(run.paths.summary, summary)
    rows = f"{summary['rows']['test']:,} rows, checked against the sample and read back"
    say("ensemble", f"made {run.paths.submission.name} ({why}): {rows}")
    return summary


def why_combine(summary: dict[str, Any] | None, inputs: dict[str, Any], made: list[Path]) -> str:
    """The reason to make the submission, "" if the one there is up to date."""
    if summary is None:
        return "there was none"
    if missing := [path.name for path in made if not path.is_file()]:
        return f"{' and '.join(missing)} missing"
    hashes = [*summary["outputs"], *[""] * len(made)]  # an earlier foldwise knew fewer
    others = [path.name for path, old in zip(made, hashes, strict=False) if hash_of(path) != old]
    return "; ".join(changes(summary["inputs"], inputs) or [f"{name} is damaged or was changed" for name in others])


def write_outcome(run: Run, fold_of_row: np.ndarray, records: Records, blend: Blend) -> dict[str, Any]:
    """Write submission.csv, oof.csv and what stands beside them, and describe the result."""
    config, competition, metric = run.config, run.competition, run.metric
    targets = competition.targets
    solution = read_solution(config, run.paths, competition.sample, targets.names)  # an error comes before any file
    scores, folds = blend.fold_scores, common_folds(records)
    described = describe_members(run, fold_of_row, blend)
    found = {f"fold {fold}": value for fold, value in zip(folds, scores, strict=True)} | {"all rows": blend.pooled}
    found |= {f"member {member['name']}": member["cv"] for member in described}
    if solution is not None:
        test = in_sample_order(competition.sample[config.columns.id], competition.test_ids, blend.test)
        leaderboard = score(metric, targets.task, solution.truth, test[solution.rows], blend.thresholds)
        found["solution.csv"] = leaderboard
    check_scores(run, found)
    submit(run, blend)
    write_oof(run, fold_of_row, blend)
    write_ensemble(run, records, blend)
    first, *_ = records.values()
    any_fold, *_ = first.values()
    summary: dict[str, Any] = {
        "competition": run.paths.slug,
        "task": targets.task,
        "metric": config.competition.metric,
        **({"metric_arguments": arguments} if (arguments := config.competition.metric_arguments) else {}),
        "greater_is_better": metric.greater_is_better,
        "cv": {"pooled": blend.pooled, "mean": float(np.mean(scores)), "std": float(np.std(scores))},
        "folds": [
            {
                "fold": fold,
                "score": fold_score,
                "best_epoch": first[fold]["best_epoch"],
                "epochs": first[fold]["epochs"],
                "seconds": round(sum(group[fold]["seconds"] for group in records.values()), 2),
            }
            for fold, fold_score in zip(folds, scores, strict=True)
        ],
        "members": [
            {**member, "folds": list(group), **on_all_rows(run, member["name"])}
            for member, group in zip(described, records.values(), strict=True)
        ],
        "ensemble": {
            "method": config.recipe.ensemble.method,
            "weights": dict(zip(records, blend.mixture.weights.tolist(), strict=True)),
            "threshold": shown_thresholds(metric, targets, blend.thresholds),
            "cv": blend.pooled,
        },
        "baseline": describe_baseline(run, fold_of_row, blend, described),
        "auto": {field: choice._asdict() for field, choice in run.decided[1].items()},
        "rows": {"train": len(competition.train_ids), "test": len(competition.test_ids)},
        "device": any_fold["runtime"]["device"],
        "torch": any_fold["torch"],
        "command": run.command,
        "settings": list(run.settings),
        "git_commit": git_commit(),
        "seed": config.recipe.seed,
        "configuration": run.kept,
        "fold_file": input_hash(run.paths.folds),
        "date": datetime.now().astimezone().isoformat(timespec="milliseconds"),
    }
    summary |= budget_facts(run, records)
    if solution is not None:
        summary["leaderboard"] = leaderboard
    return summary


def check_scores(run: Run, scores: dict[str, float]) -> None:
    """Refuse a metric that has no value for what was predicted, such as the user's own correlation of constants."""
    odd = [what for what, value in scores.items() if not np.isfinite(value)]
    if odd:
        raise InputError(
            f"competition.metric = {run.config.competition.metric!r}: gives {scores[odd[0]]} for "
            f"{list_names(odd, quoted=False)}; it must give a finite number, also where all predictions are alike"
        )


def describe_members(run: Run, fold_of_row: np.ndarray, blend: Blend) -> list[dict[str, Any]]:
    """Of each member its score out of fold, and by how much the ensemble's score is better with it than without.

    Both are of the rows that all members have; where a member has more, `cv_own_folds` is its score on all of its own.
    """
    names, sign = tuple(blend.members), 1 if run.metric.greater_is_better else -1
    if len(names) == 1:
        return [{"name": names[0], "cv": blend.pooled}]

    def score_on(rows: np.ndarray, some: tuple[str, ...]) -> float:
        parts = {name: blend.members[name][rows] for name in some}
        return score_members(run, run.competition.targets.truth[rows], parts, fold_of_row[rows])[0]

    # of two members the score of one alone is that without the other
    score_of = cache(partial(score_on, blend.rows))
    described = []
    for name in names:
        adds = sign * (blend.pooled - score_of(tuple(other for other in names if other != name)))
        described.append({"name": name, "cv": score_of((name,)), "adds": adds})
        own = np.isfinite(blend.members[name]).all(axis=1)
        if own.sum() > blend.rows.sum():
            described[-1]["cv_own_folds"] = score_on(own, (name,))
    return described


def describe_baseline(run: Run, fold_of_row: np.ndarray, blend: Blend, members: list[dict[str, Any]]) -> dict[str, Any]:
    """Scores that a model must be better than, None of what there is not: a constant, and the best linear member."""
    metric, targets, rows = run.metric, run.competition.targets, blend.rows
    linear = [m["cv"] for m in members if run.config.recipe.of_member(m["name"]).model.name == "linear"]
    return {
        "constant": constant_score(metric, targets.task, targets.truth[rows], fold_of_row[rows], targets.outputs),
        "linear": (max if metric.greater_is_better else min)(linear, default=None),
    }


def on_all_rows(run: Run, member: str) -> dict[str, float]:
    """Epochs of the model on all rows that predicts the test rows for a member; empty where its folds do."""
    if not run.config.recipe.on_all_rows(member):
        return {}
    return {"epochs_on_all_rows": read_whole(run.paths.fold(member, ALL_ROWS) / FOLD_RECORD, FoldRecord)["epochs"]}


def budget_facts(run: Run, records: Records) -> dict[str, Any]:
    """What a time budget, of this run or the one before, allowed and left out, as `budget`; empty without one."""
    recipe = run.config.recipe
    lacking = {fold for name, group in records.items() for fold in recipe.folds_of(name) if fold not in group}
    facts = {
        "dropped_members": [name for name in recipe.ensemble_members if name not in records],
        "dropped_folds": sorted(lacking),
        "shortened": [
            {"member": name, "fold": fold, **record["shortened"]}
            for name, group in records.items()
            for fold, record in group.items()
            if "shortened" in record
        ],
    }
    if run.budget:
        return {"budget": {"seconds": run.budget.seconds, "used": round(run.budget.used, 2), **facts}}
    earlier = earlier_budget(run)
    return {"budget": {**earlier, **facts}} if earlier and any(facts.values()) else {}


def shown_thresholds(metric: Metric, targets: Targets, thresholds: np.ndarray) -> float | list[float] | None:
    """Thresholds as summary.json has them: one, one a column, those between classes, or None."""
    if metric.prediction_type != "label" or not len(thresholds):
        return None
    if targets.spec.ordered:
        return to_scale(thresholds, targets.names).tolist()
    return thresholds.tolist() if targets.spec.several else float(thresholds[0])


def git_commit() -> str | None:
    """The commit of the project, which in a checkout is that of this code; None where git knows none."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        return subprocess.check_output(command, cwd=find_project(), stderr=subprocess.DEVNULL, text=True).strip()
    except (OSError, subprocess.SubprocessError):
        return None
