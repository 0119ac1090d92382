"""The fold file: made once, by id, and then only read; and a form of it that is small enough to travel in a script.

folds/SLUG.csv            a line for each training row: id, fold; fold -1 is trained on in every fold, never validated
folds/SLUG.packed.json    inside a kernel: a character for each row in the order of train.csv, "0" for fold 0, "/"
                          for -1, and a sha256 of the ids

Random ids do not compress: the fold file of 1.3 million rows is 13 MB when compressed, and the packed one is 0.4 MB.
The hash tells whether the train.csv at the other end has the same rows in the same order.

Folds that the user has stand in a column of the training table, `[columns] fold`, or in a table of id and fold,
`[files] folds`; the fold file is then a copy of them.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ValidationError

from foldwise.config import Config
from foldwise.data.open_table import open_table
from foldwise.data.splits import TRAIN_ONLY, number_folds
from foldwise.data.table import Table, check_columns, check_unique, read_table
from foldwise.errors import InputError
from foldwise.files import atomic_file, write_csv
from foldwise.inputs import made_input
from foldwise.paths import Paths

OWN_NAMES = ("fold", "kfold")  # of the column in a table of folds


def write_folds(path: Path, train_ids: Sequence[str], fold_of_row: np.ndarray) -> None:
    """Write the (N,) folds of the training rows."""
    with atomic_file(path) as temporary:
        write_csv(temporary, ["id", "fold"], zip(train_ids, fold_of_row.tolist(), strict=True))
        made_input(path, temporary)


def read_folds(path: Path, train_ids: Sequence[str], n_folds: int, remake: str) -> np.ndarray:
    """(N,) int64 fold numbers, 0 … K-1 or `TRAIN_ONLY`, in the order of train.csv.

    Args:
        remake: the command that makes the file anew, for messages.

    Raises:
        InputError: its ids are not those of train.csv, or its folds others, with the numbers.
    """
    remake = f"run `{remake}` to make new folds, or bring back the train.csv it was made for"
    table = read_table(path)
    check_columns(table, ["id", "fold"])
    return match_ids(table, "id", number_folds(table, "fold", n_folds, remake), train_ids, remake)


def read_own_folds(config: Config, paths: Paths, train_ids: Sequence[str], left_out: int) -> np.ndarray:
    """The same from the table that `[files] folds` names; what else stands in it does not matter.

    Args:
        left_out: training rows without a target, which may stand in it.
    """
    table, id_column = open_table(config, paths, "folds"), config.columns.id
    names = [name for name in OWN_NAMES if name in table.frame.columns] or [OWN_NAMES[0]]
    check_columns(table, [id_column, names[0]], list(table.frame.columns))
    if len(names) > 1:
        raise InputError(f"{table.path}: has the columns {' and '.join(names)}; take one of them out")
    folds = number_folds(table, names[0], config.recipe.folds.n, "correct the table")
    return match_ids(table, id_column, folds, train_ids, "make it for this training table", left_out)


def match_ids(
    table: Table, id_column: str, folds: np.ndarray, train_ids: Sequence[str], fix: str, left_out: int = 0
) -> np.ndarray:
    """The (n,) folds of a table's rows in the order of train.csv, which must have the same ids."""
    check_unique(table, id_column)
    fold_of = dict(zip(table.column(id_column), folds.tolist(), strict=True))
    ids = set(train_ids)
    missing, added = len(ids - fold_of.keys()), len(fold_of.keys() - ids)
    if missing or added > left_out:
        raise InputError(
            f"{table.path}: does not match train.csv: {missing} of its {len(ids)} ids are missing here, "
            f"{added} of {len(fold_of)} here are not in it; {fix}"
        )
    return np.array([fold_of[row_id] for row_id in train_ids], dtype=np.int64)


class PackedFolds(BaseModel):
    """The packed form."""

    ids: str
    folds: str


def packed_name(slug: str) -> str:
    """The file that stands for a fold file inside a kernel."""
    return f"{slug}.packed.json"


def pack_folds(folds: np.ndarray, train_ids: Sequence[str]) -> str:
    """The text that stands for (N,) folds of the training rows."""
    characters = "".join(chr(ord("0") + fold) for fold in folds.tolist())
    return json.dumps({"ids": hash_of_ids(train_ids), "folds": characters}) + "\n"


def unpack_folds(path: Path, train_ids: Sequence[str]) -> np.ndarray:
    """(N,) int64 fold numbers from what `pack_folds` gave; `InputError` where that was for other rows."""
    again = "build the kernel anew from this train.csv"
    try:
        packed = PackedFolds.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(f"{path}: damaged; {again}") from error
    folds = np.array([ord(sign) - ord("0") for sign in packed.folds], dtype=np.int64)
    if packed.ids != hash_of_ids(train_ids):
        raise InputError(
            f"{path}: made for a train.csv of {len(folds):,} rows, and the one here has {len(train_ids):,}, "
            f"not the same ids in the same order; {again}"
        )
    if len(folds) != len(train_ids) or folds.min() < TRAIN_ONLY:
        raise InputError(f"{path}: damaged (its folds are not those of {len(train_ids):,} rows); {again}")
    return folds


def hash_of_ids(ids: Sequence[str]) -> str:
    """sha256 of the ids and their order."""
    return hashlib.sha256(json.dumps(list(ids)).encode()).hexdigest()
