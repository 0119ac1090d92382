"""The card is found and taken, and as many folds go side by side on it as it has room and time for."""

import torch

from foldwise.running import placement
from foldwise.training.precision import choose_device, choose_precision, why_not
from foldwise.training.trainer import build_from_vectors
from gpu.contests import GPU, make_contest, make_recipe, on_gpu


def test_a_gpu_that_works_is_taken_in_the_format_it_has_units_for():
    assert choose_device("auto") == (GPU, "")
    capability = torch.cuda.get_device_capability(GPU)
    wanted = "bf16" if capability >= (8, 0) else "fp16" if capability >= (7, 0) else "fp32"
    assert choose_precision("auto", GPU) == wanted
    assert choose_precision("auto", GPU, small_steps=True) == ("fp32" if wanted == "bf16" else wanted)
    assert why_not("fp32", GPU) == ""


def test_the_probe_finds_memory_and_busy_share():
    fold = (make_contest(), make_recipe(), on_gpu(), build_from_vectors)
    needed, busy = placement.probe(*fold)
    assert placement.CONTEXT < needed < torch.cuda.get_device_properties(GPU).total_memory
    assert 0 < busy <= 1.5
    assert placement.place_on_gpus([fold], 10**9).workers >= torch.cuda.device_count()
