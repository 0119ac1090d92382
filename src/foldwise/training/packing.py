"""States as files: what JSON can hold, and beside it the tensors; and where random numbers come from."""

import math
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


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
        """Go on from there."""
        torch.set_rng_state(state["torch"])
        if state["cuda"] is not None:
            torch.cuda.set_rng_state(state["cuda"])
        version, words, gauss = state["python"]
        random.setstate((version, tuple(words.tolist()), gauss))
        kind, keys, *others = state["numpy"]
        np.random.set_state((kind, keys.numpy().astype(np.uint32), *others))


def pack(value: Any, arrays: dict[str, Tensor]) -> Any:
    """What JSON can hold of a state; tensors go to `arrays`, by their number.

    Raises:
        TypeError: something that is neither dense tensor, number, text, dict, list nor tuple.
    """
    match value:
        case Tensor() if value.layout == torch.strided:
            name = str(len(arrays))
            if value.untyped_storage().nbytes() != value.nbytes or not value.is_contiguous():
                value = value.clone(memory_format=torch.contiguous_format)  # a file holds whole storages
            arrays[name] = value.detach()
            return {"tensor": name, "device": value.device.type}
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


def apart(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, each with memory of its own, as a file wants them."""
    pointers, separate = set(), {}
    for name, value in arrays.items():
        kept = value.cpu()
        separate[name] = kept.clone() if kept.data_ptr() in pointers else kept
        pointers.add(kept.data_ptr())
    return separate


def unpack(value: Any, arrays: Mapping[str, Tensor]) -> Any:
    """The state that `pack` was given."""
    match value:
        case {"tensor": name, "device": device}:
            return arrays[name].clone().to(device)
        case {"dict": pairs}:
            return {unpack(key, arrays): unpack(part, arrays) for key, part in pairs}
        case {"tuple": parts}:
            return tuple(unpack(part, arrays) for part in parts)
        case list():
            return [unpack(part, arrays) for part in value]
        case {"float": text}:
            return float(text)
    return value
