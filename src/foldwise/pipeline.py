"""The story, top to bottom: folds → tokens → train → ensemble.

Each stage reads what earlier ones wrote, writes its own folder, does only what is missing or out of date, and says
which and why.
"""

from foldwise.ensembling.summary import show_summary
from foldwise.freshness import are_current
from foldwise.run import Run
from foldwise.stages.ensemble import ensemble
from foldwise.stages.folds import folds
from foldwise.stages.tokens import tokens
from foldwise.stages.train import check_files, ensemble_fits, prepare_members, train


def run_all(run: Run) -> None:
    """All stages."""
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
    show_summary(run, ensemble(run, fold_of_row))


def run_folds(run: Run) -> None:
    """Assign each training row to a fold, once, in folds/SLUG.csv; --force makes new ones."""
    folds(run, remake=run.force)


def run_ensemble(run: Run) -> None:
    """Combine the folds into submission.csv, oof.csv and summary.json."""
    show_summary(run, ensemble(run, folds(run)))
