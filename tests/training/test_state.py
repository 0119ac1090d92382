"""Training that is interrupted, after any step, and goes on in another process ends with the same bytes."""

import json
import re
import resource
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from foldwise import interrupts
from foldwise.clock import Clock
from foldwise.config import Model
from foldwise.events import Event, Noted, Started
from foldwise.interrupts import Interrupted, request_stop
from foldwise.metrics import METRICS
from foldwise.training import state as state_module
from foldwise.training.all_rows import train_on_all
from foldwise.training.fold import FoldResult, train_fold
from foldwise.training.fold_data import FoldData, Lesson
from foldwise.training.loop import StepCounter
from foldwise.training.packing import pack, read_arrays, unpack, write_arrays
from foldwise.training.progress import Limit
from foldwise.training.state import TrainingState
from training.test_fold import RUNTIME, make_data, recipe

Train = Callable[[TrainingState], FoldResult]


@pytest.fixture(autouse=True)
def forget_requests() -> Iterator[None]:
    yield
    interrupts.REQUEST.clear()


def digest(result: FoldResult) -> list[Any]:
    """All that a fold folder holds of a result, but times."""
    history = [{**asdict(record), "train_seconds": 0} for record in result.history]
    weights = [{name: value.numpy().tobytes() for name, value in part.items()} for part in result.weights]
    return [result.oof.tobytes(), result.test.tobytes(), weights, history, result.facts]


def in_pieces(train: Train, folder: Path, stops: list[int], monkeypatch) -> tuple[FoldResult, list[int]]:
    """Train with an interruption after each of these numbers of steps, counted anew by each process.

    Also: the steps that each process found done.
    """
    waiting, found = list(stops), []
    count = StepCounter.count

    def count_and_stop(self) -> None:
        count(self)
        left[0] -= 1
        if left[0] == 0:
            request_stop()

    monkeypatch.setattr(StepCounter, "count", count_and_stop)
    while True:
        left = [waiting.pop(0) if waiting else 0]
        torch.manual_seed(len(waiting))  # another process has other random numbers
        state = TrainingState(folder, "inputs")
        found.append(state.steps)
        try:
            return train(state), found
        except Interrupted:
            interrupts.REQUEST.clear()


def with_first_stage(data: FoldData) -> FoldData:
    return replace(data, extra=7, first=Lesson(np.arange(100, 107), np.ones((7, 1), np.float32)))


