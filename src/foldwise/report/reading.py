"""What the report reads of a finished run, each file checked before anything is shown."""

from typing import Any

import numpy as np
import pandas as pd

from foldwise.console import warn
from foldwise.ensembling.submission import from_scale
from foldwise.errors import DamagedError, InputError
from foldwise.hashing import hash_of
from foldwise.paths import ALL_ROWS, FOLD_RECORD, TOKENS_RECORD
from foldwise.records import Ensemble, FoldRecord, Summary, TokensRecord, check_whole, read_checked
from foldwise.report.results import Results
from foldwise.report.scores import Rates
from foldwise.run import Run
from foldwise.running.fold_folder import read_history

CHUNK = 10_000  # rows of oof.csv that are read at once


def read_made(run: Run) -> dict[str, Any]:
    """What summary.json says, after a check of all files that the page is made from."""
    summary = read_checked(run.paths.summary, Summary)
    if summary is None:
        raise InputError(f"{run.paths.output}: no summary.json; run `{run.hint('all')}` first")
    if of := summary.get("blend"):
        raise InputError(f"{run.paths.output}: a blend, whose models are those of {', '.join(of)}; report on these")
    if not run.paths.oof.is_file() or hash_of(run.paths.oof) not in summary["outputs"]:
        raise DamagedError(run.paths.output, ["oof.csv is missing, damaged, or not of the run of summary.json"])
    check_whole(run.paths.tokens / TOKENS_RECORD, TokensRecord)
    for member in summary["members"]:
        folds = [*member["folds"], *[ALL_ROWS] * ("epochs_on_all_rows" in member)]
        for fold in folds:
            folder = run.paths.fold(member["name"], fold)
            check_whole(folder / FOLD_RECORD, FoldRecord)
            read_history(folder)
        made_of = [run.paths.fold(member["name"], fold) / FOLD_RECORD for fold in folds]
        if hash_of(*made_of) != summary["inputs"]["folds"].get(member["name"]):
            warn(
                f"{member['name']} was trained again since the submission was made: its curves are newer than the "
                f"scores; `{run.hint('ensemble')}`, with its --set options, makes them anew"
            )
    read_checked(run.paths.ensemble, Ensemble)
    read_checked(run.paths.rates, Rates)
    return summary


def read_results(run: Run, summary: dict[str, Any]) -> Results:
    """The results from oof.csv; InputError where its rows or targets are not those of the tables any more."""
    targets, columns = run.competition.targets, run.config.columns.target
    known = columns if targets.spec.named else targets.names
    again = f"run `{run.hint('all')}`, with the same --set options, if any, to make it again"
    texts, numbers = [], []
    # As text: an id 01 is another than 1. Part by part: texts of a thousand classes take ten times what numbers do.
    with pd.read_csv(run.paths.oof, dtype=str, keep_default_na=False, chunksize=CHUNK) as parts:
        for part in parts:
            texts.append(part.iloc[:, : 2 + len(known)])
            numbers.append(part.iloc[:, 2 + len(known) :].replace("", "nan"))
            if list(texts[-1])[2:] != list(known) or numbers[-1].shape[1] != targets.outputs:
                raise InputError(f"{run.paths.oof}: its columns are not those of today's targets; {again}")
            numbers[-1] = numbers[-1].astype(np.float64).to_numpy()
    ids, folds = (pd.concat(texts).iloc[:, place].tolist() for place in (0, 1))
    if ids != run.competition.train_ids:
        raise InputError(f"{run.paths.oof}: its rows are not those of the training table any more; {again}")
    predicted = np.concatenate(numbers)
    rows = np.flatnonzero(np.isfinite(predicted[:, 0]))  # others are of folds that not all members have
    shown = predicted[rows]
    on_scale = from_scale(shown, targets.names) if targets.spec.ordered else shown
    return Results(run, summary, np.array(folds, np.int64), rows, on_scale)
