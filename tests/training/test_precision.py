import pytest
import torch

from foldwise.errors import InputError
from foldwise.training import precision
from foldwise.training.precision import choose_device, choose_precision, measure_lstm, why_not


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


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({"fp32": 2.0, "bf16": 1.0, "fp16": 0.95}, "bf16"),  # an A100: no need to scale losses
        ({"fp32": 2.0, "bf16": 4.0, "fp16": 1.0}, "fp16"),  # a T4, which only emulates bf16
        ({"fp32": 1.1, "bf16": 1.0, "fp16": 1.0}, "fp32"),
    ],
)
def test_on_a_gpu_precision_follows_the_measurement(monkeypatch, seconds, expected):
    monkeypatch.setattr(precision, "why_not", lambda *_: "")
    monkeypatch.setattr(precision, "measure_lstm", lambda formats, _: {name: seconds[name] for name in formats})
    assert choose_precision("auto", torch.device("cuda")) == expected


def test_a_format_that_cannot_run_is_never_chosen_and_refused_by_name(monkeypatch):
    def refuse(lstm, inputs, wanted):
        if wanted != "fp32":
            raise RuntimeError("could not create a primitive descriptor. More to read.")

    monkeypatch.setattr(precision, "run_lstm", refuse)
    cpu = torch.device("cpu")
    assert choose_precision("auto", cpu) == choose_precision("fp32", cpu) == "fp32"
    with pytest.raises(InputError, match=r"precision = 'bf16': the processor cannot run an LSTM in it \(could not"):
        choose_precision("bf16", cpu)


def test_what_runs_here_is_what_torch_runs_here():
    cpu = torch.device("cpu")
    assert why_not("fp32", cpu) == ""
    assert (why_not("bf16", cpu) == "") == torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert choose_precision("auto", cpu) == ("fp32" if why_not("bf16", cpu) else "bf16")


def test_the_measurement_times_every_format_asked_for():
    seconds = measure_lstm(["fp32", "fp32"], torch.device("cpu"), repeats=2)
    assert set(seconds) == {"fp32"}
    assert all(0 < value < 60 for value in seconds.values())


def test_the_probe_leaves_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    measure_lstm(["fp32"], torch.device("cpu"), repeats=1)
    why_not("bf16", torch.device("cpu"))
    assert torch.equal(torch.rand(1), expected)
