"""Stage ensemble: folds and members to `submission.csv`, `oof.csv` and `summary.json`.

./run.sh ensemble -c SLUG
"""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.console import say
from foldwise.data.competition import read_solution
from foldwise.data.targets import CLASS_TASKS, Targets
from foldwise.ensembling import assemble_oof, average, cross_fitted_ensemble, cross_fitted_scores, fit_weights
from foldwise.errors import InputError
from foldwise.files import atomic_file, hash_of, read_json, write_csv, write_json
from foldwise.metrics import Metric, best_cuts, metric_for, score
from foldwise.paths import REPOSITORY
from foldwise.stages.run import Run, changes, differences
from foldwise.stages.tokens import check_tokens
from foldwise.stages.train import inputs_of as fold_inputs_of
from foldwise.stages.train import members_of, read_predictions
from foldwise.submission import Format, in_sample_order, make_submission, to_scale, write_submission


def ensemble(run: Run, assigned: np.ndarray) -> dict[str, Any]:
    """Combine all folds of all members and write the submission, unless it was made from the same folds.

    Args:
        assigned: (N,) fold of each training row.

    Returns:
        The content of summary.json.

    Raises:
        InputError: a fold is missing or does not match, named.
        RunError: the submission does not pass its check.
    """
    records = check_folds(run)
    inputs = {
        "folds": {
            member: hash_of(*(run.paths.fold(member, fold) / "fold.json" for fold in range(len(group))))
            for member, group in records.items()
        },
        "sample": hash_of(run.paths.table("sample_submission")),
        "solution": [hash_of(path) for path in run.paths.tables("solution")],
        "settings": [run.config.recipe.ensemble.model_dump(), run.config.submission.model_dump()],
        "files": run.config.files.model_dump(),
        "columns": run.config.columns.model_dump(),
    }
    summary = read_json(run.paths.output / "summary.json")
    made = [run.paths.submission, run.paths.output / "oof.csv"]
    why = why_combine(summary, inputs, made) or ("--force" if run.force else "")
    if not why:
        say("ensemble", f"kept {run.paths.submission.name}: made from these folds")
        return dict(summary)
    start = time.perf_counter()
    summary = combine(run, assigned, records)
    run.record_seconds("ensemble", time.perf_counter() - start)
    seconds = read_json(run.paths.output / "seconds.json")
    summary["seconds"] = {**seconds, "total": round(sum(seconds.values()), 2)}
    summary |= {"inputs": inputs, "outputs": [hash_of(path) for path in made]}
    write_json(run.paths.output / "summary.json", summary)
    say(
        "ensemble",
        f"made {run.paths.submission.name} ({why}): {summary['rows']['test']:,} rows, "
        "checked against the sample and read back",
    )
    return summary


def why_combine(summary: dict[str, Any] | None, inputs: dict[str, Any], made: list[Path]) -> str:
    """The reason to make the submission, "" if the one there is up to date."""
    if summary is None:
        return "there was none"
    if missing := [path.name for path in made if not path.is_file()]:
        return f"{' and '.join(missing)} missing"
    reasons = changes(summary.get("inputs"), inputs)
    return "; ".join(reasons or changes(summary.get("outputs"), [hash_of(path) for path in made], "outputs."))


def check_folds(run: Run) -> dict[str, list[dict[str, Any]]]:
    """The fold records of every member, all there and all trained on today's folds, tokens and recipe.

    Raises:
        InputError: naming each fold that is missing or does not match.
    """
    tokens_hash = check_tokens(run)
    faults: list[str] = []
    records: dict[str, list[dict[str, Any]]] = {}
    for member in members_of(run):
        inputs = fold_inputs_of(run, member, tokens_hash)
        records[member] = []
        for fold in range(run.config.recipe.folds.n):
            reasons = differences(run.paths.fold(member, fold), "fold.json", inputs)
            if reasons:
                faults.append(f"  {member}/fold{fold}: {'; '.join(reasons)}")
            records[member].append(read_json(run.paths.fold(member, fold) / "fold.json"))
    if faults:
        raise InputError(
            "\n".join([f"{run.paths.output}: folds that cannot be combined", *faults])
            + f"\n  run `{run.hint('train')}` with the same --set options to train them"
        )
    return records


