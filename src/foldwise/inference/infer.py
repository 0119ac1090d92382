"""Stage infer: packed weights, the test table and the sample to `submission.csv`; nothing is trained.

    ./run.sh infer -c SLUG --weights DIR

The test table may be another than the one that was there at training: more rows or fewer, other ids, other words.
Everything else comes from the folder that `kernel build --infer` packs, also the recipe (`foldwise.inference.bundle`).
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from foldwise.console import Progress, duration, say, warn
from foldwise.data.competition import ToPredict, load_test
from foldwise.data.token_store import TokenStore
from foldwise.ensembling.blend import combine_test
from foldwise.ensembling.predictions import check_predictions
from foldwise.ensembling.submission import write_submission
from foldwise.errors import InputError
from foldwise.inference.bundle import Manifest, PackedFold, open_manifest
from foldwise.inference.new_words import prepare_tokens
from foldwise.inference.predict import Predicted, PredictJob, member_files, predict_job
from foldwise.learners import learner_for
from foldwise.paths import Paths
from foldwise.plugins import is_own, source_hash
from foldwise.run import Run, warn_of_empty
from foldwise.running.engine import do_nothing, find_engine
from foldwise.running.placement import count_cores, place_prediction, threads_per_fold
from foldwise.training.precision import Runtime, choose_device, why_not


def infer(paths: Paths, weights: Path, device: Literal["auto", "cpu", "cuda"] = "auto") -> None:
    """Predict the test table with the packed folder `weights`; of `paths` test, sample and word vectors are read."""
    start = time.perf_counter()
    manifest = open_manifest(weights, paths.slug)
    check_own(manifest)
    run = Run(manifest.config, replace(paths, stems=manifest.config.files.stems), device=device)
    names = [f"{name} {member.models}" for name, member in manifest.members.items()]
    size = sum(part.size for part in manifest.parts.values()) / 1e6
    say("infer", f"{'; '.join(names)} of {weights}: {len(manifest.parts)} files, {size:,.1f} MB, whole")
    targets, method = manifest.targets, run.config.recipe.ensemble.method
    asked = load_test(run.config, run.paths, targets)
    warn_of_empty(run.paths.table("test"), asked.test_texts)
    with tempfile.TemporaryDirectory(prefix="foldwise-") as folder:
        prepare_tokens(run, manifest, asked, weights, Path(folder))
        chosen, warning = choose_device(run.device)
        if warning:
            warn(warning)
        prepare_own_tokens(run, manifest, asked, weights, Path(folder), chosen)
        predictions = predict_folds(run, manifest, weights, Path(folder), chosen)
    for member, folds in predictions.items():
        for fold in folds:
            check_predictions(f"member {member}", asked.test_ids, fold)
    blended = combine_test(predictions, method, targets.task, manifest.mixture)
    write_submission(paths.submission, run.config, targets, asked, blended, np.array(manifest.thresholds))
    seconds, rows = duration(time.perf_counter() - start), f"{len(asked.sample):,} rows"
    say("infer", f"made {paths.submission} in {seconds}: {rows}, checked against the sample and read back")


def check_own(manifest: Manifest) -> None:
    """Refuse a model or tokenizer of the user's own whose code is not there, or not the one of the training."""
    tokenizer = manifest.config.recipe.tokens.tokenizer
    if is_own(tokenizer) and source_hash(tokenizer) != manifest.tokenizer:
        raise InputError(
            f"recipe.tokens.tokenizer: the code of {tokenizer!r} is not the one that the weights were trained with; "
            "put that one there, or train and build the kernel again"
        )
    for name, member in manifest.members.items():
        model = manifest.config.recipe.of_member(name).model.name
        if member.own is not None and source_hash(model) != member.own:
            raise InputError(
                f"member {name}: the code of {model!r} is not the one that its weights were trained "
                "with; put that one there, or train and build the kernel again"
            )


def prepare_own_tokens(
    run: Run, manifest: Manifest, asked: ToPredict, weights: Path, data: Path, device: torch.device
) -> None:
    """Let members that read the texts themselves make their tokens of them, each in a folder of its name in `data`."""
    for name, member in manifest.members.items():
        learner, start = learner_for(manifest.config.recipe.of_member(name)), time.perf_counter()
        if not learner.reads_texts:
            continue
        (folder := data / name).mkdir()
        runtime = choose_runtime(member.folds[0], run.config.recipe.folds.n, device)
        files, counts = member_files(weights, manifest, name), [len(asked.test_ids)]
        made = learner.write_tokens(asked.test_texts, counts, files, folder, replace(runtime, threads=count_cores()))
        say("infer", f"{name}: made {made}, in {duration(time.perf_counter() - start)}")


def predict_folds(
    run: Run, manifest: Manifest, weights: Path, data: Path, device: torch.device
) -> dict[str, list[np.ndarray]]:
    """Of each member, fold by fold, the (M, C) float64 predictions of the test rows, whose tokens are in `data`."""
    jobs = [
        PredictJob(weights, data, manifest, name, fold, choose_runtime(fold, run.config.recipe.folds.n, device))
        for name, member in manifest.members.items()
        for fold in member.folds
    ]
    others = [job.packed.precision for job in jobs if job.packed.precision != job.runtime.precision]
    for precision in dict.fromkeys(others):
        error = why_not(precision, device)
        warn(f"folds were trained in {precision}; {error}: they predict in fp32, and last digits differ")
    threads = max(job.runtime.threads for job in jobs)
    store, passes = TokenStore.open(data), sum(len(job.packed.weights) for job in jobs)
    placement = place_prediction(device, threads, len(store.tokens) * passes)
    precisions = "/".join(dict.fromkeys(job.runtime.precision for job in jobs))
    at_once = min(placement.workers, len(jobs))
    say("infer", f"on {device.type} in {precisions}, folds side by side: {at_once}, threads each: {threads}")
    found: dict[tuple[str, int], np.ndarray] = {}

    def on_event(slot: int, job: PredictJob, event: int | Predicted) -> None:  # noqa: ARG001
        if not isinstance(event, Predicted):
            return progress.update(event)
        found[job.member, job.packed.fold] = event.predictions
        rate = len(store) / max(event.seconds, 1e-3)
        return say("infer", f"{job}: {rate:,.0f} rows/s, {duration(event.seconds)}")

    with Progress("infer", len(store) * passes, "rows") as progress:
        find_engine(at_once)(jobs, predict_job, at_once, on_event, placement.prepare, do_nothing)
    return {name: [found[name, fold.fold] for fold in member.folds] for name, member in manifest.members.items()}


def choose_runtime(fold: PackedFold, folds: int, device: torch.device) -> Runtime:
    """What a fold, one of K, runs on: as in training, for the same bytes, as far as this machine can."""
    as_trained = fold.device == device.type and fold.threads <= count_cores()
    threads = fold.threads if as_trained else threads_per_fold(folds)
    return Runtime(device, "fp32" if why_not(fold.precision, device) else fold.precision, threads)
