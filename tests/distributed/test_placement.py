"""How many GPUs a fold gets, and what is said of it. No GPU is needed here."""

import pytest
import torch

from foldwise.distributed import together
from foldwise.distributed.together import Together, train_together
from foldwise.errors import InputError
from foldwise.running import placement
from foldwise.training import precision
from foldwise.training.precision import Runtime
from foldwise.training.trainer import build_from_vectors
from training.test_fold import make_data, recipe


class Job:
    """As much of a job as a placement asks for."""

    def __init__(self, device: str, threads: int) -> None:
        self.runtime = Runtime(torch.device(device), "fp32", threads)


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that there are so many."""

    def pretend(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(precision, "why_not", lambda *_: "")

    return pretend


def not_asked() -> placement.Placement:
    raise AssertionError("how folds go side by side at home takes a probe, which is not needed")


def test_without_the_option_folds_are_spread_over_two_t4_and_a_line_says_why(gpus, monkeypatch):
    gpus(2)
    monkeypatch.setattr(placement, "probe", lambda *_: (2 << 30, 0.6))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (15 << 30, 15 << 30))
    asked = [(make_data(), recipe(), Runtime(torch.device("cuda"), "fp16", 1), build_from_vectors)]
    placed = placement.place_on_gpus(asked, 10**9)
    assert (placed.workers, placed.engine) == (2, None)
    assert placed.note == (
        "2 GPUs: the folds are spread over them, each on one; GPUs that shared a fold would wait for each other at "
        "each step"
    )
    gpus(1)
    assert placement.place_on_gpus(asked, 10**9).note == ""


def test_groups_of_gpus_side_by_side(gpus, monkeypatch):
    gpus(4)
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    placed = Together(2)([Job("cuda", 3)], torch.device("cuda"), not_asked)
    assert placed.workers == 2
    assert placed.engine.args == (2,)
    for slot in range(4):
        placed.prepare(slot)
    assert chosen == [0, 1, 2, 3]
    assert "busier" not in placed.note
    many = Together(2)([Job("cuda", 3)] * 5, torch.device("cuda"), not_asked)
    assert "; 5 folds keep 4 GPUs busier without --gpus-per-fold, spread over them" in many.note


def test_groups_of_processes_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(together, "count_cores", lambda: 16)
    assert Together(2)([Job("cpu", 4)], torch.device("cpu"), not_asked).workers == 4
    assert Together(2)([Job("cpu", 1)], torch.device("cpu"), not_asked).workers == 8
    assert Together(2)([Job("cpu", 16)], torch.device("cpu"), not_asked).workers == 1


@pytest.mark.parametrize(
    ("count", "asked", "told"),
    [(2, 3, "3: there are 2 GPUs; give at most that"), (1, 2, "2: there is 1 GPU; leave it out")],
)
def test_more_than_there_are_is_refused(gpus, count, asked, told):
    gpus(count)
    with pytest.raises(InputError, match=f"--gpus-per-fold {told}"):
        train_together(asked, "auto")
    assert train_together(asked, "cpu") == Together(asked)


def test_without_a_gpu_there_is_a_limit_to_processes():
    with pytest.raises(InputError, match="--gpus-per-fold 1000: without a GPU these are processes; give at most"):
        train_together(1000, "cpu")
