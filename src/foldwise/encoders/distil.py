"""Static word vectors from an encoder: what it makes of each word alone, in a few numbers.

    ./run.sh vectors distil -c SLUG --encoder input/encoders/all-MiniLM-L6-v2

The way of Model2Vec (S. Tulkens and T. van Dongen, 2024): every word goes through the encoder once, then principal
components. Here the mean of the upper half of the layers is taken instead of the last one, and components are divided
by the root of their standard deviation, so that the first ones do not drown the others (EXPERIMENTS.md).
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foldwise.config import Encoder
from foldwise.console import duration, say
from foldwise.data.token_store import read_vocabulary
from foldwise.data.tokenizer import SPECIAL
from foldwise.encoders.files import TOKENIZER, find_encoder, load_body
from foldwise.encoders.tokens import encode_rows, load_tokenizer
from foldwise.errors import InputError
from foldwise.files import atomic_file, usual_mode, write_text
from foldwise.freshness import check_tokens
from foldwise.paths import VOCABULARY, Paths
from foldwise.run import Run

STD = 0.4  # of the numbers, as GloVe's
LONGEST = 64  # pieces of a word; what is longer is no word


def distil_vocabulary(run: Run, encoder: str, dimension: int, name: str) -> None:
    """Write vectors of the words of a competition's tokens to `input/SLUG/NAME.safetensors` and `.txt`."""
    from safetensors.numpy import save_file

    check_tokens(run)
    words = read_vocabulary(run.paths.tokens / VOCABULARY)[len(SPECIAL) :]
    if name != Path(name).name:
        raise InputError(f"--name {name!r}: give a name without folders; the file is put into {run.paths.input}")
    path = run.paths.input / f"{name or Path(encoder).name}-{dimension}d.safetensors"
    vectors, seconds = distil_words(words, encoder, dimension, run.paths)
    with atomic_file(path) as temporary, usual_mode(temporary):
        save_file({"vectors": vectors}, temporary)
    write_text(path.with_suffix(".txt"), "\n".join(words) + "\n")
    say("vectors", f"made {path}: {len(words):,} words of {dimension} numbers, in {duration(seconds)}")
    others = [vectors for vectors in run.config.recipe.tokens.vectors if vectors not in ("none", path.stem)]
    settings = [setting for setting in run.settings if "tokens.vectors" not in setting.partition("=")[0]]
    settings.append(f"tokens.vectors={json.dumps([*others, path.stem])}")
    say("vectors", f"next: {run.hint('all', *(part for setting in settings for part in ('--set', setting)))}")


def distil_words(words: Sequence[str], encoder: str, dimension: int, paths: Paths) -> tuple[np.ndarray, float]:
    """(V, E) float16 vectors of V words, and the seconds that they took.

    Args:
        encoder: its folder, as `encoder.path` has it.
        dimension: E.

    Raises:
        InputError: an encoder that cannot be read, or fewer words or states than `dimension`.
    """
    import torch

    from foldwise.clock import Clock
    from foldwise.encoders.states import STATES, write_states
    from foldwise.running.placement import count_cores
    from foldwise.training.precision import Runtime, choose_device

    start = Clock.now()
    files = find_encoder(Encoder(path=encoder), paths, f"--encoder {encoder!r}")
    body: Any = load_body(files)
    depth, width = body.config.num_hidden_layers, body.config.hidden_size
    if dimension > min(len(words), width):
        raise InputError(
            f"--dimension {dimension}: there are {len(words):,} words, and {width} numbers in a state; choose fewer"
        )
    store = encode_rows([words], load_tokenizer(files[TOKENIZER], LONGEST, False))
    layers = range(depth // 2 + 1, depth + 1)
    device, _ = choose_device("auto")
    runtime = Runtime(device, "fp32", count_cores())
    torch.set_num_threads(runtime.threads)
    with tempfile.TemporaryDirectory(prefix="foldwise-") as folder:
        path = Path(folder) / STATES
        write_states(body.to(device), store, [len(words)], layers, ["mean"], path, runtime, None)
        states = np.load(path).reshape(len(words), len(layers), width).mean(axis=1, dtype=np.float32)
    return reduce(states, dimension).astype(np.float16), Clock.now() - start


def reduce(states: np.ndarray, dimension: int) -> np.ndarray:
    """(V, E) principal components of (V, H) states, each divided by the root of its standard deviation; std 0.4."""
    centred = (states - states.mean(axis=0)).astype(np.float64)
    variances, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    variances, axes = variances[::-1][:dimension], axes[:, ::-1][:, :dimension]  # the largest first
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(dimension)])  # a sign is a matter of chance
    reduced = centred @ axes / np.maximum(variances, np.finfo(np.float32).tiny) ** 0.25
    return reduced * (STD / reduced.std())
