"""Folds small enough to travel inside a script: a character for each training row, in the order of train.csv.

Random ids do not compress: the fold file of 1.3 million rows is 13 MB when compressed, and this is 0.4 MB. A hash of
the ids tells whether the train.csv at the other end has the same rows in the same order.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from foldwise.errors import InputError


def pack_folds(folds: np.ndarray, train_ids: Sequence[str]) -> str:
    """The fold numbers, (N,), as characters from "0" on, and a hash of the ids in the same order."""
    characters = "".join(chr(ord("0") + fold) for fold in folds.tolist())
    return json.dumps({"ids": hash_of_ids(train_ids), "folds": characters}) + "\n"


def unpack_folds(path: Path, train_ids: Sequence[str]) -> np.ndarray:
    """Read what `pack_folds` gave: (N,) int64 fold numbers.

    Raises:
        InputError: they were packed for other rows than those of `train_ids`.
    """
    packed = json.loads(path.read_text(encoding="utf-8"))
    if packed["ids"] != hash_of_ids(train_ids):
        raise InputError(
            f"{path}: made for a train.csv of {len(packed['folds']):,} rows, and the one here has {len(train_ids):,}, "
            "not the same ids in the same order; build the kernel anew from this train.csv"
        )
    return np.array([ord(character) - ord("0") for character in packed["folds"]], dtype=np.int64)


def hash_of_ids(ids: Sequence[str]) -> str:
    """sha256 of the ids and their order."""
    return hashlib.sha256(json.dumps(list(ids)).encode()).hexdigest()
