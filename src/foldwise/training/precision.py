"""Which device to train on, and in which number format: found by trying, not by a list of names."""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from foldwise.errors import InputError

Precision = Literal["fp32", "bf16"]
FASTER = 1.2  # bf16 must beat fp32 by this factor, or the rounding is not worth it


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> tuple[torch.device, str]:
    """The device, and a warning to show ("" if none).

    A GPU is only taken after an LSTM ran on it: a card may be present and yet too old for the installed torch.

    Raises:
        InputError: `cuda` was asked for and does not work.
    """
    if wanted == "cpu":
        return torch.device("cpu"), ""
    if not torch.cuda.is_available():
        if wanted == "cuda":
            raise InputError("--device cuda: torch finds no GPU; check the driver, or leave --device out")
        return torch.device("cpu"), ""
    try:
        device = torch.device("cuda")
        result = nn.LSTM(8, 8, device=device)(torch.ones(2, 2, 8, device=device))[0].sum()
        result.backward()
        if not torch.isfinite(result).item():
            raise RuntimeError("an LSTM gave a value that is not finite")
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        if wanted == "cuda":
            raise InputError(f"--device cuda: the GPU does not work with this torch ({reason})") from error
        return torch.device("cpu"), f"a GPU is there but does not work with this torch ({reason}); using the CPU"
    return device, ""


def choose_precision(wanted: Literal["auto", "fp32", "bf16"], device: torch.device) -> Precision:
    """fp32 or bf16; `auto` is bf16 where a short LSTM training runs clearly faster in it."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        # Compute capability 8 (Ampere) brought bf16 tensor cores; before it torch only emulates them.
        return "bf16" if torch.cuda.get_device_capability()[0] >= 8 else "fp32"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the answer must not depend on how busy the other cores are
    try:
        with torch.random.fork_rng(devices=[]):
            seconds = measure_lstm()
    finally:
        torch.set_num_threads(threads)
    return "bf16" if seconds["fp32"] > FASTER * seconds["bf16"] else "fp32"


def measure_lstm(repeats: int = 25) -> dict[Precision, float]:
    """Shortest seconds of a forward and backward pass of an LSTM on the CPU, by number format.

    The formats take turns, so that other load meets both, and of each the shortest time counts, which load cannot
    shorten: on a busy machine the answer is still the same.
    """
    lstm, inputs = nn.LSTM(128, 128, batch_first=True), torch.zeros(64, 16, 128)
    shortest: dict[Precision, float] = {"fp32": float("inf"), "bf16": float("inf")}
    for _ in range(repeats):
        for precision, before in shortest.items():
            start = time.perf_counter()
            with autocast(torch.device("cpu"), precision):
                loss = lstm(inputs)[0].sum()
            loss.backward()
            shortest[precision] = min(before, time.perf_counter() - start)
    return shortest


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Matrix products in `precision`, everything that sums in fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@dataclass(frozen=True)
class Runtime:
    """What a fold runs on."""

    device: torch.device
    precision: Precision
    threads: int  # of one fold; results depend on it in the last bits, so it is the same however many folds run
