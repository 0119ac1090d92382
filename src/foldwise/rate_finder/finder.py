"""Stage find-lr: a learning rate for one member, from a few hundred steps on the training rows of its first fold.

    ./run.sh find-lr -c SLUG                  the first network of the recipe
    ./run.sh find-lr -c SLUG --member deep    another member

It writes `output/SLUG/find-lr.json`, which `./run.sh report` draws, and touches no trained fold.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch

from foldwise.console import Progress, say, warn
from foldwise.data.batching import BucketBatchSampler
from foldwise.data.dataset import Batch, make_loader
from foldwise.errors import InputError
from foldwise.files import write_checked
from foldwise.freshness import Fit, Wanted, check_tokens, fold_inputs
from foldwise.learners import learner_for
from foldwise.rate_finder.range_test import HIGHEST, LOWEST, STEPS, RangeTest, raise_rate
from foldwise.run import Run
from foldwise.running.folds import make_jobs
from foldwise.running.job import FoldJob, open_data
from foldwise.running.own_tokens import make_own_tokens
from foldwise.stages.folds import folds
from foldwise.stages.tokens import tokens
from foldwise.training.fold import fold_seed
from foldwise.training.fold_data import Units, build_dataset
from foldwise.training.precision import choose_device
from foldwise.training.trainer import build_trainer, make_sampler, use_repeatable_algorithms


def find_lr(run: Run, member: str | None) -> None:
    """Make folds and tokens where there are none, run the test, say what it suggests."""
    run = replace(run, force=False)
    name = choose_member(run, member)
    fold_of_row = folds(run)
    tokens(run)
    device, warning = choose_device(run.device)
    if warning:
        warn(warning)
    fit = Fit(name, run.config.recipe.folds_of(name)[0])
    wanted: Wanted = [(fit, fold_inputs(run, fit, check_tokens(run)))]
    make_own_tokens(run, wanted, device)
    (job,) = make_jobs(run, wanted, fold_of_row, device)
    found, base = test_rates(job)
    write_checked(run.paths.rates, describe(found, name, base))
    say("find-lr", f"{name}: the loss falls fastest at {found.steepest:.1e} and is lowest at {found.lowest:.1e}")
    say("find-lr", f"suggested: {found.suggested:.1e}, the smaller of the former and a tenth of the latter")
    say("find-lr", f"the recipe has {base:.1e}; to try: {try_line(run, name, found.suggested / base)}")
    say("find-lr", f"wrote {run.paths.rates}; `{run.hint('report')}` draws the curve")


def choose_member(run: Run, member: str | None) -> str:
    """The member that is meant, or the first that is trained with a learning rate.

    Raises:
        InputError: there is none.
    """
    recipe = run.config.recipe
    names = recipe.members_named(member)[:1] if member is not None else list(recipe.members)
    for name in names:
        if learner_for(recipe.of_member(name)).can_be_cut:
            return name
    shown = ", ".join(f"{name} ({recipe.of_member(name).model.name})" for name in names)
    raise InputError(f"find-lr: no learning rate in {shown}; name a network with --member")


def test_rates(job: FoldJob) -> tuple[RangeTest, float]:
    """The range test of one fold's job, and the learning rate of its recipe."""
    recipe, build = learner_for(job.recipe).trained_model(job)
    base = recipe.training.learning_rate
    data, seed = open_data(job), fold_seed(job.recipe.seed, job.member, job.fold)
    torch.set_num_threads(job.runtime.threads)
    use_repeatable_algorithms()
    rows, _ = data.split(job.fold)
    units = Units.fit(data, rows)
    dataset = build_dataset(data, rows, units, job.runtime.device)
    sampler = make_sampler(dataset, recipe.batches, seed)
    loader = make_loader(dataset, sampler, job.runtime.device)
    trainer = build_trainer(data, recipe, seed, STEPS, job.runtime, data.targets.y[rows], build=build)
    trainer.train_tables(recipe.training.unfreeze_epoch == 0)
    say("find-lr", f"{job}: {STEPS} steps, the learning rate from {LOWEST:.0e} to {HIGHEST:.0e}")
    with Progress("find-lr", STEPS, "steps") as progress:
        return raise_rate(trainer, endless(sampler, loader), base, progress.update), base


def endless(sampler: BucketBatchSampler, loader: Iterable[Batch]) -> Iterator[Batch]:
    """Batches, epoch after epoch."""
    for epoch in itertools.count():
        sampler.set_epoch(epoch)
        yield from loader


def describe(found: RangeTest, member: str, base: float) -> dict[str, Any]:
    """The content of find-lr.json."""
    curves = {name: getattr(found, name).tolist() for name in ("rates", "losses", "smoothed")}
    numbers = {"steepest": found.steepest, "lowest": found.lowest, "suggested": found.suggested, "recipe": base}
    return {"member": member, **numbers, **curves}


def try_line(run: Run, member: str, factor: float) -> str:
    """The options that set the suggested rate; that of word vectors keeps its proportion."""
    recipe = run.config.recipe.of_member(member)
    if recipe.model.name == "encoder":
        return f"--set encoder.learning_rate={recipe.encoder.learning_rate * factor:.1e}"
    own = run.config.recipe.members[member].training
    rates = {name: getattr(recipe.training, name) for name in ("learning_rate", "embedding_learning_rate")}
    where = {name: f"members.{member}.training" if name in own else "training" for name in rates}
    return " ".join(f"--set {where[name]}.{name}={rate * factor:.1e}" for name, rate in rates.items())
