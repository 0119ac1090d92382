"""The file format of a fold's predictions: safetensors with the numbers and, as JSON, the ids of their rows."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from foldwise.errors import InputError, RunError, list_names
from foldwise.files import usual_mode


def write_predictions(path: Path, ids: Sequence[str], predictions: np.ndarray) -> None:
    """Write (n, C) predictions with the n ids of their rows, to the last bit; not atomic."""
    content = np.frombuffer(json.dumps(list(ids)).encode(), dtype=np.uint8)
    with usual_mode(path):
        save_file({"predictions": np.ascontiguousarray(predictions), "ids": content}, path)


def check_predictions(who: str, ids: Sequence[str], predictions: np.ndarray) -> None:
    """Raise a `RunError` that names `who` predicted something else than finite numbers, and for which rows.

    Whatever the learner or the model is, nothing else may reach oof.csv or a submission.
    """
    wrong = np.flatnonzero(~np.isfinite(predictions).all(axis=1)).tolist()
    if wrong:
        rows = list_names((ids[row] for row in wrong), quoted=False)
        raise RunError(
            f"{who}: {len(wrong):,} of {len(ids):,} predictions are no finite numbers; their rows: {rows}; look at "
            "these, lower --set training.learning_rate=…, or leave the member out"
        )


def read_predictions(path: Path, ids: Sequence[str]) -> np.ndarray:
    """(n, C) float64 predictions of a fold's file.

    Raises:
        InputError: it cannot be read, or its rows are not `ids`, in their order.
    """
    try:
        arrays = load_file(path)
        written = json.loads(arrays["ids"].tobytes())
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path}: damaged ({error}); train this fold again") from error
    if written != list(ids):
        raise InputError(f"{path}: its rows are not those of the tables any more; train this fold again")
    predictions = arrays["predictions"].astype(np.float64)
    if len(predictions) != len(ids) or not np.isfinite(predictions).all():
        raise InputError(f"{path}: damaged (not a number for each row); train this fold again")
    return predictions
