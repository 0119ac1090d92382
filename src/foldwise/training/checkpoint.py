"""The file format of a trained fold's weights; packed for a kernel, files have other names (`inference/bundle.py`).

weights.safetensors     of the best evaluation; weights-2.safetensors … where several predict together
model.json              what else predicting needs: units of a network's numbers, n-grams of a linear model
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError

from foldwise.errors import InputError
from foldwise.files import read_json, usual_mode, write_json

FACTS = "model.json"
Facts = TypeVar("Facts", bound=BaseModel)


@dataclass(frozen=True)
class Checkpoint:
    """The files of a trained fold."""

    weights: list[Path]  # best first
    facts: Path

    def read_facts(self, model: type[Facts]) -> Facts:
        """What `write_checkpoint` was given, as a pydantic model; `InputError` if it is nothing of the kind."""
        try:
            return model.model_validate(read_json(self.facts))
        except ValidationError as error:
            raise InputError(f"{self.facts}: damaged; make it again, by training or packing") from error

    def read_arrays(self, dimensions: dict[str, int]) -> dict[str, Any]:
        """The arrays of the best weights, for numpy, of so many dimensions each; `InputError` for any others."""
        from safetensors.numpy import load_file

        try:
            arrays: dict[str, Any] = load_file(self.weights[0])
        except SafetensorError:
            arrays = {}
        if {name: array.ndim for name, array in arrays.items()} != dimensions:
            raise InputError(f"{self.weights[0]}: damaged; make it again, by training or packing")
        return arrays


def write_checkpoint(folder: Path, weights: Sequence[dict[str, Any]], facts: dict[str, Any]) -> None:
    """Write the files of one fold into an existing folder; sets of weights (tensors by name) best first."""
    from safetensors.torch import save_file

    for number, arrays in enumerate(weights, start=1):
        path = folder / ("weights.safetensors" if number == 1 else f"weights-{number}.safetensors")
        with usual_mode(path):
            save_file(arrays, path)
    write_json(folder / FACTS, facts)


def find_checkpoint(folder: Path, files: Iterable[str]) -> Checkpoint:
    """The checkpoint in a fold's folder, of whose files it is made; `files` are those that its record names."""
    names = sorted((name for name in files if name.startswith("weights")), key=lambda name: (len(name), name))
    return Checkpoint([folder / name for name in names], folder / FACTS)  # 2 before 10
