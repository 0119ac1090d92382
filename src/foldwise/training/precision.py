"""Which device to train on, and in which number format: found by trying, not by a list of names."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from foldwise.errors import InputError

Precision = Literal["fp32", "bf16", "fp16"]
# In order of preference. fp16 needs its loss scaled, which only pays where bf16 is emulated and slow (a T4).
FORMATS: list[Precision] = ["fp32", "bf16", "fp16"]
FASTER = 1.2  # a format must win by this factor over the one before: bf16 to be worth its rounding, fp16 its scaling


@dataclass(frozen=True)
class Runtime:
    """What a fold runs on."""

    device: torch.device
    precision: Precision
    threads: int  # of one fold; results depend on it in the last bits, so it is the same however many folds run


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> tuple[torch.device, str]:
    """The device, and a warning to show ("" if none).

    A GPU is only taken after an LSTM ran on it: a card may be present and yet too old for the installed torch.

    Raises:
        InputError: `cuda` was asked for and does not work.
    """
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    if wanted == "cpu":
        return cpu, ""
    if not torch.cuda.is_available():
        if wanted == "cuda":
            raise InputError("--device cuda: torch finds no GPU; check the driver, or leave --device out")
        return cpu, ""
    if error := why_not("fp32", gpu):
        if wanted == "cuda":
            raise InputError(f"--device cuda: tried in fp32, {error}; is the card too old for this torch?")
        return cpu, f"tried in fp32, {error}; using the CPU"
    return gpu, ""


def choose_precision(wanted: Literal["auto", "fp32", "bf16", "fp16"], device: torch.device) -> Precision:
    """The number format to train in; `auto` is the one in which an LSTM trains clearly fastest.

    On a GPU that is timed. A CPU trains in bf16 where it can at all: torch's LSTM needs instructions for it that make
    it 1.5 times as fast, and a timing on a busy machine would not give the same answer, and bytes, each time.

    Raises:
        InputError: a format was asked for that this device cannot run.
    """
    if wanted != "auto":
        if error := why_not(wanted, device):
            raise InputError(f"recipe.training.precision = {wanted!r}: {error}; use 'auto' or 'fp32'")
        return wanted
    if device.type == "cpu":
        return "fp32" if why_not("bf16", device) else "bf16"
    seconds = measure_lstm([name for name in FORMATS if not why_not(name, device)], device)
    best: Precision = "fp32"
    for name in seconds:
        if seconds[best] > FASTER * seconds[name]:
            best = name
    return best


def why_not(precision: Precision, device: torch.device) -> str:
    """Why an LSTM cannot be trained in this format on this device; "" if it can.

    Processors differ: torch's LSTM runs in bf16 only where the processor has AVX-512 bf16 or AMX instructions.
    """
    try:
        run_lstm(make_lstm(8, device), torch.zeros(2, 2, 8, device=device), precision)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0].split(". ")[0]
        return f"the {'GPU' if device.type == 'cuda' else 'processor'} cannot run an LSTM in it ({reason})"
    return ""


def measure_lstm(formats: Sequence[Precision], device: torch.device, repeats: int = 25) -> dict[Precision, float]:
    """Shortest seconds of a forward and backward pass of an LSTM, by number format.

    The formats take turns, so that other load meets all, and the shortest time is one without such load.
    """
    lstm, inputs = make_lstm(128, device), torch.zeros(64, 16, 128, device=device)
    shortest: dict[Precision, float] = dict.fromkeys(formats, float("inf"))
    for _ in range(repeats):
        for precision in formats:
            start = time.perf_counter()
            run_lstm(lstm, inputs, precision)
            shortest[precision] = min(shortest[precision], time.perf_counter() - start)
    return shortest


def make_lstm(size: int, device: torch.device) -> nn.LSTM:
    """An LSTM to try, whose weights do not move the random numbers that training draws."""
    with torch.random.fork_rng(devices=[]):
        return nn.LSTM(size, size, batch_first=True).to(device)


def run_lstm(lstm: nn.LSTM, inputs: torch.Tensor, precision: Precision) -> None:
    """One forward and backward pass, waited for.

    Raises:
        RuntimeError: the device cannot run it, or not rightly.
    """
    with autocast(inputs.device, precision):
        loss = lstm(inputs)[0].float().sum()
    loss.backward()
    if not loss.isfinite().item():  # on a GPU this comes after the backward pass
        raise RuntimeError("an LSTM gave a value that is not finite")


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Matrix products in `precision`, everything that sums in fp32."""
    reduced = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, reduced, enabled=precision != "fp32")