OWN = "own_parts_for_state"
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "dense": {"embedding_optimizer": "same"},
    "SGD with momentum": {"optimizer": "SGD", "optimizer_arguments": {"momentum": 0.9}},
    "Muon": {"optimizer": "Muon"},
    "LBFGS": {"optimizer": "LBFGS", "optimizer_arguments": {"max_iter": 3}, "embedding_optimizer": "same", "epochs": 2},
    "NAdam": {"optimizer": "NAdam"},
    "Rprop": {"optimizer": "Rprop"},
    "ASGD": {"optimizer": "ASGD"},
    "plateau": {"schedule": "plateau", "schedule_arguments": {"patience": 0}},
    "one_cycle": {
        "schedule": "one_cycle",
        "schedule_arguments": {"pct_start": 0.3, "base_momentum": 0.8, "max_momentum": 0.95},
    },
    "step": {"schedule": "step"},
    "no average": {"ema": 0.0},
    "snapshots": {"snapshots": 3},
    "r_drop": {"r_drop": 1.0},
    "accumulation": {"accumulation": 3},
    "unfreeze": {"unfreeze_epoch": 2},
    "many evaluations": {"evaluations_per_epoch": 7, "epochs": 3},
    "patience": {"patience": 1, "epochs": 15, "embedding_learning_rate": 0.05},
    "own optimizer": {"optimizer": f"{OWN}:Odd"},
    "own model": {},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_interrupted_anywhere_it_ends_with_the_same_bytes(name, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    data, settings = make_data(), recipe(**SETTINGS[name])
    if name == "own model":
        settings = settings.model_copy(update={"model": Model(name=f"{OWN}:Jumpy")})

    def train(state: TrainingState) -> FoldResult:
        return train_fold(data, settings, "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None, state=state)

    whole = train(TrainingState())
    # 8 steps an epoch, an evaluation after every 4: within a part, at its last step, within the next epoch, at its end.
    resumed, found = in_pieces(train, tmp_path / "state", [1, 3, 6, 6], monkeypatch)
    assert found[:4] == [0, 1, 4, 10]
    assert digest(resumed) == digest(whole)


def test_two_stages_go_on_in_either(tmp_path, monkeypatch):
    data, settings = with_first_stage(make_data()), recipe(extra_epochs=6, unfreeze_epoch=1)

    def train(state: TrainingState) -> FoldResult:
        return train_fold(data, settings, "m", 1, METRICS["roc_auc"], RUNTIME, lambda _: None, state=state)

    resumed, found = in_pieces(train, tmp_path / "state", [2, 3, 1, 5], monkeypatch)
    assert found == [0, 2, 5, 6, 11]
    assert digest(resumed) == digest(train(TrainingState()))


@pytest.mark.parametrize("two", [False, True])
def test_a_model_on_all_rows_goes_on(two, tmp_path, monkeypatch):
    data = make_data()
    data, settings = with_first_stage(data) if two else data, recipe(extra_epochs=2)

    def train(state: TrainingState) -> FoldResult:
        return train_on_all(data, settings, "m", 2.5, RUNTIME, lambda _: None, state=state)

    resumed, found = in_pieces(train, tmp_path / "state", [1, 4, 11], monkeypatch)
    assert found == [0, 1, 5, 16]
    assert digest(resumed) == digest(train(TrainingState()))


def train_plain(state: TrainingState, report: Callable[[Event], object] = lambda _: None, **more) -> FoldResult:
    return train_fold(
        make_data(), recipe(), "m", 0, METRICS["roc_auc"], RUNTIME, report, more.get("limit"), state=state
    )


def test_interrupted_after_every_single_step(tmp_path, monkeypatch):
    whole = train_plain(TrainingState())
    resumed, found = in_pieces(train_plain, tmp_path / "state", [1] * whole.history[-1].step, monkeypatch)
    assert found == list(range(whole.history[-1].step + 1))
    assert digest(resumed) == digest(whole)


def test_what_killed_processes_did_since_the_last_save_is_done_again(tmp_path, monkeypatch):
    """As a SIGKILL leaves it: nothing is saved at the end, only after evaluations before."""

    class Killed(Exception):  # noqa: N818
        pass

    def count_and_die(self) -> None:
        steps[0] += 1
        if steps[0] == dies:
            raise Killed

    monkeypatch.setattr(state_module, "SHARE", 1e9)  # however long a save of these few weights takes
    monkeypatch.setattr(StepCounter, "count", count_and_die)
    found = []
    for dies in (6, 3, 7, 1, 5, 99):
        steps, state = [0], TrainingState(tmp_path / "state", "inputs")
        found.append(state.steps)
        if dies < 99:
            with pytest.raises(Killed):
                train_plain(state)
        else:
            resumed = train_plain(state)
    assert found == [0, 4, 4, 8, 8, 12]
    monkeypatch.undo()
    assert digest(resumed) == digest(train_plain(TrainingState()))


def interrupt(folder: Path, limit: Limit | None = None) -> None:
    """Leave the state of a training that was interrupted after its first step."""
    request_stop()
    with pytest.raises(Interrupted):
        train_plain(TrainingState(folder, "inputs", limited=limit is not None), limit=limit)
    interrupts.REQUEST.clear()


def test_it_says_where_it_goes_on(tmp_path):
    interrupt(tmp_path / "state")
    seen: list[Event] = []
    state = TrainingState(tmp_path / "state", "inputs", seen.append)
    train_plain(state, seen.append)
    assert seen[0] == Started(steps=40, done=1)
    assert isinstance(seen[1], Noted)
    assert re.fullmatch(r"goes on from epoch 0\.12 of 5, saved at \d\d:\d\d", seen[1].text)


@pytest.mark.parametrize("spoil", ["other inputs", "arrays cut", "record changed", "record gone"])
def test_a_state_that_does_not_fit_is_removed(spoil, tmp_path):
    folder = tmp_path / "state"
    interrupt(folder)
    if spoil == "arrays cut":
        (path,) = folder.glob("arrays-*")
        path.write_bytes(path.read_bytes()[:-1])
    elif spoil == "record changed":
        path = folder / "state.json"
        path.write_text(path.read_text().replace('"steps": 1', '"steps": 2'))
    elif spoil == "record gone":
        (folder / "state.json").unlink()
    state = TrainingState(folder, "others" if spoil == "other inputs" else "inputs")
    assert state.steps == 0
    assert not folder.exists()


def test_a_hurried_state_goes_on_under_a_time_budget_alone(tmp_path):
    folder = tmp_path / "state"
    interrupt(folder, Limit(Clock.now()))
    later = train_plain(TrainingState(folder, "inputs", limited=True), limit=Limit(Clock.now() + 3600))
    assert later.history[-1].step == 1  # its progress was at its end; the epochs that it had are what a budget left
    assert later.shortened
    assert TrainingState(folder, "inputs").steps == 0
    assert not folder.exists()


def test_a_time_budget_that_changed_nothing_leaves_a_state_for_all(tmp_path):
    folder = tmp_path / "state"
    interrupt(folder, Limit(Clock.now() + 3600))
    assert digest(train_plain(TrainingState(folder, "inputs"))) == digest(train_plain(TrainingState()))


def test_a_state_that_cannot_be_saved_does_not_end_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(state_module, "SHARE", 1e9)
    seen: list[Event] = []
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))  # no file may be larger, as on a disk that is full
    try:
        found = train_plain(TrainingState(tmp_path / "state", "inputs", seen.append))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (note,) = [event for event in seen if isinstance(event, Noted)]
    assert note.text.startswith("its state cannot be saved (")
    assert "the system allows no file as large as this" in note.text
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert digest(found) == digest(train_plain(TrainingState()))


