"""Which device to train on, and in which number format."""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn

from foldwise.errors import InputError
from foldwise.training.peers import ALONE, Peers

Precision = Literal["fp32", "bf16", "fp16"]


def name_processor(device: torch.device) -> str:
    """What the bits of a result depend on besides versions: the GPU, or the instructions that torch and oneDNN use."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return "/".join([torch.backends.cpu.get_cpu_capability(), *filter(None, [os.environ.get("ONEDNN_MAX_CPU_ISA")])])


@dataclass(frozen=True)
class Runtime:
    """What a fold runs on."""

    device: torch.device
    precision: Precision
    threads: int  # of one fold; results depend on it in the last bits, so it is the same however many folds run
    peers: Peers = field(default=ALONE, repr=False, compare=False)  # with whom this process trains a fold


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> tuple[torch.device, str]:
    """The device, and a warning to show ("" if none).

    A GPU is only taken after an LSTM ran on it: a card may be present and yet too old for the installed torch.

    Raises:
        InputError: `cuda` was asked for and does not work.
    """
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return cpu, ""
    if not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no GPU; check the driver, or leave --device out")
    error = why_not("fp32", gpu)
    if error and wanted == "cuda":
        raise InputError(f"--device cuda: tried in fp32, {error}; is the card too old for this torch?")
    return (cpu, f"tried in fp32, {error}; using the CPU") if error else (gpu, "")


def choose_precision(
    wanted: Literal["auto", "fp32", "bf16", "fp16"], device: torch.device, small_steps: bool = False
) -> Precision:
    """The number format to train in; `auto` is bf16 or fp16 where the device has units for it, else fp32.

    Args:
        small_steps: the learner's, see `Learner`; on a GPU with units for bf16 `auto` is then fp32.

    Raises:
        InputError: a format was asked for that this device cannot run.
    """
    if wanted != "auto":
        if error := why_not(wanted, device):
            raise InputError(f"recipe.training.precision = {wanted!r}: {error}; use 'auto' or 'fp32'")
        return wanted
    best: Precision = "bf16"
    # GPUs have units for bf16 from the A100 on (8.0), for fp16 from the V100 on (7.0; a T4 is 7.5).
    if device.type == "cuda" and (capability := torch.cuda.get_device_capability(device)) < (8, 0):
        best = "fp16" if capability >= (7, 0) else "fp32"
    elif device.type == "cuda" and small_steps:
        best = "fp32"  # an H200 takes 6.6 ms a step, and in bf16 8.8 (BENCHMARKS.md)
    return "fp32" if why_not(best, device) else best


def why_not(precision: Precision, device: torch.device) -> str:
    """Why an LSTM cannot be trained in this format on this device; "" if it can.

    Processors differ: torch's LSTM runs in bf16 only where the processor has AVX-512 bf16 or AMX instructions.
    """
    try:
        with torch.random.fork_rng(devices=[]):  # the random numbers that training draws stay the same
            lstm = nn.LSTM(8, 8, batch_first=True).to(device)
        with autocast(device, precision):
            loss = lstm(torch.zeros(2, 2, 8, device=device))[0].float().sum()
        loss.backward()
        if not loss.isfinite().item():  # on a GPU this waits for the backward pass
            raise RuntimeError("an LSTM gave a value that is not finite")
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0].split(". ")[0]
        return f"the {'GPU' if device.type == 'cuda' else 'processor'} cannot run an LSTM in it ({reason})"
    return ""


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Matrix products in `precision`, everything that sums in fp32."""
    reduced = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, reduced, enabled=precision != "fp32")
