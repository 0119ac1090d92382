"""The file format of a fold's predictions: safetensors with the numbers and, beside them, the ids of their rows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from foldwise.errors import InputError


def write_predictions(path: Path, ids: Sequence[str], predictions: np.ndarray) -> None:
    """Write (n, C) predictions with the n ids of their rows, to the last bit; not atomic."""
    encoded = [row_id.encode() for row_id in ids]
    arrays = {
        "predictions": np.ascontiguousarray(predictions),
        "ids": np.frombuffer(b"".join(encoded), dtype=np.uint8),  # end to end
        "id_lengths": np.array([len(row_id) for row_id in encoded], dtype=np.int32),
    }
    save_file(arrays, path)
    path.chmod(0o644)  # safetensors makes it readable by its owner only


def read_predictions(path: Path, ids: Sequence[str]) -> np.ndarray:
    """(n, C) float64 predictions of a fold's file.

    Raises:
        InputError: it cannot be read, or its rows are not `ids`, in their order.
    """
    try:
        arrays = load_file(path)
        content, ends = arrays["ids"].tobytes(), np.cumsum(arrays["id_lengths"]).tolist()
    except (SafetensorError, KeyError) as error:
        raise InputError(f"{path}: damaged ({error}); train this fold again") from error
    starts = [0, *ends[:-1]]
    if [content[start:end].decode() for start, end in zip(starts, ends, strict=False)] != list(ids):
        raise InputError(f"{path}: its rows are not those of the tables any more; train this fold again")
    return arrays["predictions"].astype(np.float64)
