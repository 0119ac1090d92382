"""The file format of a trained fold's weights; packed for a kernel, files have other names (`inference/bundle.py`).

weights.safetensors     of the best evaluation; weights-2.safetensors … where several predict together
model.json              what else predicting needs: units of a network's numbers, n-grams of a linear model
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foldwise.files import read_json, write_json

FACTS = "model.json"


@dataclass(frozen=True)
class Checkpoint:
    """The files of a trained fold."""

    weights: list[Path]  # best first
    facts: Path

    def read_facts(self) -> dict[str, Any]:
        """What `write_checkpoint` was given."""
        return dict(read_json(self.facts))


def write_checkpoint(folder: Path, weights: Sequence[dict[str, Any]], facts: dict[str, Any]) -> None:
    """Write the files of one fold into an existing folder; sets of weights (tensors by name) best first."""
    from safetensors.torch import save_file

    for number, arrays in enumerate(weights, start=1):
        path = folder / ("weights.safetensors" if number == 1 else f"weights-{number}.safetensors")
        save_file(arrays, path)
        path.chmod(0o644)  # safetensors makes it readable by its owner only
    write_json(folder / FACTS, facts)


def find_checkpoint(folder: Path) -> Checkpoint:
    """The files in a fold's folder."""
    weights = sorted(folder.glob("weights*.safetensors"), key=lambda path: (len(path.name), path.name))  # 2 before 10
    return Checkpoint(weights, folder / FACTS)
