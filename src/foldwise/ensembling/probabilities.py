"""submission_probabilities.csv: the numbers behind a submission, for stacking elsewhere, and names for their columns.

The id, and the columns that oof.csv has for the training rows: `prediction` where there is one output, else
`prediction_NAME` for each class or target.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from foldwise.config import Config
from foldwise.data.competition import ToPredict
from foldwise.data.targets import Targets
from foldwise.ensembling.submission import in_sample_order, to_scale
from foldwise.files import atomic_file, write_csv


def prediction_columns(targets: Targets) -> list[str]:
    """What the C columns of probabilities or values are called."""
    if targets.outputs == 1:
        return ["prediction"]
    return [f"prediction_{name}" for name in targets.names]


def as_written(targets: Targets, predictions: np.ndarray) -> np.ndarray:
    """(n, C) predictions as files have them: those of an ordinal task on the scale of its labels."""
    return to_scale(predictions, targets.names) if targets.spec.ordered else predictions


def write_probabilities(
    path: Path, config: Config, targets: Targets, asked: ToPredict, predictions: np.ndarray
) -> None:
    """Write the (M, C) predictions of the test rows, in the order of the sample's rows."""
    ids = list(asked.sample[config.columns.id])
    ordered = as_written(targets, in_sample_order(ids, asked.test_ids, predictions))
    names = prediction_columns(targets)
    with atomic_file(path) as temporary:
        header = [config.columns.id, *name_apart(names, [config.columns.id])]
        write_csv(temporary, header, ([row_id, *row] for row_id, row in zip(ids, ordered.tolist(), strict=True)))


def name_apart(ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """Our names of columns, all different, with `_` behind those that the user's columns have.

    >>> name_apart(["id", "fold", "prediction"], ["fold", "prediction", "prediction_"])
    ['id', 'fold_', 'prediction__']
    """
    taken, names = {*ours, *theirs}, []
    for name in ours:
        apart = name
        while name in theirs and apart in taken:
            apart += "_"
        taken.add(apart)
        names.append(apart)
    return names
