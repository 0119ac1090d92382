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
FASTER = 1.2  # a 16-bit format must win by this factor: over fp32 to be worth its rounding, over bf16 its scaling


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


def choose_precision(wanted: Literal["auto", "fp32", "bf16", "fp16"], device: torch.device) -> Precision:
    """The number format to train in; `auto` is the one in which a short LSTM training runs clearly fastest.

    Raises:
        InputError: a format was asked for that this device cannot run.
    """
    if wanted != "auto":
        if error := why_not(wanted, device):
            raise InputError(f"recipe.training.precision = {wanted!r}: {error}; use 'auto' or 'fp32'")
        return wanted
    # fp16 needs its loss scaled, so it is only worth a try on GPUs, where bf16 can be emulated and slow (T4).
    formats: list[Precision] = ["fp32", "bf16", "fp16"] if device.type == "cuda" else ["fp32", "bf16"]
    formats = [name for name in formats if not why_not(name, device)]
    best: Precision = "fp32"
    seconds = measure_lstm(formats, device) if len(formats) > 1 else {}
    for name in seconds:  # in the order of preference
        if seconds[best] > FASTER * seconds[name]:
            best = name
    return best


def why_not(precision: Precision, device: torch.device) -> str:
    """Why an LSTM cannot be trained in this format on this device; "" if it can.

    Processors differ: torch's LSTM runs in bf16 only where the processor has AVX-512 bf16 or AMX instructions.
    """
    try:
        with own_random_numbers(device):
            lstm_pass(nn.LSTM(8, 8, device=device), torch.zeros(2, 2, 8, device=device), precision)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0].split(". ")[0]
        return f"the {'GPU' if device.type == 'cuda' else 'processor'} cannot run an LSTM in it ({reason})"
    return ""


def measure_lstm(formats: Sequence[Precision], device: torch.device, repeats: int = 25) -> dict[Precision, float]:
    """Shortest seconds of a forward and backward pass of an LSTM, by number format.

    The formats take turns, so that other load meets all, and of each the shortest time counts, which load cannot
    shorten: on a busy machine the answer is still the same. On a CPU one thread is timed, as the answer must not depend
    on how busy the other cores are.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    shortest: dict[Precision, float] = dict.fromkeys(formats, float("inf"))
    try:
        with own_random_numbers(device):
            lstm, inputs = nn.LSTM(128, 128, batch_first=True, device=device), torch.zeros(64, 16, 128, device=device)
            for _ in range(repeats):
                for precision, before in shortest.items():
                    start = time.perf_counter()
                    lstm_pass(lstm, inputs, precision)
                    shortest[precision] = min(before, time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return shortest


def own_random_numbers(device: torch.device) -> AbstractContextManager[None]:
    """Inside the block random numbers are drawn apart, so that a probe does not move the ones that training draws."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def lstm_pass(lstm: nn.LSTM, inputs: torch.Tensor, precision: Precision) -> None:
    """One forward and backward pass, waited for."""
    with autocast(inputs.device, precision):
        loss = lstm(inputs)[0].float().sum()
    loss.backward()
    if inputs.is_cuda:
        torch.cuda.synchronize()


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Matrix products in `precision`, everything that sums in fp32."""
    reduced = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, reduced, enabled=precision != "fp32")


@dataclass(frozen=True)
class Runtime:
    """What a fold runs on."""

    device: torch.device
    precision: Precision
    threads: int  # of one fold; results depend on it in the last bits, so it is the same however many folds run
