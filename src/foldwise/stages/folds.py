"""Stage folds: `folds/<slug>.csv`, made once.

./run.sh folds -c SLUG            make it, or check the one that is there
./run.sh folds -c SLUG --force    make it anew
"""

import time

import numpy as np

from foldwise.console import say, warn
from foldwise.data.features import join_texts
from foldwise.data.fold_file import packed_name, read_folds, unpack_folds, write_folds
from foldwise.data.splits import check_units, make_folds, missing_classes, units_of
from foldwise.errors import InputError
from foldwise.metrics import best_score
from foldwise.run import Run

SHOWN = 10  # classes that a warning names


def folds(run: Run, remake: bool = False) -> np.ndarray:
    """Make the fold file if there is none; give the (N,) int64 folds in the order of train.csv.

    Only `remake` replaces a file that is there; `--force` of the whole pipeline does not.
    """
    path, settings, competition = run.paths.folds, run.config.recipe.folds, run.competition
    make_anew = run.hint("folds", "--force")
    packed = path.with_name(packed_name(run.paths.slug))
    keep = not remake and not run.debug  # debug has folds of its own, of whatever rows it drew
    if keep and packed.is_file() and not path.is_file():  # inside a kernel
        write_folds(path, competition.train_ids, unpack_folds(packed, competition.train_ids))
    units = units_of(join_texts(competition.train_texts), competition.groups, settings.same_text)
    if keep and path.is_file():
        fold_of_row = read_folds(path, competition.train_ids, settings.n, make_anew)
        check_units(path, fold_of_row, units, make_anew)
        check_classes(run, fold_of_row)
        by = " by row number" if "train" in run.config.files.numbered else ""
        say("folds", f"kept {path.name}: {len(fold_of_row):,} rows in {settings.n} folds, matches train.csv{by}")
        return fold_of_row
    start = time.perf_counter()
    fold_of_row = make_folds(competition.targets.strata, units, settings.n, settings.seed)
    check_classes(run, fold_of_row)
    write_folds(path, competition.train_ids, fold_of_row)
    run.record_seconds("folds", time.perf_counter() - start)
    sizes = np.bincount(fold_of_row[fold_of_row >= 0])
    of_each = f"{sizes.min():,} to {sizes.max():,}" if np.ptp(sizes) else f"{sizes[0]:,} each"
    shared = len(units) - len(np.unique(units))
    what = "text or group" if competition.groups else "text"
    together = f"; {shared:,} rows follow an earlier one of the same {what} into its fold" if shared else ""
    say("folds", f"made {path.name}: {len(fold_of_row):,} rows in {settings.n} folds of {of_each}{together}")
    return fold_of_row


def check_classes(run: Run, fold_of_row: np.ndarray) -> None:
    """Warn of classes that a fold has no row of: too few rows, or rows of one text or group, which share a fold."""
    missing = missing_classes(fold_of_row, run.competition.targets, run.competition.train_ids)
    if missing:
        check_metric(run, fold_of_row, missing)
        shown = missing[:SHOWN] + [f"and {len(missing) - SHOWN} more"] * (len(missing) > SHOWN)
        warn(
            "\n  ".join([f"{run.paths.table('train')}: classes that a fold has no row of", *shown])
            + "\n  there it is not scored; where all its rows are in one fold, that fold's model never sees it"
        )


def check_metric(run: Run, fold_of_row: np.ndarray, missing: list[str]) -> None:
    """Refuse folds that the metric has no score for, whatever is predicted: their training would be in vain."""
    targets, metric = run.competition.targets, run.metric
    for fold in np.unique(fold_of_row[fold_of_row >= 0]):
        truth = targets.truth[fold_of_row == fold]
        neutral = np.full((len(truth), targets.outputs), 1 / targets.outputs)
        if not np.isfinite(best_score(metric, targets.task, truth, neutral)):
            asked = run.config.competition.metric
            fix = f"ask for fewer folds (--set folds.n=…), or make them anew (`{run.hint('folds', '--force')}`)"
            raise InputError("\n  ".join([f"{run.paths.folds}: fold {fold} has no {asked} by its rows", *missing, fix]))
