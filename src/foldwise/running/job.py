"""One fold as a worker does it: open the tokens, train, write the folder."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from foldwise.clock import Clock
from foldwise.config import Recipe
from foldwise.data.targets import Targets
from foldwise.data.token_store import TokenStore, open_array, read_vocabulary
from foldwise.ensembling.predictions import check_predictions
from foldwise.errors import RunError
from foldwise.events import Event, Finished, GivenUp, Noted, Started, Stopped
from foldwise.freshness import fold_differences, read_fold
from foldwise.hashing import hash_of
from foldwise.inputs import Known, same_inputs, sample_hash
from foldwise.learners import learner_for
from foldwise.learners.starting import Start
from foldwise.metrics import MetricChoice
from foldwise.paths import ALL_ROWS, FEATURES, VECTORS, VOCABULARY, Paths
from foldwise.plugins import code_hash
from foldwise.running.fold_folder import write_fold, write_stopped
from foldwise.running.new_test import only_test_changed, predict_new_test
from foldwise.training.fold import FoldResult, GivenUpError
from foldwise.training.fold_data import FoldData, Lesson
from foldwise.training.precision import Runtime, name_processor
from foldwise.training.progress import Limit
from foldwise.training.skipping import StoppedError
from foldwise.training.state import TrainingState


@dataclass(frozen=True)
class FoldJob:
    """One fold to train, with all that a worker needs to know."""

    paths: Paths
    member: str
    fold: int
    recipe: Recipe
    metric: MetricChoice
    targets: Targets
    folds: np.ndarray  # (N,) of each training row, as `FoldData.folds`
    valid_ids: list[str]  # of the fold alone: a million ids a worker would be 0.1 GB
    test_ids: list[str]
    inputs: dict[str, Any]
    runtime: Runtime
    limit: Limit | None = None
    without: tuple[int, ...] = ()  # further folds that it must not learn from
    epochs: float | None = None  # that a model of all rows trains, whose `fold` is `ALL_ROWS`
    start: Start | None = None  # earlier weights
    redo: bool = False  # train, also where only the test table is another
    first: Lesson | None = None
    lesson: Lesson | None = None
    taken: tuple[np.ndarray, np.ndarray] | None = None  # predictions of its rows and of the test rows, not made here
    known: Known = field(default_factory=dict)  # input files as the parent process read them

    @property
    def folder(self) -> Path:
        """Where the trained fold is written."""
        return self.paths.fold(self.member, self.fold, self.without)

    @property
    def state_folder(self) -> Path:
        """Where its state is while it trains."""
        return self.paths.fold_state(self.member, self.fold, self.without)

    def open_state(self, report: Callable[[Event], object]) -> TrainingState:
        """What an earlier process saved of it, if that had the same inputs, versions and kind of machine."""
        inputs = hash_of(self.inputs, self.ran_on, torch.__version__, code_hash())
        return TrainingState(self.state_folder, inputs, report, limited=self.limit is not None)

    def forget_state(self) -> None:
        """Remove it: the fold is done, or would only come to the same end from there."""
        shutil.rmtree(self.state_folder, ignore_errors=True)

    @property
    def ran_on(self) -> dict[str, Any]:
        """What its bits depend on besides its inputs, as fold.json has it."""
        device, runtime = self.runtime.device, self.runtime
        used = {"device": device.type, "precision": runtime.precision, "threads": runtime.threads}
        together = {"processes": runtime.peers.size} if runtime.peers.size > 1 else {}
        return {**used, "processor": name_processor(device), **together}

    @property
    def maps(self) -> Path:
        """The folder whose files it maps into memory."""
        return self.paths.own_tokens(self.member) if learner_for(self.recipe).reads_texts else self.paths.tokens

    def __str__(self) -> str:
        apart = f" without {', '.join(map(str, self.without))}" if self.without else ""
        return f"{self.member} on all rows" if self.fold == ALL_ROWS else f"{self.member} fold {self.fold}{apart}"


def open_data(job: FoldJob) -> FoldData:
    """What the fold learns from; its arrays are mapped, so that processes side by side share their pages."""
    learner = learner_for(job.recipe)
    if learner.reads_texts:
        store = TokenStore.open(job.paths.own_tokens(job.member))
        extra = len(store) - len(job.folds) - len(job.test_ids)
        nothing = np.empty((0, 0), np.float32)
        data = FoldData(store, nothing, job.targets, job.folds, extra=extra, lesson=job.lesson)
        make_dataset = learner.open_rows(job)
        return replace(data, make_dataset=make_dataset) if make_dataset else data
    tokens = job.paths.tokens
    vectors, features = open_array(tokens / VECTORS, np.float32, 2), open_array(tokens / FEATURES, np.float64, 2)
    beside = features if features.shape[1] else None
    words, store = read_vocabulary(tokens / VOCABULARY), TokenStore.open(tokens, learner.sees_whole_texts)
    extra = len(store) - len(job.folds) - len(job.test_ids)
    return FoldData(store, vectors, job.targets, job.folds, beside, words, extra, job.first, job.lesson)


def train_job(job: FoldJob, report: Callable[[Event], object]) -> None:
    """Train one fold and write its folder, from the inputs that the parent process recorded."""
    with same_inputs(job.known):
        train_and_write(job, report)


def train_and_write(job: FoldJob, report: Callable[[Event], object]) -> None:
    """Train one fold and write its folder."""
    start, learner, data = Clock.now(), learner_for(job.recipe), open_data(job)
    if only_test_changed(job):
        report(Started(1))
        report(Noted("trained before; predicts another test table"))
        record = predict_new_test(job, learner, data)
        facts = {field.name: record[field.name] for field in fields(Finished) if field.name in record}
        report(Finished(**{"score": None, **facts}))
        return
    rows, _, _ = data.learnt(job.fold)
    try:
        result = learner.fit(data, job, report)
    except StoppedError as error:
        job.forget_state()
        report(Stopped(error.rows.tolist()))  # only the main process has their ids
        fix = "lower --set training.learning_rate=…, or use training.precision=fp32; look at the rows named above"
        kept = ""
        if error.best:
            kept = f"; the best weights until then are in {write_stopped(job.folder, error.history, error.best)}"
        raise RunError(f"{job}: {error}{kept}; {fix}") from error
    except GivenUpError:
        job.forget_state()
        report(GivenUp())
        return
    try:
        check_predictions(str(job), job.valid_ids, result.oof)
        check_predictions(str(job), job.test_ids, result.test)
    except RunError:
        job.forget_state()
        raise
    last = result.history[-1]
    best = [record for record in result.history if record.best][-1]
    stays = False  # the same fold is there, and was trained as long
    if result.shortened and not fold_differences(job.folder, job.inputs) and (earlier := read_fold(job.folder)):
        stays = "shortened" not in earlier or earlier["epochs"] >= last.epoch
    finished = Finished(
        score=best.score,
        best_epoch=best.epoch,
        epochs=last.epoch,
        seconds=round(Clock.now() - start + result.seconds_before, 2),
        rows_per_second=round(last.epoch * len(rows) / last.train_seconds),
        padding=float(np.mean([record.padding for record in result.history])),
        shortened={"epochs": last.epoch, "of": learner.epochs} if result.shortened else None,
        written=not stays,
    )
    if finished.written:
        record = make_record(job, result, finished, len(rows))
        stored = replace(result, weights=[]) if job.without else result  # only the predictions of a teacher are read
        write_fold(job.folder, record, stored, job.valid_ids, job.test_ids)
    job.forget_state()
    report(finished)


def make_record(job: FoldJob, result: FoldResult, finished: Finished, train_rows: int) -> dict[str, Any]:
    """The content of fold.json, without the checksums of the other files."""
    outcome = {name: value for name, value in vars(finished).items() if name != "written" and value is not None}
    learner = learner_for(job.recipe)
    files = learner.find_files(job.paths) if learner.reads_texts else {}
    return {
        "member": job.member,
        "fold": job.fold,
        "inputs": job.inputs,
        "outputs": job.targets.columns,
        "rows": {"train": train_rows, "validation": len(result.rows), "test": len(result.test)},
        "runtime": job.ran_on,
        "torch": torch.__version__,
        "code": code_hash(),
        **({"hurried": True} if result.hurried else {}),
        "model": {name: sample_hash(path) for name, path in files.items()},
        **outcome,
    }