def test_saving_takes_no_more_than_its_share_of_the_time(tmp_path, monkeypatch):
    """A clock on which a step takes a second and a save two."""
    times = SimpleNamespace(now=0.0, saves=[])
    save = TrainingState.save

    def slow(self) -> None:
        times.saves.append(times.now)
        save(self)

    def write(*arguments: Any) -> dict[str, Any]:
        times.now += 2
        return write_arrays(*arguments)

    def count(self) -> None:
        times.now += 1

    monkeypatch.setattr(Clock, "now", staticmethod(lambda: times.now))
    monkeypatch.setattr(StepCounter, "count", count)
    monkeypatch.setattr(TrainingState, "save", slow)
    monkeypatch.setattr(state_module, "write_arrays", write)
    settings = recipe(epochs=80, evaluations_per_epoch=1, patience=99)  # 640 steps
    train_fold(
        make_data(), settings, "m", 0, METRICS["roc_auc"], RUNTIME, lambda _: None,
        state=TrainingState(tmp_path / "state", "inputs"),
    )  # fmt: skip
    assert times.saves == [8, 400, 600]  # once the first has told how long it takes


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.integers() | st.text(), inner),
)


@given(VALUES)
@hypothesis_settings(max_examples=50)
def test_whatever_is_packed_comes_back(value):
    assert unpack(json.loads(json.dumps(pack(value, []), allow_nan=False)), []) == value


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int64, torch.bool, torch.uint8])
def test_tensors_come_back_to_the_bit(dtype, tmp_path):
    whole = torch.arange(12).to(dtype)
    given = {"a": whole, "again": whole, "part": whole[3:5], "t": whole.view(3, 4).T, "0": whole[1], "none": whole[:0]}
    arrays: list[torch.Tensor] = []
    (tmp_path / "x").write_bytes(bytes(1000))  # of an earlier state that was larger
    content = json.loads(json.dumps([pack(given, arrays), write_arrays(tmp_path / "x", arrays)]))
    read = read_arrays(tmp_path / "x", **content[1])
    assert read is not None
    found = unpack(content[0], read)
    assert all(torch.equal(found[name], value) and found[name].dtype == dtype for name, value in given.items())


@pytest.mark.parametrize("value", [{1, 2}, torch.eye(2).to_sparse(), np.float32(1)])
def test_what_no_file_holds_is_an_error(value):
    with pytest.raises(TypeError, match=f"{type(value).__name__} in the state"):
        pack({"seen": value}, [])
