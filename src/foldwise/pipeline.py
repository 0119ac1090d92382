"""The story, top to bottom: folds → tokens → train → ensemble.

Each stage reads what earlier ones wrote, writes its own folder, does only what is missing or out of date, and says
which and why.
"""

import numpy as np

from foldwise.freshness import are_current
from foldwise.lock import only_writer
from foldwise.run import Run
from foldwise.stages.folds import folds
from foldwise.stages.tokens import tokens
from foldwise.stages.train import check_files, ensemble_fits, prepare_members, train


def run_all(run: Run) -> None:
    """All stages."""
    with only_writer(run.paths.output), run.tracked():
        make_all(run)


def make_all(run: Run) -> None:
    """All stages, by the only run that writes to this output folder."""
    # Each training row gets a fold, once: folds/SLUG.csv is made by id and then only read.
    fold_of_row = folds(run)

    # Every member is made once on a few rows before gigabytes of word vectors are read: a typo in the recipe shows now.
    if prepared := not are_current(run):
        fits = ensemble_fits(run.config.recipe)
        check_files(run, fits)
        prepare_members(run, fits)

    # Texts become one flat array of token numbers, a vocabulary, and a vector for each of its words.
    tokens(run)

    # Each member trains once a fold, without that fold's rows, stops early by them, then predicts them and the test.
    train(run, fold_of_row, prepared=prepared)

    # The predictions of all folds and members become one a row, then labels where the contest wants them.
    combine(run, fold_of_row)


def combine(run: Run, fold_of_row: np.ndarray) -> None:
    """Make the submission and show what came out."""
    # Here, not above: scipy takes a quarter of a second to load, which commands that combine nothing should not pay.
    from foldwise.ensembling.summary import show_summary
    from foldwise.stages.ensemble import ensemble

    summary = ensemble(run, fold_of_row)
    run.tracker.finish(summary)
    show_summary(run, summary)


def run_folds(run: Run) -> None:
    """Assign each training row to a fold, once, in folds/SLUG.csv; --force makes new ones."""
    with only_writer(run.paths.output):
        folds(run, remake=run.force)


def run_tokens(run: Run) -> None:
    """Make the tokens unless those there were made from the same input and settings."""
    with only_writer(run.paths.output):
        tokens(run)


def run_ensemble(run: Run) -> None:
    """Combine the folds into submission.csv, oof.csv and summary.json."""
    with only_writer(run.paths.output):
        combine(run, folds(run))
