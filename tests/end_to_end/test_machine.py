"""A machine with too little memory or disk, or a file that is cut short under a run: the real command line says so."""

import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from foldwise.data.token_store import save_array

MODEL = '''
import os
import torch
from torch import nn

class Mean(nn.Module):
    def __init__(self, vocabulary_size, vectors, outputs):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(vectors, freeze=False)
        self.head = nn.Linear(vectors.shape[1], outputs)

    def forward(self, tokens, lengths):
        return self.head(self.embedding(tokens).mean(dim=1))

class Limited(Mean):
    def forward(self, tokens, lengths):
        if len(lengths) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().forward(tokens, lengths)

class Never(Mean):
    calls = 0

    def forward(self, tokens, lengths):
        Never.calls += self.training
        if Never.calls > 3:  # the rehearsal is over
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes")
        return super().forward(tokens, lengths)

class Odd(Mean):
    """NaN for the longest of 8 rows, which is how many the test table has; the folds have 10."""

    def forward(self, tokens, lengths):
        logits = super().forward(tokens, lengths)
        odd = (lengths == lengths.max()) & (not self.training and len(lengths) == 8)
        return logits.masked_fill(odd[:, None], torch.nan)

class Cuts(Mean):
    calls = 0

    def forward(self, tokens, lengths):
        Cuts.calls += self.training
        if Cuts.calls == 4 and "CUT" in os.environ:
            os.truncate(os.environ["CUT"], 130)
        return super().forward(tokens, lengths)
'''


@pytest.fixture
def own_model(workspace, monkeypatch):
    """`mine`, a module of the user's."""
    (workspace / "mine.py").write_text(MODEL)
    monkeypatch.syspath_prepend(workspace)


def test_a_model_without_memory_for_a_batch_trains_all_the_same(cli_here, workspace, own_model):
    done = cli_here("all", "-c", "twin-binary", "--set", "model.name=mine:Limited")
    assert "out of memory; batches are now taken in " in done.stdout
    assert len((workspace / "output" / "twin-binary" / "submission.csv").read_text().splitlines()) == 9


def test_a_model_without_memory_for_a_row_says_what_to_do(cli_here, own_model):
    message = cli_here("all", "-c", "twin-binary", "--set", "model.name=mine:Never", code=1).stderr
    assert "out of memory with a single row of " in message
    assert "use a smaller tokens.max_length or model" in message


def test_a_mapped_file_that_is_cut_short_is_named_and_made_anew(cli_here, workspace, own_model, monkeypatch):
    arguments = ("all", "-c", "twin-binary", "--set", "model.name=mine:Cuts")
    tokens = workspace / "output" / "twin-binary" / "tokens" / "tokens.npy"
    monkeypatch.setenv("CUT", str(tokens))
    message = cli_here(*arguments, code=1).stderr
    assert f"{tokens}: cut short while a fold read it, 130 of " in message
    monkeypatch.delenv("CUT")
    assert "tokens.npy is damaged" in cli_here(*arguments).stdout


@pytest.mark.parametrize(
    ("stage", "what"), [("tokens", "the tokens need at least "), ("train", " folds need at least ")]
)
def test_what_certainly_does_not_fit_is_said_before(cli_here, workspace, monkeypatch, stage, what):
    if stage == "train":
        cli_here("tokens", "-c", "twin-binary")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    message = cli_here(stage, "-c", "twin-binary", code=1).stderr
    assert what in message
    assert "and 100 bytes are free on its disk; make room there, or choose another folder" in message
    assert not (workspace / "output" / "twin-binary" / "bilstm").exists()


@pytest.mark.parametrize("array", [np.arange(7), np.zeros((2, 0)), np.asfortranarray(np.ones((3, 2))), np.int64(2)])
def test_arrays_are_written_as_numpy_writes_them(tmp_path, array):
    save_array(tmp_path / "ours.npy", array)
    np.save(tmp_path / "numpys.npy", array)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "numpys.npy").read_bytes()


def test_predictions_that_are_no_numbers_are_never_written(cli_here, workspace, own_model):
    """Of a model that is fine on its validation rows, and then gives NaN for some test rows."""
    arguments = ("all", "-c", "twin-binary", "--set", "members={own={model={name='mine:Odd'}}}")
    message = cli_here(*arguments, code=1).stderr
    assert re.search(r"own fold \d: \d of 8 predictions are no finite numbers; their rows: \S+", message)
    output = workspace / "output" / "twin-binary"
    assert not list(output.glob("own/fold*/*"))
    assert not (output / "submission.csv").exists()
