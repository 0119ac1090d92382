"""The true targets of the test rows, where a competition has them. Only the final score reads them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from foldwise.config import Config
from foldwise.data.competition import open_table
from foldwise.data.table import check_columns, check_unique
from foldwise.data.targets import encode_targets, read_subgroups
from foldwise.errors import Errors, InputError
from foldwise.metrics import METRICS
from foldwise.paths import Paths


@dataclass(frozen=True)
class Solution:
    """What the submission is scored against."""

    rows: np.ndarray  # (n,) int64 rows of the sample that count
    truth: np.ndarray  # of these rows, as `Targets.truth`


def read_solution(config: Config, paths: Paths, sample: pd.DataFrame, names: list[str]) -> Solution | None:
    """The true targets of the test rows in the order of the sample, or None where there is no solution.

    Args:
        names: `Targets.names` of the training table.

    Raises:
        InputError: it lacks columns or ids, or has labels that train.csv has not.
    """
    if not paths.tables("solution"):
        return None
    solution = open_table(config, paths, "solution")
    id_column, columns = config.columns.id, config.columns.target
    others = [name for name in solution.frame.columns if name not in columns]  # Usage, and whatever else Kaggle adds
    check_columns(solution, [id_column, *columns], others)
    check_unique(solution, id_column)
    subgroups = config.columns.subgroups if METRICS[config.competition.metric].of_subgroups else []
    if not set(subgroups) <= set(others):
        return None  # the score cannot be had without them
    places = pd.Index(solution.frame[id_column]).get_indexer(sample[id_column])
    missing = sample[id_column][places < 0].tolist()
    if missing:
        raise InputError(f"{solution.path}: {len(missing)} test ids are missing, for example {missing[0]!r}")
    ordered = solution.take(places)
    rows = np.flatnonzero(~(ordered.frame[columns] == config.files.unscored).any(axis=1))
    scored = ordered.take(rows)
    truth = encode_targets(scored, config, known=names).truth
    if subgroups:
        errors = Errors(solution.path)
        truth = np.hstack([truth, read_subgroups(scored, subgroups, errors)])
        errors.raise_if_any()
    return Solution(rows, truth)
