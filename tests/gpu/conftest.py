"""Tests that need an NVIDIA card; without one they are skipped. `./run.sh bench --gpu` runs them before it measures."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

# Read when cuBLAS is first called; see `foldwise.__main__`.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("gpu")
            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason="needs an NVIDIA card"))


@pytest.fixture(autouse=True)
def other_tests_left_alone() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
