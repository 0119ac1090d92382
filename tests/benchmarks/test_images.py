"""The benchmarks of images, on a few: what they start, measure and print."""

import sys

import image_contests
import image_reading
import numpy as np
import pytest
import torch

from foldwise.config import Images
from foldwise.images.dataset import ImageFiles, hash_words, write_rows


def test_a_contest_of_folders_beside_a_classic(capsys, monkeypatch):
    images, labels = image_contests.load("digits", None)
    kept = np.concatenate([np.flatnonzero(labels == label)[:30] for label in (0, 1)])
    monkeypatch.setattr(image_contests, "CLASSICS", {"SVC": image_contests.CLASSICS["SVC, radial basis"]})
    image_contests.compare("digits", images[kept], labels[kept], "training.epochs=2", "folds.n=2")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| digits: 60 images |")
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| foldwise, init and all", "| SVC"]
    assert float(lines[3].split(" | ")[1]) > 0.95


def test_an_epoch_is_timed_from_the_cache_and_bare(tmp_path):
    paths = image_reading.write_images(tmp_path, 6, 4)
    write_rows([], paths, Images(cache="always"), tmp_path, 2, None)
    rows, labels = np.arange(6), torch.arange(6) % 2
    dataset = ImageFiles(tmp_path, Images(), hash_words([], 6), rows, labels)
    assert all(image_contests.epoch(dataset, bare) > 0 for bare in (True, False))


def test_reading_is_timed_beside_pillow(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["image_reading.py", "--images", "4", "--kilobytes", "4", "--rounds", "1"])
    image_reading.main()
    shown = capsys.readouterr().out
    assert all(name in shown for name in image_reading.LOOPS)


def test_mnist_must_be_given():
    with pytest.raises(SystemExit, match="mnist_5k"):
        image_contests.load("mnist", None)
