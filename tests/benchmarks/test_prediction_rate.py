"""The rate of predict on a few rows."""

import os

import prediction_rate
import torch

from inference.twins import table


def test_both_ways_have_their_rates(packed):
    root, _, _ = packed("twin-multiclass")
    cores, threads = os.sched_getaffinity(0), torch.get_num_threads()
    try:
        file = table(root / "input" / "twin-multiclass", "test")
        found = prediction_rate.measure(root / "output" / "twin-multiclass", root / "input", file, 20, 1)
    finally:
        os.sched_setaffinity(0, cores)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(False)
    assert list(found) == ["train", "predict", "ratio"]
    assert min(found.values()) > 0
