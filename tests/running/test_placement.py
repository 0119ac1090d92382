"""Where folds train. No GPU is needed here; tests/gpu has the tests that need one."""

import os

import pytest
import torch

from foldwise.running import placement
from foldwise.running.placement import (
    Placement,
    add_others,
    folds_at_once,
    kind_of,
    place_on_cpu,
    place_on_gpus,
    place_prediction,
    threads_per_fold,
)
from foldwise.training.precision import Runtime
from foldwise.training.trainer import build_from_vectors
from training.test_fold import make_data, recipe


@pytest.mark.parametrize(
    ("cores", "folds", "threads", "workers"), [(2, 5, 1, 2), (4, 5, 1, 4), (16, 5, 3, 5), (1, 5, 1, 1), (8, 2, 4, 2)]
)
def test_threads_come_from_the_machine_and_the_fold_file(monkeypatch, cores, folds, threads, workers):
    monkeypatch.setattr(placement, "count_cores", lambda: cores)
    assert threads_per_fold(folds) == threads
    found = place_on_cpu(folds, tokens=10**9)
    assert (found.workers, threads_per_fold(folds)) == (workers, threads)
    few = place_on_cpu(folds, tokens=1000)  # too few to be worth a process, with the same threads: the same bytes
    assert few.workers == 1


def test_cores_are_those_this_process_may_use():
    if hasattr(os, "sched_getaffinity"):
        assert placement.count_cores() == len(os.sched_getaffinity(0))


def test_a_gpu_takes_as_many_folds_as_memory_and_time_allow():
    gigabyte = 1 << 30
    assert folds_at_once(15 * gigabyte, 2 * gigabyte, 0.2) == 5
    assert folds_at_once(15 * gigabyte, 5 * gigabyte, 0.2) == 2
    assert folds_at_once(15 * gigabyte, 2 * gigabyte, 0.6) == 1
    assert folds_at_once(1 * gigabyte, 2 * gigabyte, 0.0) == 1


def test_folds_that_differ_by_their_seed_alone_are_measured_once():
    runtime, other = Runtime(torch.device("cuda"), "fp32", 3), Runtime(torch.device("cuda"), "fp16", 3)
    found = kind_of(recipe(), runtime)
    assert kind_of(recipe().model_copy(update={"seed": 9}), runtime) == found
    assert found not in {kind_of(recipe(r_drop=1.0), runtime), kind_of(recipe(), other)}


def test_folds_are_dealt_to_all_gpus_by_the_largest_member(monkeypatch):
    gigabyte = 1 << 30
    small, large = recipe(), recipe(epochs=9)
    monkeypatch.setattr(
        placement, "probe", lambda _, chosen, *__: (6 * gigabyte, 0.4) if chosen is large else (2 * gigabyte, 0.2)
    )
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (15 * gigabyte, 15 * gigabyte))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(placement, "count_cores", lambda: 16)
    runtime = Runtime(torch.device("cuda"), "fp32", 3)
    placed = place_on_gpus(
        [(make_data(), small, runtime, build_from_vectors), (make_data(), large, runtime, build_from_vectors)], 10**9
    )
    assert placed.workers == 4  # two on each
    assert place_on_gpus([(make_data(), small, runtime, build_from_vectors)], 10**9).workers == 10
    assert place_on_gpus([(make_data(), small, runtime, build_from_vectors)], 1000).workers == 1
    for slot in range(4):
        placed.prepare(slot)
    assert chosen == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("workers", "on_gpus", "others", "expected"),
    [(6, 5, 5, 8), (6, 5, 0, 6), (4, 5, 5, 4), (20, 5, 5, 20), (5, 5, 2, 7)],
)
def test_folds_that_need_no_gpu_have_idle_cores_where_all_others_fit(monkeypatch, workers, on_gpus, others, expected):
    monkeypatch.setattr(placement, "count_cores", lambda: 16)
    assert add_others(Placement(workers), on_gpus, others, threads=3).workers == expected


def test_predictions_are_dealt_to_all_gpus_or_cores_if_there_are_many(monkeypatch):
    monkeypatch.setattr(placement, "count_cores", lambda: 8)
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    for threads, workers in ((1, 8), (3, 2), (16, 1)):
        placed = place_prediction(cpu, threads, 10**9)
        assert placed.workers == workers
    assert place_prediction(cpu, 1, 1000).workers == 1
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    placed = place_prediction(cuda, 3, 10**9)
    assert placed.workers == 2
    assert place_prediction(cuda, 3, 1000).workers == 1
    for slot in range(2):
        placed.prepare(slot)
    assert chosen == [0, 1]
