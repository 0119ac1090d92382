"""`./run.sh bench --gpu` where there is no card: what it says, its steps on a CPU, and its tables."""

import sys

import gpu_proof
import gpu_step
import pytest
import torch

from foldwise.training.precision import Runtime
from gpu.contests import CPU, make_contest, make_recipe


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_card_it_says_what_there_is(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu_proof.py"])
    with pytest.raises(SystemExit) as ended:
        gpu_proof.main()
    assert ended.value.code == 2
    assert "torch finds no NVIDIA card here; without one there is ./run.sh bench" in capsys.readouterr().err


def test_steps_of_one_and_of_three_texts_are_timed(monkeypatch):
    monkeypatch.setattr(gpu_step, "WARM", 1)
    data, runtime = make_contest(), Runtime(CPU, "fp32", 1)
    quest = gpu_step.make_quest(data, 40)
    assert (quest.store.columns, len(quest.store), quest.targets.outputs) == (3, 40, 30)
    for contest, recipe in ((data, make_recipe()), (quest, gpu_step.QUEST)):
        found = gpu_step.measure(contest, recipe, runtime, steps=2)
        assert found["ms"] >= found["host_ms"] > 0
        assert found["rows_per_second"] > 0


def test_every_part_has_its_table_and_a_failure_its_line():
    step = {"ms": 6.625, "host_ms": 6.5, "gpu_ms": 1.2, "kernels": 151.0, "waits": 0.0, "rows_per_second": 74418.0}
    job = {"seconds": 43.7, "training": 39.5, "oof": 0.8242, "leaderboard": 0.8418, "bytes": "3e5557", "how": "on cuda"}
    way = {"rows": 1000.0, "tokens": 15000.0, "padding": 0.25, "rows_ratio": 2.0, "how": "1 process"}
    shown = gpu_proof.show(
        {
            "machine": "a card",
            "tests": {"passed": 89, "failed": 1, "seconds": 72.0, "failures": ["tests/gpu/test_devices.py::test_it"]},
            "steps": {"fp32": step},
            "reviews": {"the default": job},
            "ways": {"d": way, "c16": {"unavailable": "no bf16 here"}},
            "contest": {"error": "exit code 1: no room"},
        }
    )
    for line in (
        "### On a card",
        "`tests/gpu`: 89 passed, 1 failed, 72 s\ntests/gpu/test_devices.py::test_it",
        "| fp32 | 6.62 | 6.50 | 1.20 | 151 | 0.00 | 74,418 | 0.00 |",
        "| the default | 0.8242 | 0.8418 | 43.7 s | 39.5 s | on cuda | 3e5557 |",
        "| (d) foldwise, 1 process | 1,000 | 15,000 | 25.0% | × 2.00 |",
        "grouped by length, bf16 | no bf16 here |  |  |  |",
        "contest: exit code 1: no room",
    ):
        assert line in shown