def combine(run: Run, assigned: np.ndarray, records: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Read all predictions, write oof.csv and submission.csv, and describe the result."""
    config, competition = run.config, run.competition
    targets, settings = competition.targets, config.recipe.ensemble
    metric = metric_for(config.competition.metric, config.competition.task)
    oofs, tests = read_oofs(run, assigned, records), {}
    for member, group in records.items():
        paths = [run.paths.fold(member, fold) / "test.csv" for fold in range(len(group))]
        predictions = [read_predictions(path, competition.test_ids) for path in paths]
        tests[member] = average(predictions, settings.method)
    # Members were averaged inside (or ranked over) their folds; between members the mean of these is taken.
    truth, members = targets.truth, list(oofs.values())
    fold_weights, cuts = decide(run, assigned, oofs)
    weights = fold_weights.mean(axis=0)
    oof, test = average(members, "mean", weights), average(list(tests.values()), "mean", weights)
    pooled, fold_scores = cross_fitted_ensemble(metric, targets.task, truth, members, assigned, fold_weights)

    form = Format(
        sample=competition.sample,
        id_column=config.columns.id,
        columns=competition.sample_columns,
        kind=config.submission.kind,
        task=targets.task,
        names=targets.names,
        numbered="sample_submission" in config.files.numbered,
    )
    ordered = in_sample_order(form, competition.test_ids, test)
    solution = read_solution(config, run.paths, form.sample, targets.names)  # a fault in it comes before any file
    frame = make_submission(form, ordered, cuts)
    write_oof(run, assigned, targets, oof)
    write_submission(run.paths.submission, frame)

    first = next(iter(records.values()))
    summary: dict[str, Any] = {
        "competition": run.paths.slug,
        "task": targets.task,
        "metric": config.competition.metric,
        "greater_is_better": metric.greater_is_better,
        "cv": {"pooled": pooled, "mean": float(np.mean(fold_scores)), "std": float(np.std(fold_scores))},
        "folds": [
            {
                "fold": fold,
                "score": fold_score,
                "best_epoch": first[fold]["best_epoch"],
                "epochs": first[fold]["epochs"],
                "seconds": round(sum(group[fold]["seconds"] for group in records.values()), 2),
            }
            for fold, fold_score in enumerate(fold_scores)
        ],
        "members": [
            {
                "name": name,
                "cv": pooled
                if len(oofs) == 1
                else cross_fitted_scores(metric, targets.task, truth, part, assigned)[0],
            }
            for name, part in oofs.items()
        ],
        "ensemble": {
            "method": settings.method,
            "weights": dict(zip(oofs, weights.tolist(), strict=True)),
            "threshold": shown_cuts(metric, targets, cuts),
            "cv": pooled,
        },
        "rows": {"train": len(competition.train_ids), "test": len(competition.test_ids)},
        "device": first[0]["runtime"]["device"],
        "torch": first[0]["torch"],
        "command": run.command,
        "git_commit": git_commit(),
        "seed": config.recipe.seed,
    }  # fmt: skip
    if solution is not None:
        summary["leaderboard"] = score(metric, targets.task, solution.truth, ordered[solution.rows], cuts)
    return summary


def read_oofs(run: Run, assigned: np.ndarray, records: dict[str, list[dict[str, Any]]]) -> dict[str, np.ndarray]:
    """Of each member the (N, C) out-of-fold predictions, as `assemble_oof` gives them."""
    oofs = {}
    for member, group in records.items():
        parts = {}
        for fold in range(len(group)):
            ids = [run.competition.train_ids[row] for row in np.flatnonzero(assigned == fold)]
            parts[fold] = read_predictions(run.paths.fold(member, fold) / "oof.csv", ids)
        oofs[member] = assemble_oof(parts, assigned, run.config.recipe.ensemble.method)
    return oofs


def decide(run: Run, assigned: np.ndarray, oofs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What out-of-fold predictions decide: (folds, M) weights of the members, or (1, M) where they are not fitted, and
    the cuts of the members' weighted mean. New rows are weighed by the mean over folds.
    """
    settings, targets = run.config.recipe.ensemble, run.competition.targets
    metric = metric_for(run.config.competition.metric, targets.task)
    members = list(oofs.values())
    if settings.weights == "fit":
        weights = fit_weights(metric, targets.task, targets.truth, members, assigned, settings.method)
    else:
        weights = given_weights(settings.weights, list(oofs))[None]
    oof = average(members, "mean", weights.mean(axis=0))
    return weights, best_cuts(metric, targets.task, targets.truth, oof)


def given_weights(weights: str | dict[str, float], members: list[str]) -> np.ndarray:
    """(M,) weights that are not fitted, together 1: equal ones, or those of the table."""
    sizes = np.array([1.0 if isinstance(weights, str) else weights[member] for member in members])
    return sizes / sizes.sum()


def shown_cuts(metric: Metric, targets: Targets, cuts: np.ndarray) -> float | list[float] | None:
    """Cuts as summary.json has them: one threshold, one a column, the points between classes, or None."""
    if metric.takes != "label" or targets.task == "multiclass":
        return None
    if targets.task == "ordinal":
        cuts = to_scale(cuts, targets.names)
    return float(cuts[0]) if targets.task == "binary" else cuts.tolist()


def write_oof(run: Run, assigned: np.ndarray, targets: Targets, oof: np.ndarray) -> None:
    """oof.csv: id, fold, targets and predictions, one row per training row, in the order of train.csv."""
    columns = run.config.columns.target
    truth: Sequence[Sequence[Any]]
    if targets.task in CLASS_TASKS:
        truth = [[targets.names[number]] for number in targets.truth.tolist()]
    elif targets.task == "regression" or run.config.competition.soft_cut is not None:
        truth = targets.y.astype(str).tolist()  # the shortest form that reads back as the same number
    else:
        truth = targets.y.astype(int).tolist()
    if targets.task == "ordinal":
        oof = to_scale(oof, targets.names)
    names = ["prediction"] if oof.shape[1] == 1 else [f"prediction_{name}" for name in targets.names]
    path = run.paths.output / "oof.csv"
    rows = zip(run.competition.train_ids, assigned.tolist(), truth, oof.tolist(), strict=True)
    with atomic_file(path) as temporary:
        write_csv(
            temporary,
            ["id", "fold", *columns, *names],
            ([row_id, fold, *true, *predicted] for row_id, fold, true, predicted in rows),
        )


def git_commit() -> str | None:
    """The commit this code was run from, None outside a checkout."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
