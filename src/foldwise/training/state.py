"""The state of a fold that trains, on disk: a fold that was killed goes on from it, and ends with the same bytes.

`output/SLUG/MEMBER/foldK-state/` holds

state.json           what it is of, and all numbers: position, losses, scores, settings of optimizers, generators
arrays-0, arrays-1   by turns: weights, their average, the optimizers' moments, the best weights, byte after byte

It is saved after an evaluation and after two minutes, but not so often that it takes more than 1% of the time, and when
this process is asked to end. It is used only by a fold of exactly the same inputs, and removed once that is written.
A save must be quick and does not wait for the disk: a power cut may damage a state, and then its fold begins again.
"""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from torch import Tensor

from foldwise.clock import Clock
from foldwise.errors import DamagedError, RunError
from foldwise.events import Event, Noted
from foldwise.files import write_checked
from foldwise.interrupts import Interrupted
from foldwise.records import Content, read_checked
from foldwise.training.packing import Generators, pack, read_arrays, unpack, write_arrays
from foldwise.training.peers import ALONE
from foldwise.training.progress import Progress

if TYPE_CHECKING:
    from foldwise.training.loop import Stage

RECORD, ARRAYS = "state.json", "arrays-{}"
SECONDS = 120.0  # between two saves without an evaluation
SHARE = 0.01  # of the time that saving may take
# Of a save, until one was timed: bytes of the weights, their average, two moments and the best ones.
COPIES, SECONDS_PER_BYTE = 5, 5e-10
EXTRA, MAIN = "extra rows", "rows"  # the two stages


class StateRecord(Content):
    """state.json."""

    inputs: str  # a hash
    stage: str
    steps: int
    hurried: bool
    saved: str
    parts: str
    turn: int  # which of the two files of arrays
    kinds: list[list[str | int]]  # of each array
    crc32: int


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
        self.began = self.saved_at = Clock.now()
        self.last, self.spent = 0.0, 0.0  # seconds that the last save took, and all of them
        self.stage, self.peers = "", ALONE
        self.parts: dict[str, Any] = {}
        self.found: dict[str, Any] = {}  # what was there, until it is loaded
        self.arrays: list[Tensor] = []  # the same
        self.turn = 0
        self.complained = False
        try:
            record = read_checked(folder / RECORD, StateRecord) if folder else None
            if folder and record and record["inputs"] == inputs and (limited or not record["hurried"]):
                arrays = read_arrays(folder / ARRAYS.format(record["turn"]), record["kinds"], record["crc32"])
                if arrays is not None:
                    self.found, self.arrays, self.turn = record, arrays, record["turn"]
        except (DamagedError, OSError):
            pass
        if folder and not self.found:
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
        self.peers, folder = training.trainer.peers, self.folder
        if self.peers.rank:
            self.folder = None  # the first process saves for all
        if folder is None or not self.holds(stage):
            return
        try:
            content = unpack(json.loads(self.found["parts"]), self.arrays)
            for name, part in self.parts.items():
                part.load_state_dict(content[name])
        except Exception as error:  # parts of the user's own may refuse what they gave; some are already changed
            shutil.rmtree(folder, ignore_errors=True)
            raise RunError(
                f"{folder}: cannot be used ({error}), and is removed; run the same command again: this fold then "
                "begins anew"
            ) from error
        where = f"epoch {training.epochs_done:.2f} of {training.epochs}{' on the extra rows' * (stage == EXTRA)}"
        self.report(Noted(f"goes on from {where}, saved at {self.found['saved']}"))
        self.found, self.arrays = {}, []

    def after_step(self) -> None:
        """Save if it is time to, or if this process is asked to end; that then raises `Interrupted`."""
        if self.peers.stop_requested():
            self.save_and_end()
        if self.folder and Clock.now() - self.saved_at >= SECONDS:
            self.save_if_cheap()

    def after_evaluation(self) -> None:
        """Save, unless the last time was so recent that it would take too large a share of the time."""
        if self.peers.stop_requested():
            self.save_and_end()
        if self.folder:
            self.save_if_cheap()

    def save_and_end(self) -> NoReturn:
        """Save, whatever it takes, and raise `Interrupted` with the place where the training goes on."""
        saved = self.folder and self.save()
        raise Interrupted(f"epoch {self.parts['training'].epochs_done:.2f}" if saved else "")

    def save_if_cheap(self) -> None:
        """Save if all saves, with this one, then took less than `SHARE` of the time."""
        if not self.last:
            size = sum(weight.nbytes for weight in self.parts["trainer"].averages.parameters)
            self.last = SECONDS_PER_BYTE * COPIES * size
        if self.spent + self.last <= SHARE * (Clock.now() - self.began):
            self.save()

    def save(self) -> bool:
        """Save now; → whether that could be done. That it cannot, on a full disk, is said once and ends nothing."""
        saved, started = False, Clock.now()
        try:
            self.write()
            saved = True
        except Exception as error:  # a disk, memory, or what an optimizer of the user's own keeps
            if not self.complained:
                self.report(Noted(f"its state cannot be saved ({error}); it trains on, and tries again later"))
            self.complained = True
        self.saved_at = Clock.now()
        self.last = self.saved_at - started
        self.spent += self.last
        return saved

    def write(self) -> None:
        """Write the arrays over those of the save before the last, then the record that says which are the last."""
        assert self.folder is not None
        arrays, training, turn = list[Tensor](), self.parts["training"], 1 - self.turn
        # A text: indented JSON of so many small things takes longer to write than the weights.
        parts = json.dumps(pack({name: part.state_dict() for name, part in self.parts.items()}, arrays))
        self.folder.mkdir(parents=True, exist_ok=True)
        record = {
            "inputs": self.inputs,
            "stage": self.stage,
            "steps": training.before + training.step,
            "hurried": self.parts["progress"].is_hurried,
            "saved": time.strftime("%H:%M"),
            "parts": parts,
            "turn": turn,
        }
        try:
            written = write_arrays(self.folder / ARRAYS.format(turn), arrays)
            write_checked(self.folder / RECORD, {**record, **written}, durable=False)
        except Exception:  # a full disk needs the room
            (self.folder / ARRAYS.format(turn)).unlink(missing_ok=True)
            raise
        self.turn = turn
