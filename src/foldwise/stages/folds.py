"""Stage folds: `folds/<slug>.csv`, made once, or a copy of the folds that the user has.

./run.sh folds -c SLUG            make it, or check the one that is there
./run.sh folds -c SLUG --force    make it anew
"""

import time
from contextlib import nullcontext

import numpy as np

from foldwise.console import say, warn, working
from foldwise.data.fold_file import packed_name, read_folds, read_own_folds, unpack_folds, write_folds
from foldwise.data.splits import (
    HIDDEN,
    TRAIN_ONLY,
    check_sizes,
    check_units,
    hide_weightless,
    missing_classes,
    split_rows,
    units_of,
)
from foldwise.errors import InputError
from foldwise.files import write_checked
from foldwise.hashing import hash_of
from foldwise.leftovers import sweep
from foldwise.lock import only_maker
from foldwise.metrics import best_score
from foldwise.records import Content, read_or_warn
from foldwise.run import Run

SHOWN = 10  # classes that a warning names
UNSCORED = {
    TRAIN_ONLY: "are trained on in every fold and never validated",
    HIDDEN: "weigh 0: they do not count",
}


class FoldsRecord(Content):
    """folds.json."""

    folds: str  # hash of the fold file


@working("folds", "reading the tables")
def folds(run: Run, remake: bool = False) -> np.ndarray:
    """The (N,) int64 folds that stages work with: those of the fold file, but `HIDDEN` for rows of weight 0."""
    competition, settings = run.competition, run.config.recipe.folds
    units = units_of(competition.contents, competition.groups, settings.same_text)
    there = run.paths.folds.is_file() and not remake and not run.debug
    with nullcontext() if there else only_maker(run.paths.folds):
        in_file = update_fold_file(run, units, remake)
    fold_of_row = hide_weightless(in_file, competition.targets)
    for fold, what in UNSCORED.items():
        if count := (fold_of_row == fold).sum():
            say("folds", f"{count:,} of {len(fold_of_row):,} rows {what}")
    return fold_of_row


def update_fold_file(run: Run, units: np.ndarray, remake: bool = False) -> np.ndarray:
    """Make the fold file if there is none; give its (N,) int64 folds in the order of train.csv.

    Only `remake` replaces a file that is there; `--force` of the whole pipeline does not.

    Args:
        units: as `units_of` gives them.
    """
    path, settings, competition = run.paths.folds, run.config.recipe.folds, run.competition
    sweep([], [path])
    own_settings = [setting for setting in run.settings if setting.removeprefix("recipe.").startswith("folds.")]
    make_anew = run.hint("folds", "--force", *(part for setting in own_settings for part in ("--set", setting)))
    packed = path.with_name(packed_name(run.paths.slug))
    keep = not remake and not run.debug  # debug has folds of its own, of whatever rows it drew
    if keep and packed.is_file() and not path.is_file():  # inside a kernel
        write_folds(path, competition.train_ids, unpack_folds(packed, competition.train_ids))
    own, source = (None, "") if packed.is_file() else find_own_folds(run)
    together = f"run `{make_anew}` to make folds that keep them together"
    if own is not None:
        together = f"they are those of {source}: correct them, or set folds.same_text = false to take them as they are"
    if keep and path.is_file():
        try:
            fold_of_row = read_folds(path, competition.train_ids, settings.n, make_anew)
        except InputError as error:
            if own is None:
                raise
            raise InputError(
                f"{path}: not the folds of {source}, which competition.toml now names; run `{make_anew}` to take those "
                f"({error})"
            ) from error
        if own is not None and (other := (own != fold_of_row).sum()):
            raise InputError(
                f"{path}: {other:,} of {len(own):,} rows have another fold than in {source}; run `{make_anew}` to take "
                "those, or take the key out of competition.toml to keep this file"
            )
        check_units(path, fold_of_row, units, together)
        check_counting_rows(run, fold_of_row, units)
        note_folds(run, kept=True)
        by = " by row number" if "train" in run.config.files.numbered else ""
        say("folds", f"kept {path.name}: {len(fold_of_row):,} rows in {settings.n} folds, matches train.csv{by}")
        return fold_of_row
    start = time.perf_counter()
    if own is None:
        own = split_rows(competition.targets, units, settings.n, settings.seed)
    else:
        check_units(path, own, units, together)
    check_counting_rows(run, own, units)  # before the file is there: refused folds must not stay
    write_folds(path, competition.train_ids, own)
    note_folds(run, kept=False)
    run.record_seconds("folds", time.perf_counter() - start)
    say("folds", f"made {path.name}{f' of {source}' * bool(source)}: {describe_folds(run, own, units, bool(source))}")
    return own


def note_folds(run: Run, kept: bool) -> None:
    """Remember beside the results which fold file they are made with; warn if one that was `kept` is another now."""
    path, now = run.paths.folds_record, {"folds": hash_of(run.paths.folds)}
    known = read_or_warn(path, FoldsRecord, f"whether {run.paths.folds.name} was changed since is not known")
    if kept and known and known != now:
        warn(
            f"{run.paths.folds}: damaged or changed since it was last used; what was trained on other folds trains "
            f"again; `{run.hint('folds', '--force')}` makes the file anew"
        )
    if known != now:
        write_checked(path, now)


def find_own_folds(run: Run) -> tuple[np.ndarray | None, str]:
    """The (N,) int64 folds that the user has, and where they stand; None where foldwise makes them."""
    files, columns, competition = run.config.files, run.config.columns, run.competition
    if run.debug:
        return None, ""
    if files.folds:
        own = read_own_folds(run.config, run.paths, competition.train_ids, competition.left_out)
        return own, run.paths.table("folds").name
    return competition.own_folds, f"column {columns.fold} of {run.paths.table('train').name}" if columns.fold else ""


def describe_folds(run: Run, fold_of_row: np.ndarray, units: np.ndarray, own: bool) -> str:
    """How many rows are in how many folds, and which of them go together."""
    sizes = np.bincount(fold_of_row[fold_of_row >= 0])
    of_each = f"{sizes.min():,} to {sizes.max():,}" if np.ptp(sizes) else f"{sizes[0]:,} each"
    different = len(np.unique(units))
    what = "image" if run.competition.has_images else "text"
    what += " or group" if run.competition.groups else ""
    shared = different < len(units) and not own
    together = f"; rows of the same {what} share a fold ({different:,} different ones)" if shared else ""
    return f"{len(fold_of_row):,} rows in {run.config.recipe.folds.n} folds of {of_each}{together}"


def check_counting_rows(run: Run, in_file: np.ndarray, units: np.ndarray) -> None:
    """Hold sizes and classes of the folds of a file against what can be scored; rows of weight 0 do not count."""
    fold_of_row = hide_weightless(in_file, run.competition.targets)
    warning = check_sizes(run.paths.folds, fold_of_row, units, run.config.recipe.folds.n)
    check_classes(run, fold_of_row)
    if warning:
        warn(warning)


def check_classes(run: Run, fold_of_row: np.ndarray) -> None:
    """Warn of classes that a fold has no row of: too few rows, or rows of one text or group, which share a fold."""
    missing = missing_classes(fold_of_row, run.competition.targets, run.competition.train_ids)
    if missing:
        shown = missing[:SHOWN] + [f"and {len(missing) - SHOWN:,} more"] * (len(missing) > SHOWN)
        check_metric(run, fold_of_row, shown)
        count = "a class" if len(missing) == 1 else f"{len(missing):,} classes"
        warn(
            "\n  ".join([f"{run.paths.table('train')}: {count} that a fold has no row of", *shown])
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
