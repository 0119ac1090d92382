"""The story, top to bottom: folds → tokens → train → ensemble.

    ./run.sh                     the embedded competition movie-reviews
    ./run.sh all -c SLUG         input/SLUG

Each stage reads what earlier ones wrote, writes its own folder, does only what is missing or out of date, and says
which and why.
"""

from foldwise.ensembling.summary import show_summary
from foldwise.freshness import are_current
from foldwise.run import Run
from foldwise.stages.ensemble import ensemble
from foldwise.stages.folds import folds
from foldwise.stages.tokens import tokens
from foldwise.stages.train import prepare_members, train


def run_all(run: Run) -> None:
    """All stages."""
    # Each training row gets a fold, once: folds/SLUG.csv is made by id and then only read.
    fold_of_row = folds(run)

    # Every member is made once on a few rows before gigabytes of word vectors are read: a typo in the recipe shows now.
    prepared = not are_current(run)
    if prepared:
        prepare_members(run, run.config.recipe.ensemble_members)

    # Texts become one flat array of token numbers, a vocabulary, and a vector for each of its words.
    tokens(run)

    # Each member trains once a fold, without that fold's rows, stops early by them, then predicts them and the test.
    train(run, fold_of_row, prepared=prepared)

    # The predictions of all folds and members become one a row, then labels where the contest wants them.
    show_summary(run, ensemble(run, fold_of_row))


def run_folds(run: Run) -> None:
    """Stage folds alone; `--force` makes new ones."""
    folds(run, remake=run.force)


def run_tokens(run: Run) -> None:
    """Stage tokens alone."""
    tokens(run)


def run_train(run: Run, chosen: list[int] | None, members: list[str] | None) -> None:
    """Stage train alone.

    Args:
        chosen: folds to train whatever their state; None for all that need it.
        members: members to train; None for those of the ensemble.
    """
    train(run, folds(run), chosen, members)


def run_ensemble(run: Run) -> None:
    """Stage ensemble alone."""
    show_summary(run, ensemble(run, folds(run)))
