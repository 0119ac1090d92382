"""oof.csv: what the ensemble says of the training rows, each by models that have not seen it."""

from collections.abc import Sequence

import numpy as np

from foldwise.data.targets import Targets
from foldwise.ensembling.blend import Blend
from foldwise.ensembling.probabilities import as_written, name_apart, prediction_columns
from foldwise.files import atomic_file, write_csv
from foldwise.run import Run


def write_oof(run: Run, fold_of_row: np.ndarray, blend: Blend) -> None:
    """oof.csv: id, fold, targets and predictions, one row per training row, in the order of train.csv.

    A target keeps its name; a column of ours that is called like one has a `_` behind its own: `fold_`, `prediction_`.
    Unknown targets are empty.
    Predictions are empty in rows of folds that a time budget dropped, or that some member does not train: another mix
    of members would predict on another scale.
    """
    targets = run.competition.targets
    columns = run.config.columns.target
    if targets.spec.named and len(columns) == 1:
        truth = np.array(targets.names, dtype=object)[targets.truth, None]
    elif targets.spec.named:
        truth = np.eye(len(columns), dtype=int)[targets.truth]
    else:
        columns, known = targets.names, np.isfinite(targets.y)
        whole = targets.spec.y == "columns" and run.config.competition.soft_cut is None
        # As text a number has the shortest form that reads back as the same.
        numbers = np.where(known, targets.y, 0).astype(int) if whole else targets.y
        truth = np.where(known, numbers.astype(str), "")
    oof = as_written(targets, blend.oof)
    predicted = [row if known else [""] * len(row) for row, known in zip(oof.tolist(), blend.rows, strict=True)]
    rows = zip(run.competition.train_ids, fold_of_row.tolist(), truth.tolist(), predicted, strict=True)
    with atomic_file(run.paths.oof) as temporary:
        row_id, fold, predicted_as = own_columns(targets, columns)
        header = [row_id, fold, *columns, *predicted_as]
        write_csv(temporary, header, ([row_id, fold, *true, *values] for row_id, fold, true, values in rows))


def own_columns(targets: Targets, columns: Sequence[str]) -> tuple[str, str, list[str]]:
    """What oof.csv calls ids, folds and predictions, beside target columns of these names."""
    row_id, fold, *predicted_as = name_apart(["id", "fold", *prediction_columns(targets)], columns)
    return row_id, fold, predicted_as
