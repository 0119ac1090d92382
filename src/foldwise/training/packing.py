"""States as files: what JSON can hold, and beside it the tensors; and where random numbers come from."""

import math
import os
import random
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from foldwise.files import overwritten_file


class Generators:
    """Where random numbers come from: torch on its devices; Python and numpy, which code of the user's own may use."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def state_dict(self) -> dict[str, Any]:
        """Of all of them."""
        kind, keys, *others = np.random.get_state(legacy=True)
        version, words, gauss = random.getstate()
        cuda = torch.cuda.get_rng_state() if self.device.type == "cuda" else None
        return {
            "torch": torch.get_rng_state(),
            "cuda": cuda,
            "python": (version, torch.tensor(words), gauss),
            "numpy": (kind, torch.tensor(np.asarray(keys, np.int64)), *others),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        torch.set_rng_state(state["torch"])
        if state["cuda"] is not None:
            torch.cuda.set_rng_state(state["cuda"])
        version, words, gauss = state["python"]
        random.setstate((version, tuple(words.tolist()), gauss))
        kind, keys, *others = state["numpy"]
        np.random.set_state((kind, keys.numpy().astype(np.uint32), *others))


def pack(value: Any, arrays: list[Tensor]) -> Any:
    """What JSON can hold of a state; tensors are appended to `arrays`, and stand as their places there.

    Raises:
        TypeError: something that is neither dense tensor, number, text, dict, list nor tuple.
    """
    match value:
        case Tensor() if value.layout == torch.strided:
            arrays.append(value.detach())
            return {"tensor": len(arrays) - 1, "device": value.device.type}
        case dict():
            return {"dict": [[pack(key, arrays), pack(part, arrays)] for key, part in value.items()]}
        case tuple():
            return {"tuple": [pack(part, arrays) for part in value]}
        case list():
            return [pack(part, arrays) for part in value]
        case float() if not math.isfinite(value):
            return {"float": repr(value)}
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(f"{type(value).__name__} in the state of an optimizer")


def unpack(value: Any, arrays: Sequence[Tensor]) -> Any:
    """The state that `pack` was given."""
    match value:
        case {"tensor": place, "device": device}:
            return arrays[place].to(device)
        case {"dict": pairs}:
            return {unpack(key, arrays): unpack(part, arrays) for key, part in pairs}
        case {"tuple": parts}:
            return tuple(unpack(part, arrays) for part in parts)
        case list():
            return [unpack(part, arrays) for part in value]
        case {"float": text}:
            return float(text)
    return value


def write_arrays(path: Path, arrays: Sequence[Tensor]) -> dict[str, Any]:
    """Write tensors over what the file holds, and say what `read_arrays` needs to know of them.

    A file that is there is written over and not made anew, which takes a third of the time; its disk is not waited for.
    """
    kinds, checksum = [], 0
    flags = os.O_WRONLY | os.O_CREAT  # not O_TRUNC
    with overwritten_file(path), os.fdopen(os.open(path, flags, 0o666), "wb") as file:
        for array in arrays:
            content = array.cpu().contiguous().flatten().view(torch.uint8).numpy().data
            file.write(content)
            checksum = zlib.crc32(content, checksum)
            kinds.append([str(array.dtype).removeprefix("torch."), *array.shape])
    return {"kinds": kinds, "crc32": checksum}


def read_arrays(path: Path, kinds: Sequence[Sequence[Any]], crc32: int) -> list[Tensor] | None:
    """The tensors that `write_arrays` wrote, each with memory of its own; None where they are damaged."""
    arrays, checksum = [], 0
    with path.open("rb") as file:
        for name, *shape in kinds:
            array = torch.empty(shape, dtype=getattr(torch, name))
            content = array.flatten().view(torch.uint8).numpy().data  # the same memory
            if file.readinto(content) != content.nbytes:
                return None
            checksum = zlib.crc32(content, checksum)
            arrays.append(array)
    return arrays if checksum == crc32 else None
