import pytest
import torch

from foldwise.errors import InputError
from foldwise.training import precision
from foldwise.training.precision import choose_device, choose_precision, measure_lstm


def test_cpu_when_asked_for():
    assert choose_device("cpu") == (torch.device("cpu"), "")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_auto_is_silent_and_cuda_is_a_fault():
    assert choose_device("auto") == (torch.device("cpu"), "")
    with pytest.raises(InputError, match="no GPU"):
        choose_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_that_works_is_taken():
    assert choose_device("auto")[0].type == "cuda"


def test_precision_follows_the_measurement(monkeypatch):
    for seconds, expected in (({"fp32": 2.0, "bf16": 1.0}, "bf16"), ({"fp32": 1.1, "bf16": 1.0}, "fp32")):
        monkeypatch.setattr(precision, "measure_lstm", lambda seconds=seconds: seconds)
        assert choose_precision("auto", torch.device("cpu")) == expected
    assert choose_precision("fp32", torch.device("cpu")) == "fp32"


def test_the_measurement_times_both_formats():
    seconds = measure_lstm(repeats=2)
    assert set(seconds) == {"fp32", "bf16"}
    assert all(0 < value < 60 for value in seconds.values())


def test_the_probe_leaves_threads_and_random_numbers_alone():
    threads = torch.get_num_threads()
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    choose_precision("auto", torch.device("cpu"))
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.rand(1), expected)
