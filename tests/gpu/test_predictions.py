"""A GPU predicts what the CPU predicts, from the same weights."""

import numpy as np
import pytest
import torch

from foldwise.models import BUILDERS, build_model
from foldwise.training.fold_data import Units, build_dataset
from foldwise.training.precision import Runtime
from foldwise.training.prediction import predict
from gpu.contests import CPU, GPU, make_contest, make_recipe, on_gpu


def predict_on(runtime: Runtime, name: str, columns: int) -> torch.Tensor:
    data = make_contest(columns)
    rows = np.arange(len(data.store))
    model = build_model(torch.from_numpy(data.vectors), data.shape, make_recipe(name).model, 0).to(runtime.device)
    return predict(model, build_dataset(data, rows, Units(targets=None, features=None), runtime.device), runtime)


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("name", BUILDERS)
def test_in_fp32_to_1e_4(name, columns):
    found = predict_on(on_gpu(), name, columns)
    expected = predict_on(Runtime(CPU, "fp32", 1), name, columns)
    assert expected.std() > 1e-3
    torch.testing.assert_close(found.sigmoid(), expected.sigmoid(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", BUILDERS)
def test_in_reduced_precision_as_far_as_it_reaches(name, precision):
    if precision == "bf16" and torch.cuda.get_device_capability(GPU) < (8, 0):
        pytest.skip("this card has no units for bf16")
    found = predict_on(on_gpu(precision), name, 1)
    expected = predict_on(Runtime(CPU, "fp32", 1), name, 1)
    torch.testing.assert_close(found.sigmoid(), expected.sigmoid(), atol=0.01, rtol=0)
