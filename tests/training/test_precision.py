from contextlib import nullcontext

import pytest
import torch

from foldwise.errors import InputError
from foldwise.training import precision
from foldwise.training.precision import choose_device, choose_precision, why_not


def test_cpu_when_asked_for():
    assert choose_device("cpu") == (torch.device("cpu"), "")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_auto_is_silent_and_cuda_is_a_fault():
    assert choose_device("auto") == (torch.device("cpu"), "")
    with pytest.raises(InputError, match="no GPU"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 5), "fp16"), ((7, 0), "fp16"), ((6, 0), "fp32")],
)
def test_on_a_gpu_precision_follows_its_compute_capability(monkeypatch, capability, expected):
    gpu = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(precision, "why_not", lambda *_: "")
    assert choose_precision("auto", gpu) == expected
    assert choose_precision("auto", gpu, small_steps=True) == ("fp32" if expected == "bf16" else expected)
    monkeypatch.setattr(precision, "why_not", lambda *_: "it cannot")
    assert choose_precision("auto", gpu) == "fp32"


def test_a_format_that_cannot_run_is_never_chosen_and_refused_by_name(monkeypatch):
    def refuse(_, wanted):
        if wanted != "fp32":
            raise RuntimeError("could not create a primitive descriptor. More to read.")
        return nullcontext()

    monkeypatch.setattr(precision, "autocast", refuse)
    cpu = torch.device("cpu")
    assert choose_precision("auto", cpu) == choose_precision("fp32", cpu) == "fp32"
    with pytest.raises(InputError, match=r"precision = 'bf16': the processor cannot run an LSTM in it \(could not"):
        choose_precision("bf16", cpu)


def test_what_runs_here_is_what_torch_runs_here():
    cpu = torch.device("cpu")
    assert why_not("fp32", cpu) == ""
    assert (why_not("bf16", cpu) == "") == torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert choose_precision("auto", cpu) == ("fp32" if why_not("bf16", cpu) else "bf16")


def test_the_probe_leaves_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    why_not("bf16", torch.device("cpu"))
    assert torch.equal(torch.rand(1), expected)
