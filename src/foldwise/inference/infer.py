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
from foldwise.ensembling.probabilities import write_probabilities
from foldwise.ensembling.submission import write_submission
from foldwise.inference.bundle import Source, open_manifest
from foldwise.inference.machine import check_own, choose_runtime, warn_of_precision
from foldwise.inference.new_words import prepare_tokens
from foldwise.inference.predict import Predicted, PredictJob, predict_job
from foldwise.learners import learner_for
from foldwise.paths import Paths
from foldwise.run import Run, warn_of_empty
from foldwise.running.engine import do_nothing, find_engine
from foldwise.running.placement import count_cores, place_prediction
from foldwise.training.precision import choose_device


def infer(paths: Paths, weights: Path, device: Literal["auto", "cpu", "cuda"] = "auto") -> None:
    """Predict the test table with the packed folder `weights`; of `paths` test, sample and word vectors are read."""
    start = time.perf_counter()
    manifest = open_manifest(weights, paths.slug)
    source = Source.packed(weights, manifest)
    check_own(manifest)
    run = Run(manifest.config, replace(paths, stems=manifest.config.files.stems), device=device)
    names = [f"{name} {member.models}" for name, member in manifest.members.items()]
    size = sum(part.size for part in manifest.parts.values()) / 1e6
    say("infer", f"{'; '.join(names)} of {weights}: {len(manifest.parts)} files, {size:,.1f} MB, whole")
    targets, method = manifest.targets, run.config.recipe.ensemble.method
    asked = load_test(run.config, run.paths, targets)
    warn_of_empty(run.paths.table("test"), asked.test_texts)
    with tempfile.TemporaryDirectory(prefix="foldwise-") as folder:
        prepare_tokens(run, source, asked, Path(folder))
        chosen, warning = choose_device(run.device)
        if warning:
            warn(warning)
        prepare_own_tokens(source, asked, Path(folder), chosen)
        predictions = predict_folds(source, Path(folder), chosen)
    for member, folds in predictions.items():
        for fold in folds:
            check_predictions(f"member {member}", asked.test_ids, fold)
    blended = combine_test(predictions, method, targets.task, manifest.mixture)
    write_submission(paths.submission, run.config, targets, asked, blended, np.array(manifest.thresholds))
    write_probabilities(paths.probabilities, run.config, targets, asked, blended)
    seconds, rows = duration(time.perf_counter() - start), f"{len(asked.sample):,} rows"
    say("infer", f"made {paths.submission} in {seconds}: {rows}, checked against the sample and read back")


def prepare_own_tokens(source: Source, asked: ToPredict, data: Path, device: torch.device) -> None:
    """Let members that read the texts themselves make their tokens of them, each in a folder of its name in `data`."""
    recipe = source.manifest.config.recipe
    for name, member in source.manifest.members.items():
        learner, start = learner_for(recipe.of_member(name)), time.perf_counter()
        if not learner.reads_texts:
            continue
        (folder := data / name).mkdir()
        runtime = choose_runtime(member.folds[0], recipe.folds.n, device)
        files, counts = source.files(name), [len(asked.test_ids)]
        texts = learner.choose_columns(asked.test_texts, source.manifest.config.columns)
        made = learner.write_tokens(texts, counts, files, folder, replace(runtime, threads=count_cores()))
        say("infer", f"{name}: made {made}, in {duration(time.perf_counter() - start)}")


def predict_folds(source: Source, data: Path, device: torch.device) -> dict[str, list[np.ndarray]]:
    """Of each member, fold by fold, the (M, C) float64 predictions of the test rows, whose tokens are in `data`."""
    members, folds = source.manifest.members, source.manifest.config.recipe.folds.n
    jobs = [
        PredictJob(source, data, name, fold, choose_runtime(fold, folds, device))
        for name, member in members.items()
        for fold in member.folds
    ]
    warn_of_precision([(job.packed, job.runtime) for job in jobs])
    threads = max(job.runtime.threads for job in jobs)
    store, passes = TokenStore.open(data), sum(len(job.packed.weights) for job in jobs)
    recipe = source.manifest.config.recipe
    learners = {name: learner_for(recipe.of_member(name)) for name in members}
    work = sum(learners[job.member].count_work(len(store.tokens), len(store)) * len(job.packed.weights) for job in jobs)
    placement = place_prediction(device, threads, work)
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
    return {name: [found[name, fold.fold] for fold in member.folds] for name, member in members.items()}
