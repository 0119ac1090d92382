"""What trained folds need of the machine that predicts: the number format and threads of the training, and own code."""

from collections.abc import Iterable

import torch

from foldwise.console import warn
from foldwise.errors import InputError
from foldwise.inference.bundle import Manifest, PackedFold
from foldwise.plugins import is_own, source_hash
from foldwise.running.placement import count_cores, threads_per_fold
from foldwise.training.precision import Runtime, why_not


def check_own(manifest: Manifest) -> None:
    """Refuse a model or tokenizer of the user's own whose code is not there, or not the one of the training."""
    tokenizer = manifest.config.recipe.tokens.tokenizer
    if is_own(tokenizer) and source_hash(tokenizer) != manifest.tokenizer:
        raise InputError(
            f"recipe.tokens.tokenizer: the code of {tokenizer!r} is not the one that the weights were trained with; "
            "put that one there, or train and build the kernel again"
        )
    for name, member in manifest.members.items():
        model = manifest.config.recipe.of_member(name).model.name
        if member.own is not None and source_hash(model) != member.own:
            raise InputError(
                f"member {name}: the code of {model!r} is not the one that its weights were trained "
                "with; put that one there, or train and build the kernel again"
            )


def choose_runtime(fold: PackedFold, folds: int, device: torch.device) -> Runtime:
    """What a fold, one of K, runs on: as in training, for the same bytes, as far as this machine can."""
    as_trained = fold.device == device.type and fold.threads <= count_cores()
    threads = fold.threads if as_trained else threads_per_fold(folds)
    return Runtime(device, "fp32" if why_not(fold.precision, device) else fold.precision, threads)


def warn_of_precision(folds: Iterable[tuple[PackedFold, Runtime]]) -> None:
    """Say where folds cannot predict in the number format that they were trained in."""
    others = [(fold.precision, runtime.device) for fold, runtime in folds if fold.precision != runtime.precision]
    for precision, device in dict.fromkeys(others):
        error = why_not(precision, device)
        warn(f"folds were trained in {precision}; {error}: they predict in fp32, and last digits differ")
