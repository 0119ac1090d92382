"""Stage train: one folder per member and fold, each complete in itself.

    ./run.sh train -c SLUG                    folds that are missing or out of date
    ./run.sh train -c SLUG --fold 3           fold 3 anew; the other folders keep every byte
    ./run.sh train -c SLUG --member wide      one member's folds

`output/<slug>/<member>/fold<k>/` holds fold.json (the recipe it was trained with, hashes of what it was trained on,
its score), history.jsonl, weights.safetensors, oof.csv and test.csv (predictions by id).
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.config import LINEAR, Recipe
from foldwise.console import FoldProgress, duration, say, warn
from foldwise.data.features import texts_and_features
from foldwise.data.table import read_table
from foldwise.data.targets import weigh_by_subgroups
from foldwise.errors import InputError
from foldwise.files import read_json
from foldwise.freshness import check_tokens, differences, fold_inputs, shortened
from foldwise.metrics import metric_for
from foldwise.run import Run

# Fields of a recipe that name parts, and the parts' arguments.
NAMED = (
    *("loss", "loss_arguments", "class_weights", "optimizer", "optimizer_arguments", "schedule", "schedule_arguments"),
    "precision",
)


def train(
    run: Run,
    fold_of_row: np.ndarray,
    chosen: list[int] | None = None,
    members: list[str] | None = None,
    checked: bool = False,
    submit: Callable[[], float] | None = None,
) -> None:
    """Train the folds that are missing or out of date, or just the chosen ones.

    Args:
        fold_of_row: (N,) fold of each training row.
        chosen: folds to train whatever their state; None for all that need it.
        members: members to train, or names of groups of seeds; None for the members of the ensemble.
        checked: `check_members` has passed them.
        submit: under a time budget, called whenever a fold is finished: makes a submission of all that are, and gives
            the seconds that took.

    Raises:
        InputError: no such fold or member, or the tokens are missing or out of date.
        RunError: a fold failed; those that finished are kept.
    """
    n_folds = run.config.recipe.folds.n
    chosen = None if chosen is None else list(dict.fromkeys(chosen))  # named twice is trained once
    for fold in chosen or []:
        if fold not in range(n_folds):
            raise InputError(f"--fold {fold}: there are folds 0 to {n_folds - 1}")
    members = [name for member in members or [] for name in run.config.recipe.members_named(member)]
    tokens_hash = check_tokens(run)
    wanted: list[tuple[str, int, dict[str, Any]]] = []
    again: list[tuple[str, int, dict[str, Any]]] = []
    for member in dict.fromkeys(members or run.config.recipe.ensemble_members):
        inputs = fold_inputs(run, member, tokens_hash)
        reasons: dict[str, list[int]] = {}
        for fold in chosen if chosen is not None else range(n_folds):
            reason = why_train(run, run.paths.fold(member, fold), inputs, chosen is not None)
            reasons.setdefault(reason, []).append(fold)
            if reason:
                wanted.append((member, fold, inputs))
            elif run.budget and shortened(run.paths.fold(member, fold)):
                again.append((member, fold, inputs))
        for reason, group in reasons.items():
            model = run.config.recipe.of_member(member).model.name
            called = member if member == model else f"{member} ({model})"
            names = f"{called} fold{'s' if len(group) > 1 else ''} {', '.join(map(str, group))}"
            say("train", f"{names}: {reason}" if reason else f"kept {names}: recipe, folds and tokens are the same")
    if again:
        names = ", ".join(f"{member} fold {fold}" for member, fold, _ in again)
        say("train", f"{names}: ended early by the last time budget; again if this one leaves time")
    if wanted or again:
        if not checked:
            check_members(run, list(dict.fromkeys(member for member, _, _ in [*wanted, *again])))
        run_folds(run, wanted, again, fold_of_row, submit)


def check_members(run: Run, members: list[str]) -> None:
    """Make each member once on a few rows, so that an error in the last of them does not show after hours of the first.

    Raises:
        InputError: a loss, optimizer, schedule or model that does not exist, does not fit, or fails.
    """
    recipes = [run.config.recipe.of_member(member) for member in members]
    doubtful = [recipe for recipe in recipes if not is_plain(recipe)]
    if doubtful:
        from foldwise.running.job import try_member

        for recipe in doubtful:
            try_member(recipe, run.competition.targets, texts_and_features(run.config))


def is_plain(recipe: Recipe) -> bool:
    """True if nothing of a member can be missing or fail: making its optimizer takes torch two seconds."""
    default = Recipe()
    same = all(getattr(recipe.training, name) == getattr(default.training, name) for name in NAMED)
    return same and recipe.model.name == default.model.name and not recipe.model.arguments


def why_train(run: Run, folder: Path, inputs: dict[str, Any], chosen: bool) -> str:
    """The reason to train a fold, "" if it is up to date."""
    reasons = differences(folder, "fold.json", inputs)
    if reasons == ["missing"]:
        return "not trained yet"
    if chosen:
        return "asked for with --fold"
    if not reasons and not run.budget and (early := shortened(folder)):
        reasons = ["a time budget had ended it at epoch {epochs:.3g} of {of}".format(**early)]
    return "; ".join(reasons) or ("--force" if run.force else "")


def run_folds(
    run: Run,
    wanted: list[tuple[str, int, dict[str, Any]]],
    again: list[tuple[str, int, dict[str, Any]]],
    fold_of_row: np.ndarray,
    submit: Callable[[], float] | None,
) -> None:
    """Train the wanted folds, side by side where that is faster; under a time budget those that fit.

    Args:
        again: under a time budget, folds to train once more if there is time.
    """
    # Here, not above: torch takes seconds to load, which a run that keeps every fold should not pay.
    from foldwise.running.job import Job, open_data, work
    from foldwise.running.local import run_jobs
    from foldwise.running.placement import place_on_cpu, place_on_gpus, threads_per_fold
    from foldwise.time_budget.jobs import TimedJobs
    from foldwise.training.precision import Precision, Runtime, choose_device, choose_precision, why_not

    start = time.perf_counter()
    whole = len(wanted) == len(run.config.recipe.ensemble_members) * run.config.recipe.folds.n
    wanted = [*wanted, *again]
    device, warning = choose_device(run.device)
    if warning:
        warn(warning)
    competition, targets = run.competition, run.competition.targets
    folds = run.config.recipe.folds.n
    jobs: list[Job] = []
    chosen: dict[str, Precision] = {}
    recipes = {member: run.config.recipe.of_member(member) for member, _, _ in wanted}
    asks = any(recipe.training.precision == "auto" for recipe in recipes.values())
    found = recorded_precision(run, device.type) if asks else None
    if found and (error := why_not(found, device)):
        warn(f"folds trained before are in {found}; {error}: their bytes cannot be had again here")
    elif found:
        chosen["auto"] = found
    for member, fold, inputs in wanted:
        recipe = recipes[member]
        asked = recipe.training.precision
        if asked not in chosen:
            chosen[asked] = choose_precision(asked, device)
        job = Job(
            folder=run.paths.fold(member, fold),
            tokens=run.paths.tokens,
            member=member,
            fold=fold,
            recipe=recipe,
            metric=run.config.competition.metric,
            targets=weigh_by_subgroups(targets) if recipe.training.subgroup_weights else targets,
            folds=fold_of_row,
            valid_ids=[competition.train_ids[row] for row in np.flatnonzero(fold_of_row == fold)],
            test_ids=competition.test_ids,
            inputs=inputs,
            runtime=Runtime(device, chosen[asked], threads_per_fold(folds)),
        )
        jobs.append(job)
    epochs = sum(recipes[member].training.epochs for member, _, _ in wanted)
    tokens = read_json(run.paths.tokens / "tokens.json")["tokens"] * epochs
    networks = [recipe for recipe in recipes.values() if recipe.model.name != LINEAR]
    if device.type == "cuda" and len(jobs) > 1 and networks:
        placement = place_on_gpus(open_data(jobs[0]), networks, jobs[0].runtime, tokens)
    else:
        placement = place_on_cpu(folds, tokens)
    precisions = "/".join(dict.fromkeys(job.runtime.precision for job in jobs))
    at_once = min(placement.workers, len(jobs))
    say("train", f"on {device.type} in {precisions}, folds side by side: {at_once}, threads each: {placement.threads}")
    metric = metric_for(run.config.competition.metric, competition.targets.task)
    if metric.prediction_type == "label" and competition.targets.task != "multiclass":
        thresholds = "cut points" if competition.targets.task == "ordinal" else "threshold"
        say("train", f"scores so far: each fold at its own best {thresholds}; the table is stricter")
    progress = FoldProgress()
    timed = None
    if run.budget:
        early = {job[:2] for job in again}
        every = {member: run.config.recipe.of_member(member) for member in run.config.recipe.ensemble_members}
        there = {(member, fold) for member in every for fold in range(folds)} - {job[:2] for job in wanted} | early
        records = {fold: read_json(run.paths.fold(*fold) / "fold.json") for fold in there}
        took = {fold: (record["seconds"], record["epochs"]) for fold, record in records.items()}
        timed = TimedJobs(run.budget, jobs, every, folds, took, early, at_once)
    trained = 0

    def on_event(slot: int, job: Job, event: dict[str, Any]) -> dict[int, float] | None:
        if event["event"] == "stopped":
            ids = ", ".join(competition.train_ids[row] for row in event["rows"])
            warn(f"{job} stops at a batch whose loss is no number; its rows: {ids}")
        else:
            progress.update(slot, str(job), event)
        return timed.on_event(slot, job, event) if timed else None

    def after(job: Job) -> None:  # noqa: ARG001
        nonlocal trained
        trained += 1
        if timed and submit:
            timed.note_ensemble(submit())

    try:
        run_jobs(timed or jobs, work, at_once, on_event, placement.prepare, after)
    finally:
        progress.close()
    seconds = time.perf_counter() - start
    if whole:  # of the whole stage, not of a fold done again
        run.record_seconds("train", seconds)
    say("train", f"{trained} fold{'s' if trained > 1 else ''} in {duration(seconds)}")


def recorded_precision(run: Run, device: str) -> Any:
    """The number format that `auto` gave folds trained here before, None if there are none.

    A fold trained again must get the one it had, and a run that goes on after a kill the one it began with, also on a
    machine where the formats are so close that another measurement could choose the other.
    """
    for path in sorted(run.paths.output.glob("*/fold*/fold.json")):
        record = read_json(path) or {}
        asked = record.get("inputs", {}).get("recipe", {}).get("training", {}).get("precision")
        if asked == "auto" and record.get("runtime", {}).get("device") == device:
            return record["runtime"]["precision"]
    return None


def read_predictions(path: Path, ids: list[str]) -> np.ndarray:
    """(n, C) float64 predictions of a fold's file.

    Raises:
        InputError: its rows are not `ids`, in their order.
    """
    frame = read_table(path).frame
    if list(frame.iloc[:, 0]) != ids:
        raise InputError(f"{path}: its rows are not those of the tables any more; train this fold again")
    return frame.iloc[:, 1:].to_numpy(dtype=np.float64)
