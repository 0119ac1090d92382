"""The state of a fold that trains, on disk: a fold that was killed goes on from it, and ends with the same bytes.

`output/SLUG/MEMBER/foldK-state/` holds

state.json              what it is of, and all numbers: position, losses, scores, settings of optimizers, generators
arrays.safetensors      weights, their average, the optimizers' moments, the best weights

It is saved after an evaluation and after two minutes, but not so often that it takes more than 1% of the time, and when
this process is asked to end. It is used only by a fold of exactly the same inputs, and removed once that is written.
"""

import json
import math
import random
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from foldwise.clock import Clock
from foldwise.errors import RunError
from foldwise.events import Event, Noted
from foldwise.files import atomic_folder, hash_of, read_record, write_record
from foldwise.interrupts import Interrupted, stop_requested
from foldwise.training.progress import Progress

if TYPE_CHECKING:
    from foldwise.training.loop import Stage

RECORD, ARRAYS = "state.json", "arrays.safetensors"
SECONDS = 120.0  # between two saves without an evaluation
SHARE = 0.01  # of the time that saving may take
SECONDS_PER_BYTE = 2e-9  # of a save, until one was timed
EXTRA, MAIN = "extra rows", "rows"  # the two stages


def code_hash() -> str:
    """Of the code that trains: with other code the second part of a training would not fit its first one."""
    package = Path(__file__).parents[1]
    return hash_of(*(path for part in ("training", "models") for path in sorted((package / part).glob("*.py"))))


class Part(Protocol):
    """What can be saved; torch's own classes can."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers and texts, in dicts, lists and tuples."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Be as it was."""


class TrainingState:
    """Saves the parts of a training now and then, and gives them back to the process that goes on with it.

    Args:
        folder: where it is kept; None to keep nothing.
        inputs: a hash of all that the training depends on.
        limited: a time budget ends the training; a state that one has hurried is of no use to a training without.
    """

    def __init__(
        self,
        folder: Path | None = None,
        inputs: str = "",
        report: Callable[[Event], object] = lambda _: None,
        limited: bool = False,
    ) -> None:
        self.folder, self.inputs, self.report = folder, inputs, report
        self.saved_at, self.seconds = Clock.now(), 0.0  # of the last save, and what it took
        self.stage = ""
        self.parts: dict[str, Any] = {}
        self.found: dict[str, Any] = {}  # what was there, until it is loaded
        record = read_record(folder / RECORD) if folder else None
        if record and record["inputs"] == inputs and (limited or not record["hurried"]):
            self.found = record
        elif folder:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def steps(self) -> int:
        """Steps of all stages that were done before this process began."""
        return int(self.found.get("steps", 0))

    def holds(self, stage: str) -> bool:
        """True if what was found is of this stage."""
        return self.found.get("stage") == stage

    def begin(self, stage: str, training: "Stage", progress: Progress, **others: Part) -> None:
        """Save these parts from now on; where some of this stage were found, they go on from there."""
        self.stage = stage
        generators = Generators(training.trainer.runtime.device)
        self.parts = {"training": training, "trainer": training.trainer, "progress": progress, **others}
        self.parts["generators"] = generators  # loaded last: what else is made may draw from them
        if self.folder is None or not self.holds(stage):
            return
        content = unpack(json.loads(self.found["parts"]), load_file(self.folder / ARRAYS))
        for name, part in self.parts.items():
            part.load_state_dict(content[name])
        where = f"epoch {training.epochs_done:.2f} of {training.epochs}{' on the extra rows' * (stage == EXTRA)}"
        self.report(Noted(f"goes on from {where}, saved at {self.found['saved']}"))
        self.found = {}

    def after_step(self) -> None:
        """Save if it is time to, or if this process is asked to end; that then raises `Interrupted`."""
        if stop_requested():
            self.save_and_end()
        if self.folder and Clock.now() - self.saved_at >= SECONDS:
            self.save_if_cheap()

    def after_evaluation(self) -> None:
        """Save, unless the last time was so recent that it would take too large a share of the time."""
        if stop_requested():
            self.save_and_end()
        if self.folder:
            self.save_if_cheap()

    def save_and_end(self) -> NoReturn:
        """Save, whatever it takes, and raise `Interrupted` with the place where the training goes on."""
        self.save()
        raise Interrupted(f"epoch {self.parts['training'].epochs_done:.2f}" if self.folder else "")

    def save_if_cheap(self) -> None:
        """Save if it takes less than `SHARE` of the time since the last save."""
        if not self.seconds:
            arrays: dict[str, Tensor] = {}
            pack([part.state_dict() for part in self.parts.values()], arrays)
            self.seconds = SECONDS_PER_BYTE * sum(value.nbytes for value in arrays.values())
        if self.seconds <= SHARE * (Clock.now() - self.saved_at):
            self.save()

    def save(self) -> None:
        """Save now. A disk that is full does not end the training: it is only said."""
        if self.folder is None:
            return
        started, arrays, training = Clock.now(), dict[str, Tensor](), self.parts["training"]
        try:
            record = {
                "inputs": self.inputs,
                "stage": self.stage,
                "steps": training.before + training.step,
                "hurried": self.parts["progress"].is_hurried,
                "saved": time.strftime("%H:%M"),
                # A text: indented JSON of so many small things takes longer to write than the weights.
                "parts": json.dumps(pack({name: part.state_dict() for name, part in self.parts.items()}, arrays)),
            }
            with atomic_folder(self.folder) as temporary:
                save_file(apart(arrays), temporary / ARRAYS)
                write_record(temporary / RECORD, record)
        except (OSError, RunError, SafetensorError, TypeError) as error:
            self.report(Noted(f"its state cannot be saved ({error}); it trains on, and begins again if it is killed"))
            self.folder = None
        self.saved_at, self.seconds = Clock.now(), Clock.now() - started


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
